"""What the parts of a build cost one buyer: estimates of what was observed, and what he owns.

1. A part costs what `advisor.market.estimate` makes of all observations of it, of its memory size and condition.
2. "used" takes the used estimate where there is one, else the new one; "any" takes the lower; "new" takes new ones.
3. A part without an observation that says something is never priced by a guess: it is left out.
4. A part that the buyer owns costs nothing, as often as it is owned.
5. A build costs the sum of its parts. Their errors add up in squares, those of pieces of one part as they are. Errors
   of different parts at one time hardly go together: observations left out, of other sources and at most 30 days apart,
   correlate by 0.03 within a kind of part and by 0.02 between kinds (held by tests/calibration/test_prices.py).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from advisor.market.estimate import Estimate, Part
from advisor.market.market import Choice, chosen
from catalog.prices import PartKind

Key = tuple[str, str, float | None]


@dataclass(frozen=True, slots=True)
class Quote:
    """The price that counts for a part; low to high is the 80 % interval."""

    price_usd: float
    low_usd: float
    high_usd: float
    as_of: date | None
    """The newest observation."""
    source: str
    """Where the newest stands."""
    condition: Literal["new", "used", "owned"]
    observations: int = 0
    sources: int = 0
    """Independent ones."""
    one_source: bool = False
    stale: bool = False
    """Of a kind that moves, and older than 45 days."""
    before_shortage: bool = False
    """All that is known of it is from before memory rose in 2025."""
    own: bool = False
    """The buyer's own figure."""
    fallback: bool = False
    """A used price was wanted and there is none."""


OWNED = Quote(0.0, 0.0, 0.0, None, "owned", "owned")


def own_price(usd: float, as_of: date, source: str, condition: Literal["new", "used"]) -> Quote:
    """A price that the buyer names: it holds for him."""
    return Quote(usd, usd, usd, as_of, source, condition, 1, 1, own=True)


def quote_of(new: Estimate | None, used: Estimate | None, choice: Choice) -> Quote | None:
    """The price that counts of the two conditions."""
    found = chosen(new, used, choice)
    if found is None:
        return None
    known, condition = found
    return Quote(
        round(known.price_usd, 2), round(known.low_usd, 2), round(known.high_usd, 2), known.newest, known.source,
        condition, known.observations, known.sources, known.one_source, known.stale, known.before_shortage, known.own,
        fallback=choice == "used" and condition == "new",
    )


def price_of(quotes: Iterable[Quote]) -> float:
    """Sum in USD."""
    return sum(quote.price_usd for quote in quotes)


def interval_of(quotes: Iterable[Quote]) -> tuple[float, float]:
    """Low and high of a sum of parts, each known apart from the others; equal quotes are pieces of one part.

    >>> a, b = (Quote(100, 70, 130, None, name, "new") for name in "ab")
    >>> interval_of([a, a]), interval_of([a, b])
    ((140.0, 260.0), (157.57359312880715, 242.42640687119285))
    """
    usd: dict[Quote, float] = {}
    for quote in quotes:
        usd[quote] = usd.get(quote, 0.0) + 1
    total = sum(quote.price_usd * count for quote, count in usd.items())
    below = math.hypot(*((quote.price_usd - quote.low_usd) * count for quote, count in usd.items()))
    above = math.hypot(*((quote.high_usd - quote.price_usd) * count for quote, count in usd.items()))
    return total - below, total + above


@dataclass
class PriceBook:
    """Quotes by part for one buyer. `owned` counts the parts that he has, by (kind, name)."""

    quotes: Mapping[Key, Quote]
    owned: Mapping[tuple[str, str], int] = field(default_factory=dict)
    choice: Choice = "new"

    @classmethod
    def of(
        cls, known: Mapping[Part, Estimate], choice: Choice, owned: Mapping[tuple[str, str], int] | None = None
    ) -> "PriceBook":
        """From the estimates of a day."""
        found: dict[Key, Quote] = {}
        for part in known:
            new, used = (known.get(part._replace(condition=condition)) for condition in ("new", "used"))
            quote = quote_of(new, used, choice)
            if quote:
                found[part.kind, part.name, part.memory_gib] = quote
        return cls(found, owned or {}, choice)

    def quote(self, kind: PartKind, part: str, memory_gib: float | None = None) -> Quote | None:
        """The price of one piece bought, or $0 where it is owned."""
        return OWNED if self.owned.get((kind, part)) else self.bought(kind, part, memory_gib)

    def bought(self, kind: PartKind, part: str, memory_gib: float | None = None) -> Quote | None:
        """The price of a piece that has to be bought."""
        return self.quotes.get((kind, part, memory_gib))

    def pieces(self, kind: PartKind, part: str, count: int) -> tuple[Quote, ...] | None:
        """Quotes of `count` pieces, owned ones first; None where one cannot be priced."""
        have = min(self.owned.get((kind, part), 0), count)
        bought = self.bought(kind, part)
        if bought is None and have < count:
            return None
        return (OWNED,) * have + ((bought,) * (count - have) if bought else ())

    def has(self, kind: PartKind, part: str) -> bool:
        """Whether the part can be had at all: owned or quoted."""
        return self.quote(kind, part) is not None
