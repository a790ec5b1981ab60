"""eBay's Browse API: what sellers ask for a part today, used and new.

Free keys, 5,000 questions a day. Its terms: offers are shown and kept here, never handed on, and nothing is kept of the
sellers. Documentation: https://developer.ebay.com/api-docs/buy/browse/resources/item_summary/methods/search
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from advisor.errors import InputError
from advisor.market.matching import matched
from advisor.market.money import CURRENCIES
from advisor.market.sources import Fetched
from advisor.market.sources.asking import Desk, KeyRefused, Pacing, client_of
from catalog.names.parts import NamedPart
from catalog.prices import Condition, Observation, Seller

ADDRESS: Final = "https://api.ebay.com"
SCOPE: Final = "https://api.ebay.com/oauth/api_scope"
PAGE: Final = 200
MOST_PAGES: Final = 5
OFFERS: Final = 3
"""So many of the cheapest offers are kept: what lies above them says what sellers hope for."""
CONDITIONS: Final[Mapping[Condition, str]] = {"new": "1000|1500", "used": "2000|2010|2020|2030|2500|3000|4000|5000"}
"""eBay's numbers; 7000, for parts, is in neither."""
TRUSTED_PERCENT, TRUSTED_RATINGS = 98.0, 100
EARLIER_S: Final = 60.0
"""A token is renewed so long before it expires."""
MARKETS: Final = {"EBAY_US": "USD", "EBAY_GB": "GBP", "EBAY_DE": "EUR", "EBAY_CA": "CAD", "EBAY_AU": "AUD"}


@dataclass(frozen=True, slots=True)
class _Listing:
    title: str
    price: float
    currency: str
    trusted: bool
    address: str


class Ebay:
    """Asks for fixed-price offers with a person's client id and secret."""

    def __init__(
        self, client_id: str, secret: str, market: str = "EBAY_US", http: httpx.Client | None = None,
        pace: Pacing | None = None,
    ) -> None:
        if market not in MARKETS:
            raise InputError(f"eBay market {market!r} is none of {', '.join(MARKETS)}")
        self._login = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        self._market, self._token, self._token_until = market, "", 0.0
        self._desk = Desk("eBay", http or client_of(ADDRESS), pace or Pacing(5.0, 5_000))

    @classmethod
    def from_keys(cls, client_id: str, secret: str) -> "Ebay":
        """As a person has them."""
        return cls(client_id, secret)

    def ask(self, part: NamedPart) -> Fetched:
        """The cheapest offers of trusted sellers, new and used; where there are too few, of anyone."""
        found: list[Observation] = []
        remarks: list[str] = []
        for condition in CONDITIONS:
            named = [offer for offer in self._offers(part, condition) if _is(part, offer.title)]
            trusted = [offer for offer in named if offer.trusted]
            seller: Seller = "trusted" if len(trusted) >= OFFERS else "cheapest"
            cheapest = sorted(trusted if seller == "trusted" else named, key=lambda offer: offer.price)[:OFFERS]
            found += [_observation(part, condition, offer, seller) for offer in cheapest]
            if not named:
                remarks.append(f"eBay has no {condition} offer that is surely of {part.name}")
        return Fetched(tuple(found), None, tuple(remarks))

    def _offers(self, part: NamedPart, condition: Condition) -> Iterator[_Listing]:
        size = f" {part.memory_gib:g}GB" if part.memory_gib else ""
        currency = MARKETS[self._market]
        told = {"q": f"{part.name}{size}", "limit": PAGE, "sort": "price",
                "filter": f"buyingOptions:{{FIXED_PRICE}},conditionIds:{{{CONDITIONS[condition]}}},"
                          f"price:[5..],priceCurrency:{currency}"}
        for page in range(MOST_PAGES):
            answer = self._search({**told, "offset": page * PAGE})
            rows = list(self._desk.rows(answer, "itemSummaries", absent=True))
            yield from filter(None, (self._offer(row) for row in rows))
            if (page + 1) * PAGE >= int(self._desk.field(answer, "total")) or not rows:
                return

    def _search(self, told: Mapping[str, Any]) -> Any:
        """One page; a token that the shop has forgotten is renewed once."""
        path = "/buy/browse/v1/item_summary/search"
        for renewed in (False, True):
            headers = {"Authorization": f"Bearer {self._access(renew=renewed)}",
                       "X-EBAY-C-MARKETPLACE-ID": self._market}
            try:
                return self._desk.json("GET", path, params=told, headers=headers)
            except KeyRefused:
                if renewed:
                    raise
        raise AssertionError("the second refusal is raised")

    def _access(self, *, renew: bool) -> str:
        """The token of the client-credentials grant, asked for again shortly before it expires."""
        now = self._desk.pace.clock()
        if renew or not self._token or now >= self._token_until:
            answer = self._desk.json(
                "POST", "/identity/v1/oauth2/token", headers={"Authorization": f"Basic {self._login}"},
                data={"grant_type": "client_credentials", "scope": SCOPE},
            )
            self._token = str(self._desk.field(answer, "access_token"))
            self._token_until = now + float(self._desk.field(answer, "expires_in")) - EARLIER_S
        return self._token

    def _offer(self, row: Mapping[str, Any]) -> _Listing | None:
        """An offer with its delivery, or None for one without a price in a currency we know."""
        title, price = self._desk.field(row, "title"), self._desk.field(row, "price")
        amount, currency = float(self._desk.field(price, "value")), str(self._desk.field(price, "currency"))
        ways: list[Any] = row.get("shippingOptions") or [{}]
        delivery = ways[0].get("shippingCost") or {}
        if delivery.get("currency", currency) == currency:
            amount += float(delivery.get("value", 0.0))
        seller = row.get("seller") or {}
        trusted = float(seller.get("feedbackPercentage", 0)) >= TRUSTED_PERCENT
        trusted = trusted and int(seller.get("feedbackScore", 0)) >= TRUSTED_RATINGS
        address = str(row.get("itemWebUrl", ADDRESS)).partition("?")[0]
        if currency not in CURRENCIES or amount <= 0:
            return None
        return _Listing(str(title), amount, currency, trusted, address)


def _is(part: NamedPart, title: str) -> bool:
    found = matched(title)
    return found is not None and (found.name, found.memory_gib) == (part.name, part.memory_gib)


def _observation(part: NamedPart, condition: Condition, offer: _Listing, seller: Seller) -> Observation:
    return Observation(
        part_kind=part.kind, part=part.name, memory_gib=part.memory_gib, condition=condition, kind="asking",
        seller=seller, price=round(offer.price, 2), currency=offer.currency, as_of=datetime.now(UTC).date(),
        source=offer.address[:500], note="with delivery, where it is stated",
    )
