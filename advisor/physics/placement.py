"""Where the bytes lie: every layer's weights, experts, KV cache and buffers on a GPU, in RAM or on the disk, as
llama.cpp places them, for many rows of demand and machine at once.

`--n-gpu-layers N` puts the output and the last N - 1 layers on GPUs; `--n-cpu-moe N` keeps the routed experts of the
first N layers in RAM, `--override-tensor` those of the last ones where that is asked for; several GPUs take runs of
consecutive layers in proportion to their free memory (llama.cpp's default layer split). All is arithmetic on arrays
with one row per question; what depends on a number of layers is found by bisection over all rows together.
Source: llama.cpp src/llama-model.cpp `load_tensors`, common/arg.cpp (read 2026-11-24).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.machines.machine import Machine
from advisor.sizes.buffers import Demand, demand_of
from catalog.units import GB, GIB, MIB

CPU = -1
BACKEND_CONTEXT_BYTES = {"cuda": 300 * MIB, "rocm": 350 * MIB, "vulkan": 150 * MIB, "sycl": 300 * MIB}
"""Taken by a backend before anything is allocated. Source: design notes "a few hundred MB"; llama.cpp pull 16653
(--fit) margins.
"""
PLANNING_MARGIN = 0.03
"""Share of VRAM the planner leaves free, for fragmentation and the desktop; llama.cpp's --fit leaves 1 GiB by
default.
"""
FILLED = 1 - PLANNING_MARGIN
SYSTEM_RAM_BYTES = 3.0 * GIB
"""Left to the operating system when a model is fitted into RAM."""
LEAST_RAM_BYTES = 0.25 * GB
NEARLY = 1.15
"""A number of experts asked for is kept with all layers on the GPU up to this estimate of the memory needed."""
OVERFULL = 1.5
"""An explicit placement that needs this many times the memory there is cannot run at all; below, it is predicted with
a warning.
"""
STRATEGIES = ("cpu_only", "unified", "expert_offload", "layer_split", "full_gpu", "multi_gpu")

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]
Whole = NDArray[np.intp]
Limits = tuple[int | None, int | None, bool | None]
"""n_gpu_layers, n_cpu_moe (None: as the planner chooses) and mmap."""

__all__ = ["BACKEND_CONTEXT_BYTES", "CPU", "OVERFULL", "Demand", "Placement", "demand_of", "place"]


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where each layer runs; byte sums per device."""

    strategy: str
    n_gpu_layers: int
    n_cpu_moe: int
    bounds: tuple[int, ...]
    """Layers run one after the other on the CPU and on each GPU: where each run begins, and the end of the last."""
    experts_from: int
    experts_to: int
    """The first layer whose experts lie on a GPU, and the first beyond whose experts are in RAM again."""
    layer_is_moe: NDArray[np.bool_]
    output_device: int
    vram_bytes: tuple[float, ...]
    """Needed per GPU: weights, caches, buffers, backend context."""
    ram_bytes: float
    storage_bytes: float
    """Part of the RAM tier that finds no room in RAM and is read from disk again and again."""
    kv_bytes: float
    fits: bool
    exceeded: float
    """Memory needed over memory there is, of the fullest device."""
    spilled_bytes: float
    """GPU memory needed beyond what there is: a driver that allows it keeps this part in RAM and reads it over the
    link.
    """
    part_on_gpu: float = 0.0
    """Share of the experts of layer `experts_to` that lies on its GPU all the same."""

    @property
    def layer_device(self) -> NDArray[np.int64]:
        """GPU index per layer, CPU = -1."""
        return np.repeat(np.arange(CPU, len(self.bounds) - 2), np.diff(self.bounds))

    @property
    def experts_on_cpu(self) -> NDArray[np.bool_]:
        """Whether a layer has experts, and they lie in RAM."""
        layer = np.arange(len(self.layer_is_moe))
        return self.layer_is_moe & ((layer < self.experts_from) | (layer >= self.experts_to))


# What is placed where, as columns.


