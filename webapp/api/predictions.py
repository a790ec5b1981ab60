"""POST /v1/predictions: one scenario, or many evaluated as arrays with an error for each that has no answer."""

import logging
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from advisor.answer import Prediction
from advisor.asked import GgufFile, HfModel
from advisor.errors import InputError
from advisor.gguf.web import Access, is_address
from advisor.prediction.batch import BadLine, FileReader, outcomes, worked_out
from advisor.profiles.store import data_folder
from advisor.question import Scenario
from webapp.api.answers import Predictions
from webapp.api.bodies import Described, JsonRoute, UnreadBody, parsed
from webapp.api.gate import client_of
from webapp.api.problems import OF_BODIES, Refused, problems
from webapp.api.service import knowledge_with, service_of
from webapp.api.settings import load_settings
from webapp.api.telemetry import tell

if TYPE_CHECKING:
    from advisor.gguf.model_file import ModelFile

MOST_SCENARIOS: Final = 10_000
TOGETHER: Final = 512
"""Scenarios of a batch evaluated as one array."""
FEW_KINDS: Final = 4
"""Kinds of cards of a single question that is answered in passing."""
DEFECT: Final = "this could not be worked out; the server's log has it"
EXAMPLE: Final[dict[str, Any]] = {
    "model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M",
    "hardware": {
        "gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X",
        "ram": {"type": "DDR4", "mt_s": 3600, "channels": 2, "gb": 32},
    },
    "workload": {"context_depth": 0, "prompt_tokens": 512, "gen_tokens": 128},
}
UNKNOWN: Final[dict[str, Any]] = EXAMPLE | {"hardware": {"gpus": [{"name": "RTX 3061"}]}}
router = APIRouter(route_class=JsonRoute, tags=["predictions"])


class Scenarios(BaseModel):
    """Scenarios; one that is none gives an error in its place."""

    model_config = ConfigDict(extra="forbid")

    scenarios: Annotated[tuple[Scenario, ...], Field(min_length=1, max_length=MOST_SCENARIOS)]


Asked = Annotated[
    Any, Described(Scenario | Scenarios),
    Body(openapi_examples={"one": {"value": EXAMPLE}, "many": {"value": {"scenarios": [EXAMPLE, UNKNOWN]}}}),
]
Calibration = Annotated[
    str | None, Query(description="Id or name of a stored calibration, for predictions of that machine.")
]


@router.post(
    "/v1/predictions", response_model=Prediction | Predictions,
    response_description="A prediction, or one for each scenario",
    responses=problems(
        *OF_BODIES, "invalid_scenario", "unknown_name", "ambiguous_name", "invalid_input", "not_found", "too_slow",
        "store_unavailable",
    ),
)
async def predictions(request: Request, asked: Asked, calibration: Calibration = None) -> Response:
    """How fast models run: a scenario gives a prediction, {"scenarios": [...]} gives {"predictions": [...]}."""
    service = service_of(request)
    known = await service.known(calibration)
    long = _takes_long(asked)
    if long or not service.shares.has_left(client_of(request.scope)):
        content = await request.body()
        key = (asked.digest if isinstance(asked, UnreadBody) else content, known.knowledge)
        work = partial(answered, content, known.profile)
        found = await service.turns.computed(request, key, work, short=not long)
        service.metrics.predictions.labels("refused").inc(found.refused)
        service.metrics.predictions.labels("answered").inc(found.asked - found.refused)
    else:
        outcome = await service.together.answer(request, asked, known.knowledge)
        service.metrics.predictions.labels("refused" if isinstance(outcome, BadLine) else "answered").inc()
        found = _one(outcome)
    if found.refusal is not None:
        raise found.refusal
    return Response(found.content, media_type="application/json")


def _takes_long(value: Any) -> bool:
    """Whether there are many questions, or one about a model file, which is to be read, or about so many kinds of cards
    that the ways to share a model out among them take longer than others wait gladly.
    """
    if not isinstance(value, dict):
        return isinstance(value, UnreadBody)
    hardware = value.get("hardware")
    cards = hardware.get("gpus") if isinstance(hardware, dict) else None
    many = "scenarios" in value or (isinstance(cards, list) and len(cards) > FEW_KINDS)
    return many or isinstance(value.get("model"), dict)


class Answered(NamedTuple):
    """An answer, of how many questions, and how many of them are refused."""

    content: bytes
    asked: int
    refused: int
    refusal: Refused | None = None
    """Instead of an answer."""


