"""POST /v1/predictions: one scenario, or many evaluated as arrays with an error for each that has no answer."""

import logging
from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from advisor.physics.knowledge import Knowledge
from advisor.prediction.batch import BadLine, outcomes, worked_out
from webapp.api.bodies import deadline, read_json
from webapp.api.documents import PREDICTIONS
from webapp.api.forks import shared_out
from webapp.api.problems import Refused
from webapp.api.service import Service, service_of
from webapp.api.telemetry import tell

PATH: Final = "/v1/predictions"
MOST_SCENARIOS: Final = 10_000
TOGETHER: Final = 128
"""Scenarios of a batch worked on between two looks at the clock: about a thirtieth of a second."""
LEAST_FOR_A_FORK: Final = 1_000
"""Scenarios that are worth another process: about a quarter of a second's work."""
COUNT_BYTES: Final = 8
DEFECT: Final = "this could not be worked out; the server's log has it"
router = APIRouter()


@router.post(PATH, **PREDICTIONS)
async def predictions(request: Request) -> Response:
    """How fast models run: a scenario gives a prediction, {"scenarios": [...]} gives {"predictions": [...]}."""
    service = service_of(request)
    value = await read_json(request, service.settings.max_body_bytes, service.settings.body_timeout_s)
    knowledge = await service.knowledge(request.query_params.get("calibration"))
    if isinstance(value, dict) and "scenarios" in value:
        content = await _many(service, _scenarios(value), knowledge)
    else:
        content = await _one(service, value, knowledge)
    return Response(content, media_type="application/json")


async def _one(service: Service, value: Any, knowledge: Knowledge) -> bytes:
    if isinstance(value, dict) and isinstance(value.get("model"), dict):
        outcome = await service.computed(lambda: _from_file(service, value, knowledge))
    else:
        outcome = await service.together.answer(value, knowledge)
    refused = isinstance(outcome, BadLine)
    service.metrics.predictions.labels("refused" if refused else "answered").inc()
    if isinstance(outcome, BadLine):
        bad = _told(outcome)
        raise Refused(bad.code, bad.message, bad.nearest)
    return outcome


def _from_file(service: Service, value: Any, knowledge: Knowledge) -> bytes | BadLine:
    """A question about a model file: reading it may take time."""
    return next(outcomes([worked_out(value, service.read_file)], knowledge))


def _scenarios(value: dict[str, Any]) -> list[Any]:
    others = [name for name in value if name != "scenarios"]
    if others:
        raise Refused("invalid_scenario", f"beside scenarios there is no field {others[0][:60]!r}")
    found = value["scenarios"]
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_SCENARIOS:
        raise Refused("invalid_scenario", f"scenarios must be a list of 1 to {MOST_SCENARIOS:,} scenarios")
    return found


async def _many(service: Service, values: Sequence[Any], knowledge: Knowledge) -> bytes:
    until = deadline(service.settings.answer_timeout_s)

    def part(first: int, last: int) -> bytes:
        """The answers, after the number of those that are errors."""
        refused = 0
        found: list[bytes] = []
        for start in range(first, last, TOGETHER):
            service.check_time(until)
            items = [worked_out(value, service.read_file) for value in values[start : min(last, start + TOGETHER)]]
            for outcome in outcomes(items, knowledge):
                refused += isinstance(outcome, BadLine)
                found.append(_told(outcome).line().encode() if isinstance(outcome, BadLine) else outcome)
        return refused.to_bytes(COUNT_BYTES, "big") + b",".join(found)

    parts = await service.computed(lambda: shared_out(part, len(values), LEAST_FOR_A_FORK))
    refused = sum(int.from_bytes(content[:COUNT_BYTES], "big") for content in parts)
    service.metrics.predictions.labels("refused").inc(refused)
    service.metrics.predictions.labels("answered").inc(len(values) - refused)
    return b'{"predictions":[' + b",".join(content[COUNT_BYTES:] for content in parts) + b"]}"


def _told(bad: BadLine) -> BadLine:
    """A defect's own words stay in the log: they may tell of the server."""
    if bad.code != "internal_error":
        return bad
    tell(logging.ERROR, "scenario failed", bad.__cause__, input=repr(bad.value)[:2000])
    return BadLine(bad.code, DEFECT, bad.text, bad.value)
