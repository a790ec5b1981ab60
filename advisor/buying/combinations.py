"""Every build that the parts of a stock make, as columns: cards, platform and the cheapest parts that go with them.

Nothing is left out that fits together: each count of each card on each processor, board and memory that has the slots,
with a power supply that has the watts and plugs, and a cooler and a case that have the room. Prices and machines are
columns of numbers; `builds.Assembler` makes of a row the build with all its parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.buying.builds import Cards, cards_requests
from advisor.buying.compatibility import (
    Link,
    cables_problem,
    card_problem,
    cooler_problem,
    display_problem,
    gpu_links,
    psu_watts_needed,
)
from advisor.buying.platforms import Platform, platforms_of
from advisor.buying.pricing import price_of
from advisor.buying.stock import Stock
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.question import Hardware

Vector = NDArray[np.float64]
Whole = NDArray[np.intp]
MOST_CARDS = 4
"""More cards than that go into no board of the catalog."""


@dataclass(frozen=True, eq=False)
class Combinations:
    """Builds of a stock without their disk, one row each; indices point into cards, platforms and machines."""

    cards: tuple[Cards, ...]
    cards_at: Whole
    platforms: tuple[Platform, ...]
    platform_at: Whole
    usd: Vector
    """All parts but the disk."""
    graphics: tuple[Machine, ...]
    """Machines with the cards and links of some rows; what else they have does not count."""
    graphics_at: Whole
    processors: tuple[Machine, ...]
    """Machines with the processor and memory of some rows, but not with its size."""
    processor_at: Whole

    def __len__(self) -> int:
        return len(self.cards_at)


@lru_cache(maxsize=4)
def combinations_of(stock: Stock, platforms: tuple[Platform, ...] | None = None) -> Combinations:
    """All compatible builds of a stock that have a price, on all its platforms or on some of them."""
    platforms, cards = platforms_of(stock) if platforms is None else platforms, _cards(stock)
    cpus = {platform.cpu.name: platform.cpu for platform in platforms}
    cpu_at = _places(cpus, [platform.cpu.name for platform in platforms])
    forms = dict.fromkeys(platform.board.form_factor for platform in platforms)
    form_at = _places(forms, [platform.board.form_factor for platform in platforms])
    power, shells = _power_usd(stock, cards, [*cpus.values()]), _shell_usd(stock, cards, [*cpus.values()], [*forms])
    shows = np.array([[display_problem(item.gpu, cpu) is None for cpu in cpus.values()] for item in cards])
    graphics, graphics_of = _graphics(cards, platforms)
    pieces = [stock.prices.pieces("gpu", item.gpu.name, item.count) if item.gpu else () for item in cards]
    cooling = [stock.cooling(item.gpu, item.count) if item.gpu else () for item in cards]
    cards_usd = [
        price_of((*(quotes or ()), *(quote for _, quote in beside)))
        for quotes, beside in zip(pieces, cooling, strict=True)
    ]
    parts_usd = [
        stock.usd("cpu", item.cpu.name) + stock.usd("board", item.board.name) + price_of(item.memory_quotes)
        for item in platforms
    ]
    usd = np.array(cards_usd)[:, None] + np.array(parts_usd) + (power[:, :, None] + shells)[:, cpu_at, form_at]
    there = np.isfinite(usd) & (graphics_of >= 0) & shows[:, cpu_at]
    cards_at, platform_at = np.nonzero(there)
    memories = [(item.cpu.name, item.memory.ram_type, item.mt_s, item.channels) for item in platforms]
    asked = dict(zip(memories, platforms, strict=True))
    processor_of = _places(asked, memories)
    return Combinations(
        cards=cards, cards_at=cards_at, platforms=platforms, platform_at=platform_at,
        usd=usd[there], graphics=graphics, graphics_at=graphics_of[there],
        processors=tuple(machine_of(Hardware(cpu=item.cpu.name, ram=item.ram)) for item in asked.values()),
        processor_at=processor_of[platform_at],
    )  # fmt: skip


def _places(distinct: Any, names: Sequence[Any]) -> Whole:
    order = {name: place for place, name in enumerate(distinct)}
    return np.array([order[name] for name in names], dtype=np.intp)


def _cards(stock: Stock) -> tuple[Cards, ...]:
    """No card, and each count of each that can be had."""
    counted = [Cards(gpu, count) for gpu in stock.gpus for count in range(1, MOST_CARDS + 1)]
    priced = [item for item in counted if item.gpu and stock.prices.pieces("gpu", item.gpu.name, item.count)]
    return (Cards(None, 0), *priced)


def _graphics(cards: Sequence[Cards], platforms: Sequence[Platform]) -> tuple[tuple[Machine, ...], Whole]:
    """Machines by cards and links, and which of them each pair of cards and platform is, -1 where no slots are free."""
    kinds: dict[Any, Platform] = {}
    kind_at = []
    for platform in platforms:
        board, cpu = platform.board, platform.cpu
        slots = (board.slot1_pcie_gen, board.slot1_pcie_lanes, board.slot2_pcie_gen, board.slot2_pcie_lanes)
        key = (*slots, board.slot1_shared_lanes, cpu.pcie_gen, cpu.pcie_lanes)
        kinds.setdefault(key, platform)
        kind_at.append(key)
    found: dict[tuple[Cards, tuple[Link, ...]], int] = {}
    table = np.full((len(cards), len(kinds)), -1, dtype=np.intp)
    for row, item in enumerate(cards):
        for column, platform in enumerate(kinds.values()):
            links = gpu_links(item.gpu, item.count, platform.cpu, platform.board) if item.gpu else ()
            if links is not None:
                table[row, column] = found.setdefault((item, links), len(found))
    machines = tuple(machine_of(_with_cards(item, links)) for item, links in found)
    return machines, table[:, _places(kinds, kind_at)]


def _with_cards(cards: Cards, links: Sequence[Link]) -> Hardware:
    return Hardware(gpus=cards_requests(cards, links), cpu=ANY_CPU)


ANY_CPU = "Ryzen 7 5800X"
"""Stands where the processor does not count."""


def _power_usd(stock: Stock, cards: Sequence[Cards], cpus: Sequence[Any]) -> Vector:
    """Price of the cheapest power supply that feeds cards and processor. [cards, processors]"""
    psus = stock.psus
    usd = np.array([stock.usd("psu", psu.name) for psu in psus])
    watts = np.array([psu.watts for psu in psus])
    needed = np.array([[psu_watts_needed(item.gpu, item.count, cpu) for cpu in cpus] for item in cards])
    plugged = np.array([[cables_problem(psu, item.gpu, item.count) is None for psu in psus] for item in cards])
    feeds = (watts >= needed.reshape(len(cards), len(cpus), 1)) & plugged.reshape(len(cards), 1, len(psus))
    return np.asarray(np.where(feeds, usd, np.inf).min(axis=2, initial=np.inf))


def _shell_usd(stock: Stock, cards: Sequence[Cards], cpus: Sequence[Any], forms: Sequence[str]) -> Vector:
    """Price of the cheapest cooler and case that go together and with the rest. [cards, processors, board sizes]"""
    coolers, cases = stock.coolers, stock.cases
    cooler_usd = np.array([stock.usd("cooler", item.name) for item in coolers])
    case_usd = np.array([stock.usd("case", item.name) for item in cases])
    cools = np.array([[cooler_problem(item, cpu) is None for item in coolers] for cpu in cpus])
    high = np.array([[cooler.height_mm <= case.max_cooler_height_mm for case in cases] for cooler in coolers])
    takes = np.array([[form in case.board_form_factors for case in cases] for form in forms])
    room = np.array([[card_problem(case, item.gpu, item.count) is None for case in cases] for item in cards])
    fits = cools[:, :, None] & high[None]
    cooled = np.where(fits, cooler_usd[:, None], np.inf).min(axis=1, initial=np.inf) + case_usd  # [processors, cases]
    boxed = np.where(takes[None], cooled[:, None, :], np.inf)  # [processors, board sizes, cases]
    return np.array([np.where(case_there, boxed, np.inf).min(axis=2, initial=np.inf) for case_there in room])
