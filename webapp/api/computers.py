"""POST /v1/models and POST /v1/upgrades: what a computer there is runs, and what to buy for it."""

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from advisor.asked import AnyModel, Question
from advisor.buying.upgrades import Upgrades, UpgradeWish, upgrades_wished
from advisor.choosing.runnable import ModelsOnMachine, models_told
from advisor.choosing.tasks import TASKS, TaskName
from advisor.errors import InputError
from advisor.market.market import today
from advisor.question import MOST_RUNS, Engine, Hardware, OwnRun, Scenario, Workload
from catalog import tables
from catalog.names.index import UnknownName
from webapp.api import predictions
from webapp.api.bodies import Described, JsonRoute, validated
from webapp.api.predictions import Calibration
from webapp.api.problems import MOST, OF_BODIES, Refused, problems
from webapp.api.service import service_of

USUAL_MODEL: Final = "Qwen3.6-35B-A3B"
"""That an upgrade is for where no model is named, as on the command line."""
REFUSALS: Final = (
    *OF_BODIES, "invalid_scenario", "unknown_name", "ambiguous_name", "invalid_input", "not_found", "too_slow",
    "store_unavailable",
)  # fmt: skip
Answer = TypeVar("Answer", bound=BaseModel)
router = APIRouter(route_class=JsonRoute)


class ModelsBody(Question):
    """A computer, and what for: which models does it run?"""

    hardware: Hardware
    engine: Engine = Engine()
    workload: Workload = Workload()
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
]  # fmt: skip
AskedUpgrades = Annotated[Any, Described(UpgradesBody), Body(openapi_examples={"upgrade": {"value": UPGRADE}})]


@router.post(
    "/v1/models", tags=["computers"], response_model=ModelsOnMachine, responses=problems(*REFUSALS),
    response_description="The models that it runs, the best for the task first",
)  # fmt: skip
async def models(request: Request, asked: AskedModels, calibration: Calibration = None) -> Response:
    """Which models a computer runs, of each the quantisation to take; the body may be a scenario's hardware alone."""
    bare = isinstance(asked, dict) and "hardware" not in asked and not asked.keys().isdisjoint(Hardware.model_fields)
    body = validated(ModelsBody, {"hardware": asked} if bare else asked)
    any_model = next(iter(tables.llms())).name
    engine = body.engine
    if body.context is not None or engine.n_ctx is None:
        engine = engine.model_copy(update={"n_ctx": body.context or TASKS[body.task].context})
    same = {name: getattr(body, name) for name in ("hardware", "workload", "measured")}
    scenario = validated(Scenario, same | {"model": any_model, "engine": engine})
    knowledge = await service_of(request).knowledge(calibration)
    return await _worked_out(request, calibration, lambda: models_told(scenario, body.task, knowledge, body.limit))


@router.post(
    "/v1/upgrades", tags=["computers"], response_model=Upgrades, responses=problems(*REFUSALS),
    response_description="Purchases that help, cheapest first",
)  # fmt: skip
async def upgrades(request: Request, asked: AskedUpgrades, calibration: Calibration = None) -> Response:
    """What to buy for a computer: purchases ranked by what they change, each a tenth better than the one before."""
    body = validated(UpgradesBody, asked)
    scenario = validated(Scenario, {name: getattr(body, name) for name in Scenario.model_fields})
    wish = validated(UpgradeWish, {name: getattr(body, name) for name in UpgradeWish.model_fields})
    service = service_of(request)
    knowledge, market = await service.knowledge(calibration), await service.market()
    return await _worked_out(request, calibration, lambda: upgrades_wished(scenario, wish, market, knowledge))


async def _worked_out(request: Request, calibration: str | None, work: Callable[[], Answer]) -> Response:
    """The answer of a long computation. Raises `Refused`."""

    def answered() -> bytes:
        try:
            return work().model_dump_json().encode()
        except UnknownName as error:
            code = "ambiguous_name" if error.ambiguous else "unknown_name"
            raise Refused(code, str(error), error.nearest) from None
        except InputError as error:
            raise Refused("invalid_input", str(error)) from None

    key = (request.url.path, await request.body(), calibration, today())
    content = await service_of(request).turns.computed(request, key, answered)
    return Response(content, media_type="application/json")
