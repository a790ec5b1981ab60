"""Predictions that were written down before anybody measured, beside the runs that have come in since.

`calibration/evidence/predictions.csv` was written once, of cards and models of which no run stood in the evidence, and
is never edited; a row of any table of the evidence that asks the same of the same cards (and processor, where weights
lie in RAM) is set beside it.
"""

import csv
import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from advisor.answer import REGIMES
from advisor.documents import Document, Paragraph, Section, Table, columns
from advisor.prediction.case import Case, case_of
from advisor.question import Scenario
from calibration.accuracy.page import percent, speed
from calibration.fit.evidence import EVIDENCE, load_runs, machine_key, observe
from calibration.fit.fitting import FitRow
from catalog.names.index import UnknownName
from catalog.names.llms import resolve_llm

TABLE = EVIDENCE / "predictions.csv"
SPEEDS = ("decode", "prefill")
DEPTHS_APART = 2048
"""Runs whose contexts differ by more are of another question."""
INTRODUCTION = """Written down before anybody measured: speeds with the range that 9 of 10 runs should fall into, for
cards and models of which no run stood in the evidence on the day that each row names. The table is never edited; runs
that ask the same of the same machine are set beside it as they come in."""


@dataclass(frozen=True, slots=True)
class Registered:
    """One prediction in tok/s with the day it was made and the question as JSON."""

    predicted_on: str
    scenario: str
    decode_p50: float
    decode_p05: float
    decode_p95: float
    prefill_p50: float
    prefill_p05: float
    prefill_p95: float


@dataclass(frozen=True, slots=True)
class Arrived:
    """A prediction and what was measured since, in tok/s."""

    of: Registered
    machine: str
    model: str
    decode: tuple[float, ...] = ()
    prefill: tuple[float, ...] = ()


def registered(path: Path = TABLE) -> list[Registered]:
    """The predictions as they stand in the table."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Registered(row["predicted_on"], row["scenario"], *(float(row[name]) for name in list(row)[2:]))
            for row in csv.DictReader(file)
        ]


def judged(rows: Sequence[Registered] | None = None, measured: Sequence[FitRow] | None = None) -> list[Arrived]:
    """Each prediction with the runs that arrived; without arguments of the shipped tables."""
    listed = registered() if rows is None else rows
    cases = [case_of(Scenario.model_validate_json(row.scenario)) for row in listed]
    runs = _observed({case.llm.name for case in cases}) if measured is None else measured
    by_model: dict[str, list[FitRow]] = {}
    for run in runs:
        by_model.setdefault(run.case.llm.name, []).append(run)
    found = []
    for row, case in zip(listed, cases, strict=True):
        same = [run for run in by_model.get(case.llm.name, ()) if _asks_the_same(case, run.case)]
        speeds = (tuple(run.tok_s for run in same if run.kind == kind) for kind in SPEEDS)
        found.append(Arrived(row, machine_key(case), f"{case.llm.name} {case.quant.name}", *speeds))
    return found


def _observed(models: Collection[str]) -> list[FitRow]:
    """The runs of the evidence on some models; what the catalog does not know is none of them."""
    found = []
    for run in load_runs()[0]:
        with suppress(UnknownName):
            if resolve_llm(str(run.scenario.model)).row.llm.name in models:
                found.append(run)
    return observe(found)[0]


def _asks_the_same(left: Case, right: Case) -> bool:
    """Whether cards, model, quantisation and placement are the same, the processor where it reads weights."""
    keys = [machine_key(case) for case in (left, right)]
    if not REGIMES[left.regime].beside_ram:
        keys = [key.partition(" | ")[0] for key in keys]
    depths = [case.scenario.workload.decode_start for case in (left, right)]
    asked = ((case.quant.name, case.regime, case.placement.n_cpu_moe) for case in (left, right))
    return keys[0] == keys[1] and next(asked) == next(asked) and abs(depths[0] - depths[1]) <= DEPTHS_APART


def _inside(item: Arrived) -> list[bool]:
    ends = ((item.of.decode_p05, item.of.decode_p95), (item.of.prefill_p05, item.of.prefill_p95))
    speeds = (item.decode, item.prefill)
    return [low <= each <= high for (low, high), of in zip(ends, speeds, strict=True) for each in of]


def document(found: Sequence[Arrived]) -> Document:
    """The predictions as a page: how many came true, and each."""
    inside = [hit for item in found for hit in _inside(item)]
    share = f", {percent(sum(inside) / len(inside))} within their range" if inside else ""
    remark = f"{len(found)} predictions; {len(inside)} speeds were measured since{share}."
    table = [
        (item.of.predicted_on, item.machine.replace(" | ", ", "), item.model,
         f"{speed(item.of.decode_p50)} ({speed(item.of.decode_p05)}-{speed(item.of.decode_p95)})",
         ", ".join(map(speed, item.decode)),
         f"{speed(item.of.prefill_p50)} ({speed(item.of.prefill_p05)}-{speed(item.of.prefill_p95)})",
         ", ".join(map(speed, item.prefill)))
        for item in found
    ]
    titles = columns("on", "machine", "model", "decode, tok/s", "measured", "prefill, tok/s", "measured")
    return Document("", [Section("Predicted beforehand", [Paragraph(INTRODUCTION), Paragraph(remark),
                                                         Table(titles, table)])])


def as_data(found: Sequence[Arrived]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        asdict(item.of) | {"scenario": json.loads(item.of.scenario), "machine": item.machine, "model": item.model,
                           "measured_decode_tok_s": item.decode, "measured_prefill_tok_s": item.prefill}
        for item in found
    ]
