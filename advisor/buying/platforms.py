"""Processor, board and memory together: what a build's graphics cards are put into. They are rows of columns; only
those that are looked at become objects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from advisor.buying.compatibility import (
    Memory,
    cooler_problem,
    memory_channels,
    memory_problem,
    running_mt_s,
    socket_problem,
)
from advisor.buying.pricing import Quote, price_of
from advisor.buying.stock import Stock
from advisor.question import RamRequest
from catalog.parts import Board, Cpu

Vector = NDArray[np.float64]
Whole = NDArray[np.intp]
Filled = tuple[tuple[int, int, int], ...]
"""Ways to fill the memory slots: place among the memories, MT/s, channels."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What goes into the sockets and memory slots."""

    cpu: Cpu
    board: Board
    memory: Memory
    memory_quotes: tuple[Quote, ...]
    mt_s: int
    channels: int

    @property
    def ram(self) -> RamRequest:
        """The memory as a scenario says it, at the speed it runs."""
        return RamRequest(type=self.memory.ram_type, mt_s=self.mt_s, channels=self.channels, gb=self.memory.gib)


@dataclass(frozen=True, eq=False)
class Platforms(Sequence[Platform]):
    """Platforms of a stock; indices point into its processors, boards and memories."""

    cpus: tuple[Cpu, ...]
    boards: tuple[Board, ...]
    memories: tuple[tuple[Memory, tuple[Quote, ...]], ...]
    cpu_at: Whole
    board_at: Whole
    memory_at: Whole
    mt_s: Whole
    channels: Whole
    usd: Vector
    """Processor, board and memory."""
    housed_usd: Vector
    """The same with the cheapest cooler and case that fit."""

    def __len__(self) -> int:
        return len(self.cpu_at)

    @overload
    def __getitem__(self, place: int) -> Platform: ...
    @overload
    def __getitem__(self, place: slice) -> list[Platform]: ...
    def __getitem__(self, place: int | slice) -> Platform | list[Platform]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        memory, quotes = self.memories[self.memory_at[place]]
        cpu, board = self.cpus[self.cpu_at[place]], self.boards[self.board_at[place]]
        return Platform(cpu, board, memory, quotes, int(self.mt_s[place]), int(self.channels[place]))

    def __iter__(self) -> Iterator[Platform]:
        return (self[place] for place in range(len(self)))

    def take(self, places: Whole) -> "Platforms":
        """Some of them, in an order."""
        columns = ("cpu_at", "board_at", "memory_at", "mt_s", "channels", "usd", "housed_usd")
        return replace(self, **{name: getattr(self, name)[places] for name in columns})

    def like(self, platform: Platform) -> Whole:
        """Places with the processor, board and memory of a platform, which may be of another stock."""
        cpus = [place for place, row in enumerate(self.cpus) if row == platform.cpu]
        boards = [place for place, row in enumerate(self.boards) if row == platform.board]
        memories = [place for place, (memory, _) in enumerate(self.memories) if memory == platform.memory]
        alike = np.isin(self.cpu_at, cpus) & np.isin(self.board_at, boards) & np.isin(self.memory_at, memories)
        return np.flatnonzero(alike)


@lru_cache(maxsize=4)
def platforms_of(stock: Stock) -> Platforms:
    """Every processor on every kind of board with every way to fill its memory slots."""
    memories = stock.memories()
    kinds: dict[str, list[Board]] = {}
    known: dict[tuple[object, ...], Filled] = {}
    boards: dict[str, int] = {}
    found: list[tuple[int, int, int, int, int]] = []
    coolers = [
        min((stock.usd("cooler", row.name) for row in stock.coolers if not cooler_problem(row, cpu)), default=np.inf)
        for cpu in stock.cpus
    ]
    for cpu_at, cpu in enumerate(stock.cpus):
        if np.isinf(coolers[cpu_at]):
            continue
        if cpu.socket not in kinds:
            kinds[cpu.socket] = _distinct_boards(stock, cpu)
        for board in kinds[cpu.socket]:
            board_at = boards.setdefault(board.name, len(boards))
            kind = (*_seen_of_cpu(cpu), *_seen_of_board(board))
            if kind not in known:
                known[kind] = _filled(cpu, board, [memory for memory, _ in memories])
            found += [(cpu_at, board_at, *filled) for filled in known[kind]]
    by_name = {board.name: board for board in stock.boards}
    rows = tuple(by_name[name] for name in boards)
    cpus, boards_at, memory_at, mt_s, channels = np.array(found, dtype=np.intp).reshape(-1, 5).T
    cpu_usd: Vector = np.array([stock.usd("cpu", row.name) for row in stock.cpus], dtype=np.float64)
    board_usd: Vector = np.array([stock.usd("board", row.name) for row in rows], dtype=np.float64)
    memory_usd: Vector = np.array([price_of(quotes) for _, quotes in memories], dtype=np.float64)
    usd = cpu_usd[cpus] + board_usd[boards_at] + memory_usd[memory_at]
    cases = stock.cheapest_cases()
    case_usd = np.array([cases[row.form_factor] for row in rows], dtype=np.float64)
    housed = np.array(coolers, dtype=np.float64)[cpus] + cpu_usd[cpus] + board_usd[boards_at] + case_usd[boards_at]
    housed = housed + memory_usd[memory_at]
    return Platforms(stock.cpus, rows, memories, cpus, boards_at, memory_at, mt_s, channels, usd, housed)


def _filled(cpu: Cpu, board: Board, memories: Sequence[Memory]) -> Filled:
    return tuple(
        (place, running_mt_s(memory, cpu, board), memory_channels(cpu, board, memory.modules))
        for place, memory in enumerate(memories)
        if memory.ram_type == board.ram_type and memory_problem(memory, cpu, board) is None
    )


def _seen_of_cpu(cpu: Cpu) -> tuple[object, ...]:
    """What the rules of memory see of a processor: they are asked once for all that are alike in it."""
    return (
        cpu.memory_types, cpu.registered_memory, cpu.max_memory_gib, cpu.memory_channels, cpu.mt_s_1dpc, cpu.mt_s_2dpc,
        cpu.segment,
    )


def _seen_of_board(board: Board) -> tuple[object, ...]:
    return (
        board.ram_type, board.registered_memory, board.dimm_slots, board.dimms_per_channel, board.max_memory_gib,
        board.chipset,
    )


def _distinct_boards(stock: Stock, cpu: Cpu) -> list[Board]:
    """The cheapest board of each kind: boards that are alike in all that a rule or the physics sees of one."""
    cases = stock.cheapest_cases()
    kinds: dict[tuple[object, ...], Board] = {}
    fitting = [board for board in stock.boards if board.form_factor in cases and socket_problem(cpu, board) is None]
    for board in sorted(fitting, key=lambda board: stock.usd("board", board.name) + cases[board.form_factor]):
        kind = (
            board.ram_type, board.dimm_slots, board.dimms_per_channel, board.registered_memory, board.slot1_pcie_gen,
            board.slot1_pcie_lanes, board.further_slots, board.slot1_shared_lanes, board.chipset, board.form_factor,
            board.max_memory_gib, board.m2_slots > 0,
        )
        kinds.setdefault(kind, board)
    return list(kinds.values())
