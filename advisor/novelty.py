"""How far a scenario lies from what was measured: the deviation of its log time over all that no run has told.

A coefficient's labels that no run informed, or that the scenario leaves open, stand at their prior with the prior's
deviation.
The time moves with each coefficient by its own share, so the deviations of the coefficients add up in quadrature, each
times the derivative of the log time. What the runs did inform is not in here: `advisor.interval` adds its errors.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.coefficients import COLUMNS, by_name
from advisor.physics import total_s
from advisor.work import Numbers, Work

Stages = Callable[[Work, Mapping[str, Any]], Mapping[str, Numbers]]

STEP = 0.01
"""Part of a deviation by which a coefficient is moved to see the time move."""


class Evaluated(NamedTuple):
    """The seconds of each stage, and the deviation of the log of their sum; shape (rows,)."""

    stages: dict[str, NDArray[np.float64]]
    novelty: NDArray[np.float64]
    """0 where the runs told all."""


def evaluated(
    every: Sequence[Stages], work: Work, rows: NDArray[np.float64], deviations: NDArray[np.float64]
) -> list[Evaluated]:
    """What each physics of `every` says of the rows of `work`.

    `rows` are the coefficients and `deviations` those of their logarithms, shape (rows, columns of all coefficients).
    """
    moved = by_name(_moved(rows, deviations))
    found = []
    for stages in every:
        seconds = stages(work, moved)
        logs = np.log(total_s(seconds))
        slopes = (logs[1:] - logs[0]) / STEP
        still = {name: np.asarray(value)[0] for name, value in seconds.items()}
        found.append(Evaluated(still, np.sqrt((slopes * slopes).sum(axis=0))))
    return found


def _moved(rows: NDArray[np.float64], deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows as they are, and once for each coefficient moved by a part of its deviation.

    All moves are then one evaluation of the physics: as many small ones cost far more.
    """
    unknown = np.logical_or.reduceat(deviations.any(axis=0), _STARTS)
    chosen = _CHOSEN[np.concatenate([[True], unknown])]
    return rows * np.where(chosen[:, None, :], np.exp(STEP * deviations), 1.0)


_STARTS = np.array([place.start if isinstance(place, slice) else place for place in COLUMNS.values()])
_CHOSEN = np.zeros((len(COLUMNS) + 1, _STARTS[-1] + 1), dtype=bool)
for _index, _place in enumerate(COLUMNS.values(), 1):
    _CHOSEN[_index, _place] = True
