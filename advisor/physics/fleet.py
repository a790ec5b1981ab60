"""How fast one load is on each of very many machines: the same physics with a row for every machine.

What many machines have in common stands once: their graphics cards, their processors, the sizes of their memory. Bytes
are placed, and work is counted, once for each pair of cards and size; only the equations of `stages` run over every
row, in blocks that stay in the processor's cache, with coefficients gathered by index.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.machines.machine import NO_GPU, Machine
from advisor.physics.coefficients import COEFFICIENTS, Efficiencies, Setting, setting_at
from advisor.physics.placement import (
    CPU,
    STRATEGIES,
    Demands,
    Memories,
    Rooms,
    Wishes,
    placed,
    ram_available,
    spilled_bytes,
    strategies_of,
)
from advisor.physics.stages import decode_stages, held_to_reading, prefill_stages, total_s
from advisor.physics.task import DIVIDING, Columns, Usage, peaks_of, slowest_link_gb_s, spans_at
from advisor.physics.work import BY_FAMILY, Work, decode_work, machine_work, prefill_work
from advisor.question import Engine, Scenario

Vector = NDArray[np.float64]
Whole = NDArray[np.intp]
BLOCK = 16384
"""Rows evaluated together: their numbers find room in a core's second cache."""


@dataclass(frozen=True, eq=False)
class Fleet:
    """Machines as columns, one row each; indices point into what is distinct. All cards of a machine are used, split as
    llama.cpp does by itself: a prediction of a single machine leaves a slower one of unlike cards aside.
    """

    graphics: tuple[Machine, ...]
    """Distinct graphics cards with their links, backend and whether memory is unified; nothing else of them counts."""
    graphics_at: Whole
    processors: tuple[Machine, ...]
    """Distinct processors, with what is not known of them and their memory."""
    processor_at: Whole
    ram_bytes: Vector
    """Distinct sizes of memory, infinite where not said."""
    size_at: Whole
    ram_gb_s: Vector
    """Of each row."""
    random_gb_s: Vector
    disk_gb_s: Vector

    def __len__(self) -> int:
        return len(self.graphics_at)

    @classmethod
    def of(cls, machines: Sequence[Machine]) -> "Fleet":
        """Columns of machines."""
        graphics = {(item.gpus, item.backend, item.unified): item for item in machines}
        processors = {(item.cpu, item.unknown): item for item in machines}
        sizes = [item.ram.capacity_bytes for item in machines]
        first, second = ({key: place for place, key in enumerate(some)} for some in (graphics, processors))
        ram_bytes, size_at = np.unique(np.array(sizes, dtype=float), return_inverse=True)
        return cls(
            graphics=tuple(graphics.values()),
            graphics_at=np.array([first[item.gpus, item.backend, item.unified] for item in machines], dtype=np.intp),
            processors=tuple(processors.values()),
            processor_at=np.array(
                [second[item.cpu, item.unknown] for item in machines], dtype=np.intp
            ),
            ram_bytes=ram_bytes,
            size_at=size_at,
            ram_gb_s=np.array([item.ram.bandwidth_gb_s for item in machines], dtype=float),
            random_gb_s=np.array([item.storage.random_gb_s for item in machines], dtype=float),
            disk_gb_s=np.array([item.storage.most_gb_s for item in machines], dtype=float),
        )

    @cached_property
    def _settings(self) -> dict[tuple[Engine, bool], list[Setting]]:
        return {}

    def processor_settings(self, scenario: Scenario) -> list[Setting]:
        """What each processor gives to a setting; kept for the next model that is asked with the same engine."""
        key = scenario.engine, bool(scenario.measured)
        if key not in self._settings:
            self._settings[key] = [setting_at(scenario, item, [0.0] * len(item.gpus)) for item in self.processors]
        return self._settings[key]

    def take(self, rows: Whole) -> "Fleet":
        """Some of the rows."""
        columns = ("graphics_at", "processor_at", "size_at", "ram_gb_s", "random_gb_s", "disk_gb_s")
        some: dict[str, Any] = {name: getattr(self, name)[rows] for name in columns}
        return Fleet(graphics=self.graphics, processors=self.processors, ram_bytes=self.ram_bytes, **some)


