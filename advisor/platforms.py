"""Processor, board and memory together: what a build's graphics cards are put into, rated for one model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from advisor.compatibility import Memory, cooler_problem, memory_channels, memory_problem, running_mt_s, socket_problem
from advisor.knowledge import Knowledge
from advisor.machine import pcie_gb_s
from advisor.prediction import predict_many
from advisor.pricing import Quote
from advisor.scenario import Engine, Hardware, RamRequest, Scenario
from advisor.stock import Stock, price_of
from catalog.parts import Board, Cpu

STEP = 0.05
"""Speeds that differ by less than 5 %, well below any prediction's error, count as equal among platforms."""


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


@dataclass(frozen=True, slots=True, eq=False)
class RatedPlatform:
    """A platform with the speeds its processor and memory would reach alone, given enough memory."""

    platform: Platform
    decode_tok_s: float
    prefill_tok_s: float


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


def rate(platforms: Sequence[Platform], question: Scenario, knowledge: Knowledge) -> list[RatedPlatform]:
    """Speeds of processor and memory alone for the model asked, once per distinct pair."""
    pairs = [(p.cpu.name, RamRequest(type=p.memory.ram_type, mt_s=p.mt_s, channels=p.channels)) for p in platforms]
    distinct = list(dict.fromkeys(pairs))
    engine = question.engine.model_copy(update={"backend": "cpu"})
    asked = [alone(question, engine, name, ram) for name, ram in distinct]
    speeds = {
        pair: (
            answer.decode_tok_s.p50 if answer.decode_tok_s else 0.0,
            answer.prefill_tok_s.p50 if answer.prefill_tok_s else 0.0,
        )
        for pair, answer in zip(distinct, predict_many(asked, knowledge), strict=True)
    }
    return [RatedPlatform(platform, *speeds[pair]) for platform, pair in zip(platforms, pairs, strict=True)]


def alone(question: Scenario, engine: Engine, cpu: str, ram: RamRequest) -> Scenario:
    """The question asked of a processor with memory and no card."""
    return question.model_copy(update={"hardware": Hardware(cpu=cpu, ram=ram), "engine": engine})


def front(prices: NDArray[np.float64], merits: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of what nothing beats: no other is at most as dear and at least as good in every column of `merits`.

    Of equals the first stays.
    """
    order = np.lexsort((*(-merits.T[::-1]), prices))
    kept: list[int] = []
    for index in order:
        if not kept or not bool((merits[kept] >= merits[index]).all(axis=1).any()):
            kept.append(int(index))
    return np.array(sorted(kept), dtype=np.intp)


def worth_trying(
    rated: Sequence[RatedPlatform], useful_gib: float, *, memory_counts: bool, cards: int, link_gb_s: float
) -> list[RatedPlatform]:
    """Platforms that nothing cheaper beats for `cards` cards whose own link is `link_gb_s`.

    Memory beyond `useful_gib` counts for nothing. Where the model lies on the cards alone (not `memory_counts`) only
    price and links count.
    """
    if not rated:
        return []
    prices = np.array([item.platform.price_usd for item in rated])
    columns = [
        [min(link_gb_s, item.platform.slot1_gb_s) if cards else 0.0 for item in rated],
        [min(link_gb_s, item.platform.slot2_gb_s) if cards > 1 else 0.0 for item in rated],
    ]
    if memory_counts:
        columns += [
            [min(useful_gib, item.platform.memory.gib) for item in rated],
            [np.floor(np.log(max(item.decode_tok_s, 1e-9)) / STEP) for item in rated],
            [np.floor(np.log(max(item.prefill_tok_s, 1e-9)) / STEP) for item in rated],
        ]
    return [rated[index] for index in front(prices, np.array(columns).T.reshape(len(rated), len(columns)))]