class Demands(NamedTuple):
    """What is to be held, one row each. Sums below the layers stand one after the other for the distinct models."""

    held_below: Vector
    """[layers of all distinct demands]"""
    experts_below: Vector
    first: Whole
    """Where the sums of each row begin."""
    n_layers: Whole
    has_experts: Flags
    output: Vector
    compute: Vector
    compute_offload: Vector
    compute_cpu: Vector
    compute_piped: Vector
    compute_piped_last: Vector
    compute_cpu_piped: Vector
    embedding: Vector

    @classmethod
    def of(cls, demands: Sequence[Demand], index: Whole | None = None) -> "Demands":
        """Columns of demands, `index` saying which of them each row has (None: one row each)."""
        at = np.arange(len(demands)) if index is None else index
        ends = np.cumsum([len(demand.held_below) for demand in demands])
        numbers = np.array([
            (end - len(item.held_below), item.footprint.n_layers, item.footprint.has_apart, item.output,
             item.compute, item.compute_offload, item.compute_cpu, item.compute_piped, item.compute_piped_last,
             item.compute_cpu_piped, item.footprint.embedding_bytes)
            for item, end in zip(demands, ends.tolist(), strict=True)
        ])
        first, layers, experts, *sizes = numbers[at].T
        held = np.concatenate([item.held_below for item in demands])
        below = np.concatenate([item.experts_below for item in demands])
        return cls(held, below, first.astype(np.intp), layers.astype(np.intp), experts > 0, *sizes)

    def held(self, layer: Whole) -> Vector:
        """Bytes below a layer of each row, without experts; `layer` may have an axis of devices."""
        return np.asarray(self.held_below[_beside(self.first, layer) + layer])

    def experts(self, layer: Whole) -> Vector:
        """Bytes of the experts below a layer of each row."""
        return np.asarray(self.experts_below[_beside(self.first, layer) + layer])


class Memories(NamedTuple):
    """What the machines have room for, one row each."""

    vram_bytes: Vector
    """[rows, GPUs], 0 where there is none"""
    gpus: Whole
    """How many there are."""
    context_bytes: Vector
    """Taken by the backend on each GPU in use."""
    ram_bytes: Vector
    """Infinite where it is not said."""
    unified: Flags
    whole: Flags
    """Whether the planner puts all or nothing on the GPU: macOS keeps what its GPU may not use for itself."""
    computes: Flags
    """Whether the GPUs are used at all."""

    @property
    def limits(self) -> Vector:
        """What the planner fills of each GPU: of one memory all that is the GPU's, since the rest is left to others."""
        return np.asarray(self.vram_bytes * np.where(self.unified, 1.0, FILLED)[:, None])

    @property
    def system_bytes(self) -> Vector:
        """Left to the operating system: where memory is one, not more than its GPU may not use."""
        others = np.maximum(0.0, self.ram_bytes - self.vram_bytes.sum(axis=1))
        return np.asarray(np.where(self.unified, np.minimum(SYSTEM_RAM_BYTES, others), SYSTEM_RAM_BYTES))

    @classmethod
    def of(cls, machines: Sequence[Machine]) -> "Memories":
        """Columns of machines."""
        most = max(1, *(len(machine.gpus) for machine in machines))
        rows = [[gpu.vram_bytes for gpu in machine.gpus] + [0.0] * (most - len(machine.gpus)) for machine in machines]
        ram = [machine.ram.capacity_bytes for machine in machines]
        return cls(
            np.array(rows, dtype=float),
            np.array([len(machine.gpus) for machine in machines], dtype=np.intp),
            np.array([BACKEND_CONTEXT_BYTES.get(machine.backend, 0) for machine in machines], dtype=float),
            np.array(ram, dtype=float),
            np.array([machine.unified for machine in machines], dtype=bool),
            np.array([machine.unified and machine.backend == "metal" for machine in machines], dtype=bool),
            np.array([bool(machine.gpus) and machine.backend != "cpu" for machine in machines], dtype=bool),
        )


class Wishes(NamedTuple):
    """What is asked of a placement, one row each; -1 leaves a number to the planner."""

    n_gpu_layers: Whole
    n_cpu_moe: Whole
    mapped: Flags
    """Whether what finds no room in RAM may be read from disk."""
    from_last: Flags
    """Whether the layers of `n_cpu_moe` are the last ones."""

    @classmethod
    def of(cls, asked: Sequence[Limits], from_last: Sequence[bool] = ()) -> "Wishes":
        """Columns of n_gpu_layers, n_cpu_moe and mmap; `from_last` of each row, none of them where it is empty."""
        numbers = np.array([[-1 if n is None else max(-1, n) for n in row[:2]] for row in asked], dtype=np.intp)
        last = np.array(from_last or [False] * len(asked))
        return cls(numbers[:, 0], numbers[:, 1], np.array([row[2] is not False for row in asked]), last)

    def repeated(self, many: int) -> "Wishes":
        """The same for so many rows."""
        columns: tuple[Any, ...] = tuple(np.repeat(column, many) for column in self)
        return Wishes(*columns)


