"""What can be had: the catalog's parts that have a price, and those the buyer owns."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import TypeVar

from advisor.buying.compatibility import Memory, is_card, is_module, is_passive
from advisor.buying.ownership import Owned, owned_parts
from advisor.buying.pricing import PriceBook, Quote, price_of
from advisor.market.estimate import Estimate, Part
from advisor.market.market import Choice, Market, shipped_market, today
from catalog import tables
from catalog.parts import (
    Accessory,
    Board,
    Cooler,
    Cpu,
    Gpu,
    Laptop,
    OfficePc,
    PcCase,
    Psu,
    RamKit,
    Ssd,
    UnifiedMachine,
)
from catalog.prices import PartKind
from catalog.rows import Row

R = TypeVar("R", bound=Row)
KIT_COUNTS = (1, 2, 4, 8)
MODULE_COUNTS = frozenset({1, 2, 4, 8, 12, 16})
STOCKS_KEPT = 4
"""What a stock makes, all combinations of its parts, takes some 60 MB and half a second."""
COOLING = ("Printed blower shroud", "Arctic P12 PWM fan")
"""What a card without a fan of its own needs beside it, of accessories.csv."""


@dataclass(frozen=True, eq=False)
class Stock:
    """Parts by kind, each with a price; `unpriced` names by kind what had to be left out."""

    prices: PriceBook
    gpus: tuple[Gpu, ...]
    cpus: tuple[Cpu, ...]
    boards: tuple[Board, ...]
    ram_kits: tuple[RamKit, ...]
    ssds: tuple[Ssd, ...]
    psus: tuple[Psu, ...]
    cases: tuple[PcCase, ...]
    coolers: tuple[Cooler, ...]
    machines: tuple[tuple[UnifiedMachine | Laptop, float], ...]
    """Whole machines with the memory size (GiB) that is quoted."""
    offices: tuple[OfficePc, ...] = ()
    """Used office PCs and servers."""
    unpriced: dict[str, tuple[str, ...]] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    """Cards for other sockets than PCIe that no adapter with a price takes."""
    written: Mapping[str, str] = field(default_factory=dict)
    """Of machines that are owned: as their owner writes them, by name."""

    def usd(self, kind: PartKind, name: str) -> float:
        """Price of one piece, infinite where there is none."""
        quote = self.prices.quote(kind, name)
        return quote.price_usd if quote else float("inf")

    def beside(self, gpu: Gpu, count: int) -> tuple[tuple[str, Quote], ...]:
        """What each such card that is bought needs, by name: a module its adapter, which comes with a fan, another
        passive card shroud and fan; nothing for those that have no price yet.
        """
        adapter = adapter_of(gpu)
        names = (adapter.name,) if adapter else COOLING if is_passive(gpu) else ()
        bought = max(0, count - self.prices.owned.get(("gpu", gpu.name), 0)) if names else 0
        quotes = [(name, self.prices.quote("accessory", name)) for name in names] if bought else []
        return tuple((name, quote) for name, quote in quotes if quote) * bought

    def cheapest_cases(self) -> dict[str, float]:
        """Price of the cheapest case that takes each board size."""
        usd: dict[str, float] = {}
        for case in self.cases:
            for form in case.board_form_factors:
                usd[form] = min(usd.get(form, float("inf")), self.usd("case", case.name))
        return usd

    def memories(self) -> tuple[tuple[Memory, tuple[Quote, ...]], ...]:
        """Ways to fill the memory slots: the cheapest of each type, speed, count and size."""
        found: dict[tuple[object, ...], tuple[Memory, tuple[Quote, ...]]] = {}
        for kits in self._combinations():
            memory, quotes = Memory(kits), self._quotes(kits)
            if quotes is None or memory.modules not in MODULE_COUNTS:
                continue
            key = (memory.ram_type, memory.mt_s, memory.modules, memory.gib, kits[0].registered, kits[0].form_factor)
            if key not in found or price_of(quotes) < price_of(found[key][1]):
                found[key] = (memory, quotes)
        return tuple(found.values())

    def _combinations(self) -> Iterable[tuple[RamKit, ...]]:
        for kit in self.ram_kits:
            yield from ((kit,) * count for count in KIT_COUNTS)
            have = self.prices.owned.get(("ram", kit.name), 0)
            if have:
                alike = (
                    other
                    for other in self.ram_kits
                    if other.ram_type == kit.ram_type and other.form_factor == kit.form_factor
                )
                yield from (
                    (kit,) * have + (other,)
                    for other in alike
                    if other is not kit and other.registered == kit.registered
                )

    def _quotes(self, kits: tuple[RamKit, ...]) -> tuple[Quote, ...] | None:
        found: list[Quote] = []
        for name, count in Counter(kit.name for kit in kits).items():
            pieces = self.prices.pieces("ram", name, count)
            if pieces is None:
                return None
            found += pieces
        return tuple(found)


def adapter_of(gpu: Gpu) -> Accessory | None:
    """The adapter that brings a module to a PCIe slot; None for a card, and where no such adapter is known."""
    if not is_module(gpu):
        return None
    return next((row for row in tables.accessories() if row.carries and row.carries in gpu.name), None)


def _named(row: Row, among: Iterable[Row]) -> bool:
    return any(row.name == other.name for other in among)


def _on_adapters(prices: PriceBook) -> Iterable[Gpu]:
    """Modules that an adapter with a price takes, with the plugs and the width of the adapter."""
    for gpu in tables.gpus():
        adapter = adapter_of(gpu)
        if adapter and prices.has("accessory", adapter.name):
            yield gpu.model_copy(update={"power_connectors": adapter.power_connectors, "slots": adapter.slots})


def stock_of(choice: Choice, owned: Owned, known: Mapping[Part, Estimate] | None = None) -> Stock:
    """The catalog's parts with a price under a choice of condition, and the owned ones at $0. `known`: the estimates
    that count, else those of today from the shipped observations.
    """
    prices = PriceBook.of(shipped_market().estimates(today()) if known is None else known, choice, owned.counts)
    missing: dict[str, tuple[str, ...]] = {}

    def priced(kind: PartKind, rows: Sequence[R]) -> tuple[R, ...]:
        missing[kind] = tuple(row.name for row in rows if not prices.has(kind, row.name))
        return tuple(row for row in rows if prices.has(kind, row.name))

    adapted = tuple(_on_adapters(prices))
    machines = tuple(_machines(prices, tables.unified_machines(), owned))
    laptops = tuple(_machines(prices, tables.laptops(), owned))
    stock = Stock(
        prices=prices,
        gpus=priced("gpu", [*(gpu for gpu in tables.gpus() if is_card(gpu)), *adapted]),
        cpus=priced("cpu", tables.cpus()),
        boards=priced("board", tables.boards()),
        ram_kits=priced("ram", (*tables.ram_kits(), *owned.ram_kits)),
        ssds=priced("ssd", tables.ssds()),
        psus=priced("psu", tables.psus()),
        cases=priced("case", tables.cases()),
        coolers=priced("cooler", tables.coolers()),
        machines=machines + laptops,
        offices=priced("office", (*tables.office_pcs(), *owned.offices)),
        modules=tuple(gpu.name for gpu in tables.gpus() if is_module(gpu) and not _named(gpu, adapted)),
        written=owned.written,
    )
    sold = {row.name for row, _ in machines + laptops}
    missing["unified"] = tuple(row.name for row in tables.unified_machines() if row.name not in sold)
    missing["laptop"] = tuple(row.name for row in tables.laptops() if row.name not in sold)
    return replace(stock, unpriced={kind: names for kind, names in missing.items() if names})


@lru_cache(maxsize=STOCKS_KEPT)
def stock_at(market: Market, day: date, choice: Choice, own: tuple[str, ...] = ()) -> Stock:
    """The same by what a market knew on a day and with what texts name as owned. It is kept, so that what it makes is
    worked out once for all who ask. Raises as `owned_parts`.
    """
    return stock_of(choice, owned_parts(own), market.estimates(day))


def _machines(
    prices: PriceBook, rows: Sequence[UnifiedMachine] | Sequence[Laptop], owned: Owned
) -> Iterable[tuple[UnifiedMachine | Laptop, float]]:
    for row in rows:
        sold = row.memory_gib if isinstance(row, UnifiedMachine) else row.ram_gib
        have = owned.memory_gib.get(row.name)
        sizes = (have,) if have else sold
        yield from ((row, gib) for gib in sizes if machine_quote(prices, row, gib))


def machine_quote(prices: PriceBook, row: UnifiedMachine | Laptop, gib: float) -> Quote | None:
    """Quote of a whole machine in one size; a quote that names no size counts where only one is sold."""
    sizes = row.memory_gib if isinstance(row, UnifiedMachine) else row.ram_gib
    quote = prices.quote(row.kind, row.name, gib)
    return quote or (prices.quote(row.kind, row.name) if len(sizes) == 1 else None)
