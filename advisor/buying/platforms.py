"""Processor, board and memory together: what a build's graphics cards are put into, rated for one model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

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
from advisor.machines.machine import pcie_gb_s
from advisor.physics.knowledge import Knowledge
from advisor.prediction.prediction import predict_many
from advisor.question import Hardware, RamRequest, Scenario
from catalog.parts import Board, Cpu

Vector = NDArray[np.float64]
BLOCK = 256
"""Entries compared with each other at a time."""


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

    @cached_property
    def slot1_gb_s(self) -> float:
        """Link of one card in the first slot."""
        return pcie_gb_s(
            min(self.board.slot1_pcie_gen, self.cpu.pcie_gen), min(self.board.slot1_pcie_lanes, self.cpu.pcie_lanes)
        )

    @cached_property
    def slot2_gb_s(self) -> float:
        """Link of the second slot, 0 without one."""
        board = self.board
        return (
            pcie_gb_s(board.slot2_pcie_gen, board.slot2_pcie_lanes)
            if board.slot2_pcie_gen and board.slot2_pcie_lanes
            else 0.0
        )


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


def front(prices: Vector, merits: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of what nothing beats: no other is at most as dear and at least as good in every column of `merits`.

    Of equals the first stays.
    """
    order = np.lexsort((*(-merits.T[::-1]), prices))
    kept: list[int] = []
    # In this order whatever beats an entry comes before it.
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        beaten = np.triu((merits[block][:, None] >= merits[block][None, :]).all(axis=2), 1).any(axis=0)
        if kept:
            beaten |= (merits[kept][:, None] >= merits[block][None, :]).all(axis=2).any(axis=0)
        kept += block[~beaten].tolist()
    return np.array(sorted(kept), dtype=np.intp)


# Platforms rated for one model: which of them are worth trying beside given graphics cards.

DECODE_STEP, PREFILL_STEP = 0.05, 0.15
"""Decode speeds that differ by less than 5 %, and prefill speeds that differ by less than 15 %, well below any
prediction's error, count as equal where prices are compared."""
EXACT = 1e-6
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Need:
    """What a build asks of its platform: links for so many cards with a link of their own, and memory.

    Memory beyond `useful_gib` counts for nothing; where the model lies on the cards alone (not `memory_counts`) neither
    memory nor the processor's speed counts.
    """

    cards: int
    link_gb_s: float
    useful_gib: float
    memory_counts: bool


@dataclass(frozen=True, eq=False)
class RatedPlatforms:
    """Platforms with the speeds that processor and memory would reach alone, given enough memory; one row each."""

    platforms: tuple[Platform, ...]
    decode_tok_s: Vector
    prefill_tok_s: Vector

    @cached_property
    def price_usd(self) -> Vector:
        """Prices."""
        return np.array([platform.price_usd for platform in self.platforms])

    @cached_property
    def gib(self) -> Vector:
        """Memory sizes."""
        return np.array([platform.memory.gib for platform in self.platforms])

    @cached_property
    def links_gb_s(self) -> NDArray[np.float64]:
        """Links of the first and of the second slot, the latter 0 without one."""
        return np.array([(platform.slot1_gb_s, platform.slot2_gb_s) for platform in self.platforms]).reshape(-1, 2)

    @cached_property
    def graphics(self) -> NDArray[np.bool_]:
        """Whether the processor has graphics of its own."""
        return np.array([platform.cpu.integrated_gpu for platform in self.platforms], dtype=bool)

    def take(self, rows: Rows) -> "RatedPlatforms":
        """Some of the rows."""
        return RatedPlatforms(
            tuple(self.platforms[row] for row in rows), self.decode_tok_s[rows], self.prefill_tok_s[rows]
        )

    def worth_trying(self, rows: Rows, need: Need) -> Rows:
        """Of the rows, those that no cheaper one beats."""
        return (
            rows[front(self.price_usd[rows], self._merits(rows, need, DECODE_STEP, PREFILL_STEP))]
            if len(rows)
            else rows
        )

    def strongest(self, rows: Rows, need: Need) -> Rows:
        """Of the rows, those that no other beats whatever it costs."""
        return rows[front(np.zeros(len(rows)), self._merits(rows, need, EXACT, EXACT))] if len(rows) else rows

    def _merits(self, rows: Rows, need: Need, *steps: float) -> NDArray[np.float64]:
        columns = [np.minimum(self.links_gb_s[rows, slot], need.link_gb_s) for slot in range(need.cards)]
        if need.memory_counts:
            speeds = (self.decode_tok_s[rows], self.prefill_tok_s[rows])
            columns.append(np.minimum(self.gib[rows], need.useful_gib))
            columns += [np.floor(np.log(np.maximum(v, 1e-9)) / step) for v, step in zip(speeds, steps, strict=True)]
        return np.array(columns).reshape(len(columns), len(rows)).T


def rate(platforms: Sequence[Platform], question: Scenario, knowledge: Knowledge) -> RatedPlatforms:
    """Speeds of processor and memory alone for the model asked, predicted once per distinct pair."""
    pairs = [(p.cpu.name, p.memory.ram_type, p.mt_s, p.channels) for p in platforms]
    engine = question.engine.model_copy(update={"backend": "cpu"})
    distinct = list(dict.fromkeys(pairs))
    asked = [question.model_copy(update={"hardware": _alone(*pair), "engine": engine}) for pair in distinct]
    answers = dict(zip(distinct, predict_many(asked, knowledge), strict=True))
    decode = [found.p50 if (found := answers[pair].decode_tok_s) else 0.0 for pair in pairs]
    prefill = [found.p50 if (found := answers[pair].prefill_tok_s) else 0.0 for pair in pairs]
    return RatedPlatforms(tuple(platforms), np.array(decode), np.array(prefill))


def _alone(cpu: str, ram_type: str, mt_s: int, channels: int) -> Hardware:
    return Hardware(cpu=cpu, ram=RamRequest(type=ram_type, mt_s=mt_s, channels=channels))
