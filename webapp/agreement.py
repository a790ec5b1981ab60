"""How far predictions were from measurements on machines that the fit had never seen, from the shipped tables alone.

`catalog.tables.left_out` has each measured speed with the error of the fit that left its machine out; what else is
known of the run (placement, backend, source) stands in `catalog.tables.public_runs`. All pure.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from advisor.answer import REGIMES
from advisor.documents import number
from advisor.physics.uncertainty import deviation_of, regime_bounds
from catalog.efficiency import LeftOutRow, PublicRun, Spread
from webapp.build_rows import PLACES, address

if TYPE_CHECKING:
    from calibration.accuracy.registered import Arrived

Row = dict[str, Any]
ALL = "all together"


@dataclass(frozen=True, slots=True)
class Measured:
    """One measured speed beside the one predicted without its machine, in tok/s."""

    kind: str
    """decode or prefill"""
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

    @property
    def inside(self) -> bool:
        """Whether the range holds what was measured."""
        return self.low <= self.measured <= self.high


@dataclass(frozen=True, slots=True)
class Headline:
    """How far to believe a kind of speed. Shares are of 1."""

    rows: int
    machines: int
    typical_error: float
    """Median over machines of each machine's median error."""
    inside: float
    """Share of the runs within their ranges, which should hold 0.9."""


def measured(left_out: Sequence[LeftOutRow], runs: Iterable[PublicRun]) -> tuple[Measured, ...]:
    """Every measured speed beside its prediction, with the range that the errors of all other machines give; one whose
    run is not among the public ones is placed nowhere.
    """
    known: dict[tuple[str, str, str, float], list[PublicRun]] = {}
    for run in reversed(tuple(runs)):
        for kind, tok_s in (("decode", run.decode_tok_s), ("prefill", run.prefill_tok_s)):
            if tok_s:
                known.setdefault((kind, run.model, run.quant, round(tok_s, 2)), []).append(run)
    # Both tables are in the order of the evidence: of runs that look alike each is the next one's.
    alike = (known.get((row.speed, row.model, row.quant, round(row.measured_tok_s, 2))) for row in left_out)
    made = [runs_left.pop() if runs_left else None for runs_left in alike]
    regimes = [of.regime if of else "all" for of in made]
    found = []
    for row, of, regime, (low, high) in zip(left_out, made, regimes, _bounds(left_out, regimes), strict=True):
        predicted = row.measured_tok_s * math.exp(row.log_ratio)
        found.append(Measured(
            row.speed, regime, of.backend if of else "", machine_words(row.machine), row.model, row.quant,
            row.measured_tok_s, predicted, predicted * math.exp(low), predicted * math.exp(high),
            of.source if of else row.source, of.as_of if of else str(row.as_of),
        ))
    return tuple(found)


def _bounds(rows: Sequence[LeftOutRow], regimes: Sequence[str]) -> list[tuple[float, float]]:
    """Logarithms of p05 and p95 over the median for each row, by the errors of the same kind on all other machines, as
    `calibration.accuracy` takes them.
    """
    deviations = np.array([deviation_of(row.speed, of, row.novelty) for row, of in zip(rows, regimes, strict=True)])
    ratios = -np.array([row.log_ratio for row in rows]) / deviations
    of_regimes, speeds = np.array(regimes), np.array([row.speed for row in rows])
    _, machines = np.unique([row.machine for row in rows], return_inverse=True)
    found: list[tuple[float, float]] = [(0.0, 0.0)] * len(rows)
    for speed in np.unique(speeds):
        for machine in np.unique(machines[speeds == speed]):
            here, others = (speeds == speed) & (machines == machine), (speeds == speed) & (machines != machine)
            bounds = regime_bounds(ratios[others], of_regimes[others], machines[others])
            for place in np.flatnonzero(here).tolist():
                low, high = bounds.get(regimes[place], bounds["all"])
                found[place] = low * deviations[place], high * deviations[place]
    return found


def machine_words(key: str) -> str:
    """A machine's key as people say it.

    >>> machine_words("RTX 3090 + RTX 3090 | unknown"), machine_words("none | Ryzen 7 5800X")
    ('2 x RTX 3090', 'Ryzen 7 5800X')
    """
    cards, _, cpu = key.partition(" | ")
    names = [name for name in cards.split(" + ") if name != "none"]
    counts = {name: names.count(name) for name in names}
    said = [name if count == 1 else f"{count} x {name}" for name, count in counts.items()]
    return ", ".join([" + ".join(said)] * bool(said) + [cpu] * (cpu not in ("", "unknown")))