class Rooms(NamedTuple):
    """What given numbers of layers on GPUs and of layers with experts in RAM need, one row each; as in `Placement`."""

    n_gpu_layers: Whole
    n_cpu_moe: Whole
    bounds: Whole
    """[rows, 2 + GPUs]"""
    experts_from: Whole
    experts_to: Whole
    output_device: Whole
    vram_bytes: Vector
    """[rows, GPUs]"""
    ram_bytes: Vector
    """Needed, whether there is as much or not."""
    storage_bytes: Vector
    exceeded: Vector
    fits: Flags


def _beside(rows: Whole, like: Whole) -> Whole:
    return rows[:, None] if like.ndim > 1 else rows


def _taken(demands: Demands, keep: Whole) -> Demands:
    rows: tuple[Any, ...] = tuple(column[keep] for column in demands[2:])
    return Demands(demands.held_below, demands.experts_below, *rows)


# The placement of each row.


def place(
    demand: Demand, machine: Machine, n_gpu_layers: int | None, n_cpu_moe: int | None, mmap: bool | None
) -> Placement:
    """The placement asked for, clamped to the model; what is None the planner chooses: the fastest that fits.

    Experts leave the GPU before whole layers do, since they are read in part only.
    """
    return place_each([demand], [machine], [(n_gpu_layers, n_cpu_moe, mmap)])[0]


def place_each(
    demands: Sequence[Demand],
    machines: Sequence[Machine],
    asked: Sequence[Limits],
    from_last: Sequence[bool] = (),
) -> list[Placement]:
    """Placements of many; `asked` are n_gpu_layers, n_cpu_moe and mmap of each, `from_last` says of which n_cpu_moe
    counts from the last layer. As `place`.
    """
    if not demands:
        return []
    distinct = {id(item): item for item in demands}
    order = {key: index for index, key in enumerate(distinct)}
    sizes = Demands.of([*distinct.values()], np.array([order[id(item)] for item in demands]))
    memories = Memories.of(machines)
    rooms = placed(sizes, memories, Wishes.of(asked, from_last))
    strategies, spilled = strategies_of(sizes, memories, rooms), spilled_bytes(memories, rooms)
    rows = zip(*(column.tolist() for column in (*rooms, strategies, spilled)), demands, machines, strict=True)
    return [
        Placement(
            strategy=STRATEGIES[strategy], n_gpu_layers=on_gpu, n_cpu_moe=n_cpu_moe,
            bounds=tuple(bounds[: 2 + len(machine.gpus)]), experts_from=experts_from, experts_to=experts_to,
            layer_is_moe=demand.footprint.layer_is_moe, output_device=output_device,
            vram_bytes=tuple(vram[: len(machine.gpus)]), ram_bytes=in_ram - overflow, storage_bytes=overflow,
            kv_bytes=demand.kv_sum, fits=fits, exceeded=exceeded, spilled_bytes=spill,
        )
        for on_gpu, n_cpu_moe, bounds, experts_from, experts_to, output_device, vram, in_ram, overflow, exceeded, fits,
            strategy, spill, demand, machine in rows
    ]


