"""Shops that are asked for prices with a person's own key: one adapter a file, each imported only when it is asked.

Nothing is sent anywhere unless `advisor prices update` names a shop. What comes back stays on his computer: it is kept
as fetched, which is never exported, and no longer than the shop's terms allow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Protocol

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


def opened(module: str, adapter: str) -> Shop:
    """An adapter with the keys of the environment or the keyring; its module is imported only now."""
    shop: Shop = getattr(import_module(f"{__name__}.{module}"), adapter).from_keys()
    return shop


SHOPS: Mapping[str, Callable[[], Shop]] = {
    "ebay": partial(opened, "ebay", "Ebay"), "bestbuy": partial(opened, "bestbuy", "BestBuy"),
    "keepa": partial(opened, "keepa", "Keepa"),
}  # fmt: skip
"""Adapters by the name that `--source` takes."""
