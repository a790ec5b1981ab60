"""What OpenAPI says of each call: bodies, answers, every problem it may give, and an example of each."""

from collections.abc import Iterable
from typing import Any, Final

from webapp.api.problems import KINDS, MEDIA_TYPE, PARAMETERS, document

JSON: Final = "application/json"
EVERYWHERE: Final = ("rate_limited", "headers_too_large", "bad_request", "internal_error", "busy")
BODY: Final = ("invalid_json", "invalid_utf8", "body_timeout", "too_large", "unsupported_media_type")
Route = dict[str, Any]

SCENARIO: Final[dict[str, Any]] = {
    "model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M",
    "hardware": {
        "gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X",
        "ram": {"type": "DDR4", "mt_s": 3600, "channels": 2, "gb": 32},
    },
    "workload": {"context_depth": 0, "prompt_tokens": 512, "gen_tokens": 128},
}  # fmt: skip
UNKNOWN: Final[dict[str, Any]] = SCENARIO | {"hardware": {"gpus": [{"name": "RTX 3061"}]}}
WISH: Final[dict[str, Any]] = {"model": "Qwen3.6-35B-A3B", "budget_usd": 1500, "limit": 5}
PROFILE: Final[dict[str, Any]] = {
    "schema_version": 1, "name": "Office box", "fingerprint": "5f2b" * 16, "efficiencies_digest": "90c1" * 16,
    "hardware": SCENARIO["hardware"], "engine": {"name": "llama.cpp", "version": "b9000", "backend": "cuda"},
    "measured_on": "2026-11-24",
    "effects": [
        {"coefficient": "ram_stream", "label": "", "log_value": 0.04, "standard_error": 0.02, "informed": True}
    ],
    "spreads": [], "probes": [], "runs": [],
}  # fmt: skip


def problems(*codes: str) -> dict[int | str, Any]:
    """The problems that a call may answer with, those that any call may included."""
    found: dict[int | str, Any] = {}
    for code in (*codes, *EVERYWHERE):
        kind = KINDS[code]
        content: Route = {"schema": ref("Problem"), "examples": {}}
        said = found.setdefault(kind.status, {"content": {MEDIA_TYPE: content}})
        example = document(code, kind.example, request_id="9f1c2ab04d").model_dump(mode="json")
        said["content"][MEDIA_TYPE]["examples"][code] = {"value": example}
        said["description"] = "; or: ".join(
            dict.fromkeys(KINDS[name].title for name in said["content"][MEDIA_TYPE]["examples"])
        )
    return dict(sorted(found.items()))


def ref(name: str) -> dict[str, str]:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def good(description: str, schema: dict[str, Any], example: str | None = None, headers: Route | None = None) -> Route:
    """A good answer; `example` is filled in when the document is made (`openapi.EXAMPLES`)."""
    content: dict[str, Any] = {"schema": schema}
    if example:
        content["example"] = {"$example": example}
    return {"description": description, "content": {JSON: content}, **({"headers": headers} if headers else {})}


def body(schema: dict[str, Any], examples: dict[str, Any]) -> Route:
    """A request body of JSON."""
    shown = {name: {"value": value} for name, value in examples.items()}
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema, "examples": shown}}}}


def route(tag: str, answers: dict[int | str, Any], codes: Iterable[str] = (), extra: Route | None = None) -> Route:
    """Arguments of a route: the answers it may give and what OpenAPI is to say besides."""
    from starlette.responses import Response

    return {
        "tags": [tag], "response_class": Response, "response_model": None, "openapi_extra": extra or {},
        "responses": {**answers, **problems(*codes)},
    }  # fmt: skip


ENTITY_HEADERS: Final = {
    "ETag": {"schema": {"type": "string"}, "description": "Send it back as If-None-Match."},
    "Cache-Control": {"schema": {"type": "string"}},
}
NOT_MODIFIED: Final[dict[int | str, Any]] = {304: {"description": "The client's copy, by its ETag, is still right."}}
IF_NONE_MATCH: Final = {
    "parameters": [
        {"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"},
         "description": "ETag of the copy that the client has."}
    ]
}  # fmt: skip


