"""Keepa's Product API: today's prices of Amazon's products, by the ASINs that a person lists.

Paid keys; each question costs a token of a bucket that fills again. The prices are the person's own to use.
Documentation: https://keepa.com/#!discuss/t/product-object/116
"""

import csv
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from advisor.errors import InputError, reason
from advisor.market.matching import matched
from advisor.market.sources import Fetched
from advisor.market.sources.asking import Desk, Pacing, ShopFailed, client_of
from catalog.names.index import UnknownName
from catalog.names.parts import NamedPart, resolve_part
from catalog.prices import Condition, Kind, Observation, Seller

ADDRESS: Final = "https://api.keepa.com"
DOMAIN, CURRENCY = 1, "USD"
"""amazon.com."""
EPOCH_MINUTES: Final = 21_564_000
"""Keepa counts minutes from 2011-01-01; Unix minutes are so many more."""
PRICES: Final[Mapping[int, tuple[Condition, Kind, Seller]]] = {
    0: ("new", "street", ""), 1: ("new", "asking", "cheapest"), 2: ("used", "asking", "cheapest"),
}
"""Places in `stats.current`: Amazon itself, the cheapest new offer, the cheapest used one; -1: none."""
LIST: Final = "ADVISOR_KEEPA_ASINS"
"""Names a CSV file with columns part and asin."""


class Keepa:
    """Asks for products with a person's key."""

    def __init__(
        self, key: str, asins: Mapping[str, tuple[str, ...]], http: httpx.Client | None = None,
        pace: Pacing | None = None,
    ) -> None:
        self._asins = asins
        self._desk = Desk("Keepa", http or client_of(ADDRESS, {"key": key}), pace or Pacing(1.0, 10_000))
        self._tokens, self._filled_at = 1, 0.0

    @classmethod
    def from_keys(cls, key: str) -> "Keepa":
        """With the list of ASINs that ADVISOR_KEEPA_ASINS names. Raises `InputError` where it names none."""
        listed = os.environ.get(LIST, "").strip()
        if not listed:
            raise InputError(f"Keepa is asked by ASIN: name a CSV file with columns part,asin in {LIST}")
        return cls(key, asins_of(Path(listed)))

    def ask(self, part: NamedPart) -> Fetched:
        """Today's prices of the products listed for a part."""
        asins = self._asins.get(part.name, ())
        if not asins:
            return Fetched((), None, (f"no ASIN of {part.name} is listed",))
        if self._tokens <= 0:
            self._desk.pace.wait(max(0.0, self._filled_at - self._desk.pace.clock()))
        told = {"domain": DOMAIN, "asin": ",".join(asins), "stats": 1, "history": 0}
        answer = self._desk.json("GET", "/product", params=told)
        self._tokens = int(self._desk.field(answer, "tokensLeft"))
        self._filled_at = self._desk.pace.clock() + float(answer.get("refillIn", 60_000)) / 1000
        found: list[Observation] = []
        remarks: list[str] = []
        for product in self._desk.rows(answer, "products"):
            title = str(product.get("title") or "")
            named = matched(title)
            if named is None or (named.name, named.memory_gib) != (part.name, part.memory_gib):
                remarks.append(f"ASIN {product.get('asin')} is not surely {part.name}: {title[:60]!r}")
                continue
            found += self._prices(part, product)
        return Fetched(tuple(found), None, tuple(remarks))

    def _prices(self, part: NamedPart, product: Mapping[str, Any]) -> list[Observation]:
        current = self._desk.field(product, "stats", "current")
        if not isinstance(current, list):
            raise ShopFailed("Keepa answers with something else as 'stats.current': its interface has changed")
        minutes = int(self._desk.field(product, "lastUpdate")) + EPOCH_MINUTES
        day, asin = datetime.fromtimestamp(minutes * 60, UTC).date(), self._desk.field(product, "asin")
        return [
            Observation(
                part_kind=part.kind, part=part.name, memory_gib=part.memory_gib, condition=condition, kind=kind,
                seller=seller, price=current[place] / 100, currency=CURRENCY, as_of=day,
                source=f"https://www.amazon.com/dp/{asin}", note="by Keepa",
            )
            for place, (condition, kind, seller) in PRICES.items()
            if place < len(current) and (current[place] or -1) > 0
        ]


def asins_of(path: Path) -> Mapping[str, tuple[str, ...]]:
    """ASINs by the part's name, from a CSV file with columns part and asin. Raises `InputError`."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(row["part"], row["asin"].strip()) for row in csv.DictReader(file)]
    except OSError as error:
        raise InputError(f"the list of ASINs {path.name!r} cannot be read: {reason(error)}") from None
    except (KeyError, AttributeError):
        raise InputError(f"{path.name!r} needs the columns part and asin in its first line") from None
    found: dict[str, tuple[str, ...]] = {}
    for text, asin in rows:
        try:
            name = resolve_part(text).name
        except UnknownName as error:
            raise InputError(f"{path.name!r}: {error}") from None
        found[name] = (*found.get(name, ()), asin)
    return found
