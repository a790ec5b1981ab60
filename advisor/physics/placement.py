"""Where the bytes lie: every layer's weights, experts, KV cache and buffers on a GPU, in RAM or on the disk, as
llama.cpp places them.

`--n-gpu-layers N` puts the output and the last N - 1 layers on GPUs; `--n-cpu-moe N` keeps the routed experts of the
first N layers
in RAM; several GPUs take runs of consecutive layers in proportion to their free memory (llama.cpp's default layer
split).
Source: llama.cpp src/llama-model.cpp `load_tensors`, common/arg.cpp (read 2026-11-24).
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

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
NEARLY = 1.15
"""A number of experts asked for is kept with all layers on the GPU up to this estimate of the memory needed."""
OVERFULL = 1.5
"""An explicit placement that needs this many times the memory there is cannot run at all; below, it is predicted with
a warning.
"""

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
    """The first layer whose experts lie on a GPU."""
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

    @property
    def layer_device(self) -> NDArray[np.int64]:
        """GPU index per layer, CPU = -1."""
        return np.repeat(np.arange(CPU, len(self.bounds) - 2), np.diff(self.bounds))

    @property
    def experts_on_cpu(self) -> NDArray[np.bool_]:
        """Whether a layer has experts, and they lie in RAM."""
        return self.layer_is_moe & (np.arange(len(self.layer_is_moe)) < self.experts_from)


class _Room(NamedTuple):
    """What given numbers of layers on GPUs and of layers with experts in RAM need; `bounds` as in `Placement`."""

    n_gpu_layers: int
    n_cpu_moe: int
    bounds: tuple[int, ...]
    experts_from: int
    output_device: int
    vram: tuple[float, ...]
    in_ram: float
    overflow: float
    exceeded: float
    fits: bool


class _Rooms:
    """The room that a demand takes on a machine, for each pair of numbers worked out once."""

    def __init__(self, demand: Demand, machine: Machine, mmap: bool | None) -> None:
        self.demand, self.machine, self.mmap = demand, machine, mmap
        self.n_layers = demand.footprint.n_layers
        self.limits = [gpu.vram_bytes * FILLED for gpu in machine.gpus]
        """Memory of each GPU that the planner fills."""
        self._known: dict[tuple[int, int], _Room] = {}

    def of(self, on_gpu: int, n_cpu_moe: int) -> _Room:
        """The last `on_gpu` of all layers and the output on GPUs, the experts of the first `n_cpu_moe` in RAM."""
        asked = (on_gpu, n_cpu_moe)
        if asked not in self._known:
            self._known[asked] = self._worked_out(on_gpu, n_cpu_moe)
        return self._known[asked]

    def _worked_out(self, on_gpu: int, n_cpu_moe: int) -> _Room:
        demand, machine = self.demand, self.machine
        bounds, output_device = _split(demand, on_gpu, n_cpu_moe, machine)
        experts_from = min(max(bounds[1], n_cpu_moe), self.n_layers)
        vram = _vram(demand, machine, bounds, experts_from, output_device)
        in_ram = _ram(demand, on_gpu, experts_from)
        overflow = max(0.0, in_ram - ram_available(machine, sum(vram) if machine.unified else 0.0))
        exceeded = max([need / limit for need, limit in zip(vram, self.limits, strict=True)], default=0.0)
        fits = exceeded <= 1.0 and (overflow == 0 or self.mmap is not False)
        return _Room(
            on_gpu, n_cpu_moe, bounds, experts_from, output_device, vram, in_ram, overflow, exceeded, fits
        )  # fmt: skip


def place(
    demand: Demand, machine: Machine, n_gpu_layers: int | None, n_cpu_moe: int | None, mmap: bool | None
) -> Placement:
    """The placement asked for, clamped to the model; what is None the planner chooses: the fastest that fits.

    Experts leave the GPU before whole layers do, since they are read in part only.
    """
    room = _chosen(_Rooms(demand, machine, mmap), n_gpu_layers, n_cpu_moe)
    needs = zip(room.vram, machine.gpus, strict=True)
    return Placement(
        strategy=_strategy(demand, machine, room),
        n_gpu_layers=room.n_gpu_layers,
        n_cpu_moe=room.n_cpu_moe,
        bounds=room.bounds,
        experts_from=room.experts_from,
        layer_is_moe=demand.footprint.layer_is_moe,
        output_device=room.output_device,
        vram_bytes=room.vram,
        ram_bytes=room.in_ram - room.overflow,
        storage_bytes=room.overflow,
        kv_bytes=demand.kv_sum,
        spilled_bytes=sum([max(0.0, need - gpu.vram_bytes) for need, gpu in needs]),
        fits=room.fits,
        exceeded=room.exceeded,
    )


def _chosen(rooms: _Rooms, n_gpu_layers: int | None, n_cpu_moe: int | None) -> _Room:
    machine, layers = rooms.machine, rooms.n_layers
    if machine.backend == "cpu" or not machine.gpus:
        return rooms.of(0, 0)
    moe = layers if rooms.demand.footprint.n_experts else 0
    wished_layers = None if n_gpu_layers is None or n_gpu_layers < 0 else min(n_gpu_layers, layers + 1)
    wished_experts = None if n_cpu_moe is None else min(n_cpu_moe, moe)
    candidate = rooms.of(layers + 1 if wished_layers is None else wished_layers, wished_experts or 0)
    asked = wished_layers is not None and wished_experts is not None
    if candidate.fits or asked or machine.unified or (wished_experts is not None and candidate.exceeded <= NEARLY):
        return candidate
    if wished_experts is None and moe:
        candidate = _fewest_experts(rooms, candidate)
    if candidate.fits or wished_layers is not None:
        return candidate
    return _most_layers(rooms, candidate.n_cpu_moe)


def _fewest_experts(rooms: _Rooms, full: _Room) -> _Room:
    """Smallest n_cpu_moe that fits, or all when none does; `full` is the room with all experts on the GPUs."""
    demand, on_gpu = rooms.demand, full.n_gpu_layers
    excess = sum(full.vram) - sum(rooms.limits) + demand.compute_offload - demand.compute
    below = demand.experts_below[full.bounds[1]]
    number = _smallest(
        lambda number: rooms.of(on_gpu, number).fits,
        (1, rooms.n_layers),
        max(1, bisect_left(demand.experts_below, below + excess)),
    )
    return rooms.of(on_gpu, number)


def _most_layers(rooms: _Rooms, n_cpu_moe: int) -> _Room:
    """Largest n_gpu_layers that fits; 0 when none does."""
    demand, n_layers = rooms.demand, rooms.n_layers
    held, experts = demand.held_below, demand.experts_below
    compute = demand.compute_offload if n_cpu_moe else demand.compute
    fixed = demand.output + compute + BACKEND_CONTEXT_BYTES.get(rooms.machine.backend, 0)

    def last(count: int) -> float:
        """Bytes of so many layers from the last on, of their experts those that go to a GPU."""
        first = n_layers - count
        return held[-1] - held[first] + experts[-1] - experts[min(max(first, n_cpu_moe), n_layers)]

    fitting = bisect_right(range(1, n_layers + 1), sum(rooms.limits) - fixed, key=last)
    left = _smallest(
        lambda left: rooms.of(n_layers - left, n_cpu_moe).fits,
        (0, n_layers),
        n_layers - fitting - 1,
    )
    return rooms.of(n_layers - left, n_cpu_moe)


def _smallest(fits: Callable[[int], bool], bounds: tuple[int, int], guess: int) -> int:
    """The smallest number that fits (larger ones fit too), or the upper bound; tries first at `guess`."""
    low, high = bounds
    near = iter((min(guess, high - 1), guess - 1, guess + 1))
    while low < high:
        number = next((item for item in near if low <= item < high), (low + high) // 2)
        if fits(number):
            high = number
        else:
            low = number + 1
    return high


def _split(demand: Demand, on_gpu: int, n_cpu_moe: int, machine: Machine) -> tuple[tuple[int, ...], int]:
    """The bounds of the runs of layers, as in `Placement`, and the output's device: the last `on_gpu` of all layers and
    the output are on GPUs, in proportion to their memory.

    Layers count by their bytes on the GPU, as --fit balances them; without experts in RAM that is nearly the split by
    layers.
    """
    n_layers, n_gpus = demand.footprint.n_layers, len(machine.gpus)
    if not on_gpu:
        return (0, *[n_layers] * (n_gpus + 1)), CPU
    first = n_layers + 1 - on_gpu
    if n_gpus == 1:
        return (0, first, n_layers), 0
    experts = np.where(np.arange(n_layers) < n_cpu_moe, 0.0, demand.experts)
    sizes = np.append(demand.held + experts, demand.output)[first:]
    shares = np.cumsum([gpu.vram_bytes for gpu in machine.gpus])
    middle = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    devices = np.searchsorted(shares / shares[-1], middle, side="right")
    starts = (first + np.searchsorted(devices, np.arange(n_gpus + 1))).tolist()
    return (0, *[min(start, n_layers) for start in starts]), bisect_right(starts, n_layers) - 1


def _vram(
    demand: Demand, machine: Machine, bounds: tuple[int, ...], experts_from: int, output_device: int
) -> tuple[float, ...]:
    """Bytes on each GPU: its run of layers, of these the experts that are not in RAM, and what it computes with."""
    held, experts = demand.held_below, demand.experts_below
    context = BACKEND_CONTEXT_BYTES.get(machine.backend, 0)
    fixed = (demand.compute_offload if experts[experts_from] > 0 else demand.compute) + context
    need = []
    for gpu, (start, end) in enumerate(pairwise(bounds[1:])):
        own = held[end] - held[start] + experts[max(end, experts_from)] - experts[max(start, experts_from)]
        output = demand.output if gpu == output_device else 0.0
        need.append(own + output + fixed if start < end or gpu == output_device else 0.0)
    return tuple(need)


def _ram(demand: Demand, on_gpu: int, experts_from: int) -> float:
    layers = min(demand.footprint.n_layers + 1 - on_gpu, demand.footprint.n_layers)
    total = demand.held_below[layers] + demand.experts_below[experts_from] + demand.footprint.embedding_bytes
    return total + (demand.compute_cpu if on_gpu else demand.output + demand.compute)


def ram_available(machine: Machine, shared_bytes: float) -> float:
    """Bytes of RAM that a model can have, beside the system and what GPUs share of it."""
    if machine.ram.capacity_bytes is None:
        return math.inf
    return max(0.25 * GB, machine.ram.capacity_bytes - SYSTEM_RAM_BYTES - shared_bytes)


def _strategy(demand: Demand, machine: Machine, room: _Room) -> str:
    on_gpu = room.n_gpu_layers
    if machine.unified and on_gpu:
        return "unified"
    if on_gpu == 0:
        return "cpu_only"
    if demand.experts_below[room.experts_from] > 0:
        return "expert_offload"
    if on_gpu <= demand.footprint.n_layers:
        return "layer_split"
    used = sum(start < end for start, end in pairwise(room.bounds[1:]))
    return "multi_gpu" if used > 1 else "full_gpu"
