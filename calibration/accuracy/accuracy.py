"""Predicted against measured on machines that were never fitted: every figure of the accuracy page, as data."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from statistics import median

import numpy as np

from advisor.physics.coefficients import Efficiencies
from advisor.physics.knowledge import Knowledge
from advisor.physics.uncertainty import log_bounds
from advisor.prediction.case import Case
from calibration.fit.evidence import MeasuredRun, load_runs, observe
from calibration.fit.fitting import Observation
from calibration.fit.leaving_out import LeftOutError, left_out_errors, restored
from calibration.fit.tables import errors_of, spreads_of
from catalog import tables

FEWEST_FOR_RANKS = 8
"""Rows below which a rank correlation says nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One measured speed beside the one predicted without that machine, and the interval `low` to `high`; in tok/s."""

    run: MeasuredRun
    case: Case
    kind: str
    """decode or prefill"""
    machine: str
    """Resolved GPU | CPU."""
    measured: float
    predicted: float
    low: float
    high: float

    @property
    def ape(self) -> float:
        """|predicted - measured| / measured."""
        return abs(self.predicted - self.measured) / self.measured

    @property
    def log_ratio(self) -> float:
        """log(predicted / measured)."""
        return math.log(self.predicted / self.measured)

    @property
    def inside(self) -> bool:
        """Whether the interval holds the measured speed."""
        return self.low <= self.measured <= self.high

    @property
    def architecture(self) -> str:
        """Generation of the GPU, or of the CPU where there is none."""
        setting = self.case.setting
        return setting.microarchitecture if setting.architecture == "none" else setting.architecture


@dataclass(frozen=True, slots=True)
class Figures:
    """How wrong a set of predictions is. Shares are of 1; "balanced" is the median of the machines' medians."""

    rows: int
    machines: int
    median_ape: float
    machine_balanced_ape: float
    p90_ape: float
    machine_p90_ape: float
    within_20pct: float
    within_2x: float
    median_log_ratio: float
    interval_coverage: float
    median_interval_ratio: float
    spearman: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Accuracy:
    """All comparisons with the errors they come from, and how many rows are not among them by reason."""

    comparisons: list[Comparison]
    errors: list[LeftOutError]
    rows_read: int
    left_out: Counter[str]
    refused: list[tuple[MeasuredRun, str]]


def accuracy(again: bool = False) -> Accuracy:
    """Compare the shipped evidence with predictions, each by a fit that never saw its machine.

    The errors are those that were shipped with the fit, or with `again` those of leaving every machine out anew, from
    the shipped efficiencies, which takes minutes. Raises InputError where the shipped errors are of other evidence.
    """
    kept, left_out = load_runs()
    observed = [(run, *observe([run])) for run in kept]
    observations = [item for _, found, _ in observed for item in found]
    runs = {item: run for run, found, _ in observed for item in found}
    errors = (
        left_out_errors(restored(observations, tables.efficiencies()), observations)
        if again
        else errors_of(observations, tables.left_out())
    )
    return Accuracy(
        _compared(errors, runs),
        errors,
        len(kept) + len(left_out),
        Counter(item.reason for item in left_out),
        [item for _, _, refused in observed for item in refused],
    )


def _compared(errors: Sequence[LeftOutError], runs: dict[Observation, MeasuredRun]) -> list[Comparison]:
    """Comparisons with intervals from the errors of all other machines."""
    found = []
    ordered = sorted(errors, key=lambda item: item.observation.machine)
    for machine, group in groupby(ordered, key=lambda item: item.observation.machine):
        others = [item for item in errors if item.observation.machine != machine]
        knowledge = Knowledge.of(Efficiencies(), spreads_of(others, date.today()))  # noqa: DTZ011 - never shown
        found += [_comparison(item, runs[item.observation], knowledge) for item in group]
    return found


def _comparison(error: LeftOutError, run: MeasuredRun, knowledge: Knowledge) -> Comparison:
    item = error.observation
    predicted = item.tok_s * math.exp(error.log_ratio)
    low, high = log_bounds(knowledge, item.kind, item.case.regime, error.novelty)
    return Comparison(
        run, item.case, item.kind, item.machine, item.tok_s, predicted,
        predicted * math.exp(low), predicted * math.exp(high),
    )  # fmt: skip


def figures(rows: Sequence[Comparison]) -> Figures:
    """Figures of a set of comparisons that is not empty."""
    apes = [row.ape for row in rows]
    medians = _by_machine(rows)
    logs = [row.log_ratio for row in rows]
    rank = spearman([(row.predicted, row.measured) for row in rows])
    return Figures(
        rows=len(rows),
        machines=len(medians),
        median_ape=median(apes),
        machine_balanced_ape=median(medians),
        p90_ape=quantile(apes, 0.9),
        machine_p90_ape=quantile(medians, 0.9),
        within_20pct=sum(ape <= 0.2 for ape in apes) / len(rows),
        within_2x=sum(abs(log) <= math.log(2) for log in logs) / len(rows),
        median_log_ratio=median(logs),
        interval_coverage=sum(row.inside for row in rows) / len(rows),
        median_interval_ratio=median(row.high / row.low for row in rows),
        spearman=rank,
    )


def _by_machine(rows: Sequence[Comparison]) -> list[float]:
    """Median error of each machine."""
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row.machine, []).append(row.ape)
    return [median(apes) for apes in found.values()]


def quantile(values: Sequence[float], share: float) -> float:
    """The value that a share of the values lies below.

    >>> quantile([4.0, 1.0, 3.0, 2.0], 0.9), quantile([1.0, 2.0, 3.0, 4.0], 0.5)
    (4.0, 3.0)
    """
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Rank correlation; None for a handful of pairs."""
    if len(pairs) < FEWEST_FOR_RANKS:
        return None
    ranks = np.argsort(np.argsort(np.array(pairs), axis=0, kind="stable"), axis=0, kind="stable")
    return float(np.corrcoef(ranks[:, 0], ranks[:, 1])[0, 1])


GROUPS: dict[str, Callable[[Comparison], str]] = {
    "regime": lambda row: row.run.regime,
    "backend": lambda row: row.case.setting.backend,
    "architecture": lambda row: row.architecture,
    "model": lambda row: row.case.llm.name,
}
"""What the figures are given by."""


def grouped(rows: Sequence[Comparison], group: str) -> dict[str, list[Comparison]]:
    """Comparisons by one of `GROUPS`, the largest group first."""
    found: dict[str, list[Comparison]] = {}
    for row in rows:
        found.setdefault(GROUPS[group](row), []).append(row)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))