@dataclass(frozen=True, eq=False)
class Placed:
    """Where a load lies on the machines of a fleet: one row for each distinct pair of cards and size of memory."""

    fleet: Fleet
    at: Whole
    """Which of the rows below each machine of the fleet has."""
    graphics_at: Whole
    memories: Memories
    rooms: Rooms
    strategies: Whole

    @property
    def runs(self) -> NDArray[np.bool_]:
        """Whether the load can run there."""
        return self.rooms.fits


@dataclass(frozen=True, eq=False)
class Speeds:
    """Seconds of each machine of a fleet for one decode step of all users and for the whole prompt."""

    placed: Placed
    decode_s: Vector
    prefill_s: Vector

    @cached_property
    def runs(self) -> NDArray[np.bool_]:
        """Whether the load can run there."""
        return self.placed.runs[self.placed.at]

    @cached_property
    def in_memory(self) -> NDArray[np.bool_]:
        """Whether nothing of it is read from disk again and again."""
        return self.placed.rooms.storage_bytes[self.placed.at] <= 0


def distinct(codes: Whole, many: int) -> tuple[Whole, Whole]:
    """The distinct ones of codes below `many`, in order, and which of them each is: `np.unique`, without sorting where
    not very many more codes could be than there are.
    """
    if many > 4 * max(len(codes), 1):
        found, at = np.unique(codes, return_inverse=True)
        return found, at
    there = np.zeros(many, dtype=bool)
    there[codes] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[codes]


def placed_on(fleet: Fleet, load: Usage, engine: Engine) -> Placed:
    """Where a load lies, as the engine's settings have it or else as the planner chooses."""
    code = fleet.graphics_at * len(fleet.ram_bytes) + fleet.size_at
    pairs, at = distinct(code, len(fleet.graphics) * len(fleet.ram_bytes))
    graphics_at, size_at = np.divmod(pairs, len(fleet.ram_bytes))
    each = Memories.of(fleet.graphics)
    kept: tuple[Any, ...] = tuple(column[graphics_at] for column in each)
    memories = Memories(*kept)._replace(ram_bytes=fleet.ram_bytes[size_at])
    demands = Demands.of([load.demand], np.zeros(len(pairs), dtype=np.intp))
    limits, from_last = (engine.n_gpu_layers, engine.experts_in_ram, engine.mmap), engine.n_cpu_moe_last is not None
    rooms = placed(demands, memories, Wishes.of([limits], [from_last]).repeated(len(pairs)))
    return Placed(fleet, at, graphics_at, memories, rooms, strategies_of(demands, memories, rooms))


def speeds_on(
    fleet: Fleet, load: Usage, scenario: Scenario, efficiencies: Efficiencies
) -> Speeds:
    """How fast a load is on each machine of a fleet; `scenario` is its question, whose hardware does not matter."""
    engine = scenario.engine
    lies = placed_on(fleet, load, engine)
    work = _works(lies, load, engine.split_mode in DIVIDING)
    families = _families_in(work)
    decode_s, prefill_s = np.empty(len(fleet)), np.empty(len(fleet))
    for rows, block, values in _blocks(lies, load, work, families, _gathered(lies, scenario, efficiencies, families)):
        prefill_s[rows] = total_s(prefill_stages(block, values))
        step_s = total_s(decode_stages(block, values))
        decode_s[rows] = held_to_reading(step_s, prefill_s[rows], load.tokens_together, float(load.prompt_tokens))
    return Speeds(lies, decode_s, prefill_s)


