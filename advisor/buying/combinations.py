"""Every build that the parts of a stock make, as a table of cards by platforms, with the cheapest parts beside them.

Nothing is left out that fits together: each count of each card on each processor, board and memory that has the slots,
with a power supply that has the watts and plugs, and a cooler and a case that have the room. Prices and machines are
columns of numbers; `builds.Assembler` makes of a row the build with all its parts.

A rule of compatibility is asked once for all parts that are alike in what it reads of them.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from advisor.buying.builds import Assembler, Build, Cards, framed, joined_supplies
from advisor.buying.compatibility import (
    Link,
    cables_problem,
    card_problem,
    cooler_problem,
    display_problem,
    gpu_links,
    has_outputs,
    psu_watts_needed,
    side_by_side_problem,
)
from advisor.buying.platforms import Platforms, platforms_of
from advisor.buying.pricing import price_of
from advisor.buying.stock import Stock
from advisor.machines.cards import default_backend, device_of
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import GpuDevice, Machine, pcie_gb_s
from advisor.machines.memory import ram_of
from advisor.machines.processor import Processor, cpu_side
from advisor.physics.fleet import Fleet, distinct
from advisor.question import Hardware, RamRequest
from catalog.parts import Cpu
from catalog.units import GIB

A = TypeVar("A")
B = TypeVar("B")
Vector = NDArray[np.float64]
Whole = NDArray[np.intp]
LEAST_GIB_OF_THREE = 12.0
"""Cards of less memory are tried one and two at a time alone: two larger ones hold as much on boards that cost far
less. The builds reported with more than two cards have 12 GiB and more on each (tests/data/real_builds_bought.csv)."""
ANY_CPU = "Ryzen 7 5800X"
"""Stands where the processor does not count."""


@dataclass(frozen=True, eq=False)
class Combinations:
    """Builds of a stock without their disk: a row of the tables for each cards, a column for each platform.

    It is about no model: searches for many models over one stock share it.
    """

    cards: tuple[Cards, ...]
    platforms: Platforms
    usd: Vector
    """All parts but the disk, infinite where they do not go together. [cards, platforms]"""
    machine_at: NDArray[np.int32]
    """Which row of the fleet a build is, where it is one. [cards, platforms]"""
    fleet: Fleet
    """The machines that the physics tells apart, each once. The disk does not count: what is read from it again and
    again is nothing to be bought.
    """

    def with_disks(self, stock: Stock, assembler: Assembler) -> Vector:
        """Prices with the cheapest disk that has room for a model, infinite where nothing is. [cards x platforms]"""
        disks = [assembler.disk(board) for board in self.platforms.boards]
        disk_usd = np.array([stock.usd("ssd", disk.name) if disk else np.inf for disk in disks], dtype=float)
        usd: Vector = np.round(self.usd + disk_usd[self.platforms.board_at], 2).ravel()
        return usd

    def build(self, place: int, assembler: Assembler) -> Build:
        """The build at a place, counted row by row, with all its parts. Raises `LookupError` where none is."""
        row, column = divmod(place, len(self.platforms))
        build = assembler.complete(self.cards[row], self.platforms[column])
        if build is None:
            raise LookupError(f"place {place} of the combinations is no build")
        return build


@lru_cache(maxsize=4)
def combinations_of(stock: Stock, platforms: Platforms | None = None, limit_usd: float = np.inf) -> Combinations:
    """All compatible builds of a stock that have a price, on all its platforms or on some of them, without those whose
    cards alone cost more than a limit.
    """
    platforms = platforms_of(stock) if platforms is None else platforms
    cards = _cards(stock, 1 + max((len(board.further_slots) for board in platforms.boards), default=0), limit_usd)
    if not len(platforms) or not stock.psus:
        nothing = np.zeros((len(cards), 0))
        return Combinations(cards, platforms, nothing, nothing.astype(np.int32), Fleet.of([]))
    cpus = platforms.cpus
    board_form = [board.form_factor for board in platforms.boards]
    forms = list(dict.fromkeys(board_form))
    form_at = np.array([forms.index(form) for form in board_form], dtype=np.intp)[platforms.board_at]
    graphics, graphics_of, slots_at = _graphics(cards, platforms)
    pieces = [stock.prices.pieces("gpu", item.gpu.name, item.count) if item.gpu else () for item in cards]
    besides = [stock.beside(item.gpu, item.count) if item.gpu else () for item in cards]
    cards_usd = np.array([
        price_of((*(quotes or ()), *(quote for _, quote in beside)))
        for quotes, beside in zip(pieces, besides, strict=True)
    ])
    shows = _each(
        lambda item, cpu: display_problem(item.gpu, cpu) is None,
        cards, lambda item: item.gpu and has_outputs(item.gpu), cpus, lambda cpu: cpu.integrated_gpu,
    )
    one_usd, two_usd = _power_usd(stock, cards, cpus)
    shell_usd, framed_usd = _shell_usd(stock, cards, cpus, forms)
    # No case has room for two supplies.
    rest = np.minimum(one_usd[:, :, None] + shell_usd, (two_usd + framed_usd)[:, :, None])
    rest[~shows] = np.inf
    usd: Vector = rest[:, platforms.cpu_at, form_at]
    usd += cards_usd[:, None] + platforms.usd
    usd[(graphics_of < 0)[:, slots_at]] = np.inf
    machine_at, fleet = _machines(np.isfinite(usd), graphics, graphics_of, slots_at, platforms)
    return Combinations(cards, platforms, usd, machine_at, fleet)


def _each(
    rule: Callable[[A, B], Any], rows: Sequence[A], row_key: Callable[[A], Hashable], columns: Sequence[B],
    column_key: Callable[[B], Hashable],
) -> NDArray[Any]:
    """What a rule says of each row and column, asked once for those with the same keys. [rows, columns]"""
    row_keys, column_keys = [row_key(row) for row in rows], [column_key(column) for column in columns]
    some_rows, some_columns = dict(zip(row_keys, rows, strict=True)), dict(zip(column_keys, columns, strict=True))
    said = np.array([[rule(row, column) for column in some_columns.values()] for row in some_rows.values()])
    places = [
        np.array([{key: place for place, key in enumerate(some)}[key] for key in keys], dtype=np.intp)
        for some, keys in ((some_rows, row_keys), (some_columns, column_keys))
    ]
    return said.reshape(len(some_rows), len(some_columns))[np.ix_(*places)]


def _cards(stock: Stock, most: int, limit_usd: float) -> tuple[Cards, ...]:
    """No card, and each count of each that can be had, up to what the boards have slots for; small ones by twos."""
    counted = [
        (Cards(gpu, count), stock.prices.pieces("gpu", gpu.name, count)) for gpu in stock.gpus
        for count in range(1, (most if gpu.vram_gib >= LEAST_GIB_OF_THREE else min(most, 2)) + 1)
    ]
    had = [item for item, quotes in counted if quotes and price_of(quotes) <= limit_usd]
    # Three and more hang in a frame (`compatibility.side_by_side_problem`).
    return (Cards(None, 0), *(item for item in had if item.count < 3 or framed(stock, item)))


def _graphics(cards: Sequence[Cards], platforms: Platforms) -> tuple[tuple[Machine, ...], Whole, Whole]:
    """Machines by cards and links; which of them each pair of cards and kind of slots is, -1 where none are free
    [cards, kinds]; and the kind of each platform.
    """
    keys = [
        (*board, *cpu)
        for board in [
            (row.slot1_pcie_gen, row.slot1_pcie_lanes, row.further_slots, row.slot1_shared_lanes)
            for row in platforms.boards
        ]
        for cpu in [(row.pcie_gen, row.pcie_lanes) for row in platforms.cpus]
    ]
    order = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    kind_of = np.array([order[key] for key in keys], dtype=np.intp)  # of each board with each processor
    pair_at = platforms.board_at * len(platforms.cpus) + platforms.cpu_at
    some, first = np.unique(kind_of[pair_at], return_index=True)
    slots = [platforms[place] for place in first.tolist()]
    found: dict[tuple[int, tuple[Link, ...]], int] = {}
    known: dict[Hashable, list[tuple[Link, ...] | None]] = {}
    table = np.full((len(cards), len(order)), -1, dtype=np.intp)
    for row, item in enumerate(cards):
        seen = item.gpu and (item.gpu.pcie_gen, item.gpu.pcie_lanes, item.count)
        if seen not in known:
            known[seen] = [gpu_links(item.gpu, item.count, at.cpu, at.board) if item.gpu else () for at in slots]
        for column, links in zip(some.tolist(), known[seen], strict=True):
            if links is not None:
                table[row, column] = found.setdefault((row, links), len(found))
    return _with_links(cards, [*found]), table, kind_of[pair_at]


def _with_links(cards: Sequence[Cards], found: Sequence[tuple[int, tuple[Link, ...]]]) -> tuple[Machine, ...]:
    plain = machine_of(Hardware(cpu=ANY_CPU))
    devices: dict[tuple[int, Link], GpuDevice] = {}
    machines = []
    for place, links in found:
        for link in links:
            row = cards[place].gpu
            if row and (place, link) not in devices:
                gb_s = pcie_gb_s(link.generation, link.lanes)
                devices[place, link] = replace(device_of(row), link_gb_s=gb_s)
        gpus = tuple(devices[place, link] for link in links)
        machines.append(replace(plain, gpus=gpus, backend=default_backend(gpus)))
    return tuple(machines)


def _machines(
    there: NDArray[np.bool_], graphics: tuple[Machine, ...], graphics_of: Whole, slots_at: Whole, platforms: Platforms
) -> tuple[NDArray[np.int32], Fleet]:
    """Which machine each build is, and the machines; `graphics_of` and `slots_at` as `_graphics` gives them."""
    gib_of = np.array([memory.gib for memory, _ in platforms.memories])
    types = [memory.ram_type for memory, _ in platforms.memories]
    type_of = np.array([types.index(name) for name in types], dtype=np.intp)
    sizes, size_of = np.unique(gib_of, return_inverse=True)
    # What a platform's memory gives, and that with its size: each once.
    columns = (platforms.cpu_at, type_of[platforms.memory_at], platforms.mt_s, platforms.channels)
    rates, rate_at = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    seats, seat_at = np.unique(rate_at * len(sizes) + size_of[platforms.memory_at], return_inverse=True)
    # Platforms with slots and seats alike make one machine of the same cards: far fewer than there are platforms.
    alike, alike_at, many = np.unique(slots_at * len(seats) + seat_at, return_inverse=True, return_counts=True)
    by_kind = np.argsort(alike_at, kind="stable")
    some = np.logical_or.reduceat(there[:, by_kind], np.cumsum(many) - many, axis=1)
    slots, seat = np.divmod(alike, len(seats))
    codes, machine_at = distinct((graphics_of[:, slots] * len(seats) + seat)[some], len(graphics) * len(seats))
    table = np.zeros(some.shape, dtype=np.int32)
    table[some] = machine_at
    graphics_at, seat = np.divmod(codes, len(seats))
    rate, size_at = np.divmod(seats[seat], len(sizes))
    processors = [Processor(cpu_side(cpu), cpu) for cpu in platforms.cpus]
    ram_gb_s = np.array([
        ram_of(RamRequest(type=types[kind], mt_s=mt_s, channels=channels, gb=1), processors[cpu], ())[0].bandwidth_gb_s
        for cpu, kind, mt_s, channels in rates.tolist()
    ])
    plain = machine_of(Hardware(cpu=ANY_CPU))
    ones = np.ones(len(codes))
    return table[:, alike_at], Fleet(
        graphics=graphics, graphics_at=graphics_at,
        processors=tuple(replace(plain, cpu=item.side, unknown=frozenset()) for item in processors),
        processor_at=rates[rate, 0], ram_bytes=sizes * GIB, size_at=size_at, ram_gb_s=ram_gb_s[rate], random_gb_s=ones,
        disk_gb_s=ones,
    )


def _power_usd(stock: Stock, cards: Sequence[Cards], cpus: Sequence[Cpu]) -> tuple[Vector, Vector]:
    """Price of the cheapest power supply that feeds cards and processor, and where none does that of the cheapest two
    for several cards. Both [cards, processors]
    """
    psus = stock.psus
    usd = np.array([stock.usd("psu", psu.name) for psu in psus])
    watts = np.array([psu.watts for psu in psus])
    needed = _each(
        lambda item, cpu: psu_watts_needed(item.gpu, item.count, cpu),
        cards, lambda item: item.gpu and (item.gpu.power_w, item.count), cpus, lambda cpu: (cpu.tdp_w, cpu.maker),
    ).reshape(len(cards), len(cpus), 1)

    def plugged(share: int) -> NDArray[Any]:
        return _each(
            lambda item, psu: cables_problem(psu, item.gpu, -(-item.count // share)) is None,
            cards, lambda item: item.gpu and (item.gpu.power_connectors, item.gpu.power_w, item.count),
            psus, lambda psu: (psu.pcie_16pin, psu.pcie_8pin),
        ).reshape(len(cards), 1, len(psus))

    one = np.where((watts >= needed) & plugged(1), usd, np.inf).min(axis=2, initial=np.inf)
    pairs = [joined_supplies(stock, psu) for psu in psus]
    pair_usd = np.array([price_of(part.quote for part in pair) if pair else np.inf for pair in pairs])
    several = np.array([item.count > 1 for item in cards])[:, None]
    two = np.where((2 * watts >= needed) & plugged(2), pair_usd, np.inf).min(axis=2, initial=np.inf)
    return np.asarray(one), np.where(several & np.isinf(one), two, np.inf)


def _shell_usd(
    stock: Stock, cards: Sequence[Cards], cpus: Sequence[Cpu], forms: Sequence[str]
) -> tuple[Vector, Vector]:
    """Price of the cheapest cooler and case, or frame, that go together and with the rest [cards, processors, board
    sizes]; and that of cooler and frame [cards, processors].
    """
    coolers, cases = stock.coolers, stock.cases
    cooler_usd = np.array([stock.usd("cooler", item.name) for item in coolers])
    case_usd = np.array([stock.usd("case", item.name) for item in cases])
    cools = _each(
        lambda cpu, cooler: cooler_problem(cooler, cpu) is None,
        cpus, lambda cpu: (cpu.socket, cpu.tdp_w), coolers, lambda cooler: cooler.name,
    )
    high = np.array([[cooler.height_mm <= case.max_cooler_height_mm for case in cases] for cooler in coolers])
    takes = np.array([[form in case.board_form_factors for case in cases] for form in forms])

    def seen(item: Cards) -> Hashable:
        return item.gpu and (item.gpu.length_mm, item.gpu.slots, item.count)

    room = _each(
        lambda item, case: card_problem(case, item.gpu, item.count) is None, cards, seen, cases, lambda case: case.name
    )
    fits = cools[:, :, None] & high.reshape(1, len(coolers), len(cases))
    cooled = np.where(fits, cooler_usd[:, None], np.inf).min(axis=1, initial=np.inf) + case_usd  # [processors, cases]
    boxed = np.where(takes[None], cooled[:, None, :], np.inf)  # [processors, board sizes, cases]
    known: dict[bytes, Vector] = {}
    for case_there in room:
        if case_there.tobytes() not in known:
            known[case_there.tobytes()] = np.where(case_there, boxed, np.inf).min(axis=2, initial=np.inf)
    housed = [known[case_there.tobytes()] for case_there in room]
    alone = np.where(cools, cooler_usd, np.inf).min(axis=1, initial=np.inf)
    frames = [framed(stock, item) for item in cards]
    frame_usd = np.array([price_of(part.quote for part in frame) if frame else np.inf for frame in frames])
    on_frame = frame_usd[:, None] + alone
    for at, item in enumerate(cards):
        if item.count > 1:
            apart = np.array([side_by_side_problem(form, item.gpu, item.count) is not None for form in forms])
            beside = np.where(apart, np.inf, housed[at])
            housed[at] = np.where(np.isinf(beside), on_frame[at][:, None], beside)
    return np.array(housed), on_frame
