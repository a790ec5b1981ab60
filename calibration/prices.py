"""Fits the estimate of prices to the shipped observations: what each kind of price is worth, and how fast it goes stale.

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
SOURCE = "fitted by python -m calibration.prices, each observation left out in turn"


def fitted(observations: Sequence[Observation], basis: Basis, rates: Rates) -> tuple[list[PriceFactor], list[PriceTrend]]:
    """Factors and trends fitted in turns from the shipped ones on; what too little is known of stays as it is."""
    starts = {(row.kind, row.seller, row.part_kind): row for row in tables.price_factors()}
    factors, trends = dict(starts), dict(basis.trends)
    for _ in range(ROUNDS):
        rows, _alone = left_out(observations, Basis.of(factors.values(), trends.values()), rates, other_kinds=True)
        factors = {key: _factor(row, starts[key], rows) for key, row in factors.items()}
        trends = {key: _trend(row, observations, factors, trends, rates) for key, row in trends.items()}
    return list(factors.values()), list(trends.values())


def _factor(row: PriceFactor, start: PriceFactor, rows: Sequence[LeftOut]) -> PriceFactor:
    """A factor moved by the median error of its observations, held near its start by `PRIOR_PAIRS`. Street prices,
    sales and trusted offers are the basis and stay.
    """
    mine = [r.log_error for r in rows if _is_of(r, row)]
    if row.factor is None or start.factor is None or row.factor == 1.0 or len(mine) < FEWEST / 2:
        return row
    wanted = math.log(row.factor) - float(np.median(mine))
    share = len(mine) / (len(mine) + PRIOR_PAIRS)
    log = share * wanted + (1 - share) * math.log(start.factor)
    error = 1.25 * float(np.std(mine)) / math.sqrt(len(mine))  # of a median
    return row.model_copy(
        update={"factor": round(math.exp(log), 3), "log_error": round(error, 3), "pairs": len(mine),
                "source": f"{SOURCE}; start: {start.source.rpartition('start: ')[2]}", "as_of": date.today()}
    )  # fmt: skip


def _is_of(row: LeftOut, factor: PriceFactor) -> bool:
    same = row.kind == factor.kind and row.seller == factor.seller
    if factor.part_kind is None:
        own = {(item.kind, item.seller, item.part_kind) for item in tables.price_factors()}
        return same and (row.kind, row.seller, row.part.kind) not in own
    return same and row.part.kind == factor.part_kind


def _trend(
    row: PriceTrend, observations: Sequence[Observation], factors: dict[Any, PriceFactor], trends: dict[Any, PriceTrend],
    rates: Rates,
) -> PriceTrend:  # fmt: skip
    mine = [item for item in observations if (item.part_kind, item.condition) == (row.part_kind, row.condition)]

    def errors(tau: float, drift: float) -> NDArray[np.float64]:
        """Log errors and ages in months. [n, 2]"""
        tried = row.model_copy(update={"tau_months": tau, "drift_per_month": drift})
        key = (row.part_kind, row.condition)
        rows, _ = left_out(mine, Basis.of(factors.values(), (trends | {key: tried}).values()), rates)
        return np.array([(r.log_error, r.age_days / 30.44) for r in rows]).reshape(-1, 2)

    if len(errors(row.tau_months, row.drift_per_month)) < FEWEST:
        return row
    grid = {pair: errors(*pair) for pair in product(TAUS, DRIFTS)}
    best = min(grid, key=lambda pair: float(np.mean(np.sqrt(np.abs(grid[pair][:, 0])))))
    log_sd, growth = _spread(grid[best])
    return row.model_copy(
        update={"tau_months": best[0], "drift_per_month": best[1], "log_sd": round(log_sd, 3),
                "log_sd_per_month": growth, "observations": len(grid[best]), "source": SOURCE, "as_of": date.today()}
    )  # fmt: skip


def _spread(errors: NDArray[np.float64]) -> tuple[float, float]:
    """Deviation of the day and its growth, so that 80 % of errors lie inside, in all and as evenly by age as may be."""
    found = []
    for growth in GROWTHS:
        low, high = 0.01, 1.0
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
    """Fit, write the tables, say what they are."""
    basis = Basis.of(tables.price_factors(), tables.price_trends())
    factors, trends = fitted(tables.observations(), basis, shipped_rates())
    for name, rows in (("price_factors.csv", factors), ("price_trends.csv", trends)):
        with (tables.DATA / name).open("w", newline="", encoding="utf-8") as file:
            file.write("# version 1\n")
            csv.writer(file, lineterminator="\n").writerows(_lines(rows))


if __name__ == "__main__":
    main()