def placed(demands: Demands, memories: Memories, wishes: Wishes) -> Rooms:
    """The room that each row's placement takes, as `place` chooses it."""
    moe = np.where(demands.has_experts, demands.n_layers, 0)
    asks_layers, asks_experts = wishes.n_gpu_layers >= 0, wishes.n_cpu_moe >= 0
    on_gpu = np.where(asks_layers, np.minimum(wishes.n_gpu_layers, demands.n_layers + 1), demands.n_layers + 1)
    on_gpu = np.where(memories.computes, on_gpu, 0)
    experts = np.where(memories.computes, np.clip(wishes.n_cpu_moe, 0, moe), 0)
    rooms = _rooms(demands, memories, wishes, on_gpu, experts)

    settled = rooms.fits | (asks_layers & asks_experts) | memories.whole | ~memories.computes
    settled |= asks_experts & (rooms.exceeded <= NEARLY)
    copies: tuple[Any, ...] = tuple(column.copy() for column in rooms)
    full = Rooms(*copies)
    few = np.flatnonzero(~settled & ~asks_experts & (moe > 0))
    if len(few):
        rooms = _with(rooms, few, _fewest_experts(*_rows(few, demands, memories, wishes, rooms)))
    most = np.flatnonzero(~settled & ~asks_layers & ~rooms.fits)
    if len(most):
        rooms = _with(rooms, most, _most_layers(*_rows(most, demands, memories, wishes, rooms)))
    # What one memory has no room for in any way is told of all of it.
    nothing = np.flatnonzero(memories.unified & ~rooms.fits & ~settled)
    if len(nothing):
        before: tuple[Any, ...] = tuple(column[nothing] for column in full)
        rooms = _with(rooms, nothing, Rooms(*before))
    return rooms


def _rows(
    keep: Whole, demands: Demands, memories: Memories, wishes: Wishes, rooms: Rooms
) -> tuple[Demands, Memories, Wishes, Rooms]:
    some: list[tuple[Any, ...]] = [tuple(column[keep] for column in columns) for columns in (memories, wishes, rooms)]
    return _taken(demands, keep), Memories(*some[0]), Wishes(*some[1]), Rooms(*some[2])


def _with(rooms: Rooms, at: Whole, others: Rooms) -> Rooms:
    """The rooms with some rows replaced."""
    for column, new in zip(rooms, others, strict=True):
        column[at] = new
    return rooms


def _fewest_experts(demands: Demands, memories: Memories, wishes: Wishes, full: Rooms) -> Rooms:
    """Smallest n_cpu_moe that fits, or all when none does; `full` are the rooms with all experts on the GPUs."""
    limits = memories.limits.sum(axis=1)
    excess = full.vram_bytes.sum(axis=1) - limits + demands.compute_offload - demands.compute
    enough = demands.experts(full.bounds[:, 1]) + excess
    low, high = np.zeros_like(demands.n_layers), demands.n_layers + 1
    guess = _smallest(lambda number: demands.experts(number) >= enough, low, high)

    def rooms(number: Whole) -> Rooms:
        return _rooms(demands, memories, wishes, full.n_gpu_layers, number)

    ones = np.ones_like(demands.n_layers)
    return rooms(_smallest(lambda number: rooms(number).fits, ones, demands.n_layers, np.maximum(1, guess)))


def _most_layers(demands: Demands, memories: Memories, wishes: Wishes, full: Rooms) -> Rooms:
    """Largest n_gpu_layers that fits; 0 when none does."""
    n_layers, zeros = demands.n_layers, np.zeros_like(demands.n_layers)
    compute = np.where(full.n_cpu_moe > 0, demands.compute_offload, demands.compute)
    room = memories.limits.sum(axis=1) - (demands.output + compute + memories.context_bytes)
    held, experts = demands.held(n_layers), demands.experts(n_layers)

    def may_fit(first: Whole) -> Flags:
        """Whether the layers from one on, of their experts those that go to a GPU, find room together."""
        beyond = np.minimum(np.maximum(first, full.n_cpu_moe), n_layers)
        return np.asarray(held - demands.held(first) + experts - demands.experts(beyond) <= room)

    guess = _smallest(may_fit, zeros, n_layers) - 1

    def rooms(left: Whole) -> Rooms:
        return _rooms(demands, memories, wishes, n_layers - left, full.n_cpu_moe)

    return rooms(_smallest(lambda left: rooms(left).fits, zeros, n_layers, np.maximum(0, guess)))


def _smallest(holds: Callable[[Whole], Flags], low: Whole, high: Whole, guess: Whole | None = None) -> Whole:
    """In each row the smallest number for which it holds (for larger ones it does too), or the upper bound; tries first
    at `guess` and beside it.
    """
    near = [] if guess is None else [np.minimum(guess, high - 1), guess - 1, guess + 1]
    while (open_ := low < high).any():
        number = (low + high) // 2
        if near:
            first = near.pop(0)
            number = np.where((low <= first) & (first < high), first, number)
        found = holds(np.where(open_, number, np.maximum(0, high - 1)))
        high, low = np.where(open_ & found, number, high), np.where(open_ & ~found, number + 1, low)
    return high


