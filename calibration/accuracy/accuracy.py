"""Predicted against measured on machines that were never fitted: each figure of the accuracy page, and why."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from statistics import median

import numpy as np

from advisor.answer import REGIMES
from advisor.physics.coefficients import Efficiencies
from advisor.physics.knowledge import Knowledge
from advisor.physics.uncertainty import log_bounds
from advisor.prediction.case import Case
from calibration.fit.evidence import MeasuredRun, load_runs, observe
from calibration.fit.fitting import FitRow
from calibration.fit.leaving_out import LeftOutError, left_out_errors, restored
from calibration.fit.tables import errors_of, spreads_of
from catalog import tables
from catalog.units import GIB

FEWEST_FOR_RANKS = 8
"""Rows below which a rank correlation says nothing."""
OLD = {"2024": "a build of 2024 or before", "2025a": "a build of early 2025"}
LEAST_SPILL_GIB = 0.1
APART = 1.5
"""Factor between two measurements of one thing from which on they are told apart."""


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
class AccuracyTable:
    """All comparisons with the errors they come from, and how many rows are not among them by reason."""

    comparisons: list[Comparison]
    errors: list[LeftOutError]
    rows_read: int
    left_out: Counter[str]
    refused: list[tuple[MeasuredRun, str]]


def accuracy(again: bool = False) -> AccuracyTable:
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
    return AccuracyTable(
        _compared(errors, runs),
        errors,
        len(kept) + len(left_out),
        Counter(item.reason for item in left_out),
        [item for _, _, refused in observed for item in refused],
    )


def _compared(errors: Sequence[LeftOutError], runs: dict[FitRow, MeasuredRun]) -> list[Comparison]:
    """Comparisons with intervals from the errors of all other machines."""
    found = []
    ordered = sorted(errors, key=lambda item: item.observation.machine)
    for machine, group in groupby(ordered, key=lambda item: item.observation.machine):
        others = [item for item in errors if item.observation.machine != machine]
        knowledge = Knowledge.of(Efficiencies(), spreads_of(others, date.today()))  # noqa: DTZ011 - never shown
        for error in group:
            item = error.observation
            predicted = item.tok_s * math.exp(error.log_ratio)
            bounds = log_bounds(knowledge, item.kind, item.case.regime, error.novelty)
            low, high = (predicted * math.exp(bound) for bound in bounds)
            run = runs[item]
            found.append(Comparison(run, item.case, item.kind, machine, item.tok_s, predicted, low, high))
    return found


def figures(rows: Sequence[Comparison]) -> Figures:
    """Figures of a set of comparisons that is not empty."""
    apes, logs = [row.ape for row in rows], [row.log_ratio for row in rows]
    machines: dict[str, list[float]] = {}
    for row in rows:
        machines.setdefault(row.machine, []).append(row.ape)
    medians = [median(errors) for errors in machines.values()]
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
        spearman=spearman([(row.predicted, row.measured) for row in rows]),
    )


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


def explanation(row: Comparison, others: Sequence[Comparison]) -> str:
    """Why a prediction is far off, as far as its case tells: what was not said, what lies outside the physics, and what
    was measured otherwise; "" where nothing in it tells. `others` are all comparisons.
    """
    return "; ".join([*_measured_otherwise(row, others), *_unsaid(row), *_outside(row), *_rare(row, others)])


def _measured_otherwise(row: Comparison, others: Sequence[Comparison]) -> list[str]:
    """Runs of the same question on the same machine that came out quite differently: no prediction can meet both."""
    asked = _question(row)
    alike = [item.measured for item in others if item.machine == row.machine and _question(item) == asked]
    apart = [speed for speed in alike if abs(math.log(speed / row.measured)) > math.log(APART)]
    if not apart:
        return []
    low, high = (f"{pick(apart):.3g}" for pick in (min, max))
    return [f"other builds or settings gave {low if low == high else f'{low} to {high}'} tok/s for the same"]


def _question(row: Comparison) -> tuple[object, ...]:
    load = row.case.scenario.workload
    prompt = load.prompt_tokens if row.kind == "prefill" else 0
    where = row.case.regime, row.case.placement.n_cpu_moe
    return row.case.llm.name, row.case.quant.name, *where, load.context_depth, prompt


def _unsaid(row: Comparison) -> list[str]:
    case, engine = row.case, row.run.scenario.engine
    found = []
    if REGIMES[case.regime].beside_ram:
        found += ["the CPU is not named"] if "cpu" in case.machine.unknown else []
        found += ["the RAM's speed is not said"] if "ram_speed" in case.machine.unknown else []
        if case.machine.gpus and engine.n_gpu_layers is None and engine.n_cpu_moe is None:
            found.append("the placement is not said: the planner's is taken")
    if "vram" in case.machine.unknown:
        found.append("the card's memory size is not said")
    return found


def _outside(row: Comparison) -> list[str]:
    case, found = row.case, []
    storage_gib = case.placement.storage_bytes / GIB
    spilled_gib = case.placement.spilled_bytes / GIB
    if storage_gib > LEAST_SPILL_GIB:
        found.append(f"{storage_gib:.0f} GiB overflow into storage, whose speed depends on the disk and its cache")
    elif row.run.regime == "storage":
        found.append("the row says that it paged, by the sizes it need not")
    if spilled_gib > LEAST_SPILL_GIB and not case.machine.unified:
        found.append(f"{spilled_gib:.1f} GiB more than the cards hold: the driver spills")
    if case.machine.cpu.sockets > 1 and REGIMES[case.regime].beside_ram:
        found.append("several sockets: speed depends on the NUMA settings")
    if case.setting.era in OLD:
        found.append(OLD[case.setting.era])
    elif case.setting.stated == "unstated":
        found.append("the build is not named")
    return found


def _rare(row: Comparison, others: Sequence[Comparison]) -> list[str]:
    alike = {item.machine for item in others if item.architecture == row.architecture}
    if len(alike) == 1:
        return [f"no other machine with {row.architecture} was measured"]
    models = {item.machine for item in others if item.case.llm.name == row.case.llm.name}
    return ["this model was measured on no other machine"] if len(models) == 1 else []


def worst(rows: Sequence[Comparison], count: int) -> list[Comparison]:
    """The rows furthest off, one per machine and model: a sweep's rows are off alike."""
    found: dict[tuple[str, str], Comparison] = {}
    for row in sorted(rows, key=lambda item: -abs(item.log_ratio)):
        found.setdefault((row.machine, row.case.llm.name), row)
    return list(found.values())[:count]
