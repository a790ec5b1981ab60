"""How good each model is at each task: benchmarks brought onto one scale, and what they leave open filled in.

`python -m calibration.fit.model_quality` writes catalog/data/model_quality.csv anew from model_scores.csv.

1. The scale is the Artificial Analysis Intelligence Index v4.1: one independent party, one harness, most models.
2. Every other benchmark is a line through the models that have both, ln(index) over score, from index 5 on: below it
   the order says nothing. Its error is that of each model left out of the line in turn.
3. A task is the mean of its benchmarks by their weights; in place of one that nobody measured stands the best general
   estimate: the index, else the others by their errors, else the size and age of the model.
4. Modes are kept apart: a model that thinks is counted thinking only where the task's step counts the thinking too.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import numpy as np

from advisor.choosing.tasks import TASKS, TaskName
from calibration.fit.tables import write_table
from catalog.llms import ModelFacts, ModelQuality, ModelScore
from catalog.tables import DATA, model_facts, model_scores

INDEX: Final = "AA Intelligence Index v4.1"
WEIGHTS: Final[Mapping[TaskName, Mapping[str, float]]] = {
    "chat": {INDEX: 2, "LMArena text (style control)": 1, "IFBench (AA)": 1},
    "coding": {INDEX: 1, "AA Coding Index v4.1": 2, "LiveCodeBench (AA)": 1, "SciCode (AA)": 1,
               "LMArena text, coding prompts (style control)": 0.5},
    "agent": {INDEX: 1, "AA Agentic Index v4.1": 1.5, "Terminal-Bench Hard (AA)": 1.5, "tau2-bench Telecom (AA)": 0.5},
    "documents": {INDEX: 1, "AA-LCR long context (AA)": 2, "LMArena text, longer queries (style control)": 0.5},
    "vision": {INDEX: 1, "MMMU-Pro vision (AA)": 2},
}
"""What counts for a task: this program's choice, the benchmark nearest to it most."""
OTHERS: Final = ("GPQA Diamond (AA)", "MMLU-Pro (AA)", "whatmodel.sh score")
"""Count only where the index was not measured."""
LEAST_INDEX = 5.0
MEASURED, ESTIMATED = 0.05, 0.12
"""Deviation of ln(index) as it is measured, and as its measurer estimates it from a part of his runs: an assumption."""
FEWEST = 8
"""Fewer models than this with both make no line."""
OUTSIDE = 1.5
"""By so much an estimate by size and age is wider where the model is smaller than all that made the fit."""
SOURCE = "fit of catalog/data/model_scores.csv by `python -m calibration.fit.model_quality`"

MODES: Final[Mapping[str, tuple[bool, ...]]] = {"no": (False,), "always": (True,), "both": (True, False)}
"""Whether a model thinks, by what its facts say."""

Key = tuple[str, bool]
"""A model, and whether it thinks."""


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """ln(index) = intercept + slope x, with the deviation of models left out; `low` and `high` bound the fit."""

    intercept: float
    slope: float
    deviation: float
    low: float
    high: float

    def at(self, score: float) -> float:
        """ln(index), no further than a little beyond what made the line."""
        reach = 0.1 * (self.high - self.low)
        return self.intercept + self.slope * min(max(score, self.low - reach), self.high + reach)