# What numbers of layers need.


def _rooms(demands: Demands, memories: Memories, wishes: Wishes, on_gpu: Whole, n_cpu_moe: Whole) -> Rooms:
    """The last `on_gpu` of all layers and the output on GPUs, the experts of the first or last `n_cpu_moe` in RAM."""
    begin, end = np.minimum(n_cpu_moe, demands.n_layers), demands.n_layers.copy()
    if wishes.from_last.any():
        begin, end = np.where(wishes.from_last, 0, begin), np.where(wishes.from_last, end - begin, end)
    bounds, output_device = _split(demands, memories, on_gpu, begin, end)
    experts_from = np.maximum(bounds[:, 1], begin)
    experts_to = np.maximum(end, experts_from)
    beside = _experts_in_ram(demands, experts_from, experts_to)
    vram = _vram(demands, memories, bounds, experts_from, experts_to, beside, output_device)
    in_ram = _ram(demands, on_gpu, beside, _pipelined(vram > 0, bounds, beside))
    shared = np.where(memories.unified, vram.sum(axis=1), 0.0)
    overflow = np.maximum(0.0, in_ram - ram_available(memories.ram_bytes, shared, memories.system_bytes))
    limits = memories.limits
    exceeded = np.divide(vram, limits, out=np.zeros_like(vram), where=limits > 0).max(axis=1)
    fits = (exceeded <= 1.0) & ((overflow == 0) | wishes.mapped)
    # One memory that is filled to the last leaves the page cache nothing: it swaps.
    fits &= ~memories.unified | (in_ram + vram.sum(axis=1) <= FILLED * (memories.ram_bytes - memories.system_bytes))
    where = (on_gpu, n_cpu_moe, bounds, experts_from, experts_to, output_device)
    return Rooms(*where, vram, in_ram, overflow, exceeded, fits)


def _experts_in_ram(demands: Demands, experts_from: Whole, experts_to: Whole) -> Vector:
    beyond = demands.experts(demands.n_layers) - demands.experts(experts_to)
    return np.asarray(demands.experts(experts_from) + beyond)


def _split(demands: Demands, memories: Memories, on_gpu: Whole, begin: Whole, end: Whole) -> tuple[Whole, Whole]:
    """The bounds of the runs of layers, as in `Placement`, and the output's device: the last `on_gpu` of all layers and
    the output are on GPUs, in proportion to their memory; experts of layers below `begin` and from `end` on in RAM.

    Layers count by their bytes on the GPU, as --fit balances them; without experts in RAM that is nearly the split by
    layers. A layer goes to the GPU in whose share its middle lies.
    """
    n_layers, most = demands.n_layers, memories.vram_bytes.shape[1]
    first = np.where(on_gpu > 0, n_layers + 1 - on_gpu, n_layers)
    starts = np.repeat(first[:, None], most, axis=1)
    output_device = np.where(on_gpu > 0, 0, CPU)
    rows = np.flatnonzero((on_gpu > 0) & (memories.gpus > 1))
    if len(rows):
        some, start_at, until = _taken(demands, rows), first[rows], end[rows]
        kept = some.experts(begin[rows])

        def below(layer: Whole) -> Vector:
            """Bytes on the GPUs below a layer; the output counts as the last."""
            inside = np.minimum(layer, some.n_layers)
            bytes_ = some.held(inside) + np.maximum(0.0, some.experts(np.minimum(inside, until)) - kept)
            return bytes_ + np.where(layer > some.n_layers, some.output, 0.0)

        low, high = below(start_at), below(some.n_layers + 1)
        shares = np.cumsum(memories.vram_bytes[rows], axis=1)
        for gpu in range(1, most):
            edge = low + (high - low) * (shares[:, gpu - 1] / shares[:, -1])
            found = _smallest(partial(_beyond, below, edge), start_at, some.n_layers + 1)
            starts[rows, gpu] = np.where(gpu < memories.gpus[rows], found, some.n_layers + 1)
        output_device[rows] = (starts[rows] <= some.n_layers[:, None]).sum(axis=1) - 1
    last = np.broadcast_to(n_layers[:, None], (len(first), 1))
    starts = np.minimum(starts, last)
    lone = memories.gpus <= 1
    starts[lone, 1:] = n_layers[lone, None]
    return np.concatenate([np.zeros_like(last), starts, last], axis=1), output_device


