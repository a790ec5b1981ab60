"""How far a scenario lies from what was measured: the deviation of its log time over all that no run has told.

A coefficient's labels that no run informed, or that the scenario leaves open, stand at their prior with the prior's
deviation. The time moves with each coefficient by its own share, so the deviations of the coefficients add up in
quadrature, each times the derivative of the log time. What the runs did inform is not in here: the intervals around a
speed, in the second half, add its errors.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from advisor.answer import REGIMES
from advisor.physics.coefficients import BESIDE, COLUMNS, by_name
from advisor.physics.knowledge import Knowledge
from advisor.physics.stages import total_s
from advisor.physics.task import FAMILIES, Numbers
from advisor.physics.work import BY_FAMILY, Work

Stages = Callable[[Work, Mapping[str, Any]], Mapping[str, Numbers]]

Values = dict[str, NDArray[np.float64]]
"""Coefficients by name, shape (rows,) or (rows, families)."""

STEP = 0.01
"""Part of a deviation by which a coefficient is moved to see the time move."""
FEW: Final = 400
"""So many moves of rows are worked out at once; of more, those of coefficients by quant family apart from the others,
which then need not be evaluated for each family anew.
"""
_STARTS: Final = [place.start if isinstance(place, slice) else place for place in COLUMNS.values()]
_COLUMN_COUNT: Final = _STARTS[-1] + 1


Evaluated = tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]
"""Seconds of each stage, and the deviation of the log of their sum, 0 where the runs told all; shape (rows,)."""


def evaluated(
    every: Sequence[Stages], work: Work, rows: NDArray[np.float64], deviations: NDArray[np.float64]
) -> list[Evaluated]:
    """What each physics of `every` says of the rows of `work`.

    `rows` are the coefficients and `deviations` those of their logarithms, shape (rows, columns of all coefficients).
    """
    values, factors = by_name(rows), by_name(np.exp(STEP * deviations))
    unknown = np.logical_or.reduceat(deviations.any(axis=0), _STARTS)
    plain = bool(((np.asarray(work.rows) <= 1) & (np.asarray(work.divided_share) >= 1)).all())
    names = [
        name for name, found in zip(COLUMNS, unknown.tolist(), strict=True) if found and not (plain and name in BESIDE)
    ]
    return [_evaluated(stages, work, values, factors, names) for stages in every]


def _evaluated(stages: Stages, work: Work, values: Values, factors: Values, unknown: Sequence[str]) -> Evaluated:
    read = _read_by(stages)
    numbers = [name for name in unknown if name in read and not isinstance(COLUMNS[name], slice)]
    by_family = [name for name in unknown if name in read and isinstance(COLUMNS[name], slice)]
    few = (len(numbers) + len(by_family)) * len(next(iter(values.values()))) <= FEW
    still = {name: values[name][None] for name in read}
    first = stages(work, still | _moved([numbers, by_family] if few else [numbers], values, factors, 1))
    log = np.log(total_s(first))
    squares = _squares(log[1:] - log[0])
    if by_family and not few:
        squares += _squares(np.log(total_s(stages(work, still | _moved([by_family], values, factors, 0)))) - log[0])
    return {name: np.asarray(seconds)[0] for name, seconds in first.items()}, np.sqrt(squares)


def _squares(moves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the squared slopes of log times, from what they moved by."""
    slopes = moves / STEP
    return np.asarray((slopes * slopes).sum(axis=0))


def _moved(groups: Sequence[Sequence[str]], values: Values, factors: Values, still: int) -> Values:
    """The coefficients of groups `still` times as they are, and once for each of them, where its turn comes moved by a
    part of its deviation. Those of a group have the same shape.

    Many moves are then one evaluation of the physics: as many small ones cost far more.
    """
    found: Values = {}
    count, turn = still + sum(map(len, groups)), still
    for names in filter(None, groups):
        rows, moves = (np.array([each[name] for name in names])[:, None] for each in (values, factors))
        turns = np.eye(len(names), count, turn, dtype=bool).reshape(len(names), count, *[1] * (rows.ndim - 2))
        found |= dict(zip(names, rows * np.where(turns, moves, 1.0), strict=True))
        turn += len(names)
    return found


