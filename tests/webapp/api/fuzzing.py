"""Calls made up from the API's own description: each must get an answer that is described, and never a defect."""

import contextlib
import random
from collections import Counter
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from catalog import tables

CHECKS: Final = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance,
]
MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
PATIENCE_S: Final = 600.0
LONG: Final = {"/v1/recommendations": 8, "/v1/upgrades": 8, "/v1/accuracy": 8}
"""Of calls that may take seconds, so many times fewer are made."""


def make_calls(url: str, calls_each: int, run: int) -> Counter[str]:
    """Make up to so many calls of each kind, good ones and bad ones: how many got which answer, by "POST /path 200".

    The same `run` makes the same calls. Raises what schemathesis raises for an answer that is not described.
    """
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", timeout=PATIENCE_S)
    told: Counter[str] = Counter()
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in MODES:

            @seed(run)
            @settings(
                max_examples=max(1, calls_each // LONG.get(operation.path, 1)), database=None, deadline=None,
                suppress_health_check=list(HealthCheck), derandomize=False,
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case) -> None:
                use_known_names(case)
                answer = case.call_and_validate(checks=CHECKS, timeout=PATIENCE_S)
                told[f"{case.method} {case.path} {answer.status_code}"] += 1

            # A call whose parameters may be any text cannot be made up wrongly.
            with contextlib.suppress(Unsatisfiable):
                ask()
    return told


def use_known_names(case: schemathesis.Case) -> None:
    """Put names of the catalog in the place of most made-up ones: the questions behind the names are asked too.

    Which names is decided by the call itself, so that the same call is made again when it is made smaller.
    """
    choose = random.Random(repr((case.path_parameters, case.query, case.body)))
    for parts in filter(None, (case.path_parameters, case.query)):
        for name in list(parts):
            parts[name] = _known(name, parts[name], choose)
    if case.query and choose.random() < 0.7:
        case.query.pop("calibration", None)
    case.body = _with_known_names(case.body)


def _with_known_names(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    choose = random.Random(repr(body))
    if isinstance(body.get("scenarios"), list):
        return body | {"scenarios": [_with_known_names(item) for item in body["scenarios"]]}
    body = {name: _known(name, value, choose) for name, value in body.items()}
    if isinstance(body.get("hardware"), dict):
        body["hardware"] = _parts(body["hardware"], choose)
    return body


def _parts(hardware: dict[str, Any], choose: random.Random) -> dict[str, Any]:
    parts = {name: _known(name, value, choose) for name, value in hardware.items()}
    if isinstance(parts.get("gpus"), list):
        parts["gpus"] = [
            {name: _known(f"gpu {name}", value, choose) for name, value in item.items()}
            if isinstance(item, dict)
            else item
            for item in parts["gpus"]
        ]
    # A whole machine stands instead of parts: both are refused, which hides what either would give.
    return {name: value for name, value in parts.items() if name != "machine"} if choose.random() < 0.5 else parts


def _known(name: str, value: Any, choose: random.Random) -> Any:
    if name not in _NAMES or not isinstance(value, str) or choose.random() < 0.2:
        return value
    return choose.choice(_NAMES[name])


_NAMES: Final = {
    "kind": ["gpus", "cpus", "boards", "laptops", "llms", "quants", "tensor_types"],
    "code": ["not_found", "invalid_scenario", "busy"],
    "part": [row.part for row in tables.observations()],
    "model": [row.id for row in tables.llms()],
    "quant": [row.name for row in tables.quants()],
    "cpu": [row.name for row in tables.cpus()],
    "machine": [row.name for row in tables.unified_machines()],
    "gpu name": [row.name for row in tables.gpus()],
}
