"""Processor, board and memory together: what a build's graphics cards are put into."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

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


@dataclass(frozen=True, eq=False)
class Platform:
    """What goes into the sockets and memory slots, and what it costs with the cheapest cooler and case that fit."""

    cpu: Cpu
    board: Board
    memory: Memory
    memory_quotes: tuple[Quote, ...]
    mt_s: int
    channels: int
    price_usd: float

    @cached_property
    def ram(self) -> RamRequest:
        """The memory as a scenario says it, at the speed it runs."""
        return RamRequest(type=self.memory.ram_type, mt_s=self.mt_s, channels=self.channels, gb=self.memory.gib)


@lru_cache(maxsize=4)
def platforms_of(stock: Stock) -> tuple[Platform, ...]:
    """Every processor on every kind of board with every way to fill its memory slots."""
    memories, cases = stock.memories(), stock.cheapest_cases()
    found: list[Platform] = []
    for cpu in stock.cpus:
        cooler_usd = min(
            (stock.usd("cooler", row.name) for row in stock.coolers if not cooler_problem(row, cpu)), default=None
        )
        for board in _distinct_boards(stock, cpu, cases) if cooler_usd is not None else ():
            base = (
                (cooler_usd or 0.0)
                + stock.usd("cpu", cpu.name)
                + stock.usd("board", board.name)
                + cases[board.form_factor]
            )
            found += _filled(cpu, board, memories, base)
    return tuple(found)


def _filled(
    cpu: Cpu, board: Board, memories: Sequence[tuple[Memory, tuple[Quote, ...]]], base_usd: float
) -> Iterable[Platform]:
    for memory, quotes in memories:
        if memory_problem(memory, cpu, board) is None:
            channels = memory_channels(cpu, board, memory.modules)
            yield Platform(
                cpu, board, memory, quotes, running_mt_s(memory, cpu, board), channels, base_usd + price_of(quotes)
            )


def _distinct_boards(stock: Stock, cpu: Cpu, cases: dict[str, float]) -> list[Board]:
    """The cheapest board of each kind that a build can tell apart."""
    kinds: dict[tuple[object, ...], Board] = {}
    fitting = [board for board in stock.boards if board.form_factor in cases and socket_problem(cpu, board) is None]
    for board in sorted(fitting, key=lambda board: stock.usd("board", board.name) + cases[board.form_factor]):
        kind = (
            board.ram_type, board.dimm_slots, board.dimms_per_channel, board.registered_memory, board.slot1_pcie_gen,
            board.slot1_pcie_lanes, board.slot2_pcie_gen, board.slot2_pcie_lanes, board.slot1_shared_lanes,
            board.chipset, board.form_factor == "Mini-ITX",
        )  # fmt: skip
        kinds.setdefault(kind, board)
    return list(kinds.values())
