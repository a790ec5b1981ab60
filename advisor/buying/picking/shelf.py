"""What a friend would look at: the parts of a stock that make sense, as columns of prices and machines that are worked
out once and asked for every model.

Left out are tinkerers' cards (unless asked), parts beyond the budget, and parts that another beats at no higher price.
Of builds that the physics cannot tell apart only the cheapest is kept.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from advisor.answer import Prediction
from advisor.buying.builds import Assembler, Build, BuildKind, whole_machines
from advisor.buying.combinations import Combinations, Vector, Whole, combinations_of
from advisor.buying.docks import docked_builds
from advisor.buying.offices import office_builds
from advisor.buying.picking.practice import practice_of
from advisor.buying.platforms import Platforms, platforms_of
from advisor.buying.stock import Stock
from advisor.machines.from_parts import machine_of
from advisor.physics.coefficients import Efficiencies
from advisor.physics.fleet import Fleet, speeds_on
from advisor.physics.knowledge import Knowledge
from advisor.prediction.case import Case
from advisor.question import Scenario
from catalog.parts import Board, Cpu, RamKit
from catalog.units import GB, GIB

R = TypeVar("R")
Looked = dict[int, tuple[Build, Prediction]]
"""A row's build and what is predicted of it."""
SYSTEM_GIB = 8.0
"""Memory for the operating system, a browser and an editor beside what a model has in RAM: this program's choice (the
16 GiB that Windows 11 machines are sold with are half full with these)."""
LEAST_RAM_GIB = 16.0
MOST_ASKED = 60
"""Questions whose speeds a shelf keeps: some 0.5 MB each."""
MOST_PREDICTED = 200
"""Rows of a question whose predictions are kept, before all are forgotten: some 10 kB each."""
LOADED_GIB = 32.0
"""Memory for the system and the model's file lets it be read once and kept; of a file too large for that, so much does:
it is streamed to the cards."""


@dataclass(frozen=True, eq=False)
class ShelfSpeeds:
    """What each build of a shelf does with one model: 0 where it is not held with room to spare."""

    decode_tok_s: Vector
    prefill_tok_s: Vector


class ShelfOf(Protocol):
    """What gives a shelf: `Shelf` itself, or what remembers some. The shelf may go beyond the budget."""

    def __call__(
        self, stock: Stock, kinds: Sequence[BuildKind], budget_usd: float | None, /, *, tinkerer: bool
    ) -> "Shelf":
        """A shelf with the parts of a stock."""


