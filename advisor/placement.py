"""Where the bytes lie: every layer's weights, experts, KV cache and buffers on a GPU, in RAM or on the disk, as
llama.cpp places them.

`--n-gpu-layers N` puts the output and the last N - 1 layers on GPUs; `--n-cpu-moe N` keeps the routed experts of the
first N layers
in RAM; several GPUs take runs of consecutive layers in proportion to their free memory (llama.cpp's default layer
split).
Source: llama.cpp src/llama-model.cpp `load_tensors`, common/arg.cpp (read 2026-11-24).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.footprint import Footprint
from advisor.machine import Machine
from advisor.memory import compute_buffer_bytes, kv_bytes
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

Layers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Demand:
    """What is to be held: a footprint with its caches and buffers for one context. Per-layer arrays in bytes."""

    footprint: Footprint
    resident: Layers
    experts: Layers
    kv: Layers
    state: Layers
    output: float
    compute: float
    compute_offload: float
    """Compute buffer of a GPU that also receives copies of RAM-resident experts in prefill."""
    compute_cpu: float

    @property
    def weights_bytes(self) -> float:
        """All weights read or looked up during inference."""
        return float(self.resident.sum() + self.experts.sum()) + self.output + self.footprint.embedding_bytes


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


def demand_of(
    footprint: Footprint, n_ctx: int, kv_types: tuple[str, str], ubatch: int, flash_attn: bool, users: int
) -> Demand:
    """Sizes of everything that a placement must find room for. `n_ctx` is per sequence."""
    on_gpu, offload, beside = (
        float(compute_buffer_bytes(footprint, ubatch, n_ctx, flash_attn, gpu, copies))
        for gpu, copies in ((True, False), (True, True), (False, False))
    )
    return Demand(
        footprint=footprint,
        resident=footprint.layer_resident_bytes.sum(axis=1),
        experts=footprint.layer_expert_bytes.sum(axis=1),
        kv=np.asarray(kv_bytes(footprint, n_ctx, *kv_types, ubatch, users)),
        state=footprint.layer_recurrent_bytes * users,
        output=float(footprint.output_bytes.sum()),
        compute=on_gpu,
        compute_offload=offload,
        compute_cpu=beside,
    )


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
    moved = np.cumsum(np.where(full.layer_device == CPU, 0.0, demand.experts))
    excess = sum(full.vram_bytes) - sum(_limits(machine)) + demand.compute_offload - demand.compute
    return _smallest(
        lambda number: _settle(demand, machine, full.n_gpu_layers, number, mmap),
        (1, demand.footprint.n_layers),
        int(np.searchsorted(moved, excess)) + 1,
    )


def _most_layers(demand: Demand, machine: Machine, n_cpu_moe: int, mmap: bool | None) -> Placement:
    """Largest n_gpu_layers that fits; 0 when none does."""
    n_layers = demand.footprint.n_layers
    experts = np.where(np.arange(n_layers) < n_cpu_moe, 0.0, demand.experts)
    from_the_last = np.cumsum((demand.resident + demand.kv + demand.state + experts)[::-1])
    fixed = demand.output + demand.compute + BACKEND_CONTEXT_BYTES.get(machine.backend, 0)
    fitting = int(np.searchsorted(from_the_last, sum(_limits(machine)) - fixed, side="right"))
    return _smallest(
        lambda left: _settle(demand, machine, n_layers - left, n_cpu_moe, mmap), (0, n_layers), n_layers - fitting - 1
    )


def _smallest(settle: Callable[[int], Placement], bounds: tuple[int, int], guess: int) -> Placement:
    """Placement of the smallest number that fits (larger ones fit too), or of the upper bound; tries `guess` first."""
    low, high = bounds
    found: Placement | None = None
    near = iter((guess, guess - 1, guess + 1))
    while low < high:
        number = next((item for item in near if low <= item < high), (low + high) // 2)
        tried = settle(number)
        if tried.fits:
            high, found = number, tried
        else:
            low = number + 1
    return found or settle(high)


def _split(demand: Demand, on_gpu: int, n_cpu_moe: int, machine: Machine) -> NDArray[np.int64]:
    """Device of each layer and of the output (last entry): the last `on_gpu` of n_layers + 1, in proportion to GPU
    memory.

    Layers count by their bytes on the GPU, as --fit balances them; without experts in RAM that is nearly the split by
    layers.
    """
    n_layers = demand.footprint.n_layers
    devices = np.full(n_layers + 1, CPU, dtype=np.int64)
    first = n_layers + 1 - on_gpu
    if len(machine.gpus) == 1 or not on_gpu:
        devices[first:] = 0
        return devices
    experts = np.where(np.arange(n_layers) < n_cpu_moe, 0.0, demand.experts)
    sizes = np.append(demand.resident + demand.kv + demand.state + experts, demand.output)[first:]
    shares = np.cumsum([gpu.vram_bytes for gpu in machine.gpus])
    middle = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    devices[first:] = np.searchsorted(shares / shares[-1], middle, side="right")
    return devices


def _limits(machine: Machine) -> list[float]:
    """Memory of each GPU that the planner fills."""
    return [gpu.vram_bytes * (1 - PLANNING_MARGIN) for gpu in machine.gpus]


def _settle(demand: Demand, machine: Machine, on_gpu: int, n_cpu_moe: int, mmap: bool | None) -> Placement:
    """The placement for given numbers, with the room that it takes."""
    n_layers = demand.footprint.n_layers
    devices = _split(demand, on_gpu, n_cpu_moe, machine)
    layer_device = devices[:-1]
    experts_on_cpu = (demand.experts > 0) & ((np.arange(n_layers) < n_cpu_moe) | (layer_device == CPU))
    vram = _vram(demand, machine, devices, experts_on_cpu)
    in_ram = _ram(demand, layer_device, experts_on_cpu, int(devices[-1]), on_gpu)
    available = ram_available(machine, sum(vram) if machine.unified else 0.0)
    overflow = max(0.0, in_ram - available)
    exceeded = max([need / limit for need, limit in zip(vram, _limits(machine), strict=True)], default=0.0)
    runs_from_disk = mmap is not False
    return Placement(
        strategy=_strategy(demand, machine, on_gpu, bool(experts_on_cpu.any() and on_gpu), layer_device),
        n_gpu_layers=on_gpu,
        n_cpu_moe=n_cpu_moe,
        layer_device=layer_device,
        experts_on_cpu=experts_on_cpu,
        output_device=int(devices[-1]),
        vram_bytes=vram,
        ram_bytes=in_ram - overflow,
        storage_bytes=overflow,
        kv_bytes=float(demand.kv.sum()),
        spilled_bytes=sum(max(0.0, need - gpu.vram_bytes) for need, gpu in zip(vram, machine.gpus, strict=True)),
        fits=exceeded <= 1.0 and (overflow == 0 or runs_from_disk),
        exceeded=exceeded,
    )


def _vram(
    demand: Demand, machine: Machine, devices: NDArray[np.int64], experts_on_cpu: NDArray[np.bool_]
) -> tuple[float, ...]:
    per_layer = demand.resident + np.where(experts_on_cpu, 0.0, demand.experts) + demand.kv + demand.state
    context = BACKEND_CONTEXT_BYTES.get(machine.backend, 0)
    compute = demand.compute_offload if experts_on_cpu.any() else demand.compute
    need = []
    for index in range(len(machine.gpus)):
        mine = devices[:-1] == index
        used = bool(mine.any()) or devices[-1] == index
        output = demand.output if devices[-1] == index else 0.0
        need.append(float(per_layer[mine].sum()) + output + compute + context if used else 0.0)
    return tuple(need)


def _ram(
    demand: Demand, layer_device: NDArray[np.int64], experts_on_cpu: NDArray[np.bool_], output: int, on_gpu: int
) -> float:
    on_cpu = layer_device == CPU
    own = demand.resident + demand.kv + demand.state
    total = float(own[on_cpu].sum() + demand.experts[experts_on_cpu].sum()) + demand.footprint.embedding_bytes
    return total + (demand.output if output == CPU else 0.0) + (demand.compute_cpu if on_gpu else demand.compute)


def ram_available(machine: Machine, shared_bytes: float) -> float:
    """Bytes of RAM that a model can have, beside the system and what GPUs share of it."""
    if machine.ram.capacity_bytes is None:
        return float("inf")
    return max(0.25 * GB, machine.ram.capacity_bytes - SYSTEM_RAM_BYTES - shared_bytes)


def _strategy(
    demand: Demand, machine: Machine, on_gpu: int, experts_in_ram: bool, layer_device: NDArray[np.int64]
) -> str:
    if machine.unified and on_gpu:
        return "unified"
    if on_gpu == 0:
        return "cpu_only"
    if experts_in_ram:
        return "expert_offload"
    if on_gpu <= demand.footprint.n_layers:
        return "layer_split"
    return "multi_gpu" if len(set(layer_device.tolist())) > 1 else "full_gpu"
