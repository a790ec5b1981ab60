"""The OpenAPI document: FastAPI's paths, the schemas of bodies and answers, and examples that this program computed."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from pydantic_core import from_json

from advisor.answer import Prediction
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Scenario
from catalog.profiles import Profile
from webapp.api import answers, facts
from webapp.api.documents import PROFILE, SCENARIO
from webapp.api.predictions import MOST_SCENARIOS
from webapp.api.problems import KINDS, Problem
from webapp.api.recommendations import WishBody, ranked_page
from webapp.api.storage import calibration_id

DESCRIPTION: Final = """How fast a language model runs on hardware that you describe, and which hardware to buy for it.

Unknown fields are refused by name. Errors are RFC 9457 problem documents with a `code` for programs and, where a name
is not known, the `nearest` known ones. An explicit null in a scenario is the same as a field left out."""
BODIES: Final[Mapping[str, type[BaseModel]]] = {"Scenario": Scenario, "Wish": WishBody, "Profile": Profile}
ANSWERS: Final[tuple[type[BaseModel], ...]] = (
    Prediction, Problem, Profile, answers.Predictions, answers.RecommendationPage, answers.CatalogTable,
    answers.ModelList, answers.QuantList, answers.PriceList, answers.StoredCalibration, answers.CalibrationPage,
    answers.Computing, answers.Health, answers.ProblemKinds, answers.ProblemKind,
)  # fmt: skip
Json = dict[str, Any]


def document_of(app: FastAPI) -> Json:
    """The whole document."""
    found = get_openapi(
        title="Advisor", version=app.version, description=DESCRIPTION, routes=app.routes, openapi_version="3.1.0"
    )
    parts = found.setdefault("components", {})
    parts["schemas"] = _answer_schemas() | _body_schemas()
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for operations in found["paths"].values():
        for operation in operations.values():
            _drop_fastapis_own(operation["responses"])
    filled: Json = _filled(found)
    return filled


def _drop_fastapis_own(responses: Json) -> None:
    """FastAPI documents a refusal of parameters that this server never gives: a parameter may be any text."""
    if responses.get("422", {}).get("content", {}).get("application/json"):
        del responses["422"]


def _answer_schemas() -> Json:
    kinds: list[tuple[type[BaseModel], JsonSchemaMode]] = [(item, "serialization") for item in ANSWERS]
    _, found = models_json_schema(kinds, ref_template="#/components/schemas/{model}")
    schemas: Json = found["$defs"]
    schemas["Accuracy"] = {
        "type": "object", "title": "Accuracy",
        "description": "Figures by kind of speed and placement, of predictions by fits that never saw the machine.",
        "properties": {"rows_read": {"type": "integer"}}, "required": ["rows_read"],
    }  # fmt: skip
    return schemas


def _body_schemas() -> Json:
    """Schemas of the bodies; in a scenario every field that may be left out may be null as well."""
    schemas: Json = {}
    for name, kind in BODIES.items():
        found = kind.model_json_schema(ref_template=f"#/components/schemas/{name}Body.{{model}}")
        inner = {f"{name}Body.{key}": value for key, value in found.pop("$defs", {}).items()}
        schemas |= {f"{name}Body": found, **inner}
    for name in schemas:
        if name.startswith("ScenarioBody"):
            _allow_null(schemas[name])
    schemas["ScenariosBody"] = {
        "type": "object", "additionalProperties": False, "required": ["scenarios"],
        "properties": {"scenarios": {"type": "array", "minItems": 1, "maxItems": MOST_SCENARIOS, "items": {}}},
        "description": "Scenarios; one that is none gives an error in its place.",
    }  # fmt: skip
    return schemas


def _allow_null(schema: Json) -> None:
    for name, field in schema.get("properties", {}).items():
        if name not in schema.get("required", ()) and {"type": "null"} not in field.get("anyOf", ()):
            kept = {key: field.pop(key) for key in ("default", "title", "description") if key in field}
            schema["properties"][name] = {"anyOf": [field, {"type": "null"}]} | kept


def _filled(value: Any) -> Any:
    """The document with each {"$example": name} replaced by that example."""
    if isinstance(value, dict):
        return EXAMPLES[value["$example"]]() if "$example" in value else {k: _filled(v) for k, v in value.items()}
    return [_filled(item) for item in value] if isinstance(value, list) else value


@cache
def _prediction() -> Json:
    return predict(Scenario.model_validate(SCENARIO), load()).model_dump(mode="json")


@cache
def _recommendation() -> Json:
    wish = WishBody.model_validate({"model": SCENARIO["model"], "kinds": ["unified"], "limit": 1})
    found: Json = from_json(ranked_page(wish))
    return found


def _stored() -> Json:
    profile = Profile.model_validate(PROFILE)
    listed = answers.StoredCalibration(
        id=calibration_id(profile), name=profile.name, fingerprint=profile.fingerprint, engine=profile.engine.name,
        backend=profile.engine.backend, measured_on=profile.measured_on.isoformat(),
        stored_at=datetime(2026, 11, 25, tzinfo=UTC).isoformat(),
    )  # fmt: skip
    return listed.model_dump(mode="json")


def _table() -> Json:
    found: Json = from_json(facts.table("unified_machines").content)
    return found | {"count": 1, "rows": found["rows"][:1]}


def _list(content: bytes, field: str) -> Json:
    found: Json = from_json(content)
    return found | {"count": 1, field: found[field][:1]}


def _kind() -> Json:
    return answers.ProblemKind(code="unknown_name", **KINDS["unknown_name"]._asdict()).model_dump()


EXAMPLES: Final[Mapping[str, Callable[[], Json]]] = {
    "prediction": _prediction,
    "recommendation": _recommendation,
    "stored": _stored,
    "calibrations": lambda: {"calibrations": [_stored()], "total": 1, "offset": 0, "next_offset": None},
    "profile": lambda: PROFILE,
    "catalog": _table,
    "models": lambda: _list(facts.model_list().content, "models"),
    "quants": lambda: _list(facts.quant_list().content, "quants"),
    "prices": lambda: from_json(facts.price_list("gpu", "RTX 3060 12GB").content),
    "accuracy": lambda: {"rows_read": 3104},
    "computing": lambda: answers.Computing().model_dump(),
    "health": lambda: answers.Health().model_dump(),
    "problems": lambda: {"problems": [_kind()]},
    "problem": _kind,
}