def headline(rows: Sequence[Measured]) -> Headline:
    """The figures that stand first; of no rows, zeros."""
    machines = grouped(rows, "machine").values()
    return Headline(
        len(rows), len(machines),
        median(median(row.error for row in alike) for alike in machines) if rows else 0.0,
        sum(row.inside for row in rows) / len(rows) if rows else 0.0,
    )


def grouped(rows: Sequence[Measured], field: str) -> dict[str, list[Measured]]:
    """The rows by a field, in their order."""
    groups: dict[str, list[Measured]] = {}
    for row in rows:
        groups.setdefault(getattr(row, field), []).append(row)
    return groups


def by_regime(rows: Sequence[Measured]) -> list[Row]:
    """Errors by where the weights lie, all of them last."""
    groups = grouped(rows, "regime")
    ordered = sorted(groups.items(), key=lambda item: -len(item[1])) + ([("", list(rows))] if rows else [])
    found = []
    for regime, of in ordered:
        told = headline(of)
        found.append({
            "Where the model lies": PLACES.get(regime, regime) or ALL, "Runs": told.rows, "Machines": told.machines,
            "Typical error": told.typical_error * 100,
            "Within 20 %": sum(row.error <= 0.2 for row in of) / len(of) * 100,
            "Inside the range": told.inside * 100,
        })
    return found


def cards_of(rows: Sequence[Measured]) -> dict[str, list[Measured]]:
    """The runs by the card or machine they were made on, those with most runs first."""
    groups: dict[str, list[Measured]] = {}
    for row in rows:
        if row.machine:
            groups.setdefault(row.machine.partition(",")[0], []).append(row)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


def points(rows: Sequence[Measured]) -> list[Row]:
    """Points of predicted against measured."""
    return [
        {
            "measured": row.measured, "predicted": row.predicted, "machine": row.machine,
            "model": f"{row.model} {row.quant}", "regime": PLACES.get(row.regime, row.regime),
            "inside": "inside the range" if row.inside else "outside",
        }
        for row in rows
    ]


def listed(rows: Sequence[Measured]) -> list[Row]:
    """The runs, furthest off first."""
    return [
        {
            "Machine": row.machine, "Model": f"{row.model} {row.quant}", "Where": PLACES.get(row.regime, row.regime),
            "Measured": row.measured, "Predicted": row.predicted, "Low": row.low, "High": row.high,
            "Error": row.error * 100, "Inside": "yes" if row.inside else "no", "Date": row.as_of,
            "Link": address(row.source), "Source": row.source,
        }
        for row in sorted(rows, key=lambda row: -abs(math.log(row.predicted / row.measured)))
    ]


def beforehand(found: "Sequence[Arrived]") -> list[Row]:
    """Predictions that were written down before anybody measured, those with measurements first."""
    return [
        {
            "Machine": machine_words(item.machine), "Model": item.model,
            "Writes": f"{number(item.of.decode_p50)} ({number(item.of.decode_p05)}-{number(item.of.decode_p95)})",
            "Measured writing": ", ".join(map(number, item.decode)) or "nobody yet",
            "Reads": f"{number(item.of.prefill_p50)} ({number(item.of.prefill_p05)}-{number(item.of.prefill_p95)})",
            "Measured reading": ", ".join(map(number, item.prefill)) or "nobody yet",
            "Predicted on": item.of.predicted_on,
        }
        for item in sorted(found, key=lambda item: not (item.decode or item.prefill))
    ]


def intervals(spreads: Iterable[Spread], speed: str) -> list[Row]:
    """How far real runs lie from the prediction on machines never fitted but much like measured ones, by regime: the
    shipped table in words.
    """
    found = []
    for row in sorted(spreads, key=lambda row: -row.rows):
        if row.speed == speed and row.regime in REGIMES:
            deviation = deviation_of(row.speed, row.regime, novelty=0.0)
            low, high = (math.exp(deviations * deviation) * 100 for deviations in (row.low, row.high))
            found.append({
                "Where the model lies": PLACES[row.regime], "Slowest of 9 in 10": low, "Fastest of 9 in 10": high,
                "Runs": row.rows, "Machines": row.machines, "As of": row.as_of,
            })
    return found