def decode_s_on(fleet: Fleet, load: Usage, scenario: Scenario, efficiencies: Efficiencies) -> Vector:
    """Seconds of one decode step of all users on each machine, infinite where the load does not fit or is read from
    disk again and again: what is asked of a machine that is to be bought. As `speeds_on`, without the rest.
    """
    engine = scenario.engine
    lies = placed_on(fleet, load, engine)
    held = np.flatnonzero((lies.rooms.fits & (lies.rooms.storage_bytes <= 0))[lies.at])
    some = replace(lies, fleet=fleet.take(held), at=lies.at[held])
    prompt = load.tokens_together > 1  # then a step is held to what a machine reads of one
    work = _works(some, load, engine.split_mode in DIVIDING, prompt=prompt)
    families = _families_in(work)
    found = np.full(len(fleet), np.inf)
    seconds = np.empty(len(held))
    tables = _gathered(some, scenario, efficiencies, families, prompt=prompt)
    for rows, block, values in _blocks(some, load, work, families, tables):
        step_s = total_s(decode_stages(block, values))
        if prompt:
            read_s = total_s(prefill_stages(block, values))
            step_s = held_to_reading(step_s, read_s, load.tokens_together, float(load.prompt_tokens))
        seconds[rows] = step_s
    found[held] = seconds
    return found


# Work of each placement, and settings of each pair of cards and processor.


def _works(lies: Placed, load: Usage, divides: bool, *, prompt: bool = True) -> dict[str, NDArray[np.float64]]:
    """Fields of `Work` but those of processor and memory. [placements] or [placements, families]. Without `prompt`
    those of a decode step alone.
    """
    rooms, machines = lies.rooms, lies.fleet.graphics
    peaks = peaks_of(machines, 1 + lies.memories.vram_bytes.shape[1])[lies.graphics_at]
    zeros = np.zeros(len(lies.graphics_at), dtype=np.intp)
    spans = spans_at([load.sums], zeros, rooms.bounds, rooms.experts_from, rooms.experts_to, peaks)
    task = _columns(lies, load, divides)
    return decode_work(task, spans) | (prefill_work(task, spans) if prompt else {})


def _columns(lies: Placed, load: Usage, divides: bool) -> Columns:
    rooms, footprint, many = lies.rooms, load.demand.footprint, len(lies.graphics_at)
    machines = lies.fleet.graphics
    on_gpu = rooms.output_device != CPU
    divided = divides & ((rooms.vram_bytes > 0).sum(axis=1) > 1)
    outputs = zip(lies.graphics_at.tolist(), rooms.output_device.tolist(), strict=True)
    output_peaks = np.array([(NO_GPU if device == CPU else machines[at].gpus[device]).peaks for at, device in outputs])
    numbers: dict[str, Any] = {
        name: getattr(load, name)
        for name in ("depth", "prompt_start", "prompt_tokens", "ubatch", "threads", "users", "offload_min_batch")
    }
    numbers |= {name: getattr(load, name) for name in ("rows_each", "more_chosen", "draft_bytes", "draft_passes")}
    numbers |= {name: getattr(footprint, name) for name in ("n_experts", "n_experts_used", "hidden_size", "vocab_size")}
    numbers |= {"file_bytes": footprint.file_bytes, "embedding_bytes": footprint.embedding_bytes}
    numbers |= {name: getattr(load.sums, name) for name in ("layer_bytes", "expert_bytes")} | {"window": load.window}
    none = dict.fromkeys(("ram_gb_s", "cores", "sockets", "vector_gb_s", "random_gb_s", "disk_gb_s"), np.ones(many))
    return Columns(
        **{name: np.full(many, float(number)) for name, number in numbers.items()},
        **none,  # these are columns of the fleet, see `_blocks`
        kv_element_bytes=np.tile(load.kv_element_bytes, (many, 1)),
        mapped=np.full(many, load.mapped),
        ram_bytes=rooms.ram_bytes - rooms.storage_bytes,
        storage_bytes=rooms.storage_bytes,
        spilled_bytes=spilled_bytes(lies.memories, rooms),
        output_on_gpu=on_gpu,
        output_gb_s=output_peaks[:, 0],
        output_tflops=output_peaks[:, 1],
        divided=divided,
        by_rows=np.full(many, load.by_rows),
        gpus_in_turn=(lies.strategies == STRATEGIES.index("multi_gpu")) & ~divided,
        unified=lies.memories.unified,
        offloads=np.array([item.offloads for item in machines])[lies.graphics_at],
        ram_available=ram_available(lies.memories.ram_bytes),
        link_gb_s=np.array([item.main_gpu.link_gb_s for item in machines])[lies.graphics_at],
        slowest_link_gb_s=np.array([slowest_link_gb_s(item) for item in machines])[lies.graphics_at],
    )


