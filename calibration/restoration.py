"""The shipped efficiency table as a fit of the evidence again, without fitting: what is assessed is what is shipped."""

from collections.abc import Iterable, Sequence

import numpy as np

from calibration.fitting import Fit, Observation, Problem
from calibration.pooling import columns_of
from catalog.efficiency import Effect


def restored(observations: Sequence[Observation], effects: Iterable[Effect]) -> Fit:
    """The fit that a table of effects was written from; a label that the table lacks keeps its prior."""
    ordered = sorted(observations, key=lambda item: item.kind)
    columns = columns_of(item.case.setting for item in ordered)
    rows = {(row.coefficient, row.label): row for row in effects}
    found = [rows.get((column.coefficient.name, column.label)) for column in columns]
    pairs = list(zip(columns, found, strict=True))
    return Fit(
        columns,
        theta=np.array([row.log_value if row else column.prior for column, row in pairs]),
        standard_error=np.array([row.standard_error if row else column.deviation for column, row in pairs]),
        informed=np.array([row is not None and row.informed for _, row in pairs]),
        problem=Problem(ordered, columns),
    )
