"""Rows of the evidence: intervals by regime, predicted beside measured speeds, and an article's claims. All pure."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from advisor.physics.knowledge import Knowledge
from advisor.physics.uncertainty import deviation_of
from calibration.accuracy.accuracy import Accuracy, accuracy
from calibration.accuracy.claims import judged, section
from calibration.accuracy.page import machine_words
from catalog import tables
from catalog.efficiency import Spread
from webapp.build_rows import REGIMES, address
from webapp.links import EvidenceState

Row = dict[str, Any]
ALL = "all together"


@dataclass(frozen=True, slots=True)
class Measured:
    """One measured speed beside the one predicted without its machine, in tok/s."""

    kind: str
    regime: str
    backend: str
    machine: str
    model: str
    quant: str
    measured: float
    predicted: float
    low: float
    high: float
    source: str
    as_of: str

    @property
    def error(self) -> float:
        """|predicted - measured| / measured."""
        return abs(self.predicted - self.measured) / self.measured


def intervals(spreads: Iterable[Spread], speed: str) -> list[Row]:
    """How far real runs lie from the prediction on machines never fitted but much like measured ones, by regime: the
    shipped table in words.
    """
    rows = [row for row in spreads if row.speed == speed and row.regime != "all"]
    return [
        {
            "Where the weights lie": REGIMES.get(row.regime, ALL), "Slowest of 9 in 10": _percent(row, row.low),
            "Fastest of 9 in 10": _percent(row, row.high), "Runs": row.rows, "Machines": row.machines,
            "As of": row.as_of,
        }
        for row in sorted(rows, key=lambda row: -row.rows)
    ]  # fmt: skip


def _percent(row: Spread, deviations: float) -> float:
    return math.exp(deviations * deviation_of(row.speed, row.regime, novelty=0.0)) * 100


def kept(rows: Sequence[Measured], state: EvidenceState) -> list[Measured]:
    """The runs that the filters of a view leave."""
    return [
        row for row in rows
        if row.kind == state.speed and (not state.regime or row.regime in state.regime)
        and (not state.backend or row.backend in state.backend) and (not state.model or row.model in state.model)
    ]  # fmt: skip


def by_regime(rows: Sequence[Measured]) -> list[Row]:
    """Errors by where the weights lie, all of them last."""
    groups: dict[str, list[Measured]] = {}
    for row in rows:
        groups.setdefault(row.regime, []).append(row)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [_errors(REGIMES.get(name, name), of) for name, of in ordered] + ([_errors(ALL, rows)] if rows else [])


def _errors(name: str, rows: Sequence[Measured]) -> Row:
    machines = _grouped(rows, lambda row: row.machine)
    return {
        "Where the weights lie": name, "Runs": len(rows), "Machines": len(machines),
        "Typical error": median(median(row.error for row in of) for of in machines) * 100,
        "Within 20 %": sum(row.error <= 0.2 for row in rows) / len(rows) * 100,
        "Inside the range": sum(row.low <= row.measured <= row.high for row in rows) / len(rows) * 100,
    }  # fmt: skip


def _grouped(rows: Sequence[Measured], key: Callable[[Measured], str]) -> list[list[Measured]]:
    groups: dict[str, list[Measured]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def points(rows: Sequence[Measured]) -> list[Row]:
    """Points of the chart."""
    return [
        {
            "measured": row.measured, "predicted": row.predicted, "regime": REGIMES.get(row.regime, row.regime),
            "machine": row.machine, "model": f"{row.model} {row.quant}",
            "inside": "inside the range" if row.low <= row.measured <= row.high else "outside",
        }
        for row in rows
    ]  # fmt: skip


def table(rows: Sequence[Measured]) -> list[Row]:
    """The runs, furthest off first."""
    return [
        {
            "Machine": row.machine, "Model": f"{row.model} {row.quant}", "Where": REGIMES.get(row.regime, row.regime),
            "Measured": row.measured, "Predicted": row.predicted, "Low": row.low, "High": row.high,
            "Error": row.error * 100, "Date": row.as_of, "Link": address(row.source), "Source": row.source,
        }
        for row in sorted(rows, key=lambda row: -row.error)
    ]  # fmt: skip


# What the evidence page asks of the calibration room: every measured run predicted without its machine, and claims.
#
# Apart from the others because scipy is imported on the way, which the first page does not wait for.

WHAT = {
    "weights_gb": "size of the model", "vram_floor_gb": "least VRAM", "ram_floor_gb": "least RAM",
    "decode_tok_s": "writes", "prefill_tok_s": "reads", "max_context_tokens": "longest context",
    "price_used": "price, used", "price": "price, new", "slowdown_fraction": "slower by", "load_time_s": "loads in",
    "decode_tok_s_first": "writes at first", "decode_tok_s_steady": "writes in the end",
    "speedup_fraction": "faster by", "throughput_factor": "serves more by",
}  # fmt: skip
"""The metrics of the claims table in words."""


def measured(found: Accuracy | None = None) -> tuple[Measured, ...]:
    """Every comparison, lightly. Takes some seconds where `found` is not given."""
    return tuple(
        Measured(
            kind=row.kind, regime=row.run.regime, backend=row.case.setting.backend,
            machine=machine_words(row.machine).removeprefix("none, "), model=row.case.llm.name,
            quant=row.case.quant.name, measured=row.measured, predicted=row.predicted, low=row.low, high=row.high,
            source=row.run.source, as_of=row.run.as_of,
        )
        for row in (found or accuracy()).comparisons
    )  # fmt: skip


def claims(knowledge: Knowledge) -> tuple[dict[str, Any], ...]:
    """The article's claims with verdicts."""
    found = judged(knowledge, tables.public_runs())
    rows = (dict(zip(section(found).columns, row, strict=True)) for row in section(found).rows)
    return tuple(
        {
            "Claim": row["claim"], "On": row["on"], "What": WHAT.get(row["what"], row["what"]),
            "Claimed": row["claimed"], "Here": row["here"],
            "Verdict": row["verdict"], "Measured nearby": row["measured nearby"],
            "Link": address(row["sources"]), "Sources": row["sources"],
        }
        for row in rows
    )  # fmt: skip