class Shelf:
    """Builds as columns, one row each: desktops first, then machines sold whole."""

    def __init__(self, stock: Stock, kinds: Sequence[BuildKind], budget_usd: float | None, *, tinkerer: bool) -> None:
        self.stock = sensible(stock, budget_usd, tinkerer=tinkerer)
        self._budget_usd = float("inf") if budget_usd is None else budget_usd
        self._desktops = "desktop" in kinds
        self._kinds = frozenset(kinds)
        self._stored: dict[float, WithDisks] = {}
        self._asked: dict[Scenario, OnShelf] = {}

    @cached_property
    def combinations(self) -> Combinations:
        """The desktops of the shelf's parts, without their disks."""
        return combinations_of(self.stock, unbeaten_platforms(platforms_of(self.stock)), self._budget_usd)

    @cached_property
    def rows(self) -> Whole:
        """Places in the combinations that are kept, the cheapest first."""
        table = self.combinations
        if not self._desktops or not table.usd.size:
            return np.empty(0, dtype=np.intp)
        usd = table.usd.ravel()
        affordable = np.flatnonzero((usd <= self._budget_usd) & np.isfinite(usd))
        key = table.machine_at.ravel()[affordable]
        order = np.lexsort((usd[affordable], key))
        first = np.ones(len(order), dtype=bool)
        first[1:] = key[order][1:] != key[order][:-1]
        kept = affordable[order[first]]
        return kept[np.argsort(usd[kept], kind="stable")]

    @cached_property
    def _fleet(self) -> Fleet:
        return self.combinations.fleet.take(self.combinations.machine_at.ravel()[self.rows].astype(np.intp))

    def asked(self, case: Case, efficiencies: Efficiencies) -> "OnShelf":
        """The shelf with one model: prices with a disk that has room for it, and speeds. The last few are kept: it is
        asked the same again within another budget.
        """
        found = self._asked.pop(case.scenario, None)
        if found is None or found.efficiencies is not efficiencies:
            found = OnShelf(self, case, efficiencies)
        self._asked[case.scenario] = found
        while len(self._asked) > MOST_ASKED:
            self._asked.pop(next(iter(self._asked)), None)
        return found

    def stored(self, model_gb: float) -> "WithDisks":
        """The shelf with disks that have room for a model; sizes are rounded up to a few steps."""
        step = next((step for step in DISK_STEPS_GB if model_gb <= step), model_gb)
        if step not in self._stored:
            self._stored[step] = self._with_disks(step)
        return self._stored[step]

    def _with_disks(self, model_gb: float) -> "WithDisks":
        sold = (*whole_machines(self.stock), *docked_builds(self.stock), *office_builds(self.stock, model_gb))
        machines = [build for build in sold if build.kind in self._kinds and build.price_usd <= self._budget_usd]
        fleet = joined(self._fleet, Fleet.of([machine_of(build.hardware) for build in machines]))
        assembler = Assembler(self.stock, model_gb)
        desktops = self.combinations.with_disks(self.stock, assembler)[self.rows]
        price = np.concatenate([desktops, [build.price_usd for build in machines]])
        return WithDisks(assembler, machines, fleet, price, self._labels(machines))

    def _labels(self, machines: Sequence[Build]) -> list[str]:
        """What must not stand twice among picks: the card, or the machine."""
        names = [item.gpu.name if item.gpu else "" for item in self.combinations.cards]
        at = (self.rows // max(1, len(self.combinations.platforms))).tolist()
        return [*(names[place] for place in at), *(card_of(build) for build in machines)]


@dataclass(frozen=True, eq=False)
class WithDisks:
    """A shelf with disks: machines sold whole, all machines as a fleet, prices, and labels."""

    assembler: Assembler
    machines: list[Build]
    fleet: Fleet
    price_usd: Vector
    labels: list[str]

    @cached_property
    def most_gb(self) -> float:
        """The largest model that any of the machines holds, roughly, in 10^9 bytes."""
        vram = np.array([sum(gpu.vram_bytes for gpu in machine.gpus) for machine in self.fleet.graphics])
        shared = np.array([machine.unified for machine in self.fleet.graphics])
        ram, cards = self.fleet.ram_bytes[self.fleet.size_at], vram[self.fleet.graphics_at]
        there = np.where(shared[self.fleet.graphics_at], np.maximum(ram, cards), ram + cards)
        return float(there.max(initial=0.0)) / GB

    @cached_property
    def numbered(self) -> tuple[list[str], Whole]:
        """The distinct labels, and which of them each row has."""
        names, at = np.unique(np.array(self.labels, dtype=object).astype(str), return_inverse=True)
        return names.tolist(), np.asarray(at, dtype=np.intp)


DISK_STEPS_GB = (60.0, 200.0, 400.0, 800.0, 1600.0)
"""Models up to these sizes share a disk."""


def joined(first: Fleet, second: Fleet) -> Fleet:
    """Machines of two fleets, one after the other."""
    sizes = np.concatenate([first.ram_bytes, second.ram_bytes])

    def both(name: str, beyond: int = 0) -> Any:
        return np.concatenate([getattr(first, name), getattr(second, name) + beyond])

    return Fleet(
        graphics=(*first.graphics, *second.graphics), processors=(*first.processors, *second.processors),
        graphics_at=both("graphics_at", len(first.graphics)), processor_at=both("processor_at", len(first.processors)),
        ram_bytes=sizes, size_at=both("size_at", len(first.ram_bytes)), ram_gb_s=both("ram_gb_s"),
        random_gb_s=both("random_gb_s"), disk_gb_s=both("disk_gb_s"),
    )


class OnShelf:
    """A shelf asked for one model: each row a build with its price and speeds."""

    def __init__(self, shelf: Shelf, case: Case, efficiencies: Efficiencies) -> None:
        self._shelf, self._case, self.efficiencies = shelf, case, efficiencies
        self.model_gb = case.demand.footprint.file_bytes / GB
        self.stored = shelf.stored(self.model_gb)
        self._known: tuple[Knowledge | None, Looked] = None, {}

    def predicted(self, knowledge: Knowledge) -> "Looked":
        """Rows that were looked at closely, to be read and added to: within another budget many are looked at again. Of
        one knowledge at a time.
        """
        known, looked = self._known
        if known is not knowledge or len(looked) > MOST_PREDICTED:
            looked = {}
            self._known = knowledge, looked
        return looked

    @property
    def price_usd(self) -> Vector:
        """Of each build with its disk."""
        return self.stored.price_usd

    @cached_property
    def speeds(self) -> ShelfSpeeds:
        """Median speeds, 0 where the model is not held in memory with room for the system."""
        return self._speeds(self.stored.fleet)

    def _speeds(self, fleet: Fleet) -> ShelfSpeeds:
        found = speeds_on(fleet, self._case, self._case.scenario, self.efficiencies)
        rooms, at = found.placed.rooms, found.placed.at
        gib = fleet.ram_bytes[fleet.size_at] / GIB
        shared = np.array([machine.unified for machine in fleet.graphics])[fleet.graphics_at]
        on_gpus = rooms.vram_bytes[at].sum(axis=1) / GIB
        in_ram = np.where(shared, on_gpus, 0.0) + rooms.ram_bytes[at] / GIB
        holds = rooms.fits[at] & found.in_memory & (gib >= ram_needed_gib(in_ram, self.model_gb * GB / GIB, shared))
        prompt = max(1, self._case.prompt_tokens)
        decode, prefill = (
            np.asarray(np.where(holds, count / seconds, 0.0))
            for count, seconds in ((1.0, found.decode_s), (prompt, found.prefill_s))
        )
        return ShelfSpeeds(decode, prefill)

    @property
    def label_names(self) -> list[str]:
        """The distinct labels."""
        return self.stored.numbered[0]

    @property
    def label_at(self) -> Whole:
        """Which of the names each row has."""
        return self.stored.numbered[1]

    @cached_property
    def ready_made(self) -> NDArray[np.bool_]:
        """Whether a build is bought as it is: nothing has to be put together."""
        whole = [len(build.parts) == 1 for build in self.stored.machines]
        return np.concatenate([np.zeros(len(self._shelf.rows), dtype=bool), np.array(whole, dtype=bool)])

    def build(self, row: int) -> Build:
        """A row as a build with all its parts."""
        rows = self._shelf.rows
        if row >= len(rows):
            return self.stored.machines[row - len(rows)]
        return self._shelf.combinations.build(int(rows[row]), self.stored.assembler)


def ram_needed_gib(in_ram_gib: Any, file_gib: float, shared: Any) -> Any:
    """Memory that a computer must have: for the system, beside what the model has in it; and, beside cards, enough that
    a file of the usual sizes is read once and kept. Numbers or arrays alike, in GiB.

    >>> [float(ram_needed_gib(*asked)) for asked in ((0.0, 20.0, False), (0.0, 5.0, False), (8.0, 5.0, True))]
    [28.0, 16.0, 16.0]
    """
    beside = np.where(shared, 0.0, max(LEAST_RAM_GIB, min(file_gib + SYSTEM_GIB, LOADED_GIB)))
    return np.maximum(in_ram_gib + SYSTEM_GIB, beside)


def card_of(build: Build) -> str:
    """The card of a build, or its name where it has none of its own: no two picks share it."""
    cards = [part.name for part in build.parts if part.kind == "gpu"]
    if cards:
        return cards[0]
    return build.label if build.kind != "desktop" or build.platform is None else ""


# Which parts are worth a look.


def sensible(stock: Stock, budget_usd: float | None, *, tinkerer: bool) -> Stock:
    """The stock without what is beyond the budget, beaten by another part, or for tinkerers."""
    limit = float("inf") if budget_usd is None else budget_usd
    gpus = [gpu for gpu in stock.gpus if stock.usd("gpu", gpu.name) <= limit]
    owned = {name for kind, name in stock.prices.owned if kind == "gpu"}
    if not tinkerer:
        gpus = [gpu for gpu in gpus if gpu.name in owned or not practice_of(gpu).tinkerers]
    # Rack servers are loud, and have no place at home.
    offices = tuple(row for row in stock.offices if tinkerer or row.form != "rack")
    return replace(
        stock, gpus=tuple(gpus), offices=offices,
        cpus=_unbeaten(stock.cpus, lambda cpu: stock.usd("cpu", cpu.name), _cpu_group, _cpu_merits),
        ram_kits=_unbeaten(stock.ram_kits, lambda kit: stock.usd("ram", kit.name), _kit_group, _kit_merits),
        boards=_unbeaten(stock.boards, lambda board: stock.usd("board", board.name), _board_group, _board_merits),
    )


def _unbeaten(
    parts: Iterable[R], usd: Callable[[R], float], group: Callable[[R], Any], merits: Callable[[R], tuple[float, ...]]
) -> tuple[R, ...]:
    """Parts than which no cheaper one of their group is as good in every merit."""
    kept: dict[Any, list[R]] = {}
    for part in sorted(parts, key=lambda part: (usd(part), *(-merit for merit in merits(part)))):
        others = kept.setdefault(group(part), [])
        if not any(all(a >= b for a, b in zip(merits(other), merits(part), strict=True)) for other in others):
            others.append(part)
    return tuple(part for some in kept.values() for part in some)


def unbeaten_platforms(platforms: Platforms) -> Platforms:
    """Platforms than which no cheaper one has as much memory, as fast, with as many cores and as good slots, the
    cheapest first.
    """
    of_cpu = np.array([
        (row.fabric_read_gb_s or 1e9, row.performance_cores, row.pcie_gen, row.integrated_gpu)
        for row in platforms.cpus
    ], dtype=float).reshape(-1, 4)
    of_board = np.array([
        (row.slot1_pcie_gen, row.slot1_pcie_lanes / 16, row.slot1_shared_lanes or 16, *further_merits(row))
        for row in platforms.boards
    ], dtype=float).reshape(-1, 6)
    of_memory = np.array([(memory.gib, -memory.modules / 2 // 1) for memory, _ in platforms.memories], dtype=float)
    order = np.argsort(platforms.housed_usd, kind="stable")
    fabric, cores, pcie, shows = of_cpu[platforms.cpu_at[order]].T
    slot_pcie, lanes, shared, second, third, fourth = of_board[platforms.board_at[order]].T
    gib, fewer = of_memory.reshape(-1, 2)[platforms.memory_at[order]].T
    gb_s = np.minimum(platforms.mt_s[order] * platforms.channels[order] * 0.008, fabric)
    slots = [np.minimum(slot_pcie, pcie) + lanes, second, third, fourth, shared]
    merits = np.stack([gib, gb_s, cores, *slots, shows, fewer], axis=1)
    kept: list[int] = []
    best = np.empty_like(merits)
    for place, one in enumerate(merits):
        if not (best[: len(kept)] >= one).all(axis=1).any():
            best[len(kept)] = one
            kept.append(place)
    return platforms.take(order[kept])


def further_merits(board: Board) -> tuple[float, float, float]:
    """Of the second, third and fourth slot the generation, and the lanes as sixteenths; 0 without the slot."""
    second, third, fourth = (*(gen + lanes / 16 for gen, lanes in board.further_slots), 0.0, 0.0, 0.0)[:3]
    return second, third, fourth


def _cpu_group(cpu: Cpu) -> tuple[object, ...]:
    return cpu.socket, cpu.memory_types, cpu.registered_memory


def _cpu_merits(cpu: Cpu) -> tuple[float, ...]:
    return (
        cpu.performance_cores, cpu.memory_channels, cpu.fabric_read_gb_s or 1e9, max(cpu.mt_s_1dpc), cpu.pcie_gen,
        cpu.integrated_gpu, cpu.avx512, -cpu.tdp_w / 50 // 1,
    )


def _kit_group(kit: RamKit) -> tuple[object, ...]:
    return kit.ram_type, kit.form_factor, kit.registered, kit.modules, kit.module_gib


def _kit_merits(kit: RamKit) -> tuple[float, ...]:
    return (kit.mt_s,)


def _board_group(board: Board) -> tuple[object, ...]:
    return board.socket, board.ram_type, board.registered_memory


def _board_merits(board: Board) -> tuple[float, ...]:
    overclocks = board.chipset[:1] in {"Z", "X"} or not board.socket.startswith("LGA")
    return (
        board.dimm_slots, -board.dimms_per_channel, board.max_memory_gib, board.slot1_pcie_gen * board.slot1_pcie_lanes,
        *further_merits(board), board.slot1_shared_lanes or 0, board.m2_slots > 0,
        overclocks or board.chipset.startswith(("B5", "B6", "B7", "B8", "H5", "H6", "H7")),
        -["Mini-ITX", "Micro-ATX", "ATX", "E-ATX"].index(board.form_factor),
    )
