"""POST /v1/predictions: one scenario, or many evaluated as arrays with an error for each that has no answer."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from advisor.answer import Prediction
from advisor.asked import GgufFile, HfModel
from advisor.errors import InputError
from advisor.gguf.web import Access, is_address
from advisor.physics.knowledge import Knowledge
from advisor.prediction.batch import BadLine, FileReader, outcomes, worked_out
from advisor.question import Scenario
from webapp.api.answers import Predictions
from webapp.api.bodies import Described, JsonRoute
from webapp.api.problems import OF_BODIES, Refused, problems
from webapp.api.service import service_of
from webapp.api.telemetry import tell

if TYPE_CHECKING:
    from advisor.gguf.model_file import ModelFile

MOST_SCENARIOS: Final = 10_000
TOGETHER: Final = 128
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
}  # fmt: skip
UNKNOWN: Final[dict[str, Any]] = EXAMPLE | {"hardware": {"gpus": [{"name": "RTX 3061"}]}}
router = APIRouter(route_class=JsonRoute, tags=["predictions"])


class Scenarios(BaseModel):
    """Scenarios; one that is none gives an error in its place."""

    model_config = ConfigDict(extra="forbid")

    scenarios: Annotated[tuple[Scenario, ...], Field(min_length=1, max_length=MOST_SCENARIOS)]


Asked = Annotated[
    Any, Described(Scenario | Scenarios),
    Body(openapi_examples={"one": {"value": EXAMPLE}, "many": {"value": {"scenarios": [EXAMPLE, UNKNOWN]}}}),
]  # fmt: skip
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
)  # fmt: skip
async def predictions(request: Request, asked: Asked, calibration: Calibration = None) -> Response:
    """How fast models run: a scenario gives a prediction, {"scenarios": [...]} gives {"predictions": [...]}."""
    service = service_of(request)
    knowledge = await service.knowledge(calibration)
    if isinstance(asked, dict) and "scenarios" in asked:
        content = await _many(request, _scenarios(asked), knowledge)
    else:
        content = await _one(request, asked, knowledge)
    return Response(content, media_type="application/json")


async def _one(request: Request, value: Any, knowledge: Knowledge) -> bytes:
    service = service_of(request)
    if _takes_long(value):
        read = service.read_file
        outcome = await service.turns.computed(
            request, (await request.body(), knowledge), lambda: next(outcomes([worked_out(value, read)], knowledge))
        )
    else:
        outcome = await service.together.answer(request, value, knowledge)
    refused = isinstance(outcome, BadLine)
    service.metrics.predictions.labels("refused" if refused else "answered").inc()
    if isinstance(outcome, BadLine):
        bad = _told(outcome)
        raise Refused(bad.code, bad.message, bad.nearest)
    return outcome


def _takes_long(value: Any) -> bool:
    """Whether a question is about a model file, which is to be read, or about so many kinds of cards that the ways to
    share a model out among them take longer than others wait gladly.
    """
    if not isinstance(value, dict):
        return False
    hardware = value.get("hardware")
    cards = hardware.get("gpus") if isinstance(hardware, dict) else None
    return isinstance(value.get("model"), dict) or (isinstance(cards, list) and len(cards) > FEW_KINDS)


def _scenarios(value: dict[str, Any]) -> list[Any]:
    others = [name for name in value if name != "scenarios"]
    if others:
        raise Refused("invalid_scenario", f"beside scenarios there is no field {others[0][:60]!r}")
    found = value["scenarios"]
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_SCENARIOS:
        raise Refused("invalid_scenario", f"scenarios must be a list of 1 to {MOST_SCENARIOS:,} scenarios")
    return found


async def _many(request: Request, values: Sequence[Any], knowledge: Knowledge) -> bytes:
    service = service_of(request)

    def answered() -> tuple[bytes, int]:
        """The answers, and how many of them are errors."""
        refused = 0
        found: list[bytes] = []
        for start in range(0, len(values), TOGETHER):
            items = [worked_out(value, service.read_file) for value in values[start : start + TOGETHER]]
            for outcome in outcomes(items, knowledge):
                refused += isinstance(outcome, BadLine)
                found.append(_told(outcome).line().encode() if isinstance(outcome, BadLine) else outcome)
        return b",".join(found), refused

    content, refused = await service.turns.computed(request, (await request.body(), knowledge), answered)
    service.metrics.predictions.labels("refused").inc(refused)
    service.metrics.predictions.labels("answered").inc(len(values) - refused)
    return b'{"predictions":[' + content + b"]}"


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
