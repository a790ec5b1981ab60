"""Shops that are asked for prices with a person's own key: one adapter a file, each imported only when it is asked.

Nothing is sent anywhere unless `advisor prices update` names a shop. What comes back stays on his computer: it is kept
as fetched, which is never exported, and no longer than the shop's terms allow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, Protocol

from advisor.errors import InputError
from catalog.names.parts import NamedPart
from catalog.prices import Observation


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a shop answered. `keep_until`, with a time zone: it is deleted then; None: it may be kept."""

    observations: tuple[Observation, ...]
    keep_until: datetime | None = None
    remarks: tuple[str, ...] = ()
    """What was left aside, in sentences."""


class Shop(Protocol):
    """An adapter, made with the key that the environment or the keyring has.

    Making it raises `InputError` where there is no key, asking where the shop refuses or does not answer; no message
    contains the key.
    """

    def ask(self, part: NamedPart) -> Fetched:
        """Prices of a part, new and used, as it offers them now."""


@dataclass(frozen=True, slots=True)
class Source:
    """A shop that can be asked: what it is called, where its adapter is, and the variables that hold its keys."""

    title: str
    module: str
    adapter: str
    keys: tuple[str, ...]
    signed_up: str
    """Where a person gets the keys."""

    def opened(self) -> Shop:
        """The adapter with the keys of the environment or the keyring; its module is imported only now.

        Raises `InputError` that names every key there is none of.
        """
        from advisor.market.sources.asking import keys_of

        adapter: Any = getattr(import_module(f"{__name__}.{self.module}"), self.adapter)
        shop: Shop = adapter.from_keys(*keys_of(self.title, self.keys, self.signed_up))
        return shop


SOURCES: Mapping[str, Source] = {
    "ebay": Source("eBay", "ebay", "Ebay", ("ADVISOR_EBAY_CLIENT_ID", "ADVISOR_EBAY_CLIENT_SECRET"),
                   "https://developer.ebay.com/my/keys"),
    "bestbuy": Source("Best Buy", "bestbuy", "BestBuy", ("ADVISOR_BESTBUY_KEY",), "https://developer.bestbuy.com"),
    "keepa": Source("Keepa", "keepa", "Keepa", ("ADVISOR_KEEPA_KEY",), "https://keepa.com/#!api"),
}
"""By the name that `--source` takes."""


def source_named(name: str | None) -> Source:
    """The shop of a name. Raises `InputError` that lists all of them, with the keys that each needs."""
    found = SOURCES.get((name or "").strip().lower())
    if found is None:
        known = "; ".join(f"{key} ({source.title}, by {' and '.join(source.keys)})" for key, source in SOURCES.items())
        said = f"--source {name!r} is no shop that can be asked" if name else "--source names the shop to ask"
        raise InputError(f"{said}: {known}")
    return found
