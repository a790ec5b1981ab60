"""Where the bytes lie: every layer's weights, experts, KV cache and buffers on a GPU, in RAM or on the disk, as
llama.cpp places them.

`--n-gpu-layers N` puts the output and the last N - 1 layers on GPUs; `--n-cpu-moe N` keeps the routed experts of the
first N layers
in RAM; several GPUs take runs of consecutive layers in proportion to their free memory (llama.cpp's default layer
split).
Source: llama.cpp src/llama-model.cpp `load_tensors`, common/arg.cpp (read 2026-11-24).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.demand import Demand, demand_of
from advisor.machine import Machine
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
    layer_device: NDArray[np.int64]
    """GPU index per layer, CPU = -1."""
    experts_on_cpu: NDArray[np.bool_]
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


def place(
    demand: Demand, machine: Machine, n_gpu_layers: int | None, n_cpu_moe: int | None, mmap: bool | None
) -> Placement:
    """The placement asked for, clamped to the model; what is None the planner chooses: the fastest that fits.

    Experts leave the GPU before whole layers do, since they are read in part only.
    """
    layers = demand.footprint.n_layers
    if machine.backend == "cpu" or not machine.gpus:
        return _settle(demand, machine, 0, 0, mmap)
    moe = layers if demand.footprint.n_experts else 0
    wished_layers = None if n_gpu_layers is None or n_gpu_layers < 0 else min(n_gpu_layers, layers + 1)
    wished_experts = None if n_cpu_moe is None else min(n_cpu_moe, moe)
    candidate = _settle(
        demand, machine, layers + 1 if wished_layers is None else wished_layers, wished_experts or 0, mmap
    )
    asked = wished_layers is not None and wished_experts is not None
    if candidate.fits or asked or machine.unified or (wished_experts is not None and candidate.exceeded <= NEARLY):
        return candidate
    if wished_experts is None and moe:
        candidate = _fewest_experts(demand, machine, candidate, mmap)
    if candidate.fits or wished_layers is not None:
        return candidate
    return _most_layers(demand, machine, candidate.n_cpu_moe, mmap)


def _fewest_experts(demand: Demand, machine: Machine, full: Placement, mmap: bool | None) -> Placement:
    """Smallest n_cpu_moe that fits, or all when none does; `full` is the placement with all experts on the GPUs."""
    excess = sum(full.vram_bytes) - sum(_limits(machine)) + demand.compute_offload - demand.compute
    below = demand.experts_below[min(demand.footprint.n_layers + 1 - full.n_gpu_layers, demand.footprint.n_layers)]
    number = _smallest(
        lambda number: _room(demand, machine, full.n_gpu_layers, number, mmap).fits,
        (1, demand.footprint.n_layers),
        max(1, bisect_left(demand.experts_below, below + excess)),
    )
    return _settle(demand, machine, full.n_gpu_layers, number, mmap)


def _most_layers(demand: Demand, machine: Machine, n_cpu_moe: int, mmap: bool | None) -> Placement:
    """Largest n_gpu_layers that fits; 0 when none does."""
    n_layers = demand.footprint.n_layers
    held, experts = demand.held_below, demand.experts_below
    fixed = demand.output + demand.compute + BACKEND_CONTEXT_BYTES.get(machine.backend, 0)

    def last(count: int) -> float:
        """Bytes of so many layers from the last on, of their experts those that go to a GPU."""
        first = n_layers - count
        return held[-1] - held[first] + experts[-1] - experts[min(max(first, n_cpu_moe), n_layers)]

    fitting = bisect_right(range(1, n_layers + 1), sum(_limits(machine)) - fixed, key=last)
    left = _smallest(
        lambda left: _room(demand, machine, n_layers - left, n_cpu_moe, mmap).fits,
        (0, n_layers),
        n_layers - fitting - 1,
    )
    return _settle(demand, machine, n_layers - left, n_cpu_moe, mmap)


def _smallest(fits: Callable[[int], bool], bounds: tuple[int, int], guess: int) -> int:
    """The smallest number that fits (larger ones fit too), or the upper bound; tries `guess` first."""
    low, high = bounds
    near = iter((guess, guess - 1, guess + 1))
    while low < high:
        number = next((item for item in near if low <= item < high), (low + high) // 2)
        if fits(number):
            high = number
        else:
            low = number + 1
    return high


def _split(demand: Demand, on_gpu: int, n_cpu_moe: int, machine: Machine) -> tuple[int, ...]:
    """Where the run of each GPU begins, and the end of the last: the last `on_gpu` of all layers and the output, in
    proportion to GPU memory.

    Layers count by their bytes on the GPU, as --fit balances them; without experts in RAM that is nearly the split by
    layers.
    """
    n_layers = demand.footprint.n_layers
    first, end = n_layers + 1 - on_gpu, n_layers + 1
    if len(machine.gpus) <= 1 or not on_gpu:
        return (first, *(end for _ in machine.gpus)) if on_gpu else (end,) * (len(machine.gpus) + 1)
    experts = np.where(np.arange(n_layers) < n_cpu_moe, 0.0, demand.experts)
    sizes = np.append(demand.held + experts, demand.output)[first:]
    shares = np.cumsum([gpu.vram_bytes for gpu in machine.gpus])
    middle = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    devices = np.searchsorted(shares / shares[-1], middle, side="right")
    return tuple((first + np.searchsorted(devices, np.arange(len(machine.gpus) + 1))).tolist())


def _limits(machine: Machine) -> list[float]:
    """Memory of each GPU that the planner fills."""
    return [gpu.vram_bytes * (1 - PLANNING_MARGIN) for gpu in machine.gpus]


class _Room(NamedTuple):
    """What given numbers need; `starts` as `_split` gives them."""

    starts: tuple[int, ...]
    experts_from: int
    """The first layer whose experts lie on a GPU."""
    vram: tuple[float, ...]
    in_ram: float
    overflow: float
    exceeded: float
    fits: bool


def _room(demand: Demand, machine: Machine, on_gpu: int, n_cpu_moe: int, mmap: bool | None) -> _Room:
    n_layers = demand.footprint.n_layers
    starts = _split(demand, on_gpu, n_cpu_moe, machine)
    experts_from = min(max(n_layers + 1 - on_gpu, n_cpu_moe), n_layers)
    vram = _vram(demand, machine, starts, experts_from)
    in_ram = _ram(demand, on_gpu, experts_from)
    overflow = max(0.0, in_ram - ram_available(machine, sum(vram) if machine.unified else 0.0))
    filled = 1 - PLANNING_MARGIN
    exceeded = max(
        [need / (gpu.vram_bytes * filled) for need, gpu in zip(vram, machine.gpus, strict=True)], default=0.0
    )
    fits = exceeded <= 1.0 and (overflow == 0 or mmap is not False)
    return _Room(starts, experts_from, vram, in_ram, overflow, exceeded, fits)


def _settle(demand: Demand, machine: Machine, on_gpu: int, n_cpu_moe: int, mmap: bool | None) -> Placement:
    """The placement for given numbers, with the room that it takes."""
    n_layers = demand.footprint.n_layers
    room = _room(demand, machine, on_gpu, n_cpu_moe, mmap)
    layer_device = np.full(n_layers, CPU, dtype=np.int64)
    for index, (start, end) in enumerate(pairwise(room.starts)):
        layer_device[start:end] = index
    experts_on_cpu = demand.experts > 0
    experts_on_cpu[room.experts_from :] = False
    needs = zip(room.vram, machine.gpus, strict=True)
    return Placement(
        strategy=_strategy(demand, machine, on_gpu, room),
        n_gpu_layers=on_gpu,
        n_cpu_moe=n_cpu_moe,
        layer_device=layer_device,
        experts_on_cpu=experts_on_cpu,
        output_device=next((i for i, (start, end) in enumerate(pairwise(room.starts)) if start <= n_layers < end), CPU),
        vram_bytes=room.vram,
        ram_bytes=room.in_ram - room.overflow,
        storage_bytes=room.overflow,
        kv_bytes=float(demand.kv.sum()),
        spilled_bytes=sum(max(0.0, need - gpu.vram_bytes) for need, gpu in needs),
        fits=room.fits,
        exceeded=room.exceeded,
    )


def _vram(demand: Demand, machine: Machine, starts: tuple[int, ...], experts_from: int) -> tuple[float, ...]:
    """Bytes on each GPU: its run of layers, of these the experts that are not in RAM, and what it computes with."""
    n_layers, held, experts = demand.footprint.n_layers, demand.held_below, demand.experts_below
    context = BACKEND_CONTEXT_BYTES.get(machine.backend, 0)
    fixed = (demand.compute_offload if experts[experts_from] > 0 else demand.compute) + context
    need = []
    for start, end in pairwise(starts):
        last = min(end, n_layers)
        own = held[last] - held[min(start, last)] + experts[last] - experts[min(max(start, experts_from), last)]
        output = demand.output if start <= n_layers < end else 0.0
        need.append(own + output + fixed if start < end else 0.0)
    return tuple(need)


def _ram(demand: Demand, on_gpu: int, experts_from: int) -> float:
    layers = min(demand.footprint.n_layers + 1 - on_gpu, demand.footprint.n_layers)
    total = demand.held_below[layers] + demand.experts_below[experts_from] + demand.footprint.embedding_bytes
    return total + (demand.compute_cpu if on_gpu else demand.output + demand.compute)


def ram_available(machine: Machine, shared_bytes: float) -> float:
    """Bytes of RAM that a model can have, beside the system and what GPUs share of it."""
    if machine.ram.capacity_bytes is None:
        return float("inf")
    return max(0.25 * GB, machine.ram.capacity_bytes - SYSTEM_RAM_BYTES - shared_bytes)


def _strategy(demand: Demand, machine: Machine, on_gpu: int, room: _Room) -> str:
    if machine.unified and on_gpu:
        return "unified"
    if on_gpu == 0:
        return "cpu_only"
    if demand.experts_below[room.experts_from] > 0:
        return "expert_offload"
    n_layers = demand.footprint.n_layers
    if on_gpu <= n_layers:
        return "layer_split"
    used = sum(start < min(end, n_layers) for start, end in pairwise(room.starts))
    return "multi_gpu" if used > 1 else "full_gpu"