def _families_in(work: Mapping[str, NDArray[np.float64]]) -> list[int]:
    """The quant families that the model has, and the first, which the physics asks for by place."""
    used = np.any([(work[name] != 0).any(axis=0) for name in BY_FAMILY & work.keys()], axis=0)
    used[0] = True
    return np.flatnonzero(used).tolist()


@dataclass(frozen=True, slots=True)
class _Table:
    """A coefficient: the row of its table for each placement, the column for each processor."""

    rows: Whole
    columns: Whole
    values: NDArray[np.float64]

    def at(self, placement: Whole, processor: Whole) -> Any:
        """The values of machines."""
        rows, columns = self.values.shape[:2]
        if rows == columns == 1:
            return self.values[0, 0]
        if rows == 1:
            return np.take(self.values[0], np.take(self.columns, processor), axis=0)
        place = np.take(self.rows, placement)
        if columns > 1:
            place = place * columns + np.take(self.columns, processor)
        return np.take(self.values.reshape(rows * columns, *self.values.shape[2:]), place, axis=0)


def _gathered(
    lies: Placed, scenario: Scenario, efficiencies: Efficiencies, families: Sequence[int], *, prompt: bool = True
) -> dict[str, _Table]:
    """Coefficients by name, each distinct one worked out once."""
    fleet = lies.fleet
    most = lies.rooms.vram_bytes.argmax(axis=1)
    used = np.minimum((lies.rooms.vram_bytes > 0).sum(axis=1), 2)
    keys = np.stack([lies.graphics_at, most, used], axis=1)
    distinct, first, at = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    cards = [fleet.graphics[place] for place in distinct[:, 0].tolist()]
    needs = [lies.rooms.vram_bytes[row, : len(item.gpus)].tolist() for row, item in zip(first, cards, strict=True)]
    graphics = [setting_at(scenario, machine, need) for machine, need in zip(cards, needs, strict=True)]
    processors = fleet.processor_settings(scenario)
    tables = efficiencies.tables(graphics, processors, prompt=prompt)
    by_family = {item.name for item in COEFFICIENTS if item.per_family}
    return {
        name: _Table(rows[at.ravel()], columns, table[..., families] if name in by_family else table)
        for name, (rows, columns, table) in tables.items()
    }


def _blocks(
    lies: Placed,
    load: Usage,
    work: Mapping[str, NDArray[np.float64]],
    families: Sequence[int],
    tables: Mapping[str, _Table],
) -> Iterator[tuple[slice, Work, dict[str, Any]]]:
    """The rows of a fleet some at a time: which, their work, and their coefficients by name."""
    fleet = lies.fleet
    cpus = [item.cpu for item in fleet.processors]
    cores, sockets, vector_gb_s = (
        np.array([getattr(cpu, name) for cpu in cpus], dtype=float) for name in ("cores", "sockets", "vector_gb_s")
    )
    found = {name: column[:, families] if name in BY_FAMILY else column for name, column in work.items()}
    same: dict[str, Any] = {name: column[0] for name, column in found.items() if (column == column[:1]).all()}
    varied = {name: column for name, column in found.items() if name not in same}
    plain = {item.name: 0.0 for item in fields(Work)} | same
    for start in range(0, len(fleet), BLOCK):
        rows = slice(start, min(start + BLOCK, len(fleet)))
        at, cpu = lies.at[rows], fleet.processor_at[rows]
        machine = machine_work(
            load.threads, cores[cpu], sockets[cpu], vector_gb_s[cpu], fleet.ram_gb_s[rows], fleet.random_gb_s[rows],
            fleet.disk_gb_s[rows],
        )
        block = Work(**plain | {name: np.take(column, at, axis=0) for name, column in varied.items()} | machine)
        yield rows, block, {name: table.at(at, cpu) for name, table in tables.items()}
