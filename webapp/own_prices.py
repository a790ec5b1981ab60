"""Prices that a visitor sets for the visit: they stand before the catalog's quotes, and let unpriced parts be bought.

In a link each is "kind:name=USD", for example "gpu:RTX 3060 12GB=190".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Literal, TypeVar, get_args

from advisor.buying.compatibility import is_card
from advisor.buying.pricing import Key, PriceList, Quote
from advisor.buying.stock import Stock
from advisor.errors import InputError
from catalog import tables
from catalog.parts import Laptop, UnifiedMachine
from catalog.prices import PartKind
from catalog.rows import Row

R = TypeVar("R", bound=Row)
SOURCE = "set by you"
JUDGEMENT = "your own price"
TABLES: Mapping[str, Callable[[], Sequence[Row]]] = {
    "gpu": tables.gpus, "cpu": tables.cpus, "board": tables.boards, "ram": tables.ram_kits, "ssd": tables.ssds,
    "psu": tables.psus, "case": tables.cases, "cooler": tables.coolers,
}  # fmt: skip
"""The catalog's table of each kind of part that is sold in one size."""
MACHINES = ("unified", "laptop")
KINDS = (*TABLES, *MACHINES)


def read_prices(texts: Sequence[str]) -> dict[tuple[str, str], float]:
    """Prices in USD by kind and name. Raises `InputError` for a text that is none."""
    return dict(_read(text) for text in texts)


def _read(text: str) -> tuple[tuple[str, str], float]:
    named, _, amount = text.rpartition("=")
    kind, _, name = named.partition(":")
    if kind not in KINDS or name not in names_of(kind):
        raise InputError(f"your price {text!r} names no part of the catalog: choose the part from the list")
    try:
        usd = float(amount)
    except ValueError:
        usd = 0.0
    if not 0 < usd <= 1e6:
        raise InputError(f"your price for {name} must be more than $0 and at most $1,000,000, not {amount!r}")
    return (kind, name), usd


def written(prices: Mapping[tuple[str, str], float]) -> tuple[str, ...]:
    """Prices as texts of a link.

    >>> written({("gpu", "RTX 3060 12GB"): 190.0})
    ('gpu:RTX 3060 12GB=190',)
    """
    return tuple(f"{kind}:{name}={usd:.12g}" for (kind, name), usd in prices.items())


def told(text: str) -> str:
    """A price as people read it.

    >>> told("gpu:RTX 3060 12GB=190")
    'RTX 3060 12GB: $190'
    """
    named, _, amount = text.rpartition("=")
    return f"{named.partition(':')[2]}: ${amount}"


@cache
def names_of(kind: str) -> tuple[str, ...]:
    """What is sold of a kind; a whole machine by its memory size too, "Name, 64 GB"."""
    if kind in MACHINES:
        return tuple(_sold(row, gib) for row, gib in _machines(kind))
    return tuple(row.name for row in TABLES[kind]())


def _machines(kind: str) -> list[tuple[UnifiedMachine | Laptop, float]]:
    if kind == "laptop":
        return [(row, gib) for row in tables.laptops() for gib in row.ram_gib]
    return [(row, gib) for row in tables.unified_machines() for gib in row.memory_gib]


def _sold(row: UnifiedMachine | Laptop, gib: float) -> str:
    return f"{row.name}, {gib:g} GB"


def with_prices(stock: Stock, prices: Mapping[tuple[str, str], float], today: date) -> Stock:
    """The stock with a visitor's prices; owned parts stay free."""
    if not prices:
        return stock
    found: dict[Key, Quote] = dict(stock.prices.quotes)
    condition: Literal["new", "used"] = "used" if stock.prices.choice == "used" else "new"
    for (kind, name), usd in prices.items():
        found[_key(kind, name)] = Quote(usd, today, SOURCE, condition, JUDGEMENT)
    unpriced = {k: tuple(n for n in names if (k, n) not in prices) for k, names in stock.unpriced.items()}
    quoted = replace(
        stock,
        prices=PriceList(found, stock.prices.owned, stock.prices.choice),
        unpriced={kind: names for kind, names in unpriced.items() if names},
    )
    machines = [item for kind in MACHINES for item in _machines(kind) if (kind, _sold(*item)) in prices]
    quoted = replace(quoted, machines=tuple(dict.fromkeys((*stock.machines, *machines))))
    return _with_parts(quoted, {kind: {name for of, name in prices if of == kind} for kind in TABLES})


def _key(kind: str, name: str) -> Key:
    machine = next((item for item in _machines(kind) if _sold(*item) == name), None) if kind in MACHINES else None
    return (_part_kind(kind), machine[0].name, machine[1]) if machine else (_part_kind(kind), name, None)


def _part_kind(kind: str) -> PartKind:
    return next(known for known in get_args(PartKind) if known == kind)


def _with_parts(stock: Stock, names: Mapping[str, set[str]]) -> Stock:
    """The stock with the named parts in it."""
    return replace(
        stock,
        gpus=_with(stock.gpus, filter(is_card, tables.gpus()), names["gpu"]),
        cpus=_with(stock.cpus, tables.cpus(), names["cpu"]),
        boards=_with(stock.boards, tables.boards(), names["board"]),
        ram_kits=_with(stock.ram_kits, tables.ram_kits(), names["ram"]),
        ssds=_with(stock.ssds, tables.ssds(), names["ssd"]),
        psus=_with(stock.psus, tables.psus(), names["psu"]),
        cases=_with(stock.cases, tables.cases(), names["case"]),
        coolers=_with(stock.coolers, tables.coolers(), names["cooler"]),
    )


def _with(there: tuple[R, ...], rows: Iterable[R], names: set[str]) -> tuple[R, ...]:
    known = {row.name for row in there}
    return (*there, *(row for row in rows if row.name in names - known))
