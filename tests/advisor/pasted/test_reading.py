"""Outputs in the formats of the named programs, of several versions, whole, cut, coloured and in other encodings.

What is expected of each was written with it: the numbers that it was printed from.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from advisor.pasted.reading import read_runs

FOLDER = Path(__file__).parents[2] / "data" / "pasted"
SAYS_NOTHING = {"no speed in it"} | {
    f"a prompt of {tokens} tokens is too short to tell how fast prompts are read" for tokens in (12, 18)
}
"""Why lines of logs around the speeds are not read."""
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


def _told(value: Any) -> dict[str, Any]:
    """A run as the expected ones are written: defaults left out."""
    run = value.run
    speeds = {name: getattr(run, name) for name in ("decode_tok_s", "prefill_tok_s") if getattr(run, name) is not None}
    engine = run.engine.model_dump(exclude_defaults=True)
    work = run.workload.model_dump(exclude_defaults=True)
    return {"line": value.line, "model": run.model, "quant": run.quant, "engine": engine, "workload": work, **speeds}


def _near(run: dict[str, Any]) -> dict[str, Any]:
    """Speeds that are worked out from counts and times differ in the last digits."""
    speeds = {name: pytest.approx(run[name], rel=1e-9) for name in ("decode_tok_s", "prefill_tok_s") if name in run}
    return run | speeds


def test_there_are_as_many_as_there_are_files() -> None:
    assert sorted(EXPECTED) == sorted(path.name for path in FOLDER.glob("*.txt"))
    assert len(EXPECTED) >= 200


@pytest.mark.parametrize("name", EXPECTED)
def test_an_output_is_read_right_or_refused_by_line(name: str) -> None:
    expected = EXPECTED[name]
    read = read_runs((FOLDER / name).read_bytes(), expected.get("model"), expected.get("quant"))
    found = [_told(run) for run in read.runs]
    assert found == [_near(run) for run in expected["runs"]]
    if expected["unread"] is None:
        assert {item.why for item in read.unread} <= SAYS_NOTHING, read.unread
    else:
        assert [item.first for item in read.unread] == expected["unread"]