def entity(tag: str, description: str, schema: dict[str, Any], example: str, codes: Iterable[str] = ()) -> Route:
    """Arguments of a route whose answer has an ETag."""
    answers: dict[int | str, Any] = {200: good(description, schema, example, ENTITY_HEADERS), **NOT_MODIFIED}
    return route(tag, answers, codes, IF_NONE_MATCH)


ANY_PREDICTIONS: Final = {"anyOf": [ref("Prediction"), ref("Predictions")]}
ANY_SCENARIOS: Final = {"anyOf": [ref("ScenarioBody"), ref("ScenariosBody")]}
CALIBRATION: Final = {
    "name": "calibration", "in": "query", "required": False, "schema": {"type": "string"},
    "description": "Id or name of a stored calibration, for predictions of that machine.",
}  # fmt: skip
PREDICTIONS: Final = route(
    "predictions",
    {200: good("A prediction, or one for each scenario", ANY_PREDICTIONS, "prediction")},
    (*BODY, "invalid_scenario", "unknown_name", "ambiguous_name", "invalid_input", "not_found", "too_slow",
     "store_unavailable"),
    body(ANY_SCENARIOS, {"one": SCENARIO, "many": {"scenarios": [SCENARIO, UNKNOWN]}}) | {"parameters": [CALIBRATION]},
)  # fmt: skip
RECOMMENDATIONS: Final = route(
    "recommendations",
    {200: good("One page of the ranking", ref("RecommendationPage"), "recommendation")},
    (*BODY, "invalid_scenario", "unknown_name", "ambiguous_name", "invalid_input", "too_slow"),
    body(ref("WishBody"), {"wish": WISH}),
)
STORING: Final = route(
    "calibrations",
    {
        200: good("The same calibration was already stored", ref("StoredCalibration"), "stored"),
        201: good("Stored", ref("StoredCalibration"), "stored",
                  {"Location": {"schema": {"type": "string"}, "description": "Address of the calibration."}}),
    },
    (*BODY, "unauthorized", "forbidden", "store_full", "invalid_profile", "store_unavailable"),
    body(ref("ProfileBody"), {"profile": PROFILE}) | {"security": [{"token": []}, {}]},
)  # fmt: skip
LISTING: Final = route(
    "calibrations",
    {200: good("One page, those stored last first", ref("CalibrationPage"), "calibrations")},
    ("invalid_parameter", "store_unavailable"),
    PARAMETERS,
)
READING: Final = entity(
    "calibrations", "The profile as it was stored", ref("Profile"), "profile", ("not_found", "store_unavailable")
)
CATALOG: Final = entity("catalog", "All rows of a table", ref("CatalogTable"), "catalog", ("not_found",))
MODELS: Final = entity("catalog", "The language models that are known", ref("ModelList"), "models")
QUANTS: Final = entity("catalog", "The quantisations that are known", ref("QuantList"), "quants")
PRICES: Final = entity("catalog", "Dated price quotes of a part", ref("PriceList"), "prices", ("not_found",))
ACCURACY: Final = route(
    "accuracy",
    {
        200: good("Predicted against measured speeds, on machines never fitted", ref("Accuracy"), "accuracy",
                  ENTITY_HEADERS),
        202: good("Being computed from the evidence (about half a minute); ask again", ref("Computing"), "computing",
                  {"Retry-After": {"schema": {"type": "integer"}}}),
        **NOT_MODIFIED,
    },
    (),
    IF_NONE_MATCH,
)  # fmt: skip
HEALTH: Final = route("server", {200: good("The process answers", ref("Health"), "health")})
READINESS: Final = route(
    "server",
    {200: good("Questions can be answered", ref("Health"), "health")},
    ("store_unavailable",),
)
METRICS: Final = route(
    "server",
    {200: {"description": "Counts and times in Prometheus' text format",
           "content": {"text/plain": {"schema": {"type": "string"}, "example": "advisor_predictions_total 1.0"}}}},
)  # fmt: skip
PROBLEM_LIST: Final = entity("server", "Every kind of problem", ref("ProblemKinds"), "problems")
PROBLEM_KIND: Final = entity("server", "One kind of problem", ref("ProblemKind"), "problem", ("not_found",))
