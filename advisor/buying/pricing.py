"""Which quote counts for a part. The whole policy stands here.

1. A street price (lowest in stock, or the mean of the cheapest listings) goes before the middle of a press range, that
   before a posted deal (below street, often gone) and that before a single asking price. Among equals the newest
   counts; a range with both ends is its middle, with one end nothing.
2. Quotes from before the memory shortage (2025) count only for kinds whose prices have hardly moved since, and are
   marked; memory, disks, graphics cards and whole machines rose, several of them more than twofold, and are never
   priced that way.
3. "used" takes a used quote where there is one, else a new one; "any" takes the cheaper; "new" takes new ones only.
4. A part without a quote is never priced by a guess: it is left out.
5. A part that the buyer owns costs nothing, as often as it is owned.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from catalog.prices import PartKind, Price

Choice = Literal["new", "used", "any"]
STEADY_KINDS = frozenset({"board", "psu", "case", "cooler", "cpu"})
"""Kinds for which a quote of 2025 still says something: boards, supplies, cases and coolers carry little memory, and
processors cost what they did (+2 %). Source: https://github.com/KazooKat/ram-price-outlook (read 2026-11-23)."""
TRUST = ("street", "range", "deal", "asking", "pre_shortage")
Key = tuple[str, str, float | None]


@dataclass(frozen=True, slots=True)
class Quote:
    """The price that counts for a part."""

    price_usd: float
    as_of: date | None
    source: str
    condition: Literal["new", "used", "owned"]
    judgement: str
    fallback: bool = False
    """A used price was wanted and there is none."""


OWNED = Quote(0.0, None, "owned", "owned", "owned")


def best_quote(quotes: Iterable[Price], choice: Choice) -> Quote | None:
    """The quote that counts among those for one part, by the policy above."""
    rows = [row for row in quotes if row.judgement != "pre_shortage" or row.part_kind in STEADY_KINDS]
    used, new = (_newest_trusted([row for row in rows if row.condition == condition]) for condition in ("used", "new"))
    if choice == "new":
        return new
    if choice == "any":
        return min((quote for quote in (used, new) if quote), key=lambda quote: quote.price_usd, default=None)
    if used or new is None:
        return used
    return Quote(new.price_usd, new.as_of, new.source, new.condition, new.judgement, fallback=True)


def _newest_trusted(rows: list[Price]) -> Quote | None:
    quotes = [
        Quote(row.price_usd, row.as_of, row.source, row.condition, row.judgement)
        for row in rows
        if not row.judgement.startswith("range")
    ]
    quotes += _middles(rows)
    # Same trust, same day: the lower one.
    return min(
        quotes, key=lambda q: (TRUST.index(q.judgement), -(q.as_of or date.min).toordinal(), q.price_usd), default=None
    )


def _middles(rows: list[Price]) -> list[Quote]:
    ends: dict[tuple[str, date], dict[str, Price]] = {}
    for row in rows:
        if row.judgement.startswith("range"):
            ends.setdefault((row.source, row.as_of), {})[row.judgement] = row
    both = [(pair["range_low"], pair["range_high"]) for pair in ends.values() if len(pair) == 2]
    return [
        Quote((low.price_usd + high.price_usd) / 2, low.as_of, low.source, low.condition, "range") for low, high in both
    ]


@dataclass
class PriceBook:
    """Quotes by part for one buyer. `owned` counts the parts that he has, by (kind, name)."""

    quotes: Mapping[Key, Quote]
    owned: Mapping[tuple[str, str], int] = field(default_factory=dict)
    choice: Choice = "new"

    @classmethod
    def of(
        cls, prices: Iterable[Price], choice: Choice, owned: Mapping[tuple[str, str], int] | None = None
    ) -> "PriceBook":
        """From the price table."""
        rows: dict[Key, list[Price]] = {}
        for price in prices:
            rows.setdefault((price.part_kind, price.part, price.memory_gib), []).append(price)
        found = {key: best_quote(group, choice) for key, group in rows.items()}
        return cls({key: quote for key, quote in found.items() if quote}, owned or {}, choice)

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
