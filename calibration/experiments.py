"""Which runs of the engine tell most about this machine for the time that they take.

Of all candidates the next one is always that which narrows the predictions of everyday questions most per second
(greedy V-optimal design). Source: Fedorov, "Theory of Optimal Experiments", 1972, chapter 2.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from advisor.engine.session.messages import Measure
from advisor.engine.settings import EngineSettings
from calibration.fitting import Observation, Problem
from calibration.pooling import Column, Pooling

Array = NDArray[np.float64]
EXPECTED_NOISE = 0.05
"""Deviation of log(predicted / measured) that a run is expected to leave, the physics' own error included."""


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """One load of a model file and what is measured with it."""

    file: str
    settings: EngineSettings
    measures: tuple[Measure, ...]
    expected: tuple[Observation, ...]
    """What the known efficiencies predict of it."""
    seconds: float
    """What it is expected to take, the file written."""
    writing_s: float = 0.0
    """What it takes to write the file, once for all that use it."""


def chosen(
    candidates: Sequence[Experiment],
    everyday: Sequence[Observation],
    columns: Sequence[Column],
    pooling: Pooling,
    budget_s: float,
) -> list[Experiment]:
    """Experiments in the order in which they are to be made, as many as are expected to fit into the time."""
    target, *slopes = _slopes([everyday, *(item.expected for item in candidates)], columns, pooling)
    covariance = np.diag([column.deviation**2 for column in columns])
    gains = dict.fromkeys(range(len(candidates)), np.inf)
    spent_s, written, order = 0.0, set[str](), list[Experiment]()
    while gains:
        costs = {place: _cost(candidates[place], written) for place in gains}
        best = _best(gains, costs, slopes, partial(_gain, target, covariance))
        del gains[best]
        item = candidates[best]
        if spent_s + costs[best] > budget_s or any(_same_load(item, other) for other in order):
            continue
        covariance = _after(slopes[best], covariance)
        spent_s += costs[best]
        written.add(item.file)
        order.append(item)
    return order


def _best(
    gains: dict[int, float], costs: Mapping[int, float], slopes: Sequence[Array], gain_now: Callable[[Array], float]
) -> int:
    """The candidate with the highest gain per second. What was gained earlier bounds what is gained now, since known
    runs leave less to learn: so only those at the top are worked out anew.
    """
    fresh: set[int] = set()
    while True:
        best = max(gains, key=lambda place: gains[place] / costs[place])
        if best in fresh:
            return best
        gains[best] = gain_now(slopes[best])
        fresh.add(best)


def _same_load(one: Experiment, other: Experiment) -> bool:
    """Whether both load the same file in the same way, and differ in what is measured then."""
    return (one.file, one.settings) == (other.file, other.settings)


def _cost(item: Experiment, written: set[str]) -> float:
    return item.seconds + (0.0 if item.file in written else item.writing_s)


def _slopes(groups: Sequence[Sequence[Observation]], columns: Sequence[Column], pooling: Pooling) -> list[Array]:
    """Derivative of the log speed of each observation by each column, group by group: all worked out at once."""
    labelled = sorted(
        ((item, number) for number, group in enumerate(groups) for item in group), key=lambda pair: pair[0].kind
    )
    problem = Problem([item for item, _ in labelled], columns, pooling)
    slopes = np.asarray(problem.jacobian(problem.prior).toarray())
    of = np.array([number for _, number in labelled])
    return [slopes[of == number] for number in range(len(groups))]


def _gain(target: Array, covariance: Array, slopes: Array) -> float:
    """By how much the mean log deviation of the everyday predictions shrinks."""
    seen = target @ covariance
    before = np.einsum("ij,ij->i", seen, target)
    shared = seen @ slopes.T
    gained = np.einsum("ij,ji->i", shared, np.linalg.solve(_noise(slopes) + slopes @ covariance @ slopes.T, shared.T))
    return float((np.sqrt(before) - np.sqrt(np.maximum(before - gained, 0.0))).mean())


def _after(slopes: Array, covariance: Array) -> Array:
    """Covariance of the columns once these runs are known."""
    spread = slopes @ covariance
    narrower: Array = covariance - spread.T @ np.linalg.solve(_noise(slopes) + spread @ slopes.T, spread)
    return narrower


def _noise(slopes: Array) -> Array:
    return np.eye(len(slopes)) * EXPECTED_NOISE**2
