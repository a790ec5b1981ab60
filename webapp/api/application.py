"""The server's application: routes, refusals and layers put together, and the calls for those who run it."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.profiles.store import data_folder
from advisor.question import Scenario
from catalog.profiles import MAX_BYTES
from webapp.api import calibrations, computers, facts, predictions, recommendations
from webapp.api.answers import Entity, Health, Tag
from webapp.api.bodies import Bodies
from webapp.api.description import document_of
from webapp.api.gate import DEFECT, GONE, CallRates, ClientLeft, Gate, refusing
from webapp.api.problems import Refused, answer, problems
from webapp.api.server import end_with_parent, give_memory_back
from webapp.api.service import Service, service_of
from webapp.api.settings import Settings, load_settings
from webapp.api.storage import Store
from webapp.api.telemetry import Metrics, configure

COMPRESSED_FROM_BYTES = 2048
"""Smaller answers fit into two packets and are not worth the time."""
COMPRESSION = 1
"""Makes predictions 8 times smaller; 4 makes them 10 times smaller in twice the time."""
YOUNG_OBJECTS = 20_000
"""New objects after which the garbage collector looks at them: those of some hundred predictions."""
SWITCH_S = 0.0005
"""After so long a computation lets the event loop go on; Python's own 5 ms add up in short answers."""
router = APIRouter(tags=["server"])
ROUTERS = predictions.router, recommendations.router, computers.router, facts.router, calibrations.router


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The application; settings default to those of the environment. The store must be in its present form."""
    settings = settings or load_settings()
    configure(settings.log_level)
    metrics = Metrics()
    app = _routes()
    rates = CallRates(settings.rate_per_s / settings.workers, settings.rate_burst / settings.workers)
    app.state.service = Service(
        settings, metrics, Store(settings.database, settings.max_calibrations),
        facts.AccuracyFigures(data_folder() / "api"),
    )
    _answer_refusals(app)

    most_bytes = {"": settings.max_body_bytes, calibrations.PATH: min(MAX_BYTES, settings.max_body_bytes)}
    layered: ASGIApp = refusing(Bodies(app, most_bytes, settings.body_timeout_s, settings.max_open_bodies))
    layered = GZipMiddleware(layered, COMPRESSED_FROM_BYTES, COMPRESSION)
    if settings.cors_origins:
        exposed = ("ETag", "Location", "Retry-After", "X-Request-ID")
        headers = ("Authorization", "Content-Type", "If-None-Match", "X-Request-ID")
        layered = CORSMiddleware(
            layered, settings.cors_origins, ("GET", "POST"), allow_headers=headers, expose_headers=exposed, max_age=3600
        )
    return Gate(layered, settings, metrics, rates)


def _routes() -> FastAPI:
    """All calls."""
    app = FastAPI(
        title="Advisor", version=version("llm-hardware-advisor"), lifespan=_lifespan, docs_url=None, redoc_url=None,
        openapi_url=None, redirect_slashes=False,
    )
    for each in (*ROUTERS, router):
        app.include_router(each)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    facts.model_list()
    prepare()
    sys.setswitchinterval(SWITCH_S)
    end_with_parent()
    yield
    service.stopping = True
    await service.accuracy.close()
    service.turns.close()
    service.store.close()


def prepare() -> None:
    """Make a process that answers ready: what every answer needs is there, and the memory of others is given back."""
    give_memory_back()
    predict(Scenario.model_validate(predictions.EXAMPLE), load())
    # What tables and imports made lives on: looking through it again and again would take a tenth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def _answer_refusals(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    async def _refused(request: Request, error: Refused) -> Response:
        return answer(error, request.state.request_id)

    @app.exception_handler(RequestValidationError)
    async def _parameter(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        said = f"{first['loc'][-1]}: {first['msg'][0].lower()}{first['msg'][1:]}"
        return answer(Refused("invalid_parameter", said), request.state.request_id)

    @app.exception_handler(ClientLeft)
    async def _left(_: Request, __: ClientLeft) -> Response:
        return Response(status_code=GONE)  # nobody hears it, but it is counted and logged

    @app.exception_handler(Exception)
    async def _defect(request: Request, _: Exception) -> Response:
        """Starlette raises it again after the answer: the gate logs it."""
        return answer(Refused("internal_error", DEFECT), request.state.request_id)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            allowed = ", ".join(sorted(_methods(request)))
            said = f"{request.url.path[:100]} takes {allowed}, not {request.method[:20]}"
            return answer(Refused("method_not_allowed", said, headers={"allow": allowed}), request.state.request_id)
        said = f"there is nothing at {request.url.path[:100]!r}: GET /openapi.json tells what there is"
        return answer(Refused("not_found", said), request.state.request_id)


def _methods(request: Request) -> set[str]:
    """The methods of all calls of a path: Starlette itself tells those of the first alone."""
    path = request.url.path
    routes = [route for each in (*ROUTERS, router) for route in each.routes if isinstance(route, Route)]
    return {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}


# For those who run the server, and for programs that ask what it offers.

NEVER_KEPT = {"cache-control": "no-store"}


@router.get(
    "/healthz", response_model=Health, response_description="The process answers", responses=problems(),
)
async def healthz() -> Response:
    """Whether the process answers at all."""
    return Response(Health().model_dump_json(), media_type="application/json", headers=NEVER_KEPT)


@router.get(
    "/readyz", response_model=Health, response_description="Questions can be answered",
    responses=problems("store_unavailable"),
)
async def readyz(request: Request) -> Response:
    """Whether questions can be answered: tables loaded, store reachable, not shutting down."""
    service = service_of(request)
    if service.stopping:
        raise Refused("store_unavailable", "the server is shutting down")
    await service.store.asked(service.store.check)
    return await healthz()


@router.get(
    "/metrics", response_class=PlainTextResponse,
    response_description="Counts and times in Prometheus' text format",
    responses=problems() | {200: {"content": {"text/plain": {"example": "advisor_predictions_total 1.0"}}}},
)
async def metrics(request: Request) -> Response:
    """Counts and times in Prometheus' text format, summed over the workers."""
    content = await asyncio.to_thread(service_of(request).metrics.text)
    return Response(content, media_type=CONTENT_TYPE_LATEST, headers=NEVER_KEPT)


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request, tag: Tag = "") -> Response:
    """The description of all calls, made when it is first asked for."""
    state = request.app.state
    if not hasattr(state, "description"):
        content = await service_of(request).turns.computed(request, "description", partial(described))
        state.description = Entity(content)
    found: Entity = state.description
    return found.answer(tag)


def described() -> bytes:
    """The description, whose examples take seconds to compute."""
    return to_json(document_of(_routes()))
