"""How far estimates are from what was seen: every observation left out in turn, estimated from what others had told by
then: a buyer pays a seller whose prices nobody has seen, so what its own source told before does not count.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from advisor.market.estimate import Basis, Part, estimates, independent, votes_of
from advisor.market.money import Rates
from catalog.prices import Observation


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One observation and what the others said of its part on its day."""

    part: Part
    kind: str
    seller: str
    log_error: float
    """log(price seen, on the estimate's basis / estimate)."""
    inside: bool
    """Within the 80 % interval."""
    age_days: int
    """Of the newest other observation."""
    others: int
    day: date
    source: str
    """The independent source that saw it."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How estimates of some observations did. Errors are factors less one: 0.1 is 10 %."""

    observations: int
    alone: int
    """Of which nothing else was known on their day."""
    median_error: float
    p80_error: float
    bias: float
    """Median of the signed error: above 0, what was seen cost more than estimated."""
    inside: float


def left_out(observations: Sequence[Observation], basis: Basis, rates: Rates) -> tuple[list[LeftOut], dict[Part, int]]:
    """Each observation that says something against those of its part that other sources had told by its day; and how
    many of each part stood alone then. The two ends of a range are one observation.
    """
    by_part: dict[Part, list[Observation]] = {}
    for item in observations:
        by_part.setdefault(Part(item.part_kind, item.part, item.memory_gib, item.condition), []).append(item)
    found: list[LeftOut] = []
    alone: dict[Part, int] = {}
    for part, group in by_part.items():
        for units in _units(group):
            seen, source = units, independent(units[0].source)
            rest = [item for item in group if item.as_of <= seen[0].as_of and independent(item.source) != source]
            mine = votes_of(seen, basis, rates)
            if not mine.parts:
                continue
            known = estimates(votes_of(rest, basis, rates), basis, seen[0].as_of).get(part)
            if known is None:
                alone[part] = alone.get(part, 0) + 1
                continue
            usd, first = math.exp(float(mine.log_usd[0])), seen[0]
            inside, age = known.low_usd <= usd <= known.high_usd, (first.as_of - known.newest).days
            error = math.log(usd / known.price_usd)
            seen_as = part, first.kind, first.seller
            found.append(LeftOut(*seen_as, error, inside, age, known.observations, first.as_of, source))
    return found, alone


def _units(group: Sequence[Observation]) -> Iterable[list[Observation]]:
    """Observations one by one, the two ends of a range together."""
    ranges: dict[tuple[str, date, str], list[Observation]] = {}
    for item in group:
        if item.kind in ("range_low", "range_high"):
            ranges.setdefault((item.source, item.as_of, item.note), []).append(item)
        else:
            yield [item]
    yield from (ends for ends in ranges.values() if len(ends) == 2)


def agreement(rows: Sequence[LeftOut], alone: int) -> Agreement:
    """The figures of some observations; of none, they are not a number."""
    errors = np.array([row.log_error for row in rows])
    if not len(errors):
        return Agreement(0, alone, math.nan, math.nan, math.nan, math.nan)
    median, p80 = np.expm1(np.quantile(np.abs(errors), (0.5, 0.8))).tolist()
    inside = float(np.mean([row.inside for row in rows]))
    return Agreement(len(rows), alone, median, p80, math.expm1(float(np.median(errors))), inside)
