"""Rows of the evidence: intervals by regime, predicted beside measured speeds, and an article's claims. All pure."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from advisor.interval import deviation_of
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
