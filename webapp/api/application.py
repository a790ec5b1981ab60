"""The server's application: routes, refusals and layers put together."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from advisor.physics.knowledge import load
from advisor.profiles.store import data_folder
from webapp.api import accuracy, calibrations, facts, health, predictions, recommendations
from webapp.api.gate import DEFECT, Gate, refusing, straight_to
from webapp.api.openapi import document_of
from webapp.api.problems import Refused, answer
from webapp.api.service import Service
from webapp.api.settings import Settings, load_settings
from webapp.api.storage import Store
from webapp.api.telemetry import Metrics, configure

COMPRESSED_FROM_BYTES = 2048
"""Smaller answers fit into two packets and are not worth the time."""
COMPRESSION = 1
"""Makes predictions 8 times smaller; 4 makes them 10 times smaller in twice the time."""
YOUNG_OBJECTS = 20_000
"""New objects after which the garbage collector looks at them: those of some hundred predictions."""
ROUTERS = (predictions, recommendations, facts, calibrations, accuracy, health)


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The application; settings default to those of the environment. The store must be in its present form."""
    settings = settings or load_settings()
    configure(settings.log_level)
    metrics = Metrics()
    store = Store(settings.database, settings.max_calibrations)
    figures = accuracy.AccuracyFigures(data_folder() / "api")
    service = Service(settings, metrics, store, recommendations.Rankings(), figures)
    app = FastAPI(
        title="Advisor", version=version("llm-hardware-advisor"), lifespan=_lifespan, docs_url=None, redoc_url=None,
        openapi_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.service = service
    for module in ROUTERS:
        app.include_router(module.router)
    _answer_refusals(app)
    _offer_document(app)
    direct = straight_to(_route(predictions.router, predictions.PATH), app)
    return Gate(_layered(direct, settings), settings, metrics)


def _route(router: APIRouter, path: str) -> APIRoute:
    return next(item for item in router.routes if isinstance(item, APIRoute) and item.path == path)


def _layered(app: ASGIApp, settings: Settings) -> ASGIApp:
    app = GZipMiddleware(refusing(app), COMPRESSED_FROM_BYTES, COMPRESSION)
    if settings.cors_origins:
        exposed = ("ETag", "Location", "Retry-After", "X-Request-ID")
        headers = ("Authorization", "Content-Type", "If-None-Match", "X-Request-ID")
        app = CORSMiddleware(
            app, settings.cors_origins, ("GET", "POST"), allow_headers=headers, expose_headers=exposed, max_age=3600
        )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    load()
    facts.model_list()
    _spare_the_collector()
    yield
    service.stopping = True
    await service.accuracy.close()
    service.store.close()


def _spare_the_collector() -> None:
    """What tables and imports made lives on: looking through it again and again would take a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def _answer_refusals(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    async def _refused(request: Request, error: Refused) -> Response:
        return answer(error, request.state.request_id)

    @app.exception_handler(Exception)
    async def _defect(request: Request, _: Exception) -> Response:
        """Starlette raises it again after the answer: the gate logs it."""
        return answer(Refused("internal_error", DEFECT), request.state.request_id)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            said = f"{request.url.path[:100]} takes {allowed}, not {request.method[:20]}"
            return answer(Refused("method_not_allowed", said, headers={"allow": allowed}), request.state.request_id)
        said = f"there is nothing at {request.url.path[:100]!r}: GET /openapi.json tells what there is"
        return answer(Refused("not_found", said), request.state.request_id)


def _offer_document(app: FastAPI) -> None:
    from pydantic_core import to_json

    from webapp.api.entities import Entity

    made: list[Entity] = []

    async def openapi(request: Request) -> Response:
        if not made:
            made.append(Entity(to_json(document_of(app))))
        return made[0].answer(request)

    app.add_route("/openapi.json", openapi, include_in_schema=False)
