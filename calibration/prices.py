"""Fits the estimate of prices to the shipped observations: what a kind of price is worth, how fast it goes stale.

`python -m calibration.prices` writes catalog/data/price_factors.csv and price_trends.csv. An observation is always
judged by the others of its part that were known on its day, as `advisor prices check` does.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.market.checking import LeftOut, left_out
from advisor.market.estimate import NORMAL_80, Basis
from advisor.market.money import Rates, shipped_rates
from catalog import tables
from catalog.prices import Observation, PriceFactor, PriceTrend

TAUS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 12.0)
DRIFTS = (-0.01, 0.0, 0.01, 0.02, 0.03)
GROWTHS = (0.0, 0.03, 0.06, 0.1, 0.13, 0.17)
FEWEST = 20
"""A trend is fitted where so many observations can be left out; else the start holds."""
PRIOR_PAIRS = 10.0
"""A factor's start counts as so many observations."""
ROUNDS = 3
SMALLEST_SD = 0.08
"""Shops differ by so much: the least spread measured is that of deals of one processor in one month, 7 %.
Source: design notes "What a part costs"."""
SOURCE = "fitted by python -m calibration.prices, each observation left out in turn"


def fitted(
    observations: Sequence[Observation], starts: Sequence[PriceFactor], trends: Sequence[PriceTrend], rates: Rates
) -> tuple[list[PriceFactor], list[PriceTrend]]:
    """Factors and trends fitted in turns from the factors' starts on; what too little is known of stays as it is.

    The same observations give the same tables, whatever was fitted before.
    """
    factors = [row.model_copy(update={"factor": row.start}) for row in starts]
    basis, newest = Basis.of(factors, ()), max(item.as_of for item in observations)
    for _ in range(ROUNDS):
        rows, _alone = left_out(observations, basis, rates, other_kinds=True)
        factors = [_factor(row, rows, newest) for row in factors]
        trends = [fitted_trend(row, observations, Basis.of(factors, ()), rates) for row in trends]
        basis = Basis.of(factors, trends)
    return factors, list(trends)


def _factor(row: PriceFactor, rows: Sequence[LeftOut], newest: date) -> PriceFactor:
    """A factor moved by the median error of its observations, held near its start by `PRIOR_PAIRS`. Street prices,
    sales and trusted offers are the basis and stay.
    """
    mine = [r.log_error for r in rows if _is_of(r, row)]
    if row.factor is None or row.start is None or row.start == 1.0 or len(mine) < FEWEST / 2:
        return row
    wanted = math.log(row.factor) - float(np.median(mine))
    share = len(mine) / (len(mine) + PRIOR_PAIRS)
    log = share * wanted + (1 - share) * math.log(row.start)
    error = 1.25 * float(np.std(mine)) / math.sqrt(len(mine))  # of a median
    return row.model_copy(
        update={"factor": round(math.exp(log), 3), "log_error": round(error, 3), "pairs": len(mine),
                "source": f"{SOURCE}; start: {row.source.rpartition('start: ')[2]}", "as_of": newest}
    )  # fmt: skip


def _is_of(row: LeftOut, factor: PriceFactor) -> bool:
    same = row.kind == factor.kind and row.seller == factor.seller
    if factor.part_kind is None:
        own = {(item.kind, item.seller, item.part_kind) for item in tables.price_factors()}
        return same and (row.kind, row.seller, row.part.kind) not in own
    return same and row.part.kind == factor.part_kind


def fitted_trend(row: PriceTrend, observations: Sequence[Observation], basis: Basis, rates: Rates) -> PriceTrend:
    """How fast prices of the row's kind go stale, by the observations of that kind; where they are too few, the row."""
    key = (row.part_kind, row.condition)
    mine = [item for item in observations if (item.part_kind, item.condition) == key]

    def errors(tau: float, drift: float) -> NDArray[np.float64]:
        """Log errors and ages in months. [n, 2]"""
        tried = row.model_copy(update={"tau_months": tau, "drift_per_month": drift})
        rows, _ = left_out(mine, Basis(basis.factors, {key: tried}), rates)
        return np.array([(r.log_error, r.age_days / 30.44) for r in rows]).reshape(-1, 2)

    if len(errors(row.tau_months, row.drift_per_month)) < FEWEST:
        return row
    grid = {pair: errors(*pair) for pair in product(TAUS, DRIFTS)}
    best = min(grid, key=lambda pair: float(np.mean(np.sqrt(np.abs(grid[pair][:, 0])))))
    log_sd, growth = _spread(grid[best])
    return row.model_copy(
        update={"tau_months": best[0], "drift_per_month": best[1], "log_sd": round(log_sd, 3),
                "log_sd_per_month": growth, "observations": len(grid[best]), "source": SOURCE,
                "as_of": max(item.as_of for item in mine)}
    )  # fmt: skip


def _spread(errors: NDArray[np.float64]) -> tuple[float, float]:
    """Deviation of the day and its growth, so that 80 % of errors lie inside, in all and as evenly by age as may be."""
    found = []
    for growth in GROWTHS:
        low, high = SMALLEST_SD, 1.0
        for _ in range(40):
            log_sd = (low + high) / 2
            sd = np.sqrt(log_sd**2 + growth**2 * errors[:, 1])
            low, high = (low, log_sd) if np.mean(np.abs(errors[:, 0]) <= NORMAL_80 * sd) >= 0.8 else (log_sd, high)
        sd = np.sqrt(high**2 + growth**2 * errors[:, 1])
        # Laplace's likelihood: tails are heavier than a normal distribution's.
        found.append((float(np.mean(np.log(sd) + np.abs(errors[:, 0]) / sd)), high, growth))
    return min(found)[1:]


def _lines(rows: Sequence[PriceFactor | PriceTrend]) -> Iterator[list[Any]]:
    names = list(type(rows[0]).model_fields)
    yield names
    for row in rows:
        yield ["" if getattr(row, name) is None else getattr(row, name) for name in names]


def main() -> None:
    """Fit, and write the tables."""
    factors, trends = fitted(tables.observations(), tables.price_factors(), tables.price_trends(), shipped_rates())
    for name, rows in (("price_factors.csv", factors), ("price_trends.csv", trends)):
        with (tables.DATA / name).open("w", newline="", encoding="utf-8") as file:
            file.write("# version 1\n")
            csv.writer(file, lineterminator="\n").writerows(_lines(rows))


if __name__ == "__main__":
    main()
