"""POST /v1/models and POST /v1/upgrades: what a computer there is runs, and what to buy for it."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from advisor.asked import AnyModel, Question
from advisor.buying.upgrades import Upgrades, UpgradeWish, upgrades_wished
from advisor.choosing.runnable import ModelsOnMachine, models_told
from advisor.choosing.tasks import TaskName
from advisor.errors import InputError
from advisor.market.market import today
from advisor.question import MOST_RUNS, Engine, Hardware, OwnRun, Scenario, Workload
from catalog import tables
from catalog.names.index import UnknownName
from catalog.prices import Observation
from webapp.api import predictions
from webapp.api.bodies import Described, JsonRoute, made_of, validated
from webapp.api.predictions import Calibration
from webapp.api.problems import MOST, OF_BODIES, Refused, problems
from webapp.api.service import Known, knowledge_with, market_with, service_of

USUAL_MODEL: Final = "Qwen3.6-35B-A3B"
"""That an upgrade is for where no model is named, as on the command line."""
REFUSALS: Final = (
    *OF_BODIES, "invalid_scenario", "unknown_name", "ambiguous_name", "invalid_input", "not_found", "too_slow",
    "store_unavailable",
)
router = APIRouter(route_class=JsonRoute)


class ModelsBody(Question):
    """A computer, and what for: which models does it run?"""

    hardware: Hardware
    engine: Engine = Engine()
    workload: Workload = Workload()
    """Lengths of text: the task's where none is given."""
    measured: Annotated[tuple[OwnRun, ...], Field(max_length=MOST_RUNS, fail_fast=True)] = ()
    task: TaskName = "chat"
    context: Annotated[int, Field(ge=256, le=100_000_000)] | None = None
    """Tokens to make room for; null: what the task takes."""
    limit: Annotated[int, Field(ge=1, le=MOST)] = 30


class UpgradesBody(UpgradeWish, Scenario):
    """A computer with a model on it, as a scenario, and what should change."""

    model: AnyModel = USUAL_MODEL


MACHINE: Final = {"hardware": predictions.EXAMPLE["hardware"], "task": "coding", "limit": 3}
UPGRADE: Final = {"model": USUAL_MODEL, "hardware": predictions.EXAMPLE["hardware"], "budget_usd": 500}
AskedModels = Annotated[
    Any, Described(ModelsBody | Hardware),
    Body(openapi_examples={"machine": {"value": MACHINE}, "hardware": {"value": MACHINE["hardware"]}}),
]
AskedUpgrades = Annotated[Any, Described(UpgradesBody), Body(openapi_examples={"upgrade": {"value": UPGRADE}})]


@router.post(
    "/v1/models", tags=["computers"], response_model=ModelsOnMachine, responses=problems(*REFUSALS),
    response_description="The models that it runs, the best for the task first",
)
async def models(request: Request, asked: AskedModels, calibration: Calibration = None) -> Response:
    """Which models a computer runs, of each the quantisation to take; the body may be a scenario's hardware alone."""
    body = await made_of(request, asked, partial(_models_body))
    any_model = next(iter(tables.llms())).name
    engine = body.engine
    if body.context is not None:
        engine = engine.model_copy(update={"n_ctx": body.context})
    same = {name: getattr(body, name) for name in ("hardware", "workload", "measured")}
    scenario = validated(Scenario, same | {"model": any_model, "engine": engine})
    known = await service_of(request).known(calibration)
    return await _answered(request, known, partial(_models, scenario, body.task, body.limit, known.profile))


def _models_body(asked: Any) -> ModelsBody:
    bare = isinstance(asked, dict) and "hardware" not in asked and not asked.keys().isdisjoint(Hardware.model_fields)
    return validated(ModelsBody, {"hardware": asked} if bare else asked)


def _models(scenario: Scenario, task: TaskName, limit: int, profile: str | None) -> bytes:
    return _told(lambda: models_told(scenario, task, knowledge_with(profile), limit))


@router.post(
    "/v1/upgrades", tags=["computers"], response_model=Upgrades, responses=problems(*REFUSALS),
    response_description="Purchases that help, cheapest first",
)
async def upgrades(request: Request, asked: AskedUpgrades, calibration: Calibration = None) -> Response:
    """What to buy for a computer: purchases ranked by what they change, each a tenth better than the one before."""
    body = await made_of(request, asked, partial(validated, UpgradesBody))
    scenario = validated(Scenario, {name: getattr(body, name) for name in Scenario.model_fields})
    wish = validated(UpgradeWish, {name: getattr(body, name) for name in UpgradeWish.model_fields})
    service = service_of(request)
    known, own = await service.known(calibration), await service.own_prices()
    return await _answered(request, known, partial(_upgrades, scenario, wish, own, known.profile))


def _upgrades(scenario: Scenario, wish: UpgradeWish, own: tuple[Observation, ...], profile: str | None) -> bytes:
    return _told(lambda: upgrades_wished(scenario, wish, market_with(own), knowledge_with(profile)))


def _told(work: Callable[[], BaseModel]) -> bytes:
    """An answer as JSON. Raises `Refused`."""
    try:
        return work().model_dump_json().encode()
    except UnknownName as error:
        code = "ambiguous_name" if error.ambiguous else "unknown_name"
        raise Refused(code, str(error), error.nearest) from None
    except InputError as error:
        raise Refused("invalid_input", str(error)) from None


async def _answered(request: Request, known: Known, work: "partial[bytes]") -> Response:
    """The answer of a long computation. Raises `Refused`."""
    key = (request.url.path, await request.body(), known.knowledge, today())
    content = await service_of(request).turns.computed(request, key, work)
    return Response(content, media_type="application/json")
