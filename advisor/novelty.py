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
    start = np.log(total_s(stages(work, values)))
    variance = np.zeros(len(deviations))
    for name in sorted({name for row in deviations for name in row}):
        moved = np.exp(STEP * np.array([row.get(name, np.zeros(np.shape(values[name])[1:])) for row in deviations]))
        slope = (np.log(total_s(stages(work, {**values, name: values[name] * moved}))) - start) / STEP
        variance += slope**2
    return np.sqrt(variance)
