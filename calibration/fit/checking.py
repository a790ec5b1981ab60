"""A table of runs that somebody offers as evidence: each row beside its prediction, and what is wrong with it."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from advisor.answer import Prediction, Range
from advisor.errors import InputError
from advisor.physics.knowledge import Knowledge
from advisor.prediction.measured import by_own_runs
from advisor.prediction.prediction import predict
from advisor.question import OwnRun, Scenario, complaint
from calibration.fit.evidence import EVIDENCE, TABLES, MeasuredRun, Row, measured_run, reason_to_leave_out

NEEDED: Final = ("source_url", "source_date", "engine", "backend", "model", "quant", "decode_tok_s", "prefill_tok_s")
"""Columns that a table cannot be without; the others may be left out, and are then not stated."""
IMPLAUSIBLE: Final = 2.0
"""Times beyond the range that nine of ten runs lie in: further off than nearly all runs of the public evidence."""


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row: its line in the file, what it is read as, what is predicted, and what is to be said of it."""

    line: int
    row: Row
    model: str = ""
    machine: str = ""
    decode: Range | None = None
    prefill: Range | None = None
    verdict: str = "as expected"
    """"as expected", "outside the range", "implausible", "left out" or "not read"."""
    why: str = ""


def check(text: str, knowledge: Knowledge) -> list[CheckedRow]:
    """Every row of a CSV table in the columns of the evidence. Raises `InputError` for a table that is none."""
    with (EVIDENCE / TABLES[0]).open(newline="", encoding="utf-8") as file:
        known = next(csv.reader(file))
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    try:
        rows, there = list(reader), [name.strip() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise InputError(f"the table is no CSV that can be read ({error})") from None
    missing, strange = [name for name in NEEDED if name not in there], [name for name in there if name not in known]
    if missing or strange:
        said = f"it lacks {', '.join(missing)}" if missing else f"nothing is known of {', '.join(map(repr, strange))}"
        raise InputError(f"the table has other columns than calibration/evidence/README.md describes: {said}")
    whole = ({name: (row.get(name) or "").strip() for name in known} for row in rows)
    return [_checked(line, row, knowledge) for line, row in enumerate(whole, 2)]


def _checked(line: int, row: Row, knowledge: Knowledge) -> CheckedRow:
    if reason := reason_to_leave_out(row):
        return CheckedRow(line, row, verdict="left out", why=reason)
    try:
        run = measured_run(row)
        prediction = predict(run.scenario, knowledge)
    except ValidationError as error:
        return CheckedRow(line, row, verdict="not read", why=complaint(error, Scenario))
    except ValueError as error:
        return CheckedRow(line, row, verdict="not read", why=str(error))
    told = {"model": f"{prediction.model} {prediction.quant}", "machine": prediction.machine}
    verdict, why = _verdict(run, prediction, knowledge)
    return CheckedRow(
        line, row, **told, decode=prediction.decode_tok_s, prefill=prediction.prefill_tok_s, verdict=verdict, why=why
    )


def _verdict(run: MeasuredRun, prediction: Prediction, knowledge: Knowledge) -> tuple[str, str]:
    """What a row is worth beside its prediction, and why."""
    if not prediction.fits and prediction.decode_tok_s is None:
        return "implausible", "by the advisor it cannot run there: is the machine right?"
    impossible = _impossible(run, knowledge)
    if impossible:
        return "implausible", impossible
    far, why = 1.0, ""
    for verb, speed, told in (
        ("writes", run.decode_tok_s, prediction.decode_tok_s), ("reads", run.prefill_tok_s, prediction.prefill_tok_s)
    ):
        if speed and told:
            off = max(told.p05 / speed, speed / told.p95)
            if off > far:
                far, why = off, f"{verb} {speed:g} tok/s, predicted {told.p50:.4g} ({told.p05:.4g} to {told.p95:.4g})"
    return ("implausible" if far > IMPLAUSIBLE else "outside the range" if why else "as expected"), why


def _impossible(run: MeasuredRun, knowledge: Knowledge) -> str:
    """Why a run cannot be, if it is faster than its bytes can be read."""
    asked = run.scenario
    if not run.decode_tok_s:
        return ""
    own = OwnRun(
        model=asked.model, quant=asked.quant, engine=asked.engine, workload=asked.workload,
        decode_tok_s=run.decode_tok_s,
    )
    warnings = by_own_runs(asked.model_copy(update={"measured": (own,)}), knowledge).warnings
    return next((item.message for item in warnings if item.code == "impossible_run"), "")


def counted(rows: Sequence[CheckedRow]) -> Mapping[str, int]:
    """How many rows have each verdict."""
    return Counter(row.verdict for row in rows)
