"""How long the estimates of 100,000 observations take, beside a plain median of the same by numpy.

`python -m tests.benchmarks.price_estimates` prints processor seconds of the fastest of five runs, and the ratio.
"""

import random
import time
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np

from advisor.market.estimate import estimates, votes_of
from advisor.market.market import shipped_market
from catalog import tables
from catalog.prices import Observation

COUNT, TIMES = 100_000, 5
DAY = date(2026, 11, 1)


def made_up() -> list[Observation]:
    """Observations like the shipped ones: their parts, kinds and currencies, other prices, sources and days."""
    drawn, shipped = random.Random(0), tables.observations()
    return [
        item.model_copy(update={
            "price": item.price * drawn.lognormvariate(0, 0.2), "source": f"https://{drawn.randrange(500)}.example/a",
            "as_of": DAY - timedelta(days=drawn.randrange(700)),
        })
        for item in drawn.choices(shipped, k=COUNT)
    ]


def fastest(work: Callable[[], object]) -> float:
    """Processor seconds of the fastest of `TIMES` runs."""
    taken = []
    for _ in range(TIMES):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def medians(observations: list[Observation]) -> dict[object, float]:
    """The plain way: the median price of each part and condition."""
    groups: dict[object, list[float]] = {}
    for item in observations:
        groups.setdefault((item.part_kind, item.part, item.memory_gib, item.condition), []).append(item.price)
    return {part: float(np.median(prices)) for part, prices in groups.items()}


def main() -> None:
    """Measure and print."""
    observations, market = made_up(), shipped_market()
    votes = votes_of(observations, market.basis, market.rates)
    read = fastest(lambda: votes_of(observations, market.basis, market.rates))
    estimated = fastest(lambda: estimates(votes, market.basis, DAY))
    plain = fastest(lambda: medians(observations))
    print(f"{len(observations):,} observations of {len(votes.parts):,} parts")
    print(f"columns {read:.3f} s, estimates {estimated:.3f} s, together {read + estimated:.3f} s")
    print(f"plain medians {plain:.3f} s: ratio {(read + estimated) / plain:.1f}")


if __name__ == "__main__":
    main()