def _beyond(below: Callable[[Whole], Vector], edge: Vector, layer: Whole) -> Flags:
    """Whether the middle of a layer lies beyond the edge."""
    return np.asarray((below(layer) + below(layer + 1)) / 2 >= edge)


def _vram(
    demands: Demands, memories: Memories, bounds: Whole, experts_from: Whole, experts_to: Whole, in_ram: Vector,
    output_device: Whole,
) -> Vector:
    """Bytes on each GPU: its run of layers, of these the experts that are not in RAM, and what it computes with."""
    start, end = bounds[:, 1:-1], bounds[:, 2:]
    has_output = np.arange(start.shape[1]) == output_device[:, None]
    used = (start < end) | has_output
    compute = np.where(in_ram > 0, demands.compute_offload, demands.compute)[:, None]
    in_turn = np.where(has_output, demands.compute_piped_last[:, None], demands.compute_piped[:, None])
    compute = np.where(_pipelined(used, bounds, in_ram)[:, None], in_turn, compute)
    fixed = compute + memories.context_bytes[:, None]
    lowest, highest = experts_from[:, None], experts_to[:, None]
    first, last = (np.minimum(np.maximum(layer, lowest), highest) for layer in (start, end))
    own = demands.held(end) - demands.held(start) + demands.experts(last) - demands.experts(first)
    need = own + np.where(has_output, demands.output[:, None], 0.0) + fixed
    return np.where(used, need, 0.0)


def _pipelined(used: Flags, bounds: Whole, experts_in_ram: Vector) -> Flags:
    """Whether several GPUs hold all layers and experts: then they work at micro-batches in turn. Source: llama.cpp
    src/llama-context.cpp (pipeline_parallel), which tensor overrides turn off.
    """
    nothing_in_ram = (bounds[:, 1] == 0) & (experts_in_ram <= 0)
    return np.asarray((used.sum(axis=1) > 1) & nothing_in_ram)


def _ram(demands: Demands, on_gpu: Whole, experts_in_ram: Vector, in_turn: Flags) -> Vector:
    layers = np.minimum(demands.n_layers + 1 - on_gpu, demands.n_layers)
    total = demands.held(layers) + experts_in_ram + demands.embedding
    beside = np.where(in_turn, demands.compute_cpu_piped, demands.compute_cpu)
    return np.asarray(total + np.where(on_gpu > 0, beside, demands.output + demands.compute))


def ram_available(
    ram_bytes: Vector, shared_bytes: float | Vector = 0.0, system_bytes: float | Vector = SYSTEM_RAM_BYTES
) -> Vector:
    """Bytes of RAM that a model can have, beside the system and what GPUs share of it."""
    return np.maximum(LEAST_RAM_BYTES, ram_bytes - system_bytes - shared_bytes)


def spilled_bytes(memories: Memories, rooms: Rooms) -> Vector:
    """GPU memory needed beyond what there is."""
    return np.asarray(np.maximum(0.0, rooms.vram_bytes - memories.vram_bytes).sum(axis=1))


def strategies_of(demands: Demands, memories: Memories, rooms: Rooms) -> Whole:
    """Which of `STRATEGIES` each row is."""
    on_gpu, several = rooms.n_gpu_layers, (np.diff(rooms.bounds[:, 1:], axis=1) > 0).sum(axis=1) > 1
    in_ram = _experts_in_ram(demands, rooms.experts_from, rooms.experts_to) > 0
    whole = memories.unified & ~in_ram & (on_gpu > demands.n_layers)
    known = (on_gpu == 0, whole, in_ram, on_gpu <= demands.n_layers)
    names = ("cpu_only", "unified", "expert_offload", "layer_split")
    codes = [STRATEGIES.index(name) for name in names]
    alone, shared = STRATEGIES.index("full_gpu"), STRATEGIES.index("multi_gpu")
    return np.select(known, codes, np.where(several, shared, alone))