def answered(content: bytes, profile: str | None) -> Answered:
    """The answer to a body, with a stored calibration, given as JSON, or without. Raises `Refused` for what is no JSON
    or no list of scenarios.
    """
    value, knowledge = parsed(content), knowledge_with(profile)
    if not (isinstance(value, dict) and "scenarios" in value):
        return _one(next(outcomes([worked_out(value, file_reader())], knowledge)))
    values = _scenarios(value)
    found: list[bytes] = []
    refused = 0
    for start in range(0, len(values), TOGETHER):
        items = [worked_out(value, file_reader()) for value in values[start : start + TOGETHER]]
        for outcome in outcomes(items, knowledge):
            refused += isinstance(outcome, BadLine)
            found.append(_told(outcome).line().encode() if isinstance(outcome, BadLine) else outcome)
    return Answered(b'{"predictions":[' + b",".join(found) + b"]}", len(values), refused)


def _one(outcome: bytes | BadLine) -> Answered:
    if isinstance(outcome, BadLine):
        bad = _told(outcome)
        return Answered(b"", 1, 1, Refused(bad.code, bad.message, bad.nearest))
    return Answered(outcome, 1, 0)


def _scenarios(value: dict[str, Any]) -> list[Any]:
    others = [name for name in value if name != "scenarios"]
    if others:
        raise Refused("invalid_scenario", f"beside scenarios there is no field {others[0][:60]!r}")
    found = value["scenarios"]
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_SCENARIOS:
        raise Refused("invalid_scenario", f"scenarios must be a list of 1 to {MOST_SCENARIOS:,} scenarios")
    return found


def _told(bad: BadLine) -> BadLine:
    """A defect's own words stay in the log: they may tell of the server."""
    if bad.code != "internal_error":
        return bad
    tell(logging.ERROR, "scenario failed", bad.__cause__, input=repr(bad.value)[:2000])
    return BadLine(bad.code, DEFECT, bad.text, bad.value)


# Model files on the server: only those under the one configured folder, and nothing of its paths in any answer.

READING_S: Final = 20.0
"""The longest that the headers of one model on other servers may take."""
NOT_THERE: Final = "no such model file in the folder that this server reads"


@cache
def file_reader() -> FileReader:
    """Reads the model files that this server's settings allow."""
    settings = load_settings()
    return reader(settings.gguf_folder, frozenset(settings.gguf_hosts), data_folder() / "headers")


def reader(folder: Path | None, hosts: frozenset[str] = frozenset(), kept: Path | None = None) -> FileReader:
    """Reads the header of a file under `folder`, named relative to it, or of one on the `hosts`, never on a private
    address; headers from there are `kept` in a folder. The reader raises `InputError`.
    """

    def read(model: GgufFile | HfModel, quant: str | None) -> "ModelFile":
        if isinstance(model, HfModel) or is_address(model.gguf):
            from advisor.gguf.named import read_named

            allowed = Access(hosts, private=False, kept=kept, whole_s=READING_S) if hosts else None
            return read_named(model, quant, allowed)
        given = model.gguf
        if folder is None:
            raise InputError("this server reads no model files: name the model and the quant instead")
        path = inside(folder, given)
        from advisor.gguf.model_file import read_model_file

        try:
            return read_model_file(path, quant)
        except InputError as error:
            raise InputError(_without_paths(str(error), path, folder)) from None

    return read


def inside(folder: Path, given: str) -> Path:
    """The file's real path. Raises `InputError`, alike for what is outside, missing or no file."""
    try:
        root = folder.resolve(strict=True)
        path = (root / given).resolve(strict=True)
        parts = [part.resolve(strict=True) for part in _parts(path)]
    except (OSError, ValueError, RuntimeError):
        raise InputError(NOT_THERE) from None
    if not all(part.is_relative_to(root) and part.is_file() for part in (path, *parts)):
        raise InputError(NOT_THERE)
    return path


def _parts(path: Path) -> list[Path]:
    """The other parts of a split model, which are read along: they must not lead elsewhere either."""
    stem, of, total = path.stem.rpartition("-of-")
    if not (of and total.isdigit() and len(total) == 5 and stem[-5:].isdigit()):
        return []
    return [found for found in path.parent.iterdir() if found.name.startswith(stem[:-5]) and found.suffix == ".gguf"]


def _without_paths(text: str, path: Path, folder: Path) -> str:
    for known in (str(path.parent), str(folder.resolve()), str(folder)):
        text = text.replace(f"{known}/", "").replace(known, "the folder")
    return text
