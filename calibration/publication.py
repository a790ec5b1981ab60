"""What was learned, written back as facts: the fitted effects and the spreads of left-out errors, as catalog tables."""

import csv
import os
import tempfile
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from advisor.interval import deviation_of
from calibration.assessment import LeftOutError
from calibration.fitting import Fit
from catalog.efficiency import Effect, Spread

SOURCE = "fit of calibration/evidence by `python -m calibration`"
LOW, HIGH = 0.05, 0.95
DIGITS = 5


def effects_of(fit: Fit, as_of: date) -> list[Effect]:
    """Rows of the efficiency table, by coefficient and label."""
    rows = [
        Effect(
            coefficient=column.coefficient.name,
            label=column.label,
            log_value=round(float(value), DIGITS),
            standard_error=round(float(error), DIGITS),
            prior=round(column.prior, DIGITS),
            prior_deviation=column.deviation,
            informed=bool(informed),
            source=SOURCE,
            as_of=as_of,
        )
        for column, value, error, informed in zip(fit.columns, fit.theta, fit.standard_error, fit.informed, strict=True)
    ]
    return sorted(rows, key=lambda row: (row.coefficient, row.label))


def spreads_of(errors: Sequence[LeftOutError], as_of: date) -> list[Spread]:
    """Quantiles of log(measured / predicted) per speed and regime, in predicted deviations."""
    groups: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for error in errors:
        item = error.observation
        regime = item.case.regime
        told = item.machine, -error.log_ratio / deviation_of(item.kind, regime, error.novelty)
        for name in ("all", regime):
            groups.setdefault((item.kind, name), []).append(told)
    return [_spread(groups[key], *key, as_of) for key in sorted(groups)]


def _spread(errors: Sequence[tuple[str, float]], speed: str, regime: str, as_of: date) -> Spread:
    ratios = np.array([ratio for _, ratio in errors])
    machines = {machine for machine, _ in errors}
    # The conformal rank (n + 1) p makes few rows give wide bounds.
    low, high = (float(np.quantile(ratios, min(1.0, max(0.0, share)))) for share in _conformal(len(ratios)))
    return Spread(
        speed=speed,
        regime=regime,
        low=round(min(low, 0.0), DIGITS),
        high=round(max(high, 0.0), DIGITS),
        rows=len(errors),
        machines=len(machines),
        source=SOURCE,
        as_of=as_of,
    )


def _conformal(rows: int) -> tuple[float, float]:
    reach = (rows + 1) / rows
    return 1 - (1 - LOW) * reach, HIGH * reach


def write_table(path: Path, rows: Iterable[BaseModel]) -> None:
    """A CSV table of rows, written beside its place and renamed."""
    dumped = [row.model_dump(mode="json") for row in rows]
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(dumped[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(dumped)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