def scores_by_key(rows: Iterable[ModelScore], facts: Mapping[str, ModelFacts]) -> dict[str, dict[Key, float]]:
    """Mean score by benchmark, model and mode. A score without a mode is of the mode that the model has, or of both."""
    found: dict[str, dict[Key, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        own = facts[row.name].reasoning if row.name in facts else ""
        said = {"yes": (True,), "no": (False,)}.get(row.reasons)
        modes = said or MODES.get(own, (True, False))
        for mode in modes:
            found[row.benchmark][row.name, mode].append(row.score)
    return {name: {key: float(np.mean(some)) for key, some in of.items()} for name, of in found.items()}


def left_out_deviation(design: Sequence[Sequence[float]], target: Sequence[float]) -> tuple[list[float], float]:
    """Least squares, and the deviation of each row from the fit of all others (by the hat matrix)."""
    x, y = np.array(design), np.array(target)
    theta, *_ = np.linalg.lstsq(x, y, rcond=None)
    hat = np.einsum("ij,ji->i", x, np.linalg.pinv(x))
    errors = (y - x @ theta) / np.maximum(1 - hat, 1e-6)
    return [float(value) for value in theta], float(np.sqrt(np.mean(errors**2)))


@dataclass(frozen=True)
class QualityFit:
    """Lines of all benchmarks and of size and age onto the logarithm of the index."""

    scores: Mapping[str, Mapping[Key, float]]
    estimated: frozenset[Key]
    """Whose index is estimated from a part."""
    facts: Mapping[str, ModelFacts]
    lines: Mapping[str, ScoreLine]
    by_size: tuple[float, ...]
    by_size_deviation: float
    least_active_b: float

    def estimate(self, key: Key, benchmark: str) -> tuple[float, float] | None:
        """ln(index) and its deviation by one benchmark; None where it says nothing of the model."""
        score = self.scores.get(benchmark, {}).get(key)
        if score is None:
            return None
        if benchmark == INDEX:
            deviation = ESTIMATED if key in self.estimated else MEASURED
            return math.log(max(score, 1.0)), deviation if score >= LEAST_INDEX else 2 * self.by_size_deviation
        line = self.lines.get(benchmark)
        return (line.at(score), line.deviation) if line else None

    def general(self, key: Key) -> tuple[float, float, bool]:
        """ln(index), its deviation, and whether any benchmark says it."""
        if index := self.estimate(key, INDEX):
            return *index, True
        others = [found for name in (*self.lines, *OTHERS) if (found := self.estimate(key, name))]
        size, deviation = self.size_and_age(key)
        if not others:
            return size, deviation, False
        others = [*dict.fromkeys(others), (size, deviation)]
        weights = np.array([1 / each**2 for _, each in others])
        mean = float(np.average([value for value, _ in others], weights=weights))
        # Benchmarks err together: the mean of several is no surer than the best of them.
        return mean, min(each for _, each in others), True

    def size_and_age(self, key: Key) -> tuple[float, float]:
        """ln(index) by size, date and mode alone, and its deviation."""
        facts = self.facts[key[0]]
        deviation = self.by_size_deviation * (OUTSIDE if facts.active_b < self.least_active_b else 1.0)
        return float(np.dot(self.by_size, size_row(facts, reasons=key[1]))), deviation


def size_row(facts: ModelFacts, *, reasons: bool) -> list[float]:
    """1, ln of all and of active 10^9 parameters, months since January 2024, and the mode."""
    year, month = (int(part) for part in (facts.released or "2024-01").split("-")[:2])
    months = 12.0 * (year - 2024) + month - 1
    return [1.0, math.log(facts.parameters_b), math.log(facts.active_b), months, float(reasons)]


def fit_quality(rows: Sequence[ModelScore], facts: Mapping[str, ModelFacts], without: str = "") -> QualityFit:
    """All lines. `without`: a benchmark that is not asked of any model; the index still gives the scale."""
    scores = scores_by_key(rows, facts)
    index = {key: math.log(score) for key, score in scores[INDEX].items() if score >= LEAST_INDEX}
    lines: dict[str, ScoreLine] = {}
    for name, of in scores.items():
        both = [key for key in of if key in index]
        if name in {INDEX, without} or len(both) < FEWEST:
            continue
        (intercept, slope), deviation = left_out_deviation(
            [[1.0, of[key]] for key in both], [index[key] for key in both]
        )
        seen = [of[key] for key in both]
        lines[name] = ScoreLine(intercept, slope, deviation, min(seen), max(seen))
    sized = [key for key in index if key[0] in facts and facts[key[0]].released]
    theta, deviation = left_out_deviation(
        [size_row(facts[name], reasons=mode) for name, mode in sized], [index[key] for key in sized]
    )
    asked = {name: of for name, of in scores.items() if name != without}
    part = frozenset((row.name, row.reasons == "yes") for row in rows if row.benchmark == INDEX and row.from_part)
    least = min(facts[name].active_b for name, _ in sized)
    return QualityFit(asked, part, facts, lines, tuple(theta), deviation, least)


def quality_of_task(fit: QualityFit, facts: ModelFacts, task: TaskName, as_of: date) -> ModelQuality:
    """How good a model is at a task, in the mode that the task counts where the model has it."""
    able = MODES.get(facts.reasoning) or _modes_of(fit, facts.name)
    mode = TASKS[task].reasons if TASKS[task].reasons in able else able[0]
    key = facts.name, mode
    general, deviation, said = fit.general(key)
    total, parts, squares, own = 0.0, 0.0, 0.0, 0
    for name, weight in WEIGHTS[task].items():
        found = fit.estimate(key, name)
        own += found is not None
        value, error = found or (general, deviation)
        total, parts, squares = total + weight, parts + weight * value, squares + weight * error**2
    middle, spread = parts / total, math.sqrt(squares / total)
    how: Literal["measured", "other_benchmarks", "size_and_age"]
    how = "measured" if fit.estimate(key, INDEX) else "other_benchmarks" if said else "size_and_age"
    low, high = (math.exp(middle + sign * spread) for sign in (-1, 1))
    return ModelQuality(
        name=facts.name, task=task, quality=round(math.exp(middle), 2), low=round(low, 2), high=round(high, 2),
        reasons=mode, how=how, benchmarks=own, source=SOURCE, as_of=as_of,
    )


def _modes_of(fit: QualityFit, name: str) -> tuple[bool, ...]:
    """Modes in which anything was measured of a model of which no source says whether it thinks."""
    found = {mode for of in fit.scores.values() for model, mode in of if model == name}
    return tuple(sorted(found)) or (False,)


def quality_table(rows: Sequence[ModelScore], facts: Sequence[ModelFacts], without: str = "") -> list[ModelQuality]:
    """Every model at every task; images only of models that take them."""
    by_name = {row.name: row for row in facts}
    fit, as_of = fit_quality(rows, by_name, without), max(row.as_of for row in facts)
    return [
        quality_of_task(fit, row, task, as_of)
        for row in facts for task in TASKS
        if row.released and (not TASKS[task].sees or "image" in row.modalities)
    ]


if __name__ == "__main__":
    write_table(DATA / "model_quality.csv", quality_table(model_scores(), model_facts()))