class _Read(dict[str, NDArray[np.float64]]):
    """Coefficients that tell which of them were read."""

    def __init__(self) -> None:
        super().__init__(by_name(np.ones((1, _COLUMN_COUNT))))
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        self.names.add(name)
        return super().__getitem__(name)


@cache
def _read_by(stages: Stages) -> frozenset[str]:
    """Coefficients that a physics reads: its time does not move with any other."""
    read = _Read()
    one = {item.name: np.ones((1, len(FAMILIES)) if item.name in BY_FAMILY else 1) for item in fields(Work)}
    stages(Work(**one), read)
    return frozenset(read.names)


# The interval around a predicted speed: quantiles of left-out errors in units of each scenario's own deviation.
#
# Normalised conformal prediction: an error divided by its predicted deviation is exchangeable between scenarios that
# are like the measured ones and scenarios that are not. Source: Lei et al. 2018, "Distribution-Free Predictive
# Inference for Regression", section 5.2.

UNFITTED_LOG_WIDTH = math.log(3.0)
"""Half width where no spread was ever fitted: a factor 3 either way, said to be assumed."""
KNOWN_DEVIATION = {("decode", False): 0.1, ("decode", True): 0.2, ("prefill", False): 0.1, ("prefill", True): 0.3}
"""Deviation of log speed where the runs told all, by speed and whether weights are read beside the GPUs: chosen by the
coverage of left-out runs in each regime (0.03 to 0.8 tried). Only its ratio to the novelty counts, the quantiles do the
rest.
"""
MOST_NOVEL = 1.0
"""A novelty beyond this says nothing more: the speed is not known."""


def deviation_of(speed: str, regime: str, novelty: float) -> float:
    """Predicted deviation of log(measured / predicted) for a scenario of that novelty (see above)."""
    return math.hypot(KNOWN_DEVIATION[speed, REGIMES[regime].beside_ram], min(novelty, MOST_NOVEL))


LOW, HIGH = 0.05, 0.95
ALIKE = 30
"""Machines of a regime from which on its own quantiles count more than those of all: chosen of 0, 10, 30 and 60 by the
coverage of machines left out, unified memory above all, where one of 38 machines has half of the rows.
"""


def regime_bounds(
    ratios: NDArray[np.float64], regimes: NDArray[np.str_], machines: NDArray[np.int64]
) -> dict[str, tuple[float, float]]:
    """p05 and p95 of log(measured / predicted) in predicted deviations, over all and for each regime; shapes (n,),
    machines by number.

    Those of a regime are drawn towards those of all, the more the fewer machines it has: what a few machines are alike
    in says little of the next. The conformal rank (n + 1) p makes few rows give wide bounds.
    """

    def ends(of: NDArray[np.float64]) -> tuple[float, float]:
        reach = (len(of) + 1) / len(of)
        low, high = np.quantile(of, [max(0.0, 1 - (1 - LOW) * reach), min(1.0, HIGH * reach)]).tolist()
        return low, high

    every = ends(ratios)
    found = {"all": (min(every[0], 0.0), max(every[1], 0.0))}
    for regime in sorted(set(regimes.tolist())):
        there = regimes == regime
        count = len(np.unique(machines[there]))
        own = count / (count + ALIKE)
        low, high = (own * end + (1 - own) * other for end, other in zip(ends(ratios[there]), every, strict=True))
        found[regime] = min(low, 0.0), max(high, 0.0)
    return found


def log_bounds(knowledge: Knowledge, speed: str, regime: str, novelty: float, mode: str = "") -> tuple[float, float]:
    """Logarithms of p05 / p50 and p95 / p50 of a speed ("decode" or "prefill") in a regime, for a scenario of that
    novelty; `mode` says of several users or of drafts ("several_users", "speculative"), whose errors are others.
    """
    found = (knowledge.spreads.get((speed, name)) for name in (mode, regime, "all"))
    row = next((row for row in found if row), None)
    if row is None:
        return -UNFITTED_LOG_WIDTH, UNFITTED_LOG_WIDTH
    deviation = deviation_of(speed, regime, novelty)
    return row.low * deviation, row.high * deviation
