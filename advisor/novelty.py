"""How far a scenario lies from what was measured: the deviation of its log time over all that no run has told.

A coefficient's labels that no run informed, or that the scenario leaves open, stand at their prior with the prior's
deviation.
The time moves with each coefficient by its own share, so the deviations of the coefficients add up in quadrature, each
times the derivative of the log time. What the runs did inform is not in here: `advisor.interval` adds its errors.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.coefficients import COLUMNS, by_name
from advisor.physics import total_s
from advisor.work import Numbers, Work

Stages = Callable[[Work, Mapping[str, Any]], Mapping[str, Numbers]]

STEP = 0.01
"""Part of a deviation by which a coefficient is moved to see the time move."""


def novelties(
    every: Sequence[Stages], work: Work, rows: NDArray[np.float64], deviations: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """For each physics of `every` the deviation of the log time of each row of `work`, shape (rows,); 0 where the runs
    told all.

    `rows` are the coefficients and `deviations` those of their logarithms, shape (rows, columns of all coefficients).
    """
    moved = by_name(_moved(rows, deviations))
    found = []
    for stages in every:
        logs = np.log(total_s(stages(work, moved)))
        found.append(np.sqrt((((logs[1:] - logs[0]) / STEP) ** 2).sum(axis=0)))
    return found


def _moved(rows: NDArray[np.float64], deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows as they are, and once for each coefficient moved by a part of its deviation.

    All moves are then one evaluation of the physics: as many small ones cost far more.
    """
    places = [place for place in COLUMNS.values() if deviations[:, place].any()]
    copies = np.repeat(rows[None], len(places) + 1, axis=0)
    factors = np.exp(STEP * deviations)
    for index, place in enumerate(places, 1):
        copies[index, :, place] *= factors[:, place]
    return copies
