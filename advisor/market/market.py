"""All that is known of prices on a day: the shipped observations, a person's own, and the estimates of both.

Reading what a person stored opens his database, only where there is one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from advisor.extras import require
from advisor.market.estimate import Basis, Estimate, Part, Votes, estimates, votes_of
from advisor.market.money import Rates, shipped_rates
from catalog import tables
from catalog.prices import Condition, Observation, PartKind

Choice = Literal["new", "used", "any"]
"""new: new prices alone; used: used ones where there are any, else new; any: the lower."""


DAYS_KEPT = 16
"""Days whose estimates are kept: strangers may ask for any."""


@dataclass(frozen=True, eq=False)
class Market:
    """Observations with what they are worth, and the estimates of any day."""

    observations: tuple[Observation, ...]
    basis: Basis
    rates: Rates
    _known: dict[date, Mapping[Part, Estimate]] = field(default_factory=dict, repr=False)

    @cached_property
    def votes(self) -> Votes:
        """The observations as columns."""
        return votes_of(self.observations, self.basis, self.rates)

    def estimates(self, as_of: date) -> Mapping[Part, Estimate]:
        """What each part cost, by what was known on a day."""
        known = self._known.get(as_of)
        if known is None:
            known = estimates(self.votes, self.basis, as_of)
            for day in list(self._known)[: 1 - DAYS_KEPT]:
                self._known.pop(day, None)
            self._known[as_of] = known
        return known

    def seen(self, kind: PartKind, part: str, memory_gib: float | None, as_of: date) -> tuple[Observation, ...]:
        """Observations of a part until a day, oldest first; without a size those of all its sizes."""
        found = [
            item for item in self.observations
            if (item.part_kind, item.part) == (kind, part) and item.as_of <= as_of
            and memory_gib in (None, item.memory_gib)
        ]
        return tuple(sorted(found, key=lambda item: item.as_of))


def market_of(own: Sequence[Observation] = (), rates: Rates | None = None) -> Market:
    """The shipped observations and those of a person."""
    if not own and rates is None:
        return shipped_market()
    return Market((*tables.observations(), *own), shipped_market().basis, rates or shipped_rates())


@cache
def shipped_market() -> Market:
    """The shipped observations alone."""
    basis = Basis.of(tables.price_factors(), tables.price_trends())
    return Market(tables.observations(), basis, shipped_rates())


def market_at(home: Path, rates: Rates | None = None) -> Market:
    """The shipped observations and those stored in a data folder, or in the database of ADVISOR_DATABASE_URL.

    Raises `InputError` for a database that cannot be used.
    """
    return market_of(stored_at(home), rates)


def stored_at(home: Path, *, exported: bool = False) -> tuple[Observation, ...]:
    """A person's own observations; `exported`: only what he may hand on. No database is opened where there is none."""
    from advisor.market.places import address

    url = address(home)
    if url is None:
        return ()
    require("reading the prices stored here", "prices")
    from contextlib import closing

    from advisor.market.store import PriceStore

    with closing(PriceStore(url)) as store:
        return store.observations(exported=exported)


def chosen(new: Estimate | None, used: Estimate | None, choice: Choice) -> tuple[Estimate, Condition] | None:
    """The estimate that counts under a choice of condition, and its condition."""
    both: list[tuple[Estimate, Condition]] = []
    if (new and choice != "used") or (new and not used):
        both.append((new, "new"))
    if used and choice != "new":
        both.append((used, "used"))
    return min(both, key=lambda pair: pair[0].price_usd, default=None)


def today() -> date:
    """The day by which prices are judged where none is asked."""
    return datetime.now(UTC).date()
