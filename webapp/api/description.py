"""The OpenAPI document: FastAPI writes it from the routes' types; examples that this program computed are added."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from pydantic_core import from_json

from advisor.buying.upgrades import UpgradeWish, upgrades_wished
from advisor.choosing.quality import choice_of
from advisor.choosing.runnable import ModelsOnMachine, Runnable, told
from advisor.choosing.tasks import TASKS
from advisor.market.market import shipped_market
from advisor.physics.knowledge import load
from advisor.prediction.case import case_of
from advisor.prediction.prediction import answers as answers_of
from advisor.prediction.prediction import predict
from advisor.question import Scenario
from catalog.names.parts import resolve_part
from catalog.profiles import Profile
from webapp.api import answers, calibrations, computers, facts, predictions
from webapp.api.problems import KINDS, Problem
from webapp.api.recommendations import WishBody, ranked_page
from webapp.api.storage import calibration_id

DESCRIPTION: Final = """How fast a language model runs on hardware that you describe, and which hardware to buy for it.

Unknown fields are refused by name. Errors are RFC 9457 problem documents with a `code` for programs and, where a name
is not known, the `nearest` known ones. An explicit null in a scenario is the same as a field left out."""
Json = dict[str, Any]


def document_of(app: FastAPI) -> Json:
    """The whole document."""
    found = get_openapi(
        title="Advisor", version=app.version, description=DESCRIPTION, routes=app.routes, openapi_version="3.1.0"
    )
    _, problem = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
    schemas = found["components"]["schemas"]
    schemas |= problem["$defs"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for operations in found["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            if "application/json" in responses.get("422", {}).get("content", {}):
                del responses["422"]  # FastAPI's own refusal of parameters, where any text is taken
            for content in (responses[status].get("content", {}).get("application/json") for status in responses):
                if content is not None:
                    content["example"] = EXAMPLES[_first_name(content["schema"])]()
    return found


def _first_name(schema: Json) -> str:
    """The type that a schema refers to; of several the first."""
    reference: str = (schema.get("anyOf") or [schema])[0]["$ref"]
    return reference.rpartition("/")[2].partition("-")[0]


@cache
def _prediction() -> Json:
    return predict(Scenario.model_validate(predictions.EXAMPLE), load()).model_dump(mode="json")


@cache
def _recommendation() -> Json:
    wish = WishBody.model_validate({"model": predictions.EXAMPLE["model"], "kinds": ["unified"], "limit": 1})
    found: Json = from_json(ranked_page(wish))
    return found


@cache
def _upgrades() -> Json:
    scenario = Scenario.model_validate(predictions.EXAMPLE)
    wish = UpgradeWish.model_validate({"budget_usd": computers.UPGRADE["budget_usd"]})
    return upgrades_wished(scenario, wish, shipped_market(), load()).model_dump(mode="json")


@cache
def _models() -> Json:
    """One model of the list, worked out by itself: the whole list takes seconds."""
    case = case_of(Scenario.model_validate(predictions.EXAMPLE))
    (answer,) = answers_of([case], load())
    choice = choice_of(case.llm, case.quant.name, TASKS["chat"])
    row = Runnable(case.llm, case, answer, choice, serves=True)
    return ModelsOnMachine(task="chat", hardware=answer.scenario.hardware, models=(told(row),)).model_dump(mode="json")


def _stored() -> Json:
    profile = Profile.model_validate(calibrations.EXAMPLE)
    listed = answers.StoredCalibration(
        id=calibration_id(profile), name=profile.name, fingerprint=profile.fingerprint, engine=profile.engine.name,
        backend=profile.engine.backend, measured_on=profile.measured_on.isoformat(),
        stored_at=datetime(2026, 11, 25, tzinfo=UTC).isoformat(),
    )
    return listed.model_dump(mode="json")


def _cut(entity: answers.Entity, field: str) -> Json:
    """A list with its first row alone."""
    found: Json = from_json(entity.content)
    return found | {"count": 1, field: found[field][:1]}


def _part_price() -> Json:
    found: Json = from_json(facts.price_of_part(shipped_market(), resolve_part("RTX 3060 12GB")).content)
    return found | {"observations": found["observations"][:1]}


def _kind() -> Json:
    return answers.ProblemKind(code="unknown_name", **KINDS["unknown_name"]._asdict()).model_dump()


EXAMPLES: Final[Mapping[str, Callable[[], Json]]] = {
    "Prediction": _prediction,
    "RecommendationPage": _recommendation,
    "Upgrades": _upgrades,
    "ModelsOnMachine": _models,
    "StoredCalibration": _stored,
    "CalibrationPage": lambda: {"calibrations": [_stored()], "total": 1, "offset": 0, "next_offset": None},
    "Profile": lambda: calibrations.EXAMPLE,
    "CatalogTable": lambda: _cut(facts.table("unified_machines"), "rows"),
    "ModelList": lambda: _cut(facts.model_list(), "models"),
    "QuantList": lambda: _cut(facts.quant_list(), "quants"),
    "PartPrice": _part_price,
    "Accuracy": lambda: {"rows_read": 3104},
    "Computing": lambda: answers.Computing().model_dump(),
    "Health": lambda: answers.Health().model_dump(),
    "ProblemKinds": lambda: {"problems": [_kind()]},
    "ProblemKind": _kind,
}
