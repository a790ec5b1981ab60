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

from advisor.physics import total_s
from advisor.work import Numbers, Work

Stages = Callable[[Work, Mapping[str, Any]], Mapping[str, Numbers]]

STEP = 0.01
"""Part of a deviation by which a coefficient is moved to see the time move."""


def novelty(
    stages: Stages, work: Work, values: Mapping[str, Any], deviations: Sequence[Mapping[str, Any]]
) -> NDArray[np.float64]:
    """Deviation of the log time of each row of `work`, shape (rows,); 0 where the runs told all.

    `values` are the coefficients, stacked over the rows; `deviations` those of their logarithms, one mapping a row,
    with no entry for what is well known.
    """
    names = sorted({name for row in deviations for name in row})
    moved = {name: _moved(values[name], index, len(names), name, deviations) for index, name in enumerate(names)}
    # One evaluation of all moves, each a row of a further axis in front: as many small ones cost far more.
    logs = np.log(np.broadcast_to(total_s(stages(work, {**values, **moved})), (len(names) + 1, len(deviations))))
    return np.asarray(np.sqrt((((logs[:-1] - logs[-1]) / STEP) ** 2).sum(axis=0)))


def _moved(
    value: NDArray[np.float64], index: int, count: int, name: str, deviations: Sequence[Mapping[str, Any]]
) -> NDArray[np.float64]:
    """A coefficient `count` + 1 times: as it is, but the `index`-th moved by a part of each row's deviation."""
    still = np.zeros(np.shape(value)[1:])
    copies = np.repeat(np.asarray(value)[None], count + 1, axis=0)
    copies[index] *= np.exp(STEP * np.array([row.get(name, still) for row in deviations]))
    return copies
