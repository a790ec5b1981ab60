"""Best Buy's Products API: the shop's own prices, new and refurbished.

Free keys, 5 questions a second and 50,000 a day; what it says may be kept for 72 hours.
Documentation: https://bestbuyapis.github.io/api-documentation/#products-api
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from advisor.market.matching import matched
from advisor.market.sources import Fetched
from advisor.market.sources.asking import Desk, Pacing, client_of
from catalog.names.parts import NamedPart
from catalog.prices import Condition, Observation

ADDRESS: Final = "https://api.bestbuy.com"
KEPT: Final = timedelta(hours=72)
PAGE: Final = 100
MOST_PAGES: Final = 5
FIELDS: Final = "sku,name,salePrice,condition,onlineAvailability,url"
CONDITIONS: Final[Mapping[str, Condition]] = {"new": "new", "refurbished": "used", "pre-owned": "used"}


class BestBuy:
    """Asks for products with a person's key."""

    def __init__(self, key: str, http: httpx.Client | None = None, pace: Pacing | None = None) -> None:
        parameters = {"apiKey": key}
        self._desk = Desk("Best Buy", http or client_of(ADDRESS, parameters), pace or Pacing(4.0, 50_000))

    @classmethod
    def from_keys(cls, key: str) -> "BestBuy":
        """As a person has it."""
        return cls(key)

    def ask(self, part: NamedPart) -> Fetched:
        """What the shop sells a part for today, of what it has."""
        found: list[Observation] = []
        for row in self._products(part):
            condition = CONDITIONS.get(str(row.get("condition", "new")).lower())
            named = matched(str(self._desk.field(row, "name")))
            price = float(self._desk.field(row, "salePrice"))
            known = named is not None and (named.name, named.memory_gib) == (part.name, part.memory_gib)
            if condition and known and price > 0 and row.get("onlineAvailability", True):
                found.append(Observation(
                    part_kind=part.kind, part=part.name, memory_gib=part.memory_gib, condition=condition, kind="street",
                    price=price, as_of=datetime.now(UTC).date(), note=f"SKU {self._desk.field(row, 'sku')}",
                    source=str(row.get("url") or "https://www.bestbuy.com").partition("?")[0][:500],
                ))
        remarks = () if found else (f"Best Buy sells nothing today that is surely of {part.name}",)
        return Fetched(tuple(found), datetime.now(UTC) + KEPT, remarks)

    def _products(self, part: NamedPart) -> Iterator[Mapping[str, Any]]:
        words = [word for word in part.name.replace("-", " ").split() if word.isalnum()]
        path = f"/v1/products({'&'.join(f'search={word}' for word in words)})"
        for page in range(1, MOST_PAGES + 1):
            told = {"format": "json", "show": FIELDS, "pageSize": PAGE, "page": page}
            answer = self._desk.json("GET", path, params=told)
            yield from self._desk.rows(answer, "products")
            if page >= int(self._desk.field(answer, "totalPages")):
                return
