"""Fits the estimate of prices to the shipped observations: what a kind of price is worth, how fast it goes stale.

`python -m calibration.prices` writes catalog/data/price_factors.csv and price_trends.csv. An observation is always
judged by what other sources had told of its part by its day, as `advisor prices check` does.
"""

import csv
import math
from collections.abc import Sequence
from datetime import date
from itertools import product

import numpy as np
from numpy.typing import NDArray

from advisor.market.checking import left_out
from advisor.market.estimate import NORMAL_80, Basis, Part
from advisor.market.money import Rates, shipped_rates
from catalog import tables
from catalog.prices import Kind, Observation, PartKind, PriceFactor, PriceTrend, Seller

TAUS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 12.0)
DRIFTS = (-0.01, 0.0, 0.01, 0.02, 0.03)
GROWTHS = (0.0, 0.03, 0.06, 0.1, 0.13, 0.17)
FEWEST = 20
"""A trend is fitted where so many observations can be left out; else the start holds."""
PRIOR_PAIRS = 10.0
"""A factor's start counts as so many observations."""
SMALLEST_SD = 0.08
"""Shops differ by so much: the least spread measured is that of deals of one processor in one month, 7 %.
Source: design notes "What a part costs"."""
TOGETHER_DAYS = 45
"""Prices seen within this time of each other are of one market; both before and after, so that a rise takes no side."""
BASIS_KINDS = frozenset({"street", "asking", "sold"})
SOURCE = "fitted by python -m calibration.prices"


def fitted(
    observations: Sequence[Observation], starts: Sequence[PriceFactor], trends: Sequence[PriceTrend], rates: Rates
) -> tuple[list[PriceFactor], list[PriceTrend]]:
    """Factors, then trends; what too little is known of stays at its start. Whatever was fitted before, the same
    observations give the same tables.
    """
    factors = fitted_factors(observations, starts, rates)
    return factors, [fitted_trend(row, observations, Basis.of(factors, ()), rates) for row in trends]


def fitted_factors(
    observations: Sequence[Observation], starts: Sequence[PriceFactor], rates: Rates
) -> list[PriceFactor]:
    """What each kind of price is worth: the median ratio of street prices, sales and trusted offers of the same part,
    seen at most `TOGETHER_DAYS` before or after, to it; held near its start by `PRIOR_PAIRS`.
    """
    by_part: dict[Part, list[Observation]] = {}
    for item in observations:
        by_part.setdefault(Part(item.part_kind, item.part, item.memory_gib, item.condition), []).append(item)
    basis = Basis.of([row.model_copy(update={"factor": row.start}) for row in starts], ())
    ratios: dict[tuple[Kind, Seller, PartKind | None], list[float]] = {}
    for group in by_part.values():
        known = [item for item in group if item.kind in BASIS_KINDS and _worth(item, basis) == 1.0]
        for item in group:
            near = [_log_usd(other, rates) for other in known if abs((other.as_of - item.as_of).days) <= TOGETHER_DAYS]
            if near and _worth(item, basis) not in (None, 1.0):
                key = basis.key(item.kind, item.seller, item.part_kind)
                ratios.setdefault(key, []).append(float(np.median(near)) - _log_usd(item, rates))
    newest = max(item.as_of for item in observations)
    return [_factor(row, ratios.get((row.kind, row.seller, row.part_kind), []), newest) for row in starts]


def _worth(item: Observation, basis: Basis) -> float | None:
    return basis.factor(item.kind, item.seller, item.part_kind)


def _log_usd(item: Observation, rates: Rates) -> float:
    return math.log(item.price / rates.per_usd(item.currency, item.as_of))


def _factor(row: PriceFactor, ratios: Sequence[float], newest: date) -> PriceFactor:
    if row.start is None or len(ratios) < FEWEST / 2:
        return row.model_copy(update={"factor": row.start, "log_error": None, "pairs": None})
    share = len(ratios) / (len(ratios) + PRIOR_PAIRS)
    log = share * float(np.median(ratios)) + (1 - share) * math.log(row.start)
    error = 1.25 * float(np.std(ratios)) / math.sqrt(len(ratios))  # of a median
    source = f"{SOURCE}; start: {row.source.rpartition('start: ')[2]}"
    return row.model_copy(
        update={"factor": round(math.exp(log), 3), "log_error": round(error, 3), "pairs": len(ratios),
                "source": source, "as_of": newest}
    )


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
    )


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


def main() -> None:
    """Fit, and write the tables."""
    factors, trends = fitted(tables.observations(), tables.price_factors(), tables.price_trends(), shipped_rates())
    for name, rows in (("price_factors.csv", factors), ("price_trends.csv", trends)):
        columns = list(type(rows[0]).model_fields)
        cells = [["" if getattr(row, column) is None else getattr(row, column) for column in columns] for row in rows]
        with (tables.DATA / name).open("w", newline="", encoding="utf-8") as file:
            file.write("# version 1\n")
            csv.writer(file, lineterminator="\n").writerows([columns, *cells])


if __name__ == "__main__":
    main()
