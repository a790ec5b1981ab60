"""What commands that deal with prices share: the market as known here, and days and parts as people write them."""

from datetime import date
from typing import TYPE_CHECKING

from advisor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.market.market import Market
    from catalog.names.parts import NamedPart


def market_here(rates: "Sequence[str]" = ()) -> "Market":
    """The shipped observations and those stored here, at the shipped exchange rates and those given."""
    from advisor.market.market import market_at
    from advisor.profiles.store import data_folder

    if not rates:
        return market_at(data_folder())
    from advisor.market.exchange import rates_given

    return market_at(data_folder(), rates_given(rates))


def day_of(text: str | None, option: str = "--as-of") -> date | None:
    """A day as written in an option. Raises `InputError` for one that is none."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"{option} {text[:40]!r} is no day: write it like 2026-10-01") from None


def part_named(text: str) -> "NamedPart":
    """The part that an argument names. Raises `InputError`, and for a size that it is not sold in."""
    from catalog.names.index import UnknownName
    from catalog.names.parts import resolve_part

    try:
        return resolve_part(text)
    except UnknownName as error:
        raise InputError(str(error)) from None
