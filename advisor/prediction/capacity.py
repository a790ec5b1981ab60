"""How much would fit: the longest context, and the least GPU memory and RAM, found with the placement's own code."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from advisor.machines.machine import Machine
from advisor.physics.placement import demand_of, place
from advisor.prediction.case import Case
from advisor.sizes.buffers import CONTEXT_PAD
from catalog.units import GIB

RESOLUTION_GIB = 0.1
"""Floors are found to this much: less than the planner's margin of any card."""
LARGEST_GIB = 4096.0
"""Floors beyond this are not looked for."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Room that a case leaves; contexts in tokens per user, memories in GiB. None: there is no such number."""

    longest_context: int | None
    """With the shown placement, as fast as predicted; None where not even a short one fits."""
    longest_context_replanned: int | None
    """With the placement that the planner would choose for it: slower, more in RAM."""
    vram_for_everything_gib: float | None
    """GPU memory (unified machines: memory in all) that would hold the whole model and this context."""
    vram_floor_gib: float | None
    """GPU memory below which even attention and the KV cache no longer fit wholly."""
    ram_floor_gib: float | None
    """RAM below which this placement would read weights from disk again and again."""


def capacity_of(case: Case) -> Capacity:
    """What fits beside and beyond a case."""
    engine, shown = case.scenario.engine, (case.placement.n_gpu_layers, case.placement.n_cpu_moe)
    everything, experts_out = _gpu_floors(case)

    def in_ram(gib: float) -> bool:
        machine = replace(case.machine, ram=replace(case.machine.ram, capacity_bytes=gib * GIB))
        return place(case.demand, machine, *shown, engine.mmap).storage_bytes <= 0

    return Capacity(
        longest_context=longest_context(case, *shown),
        longest_context_replanned=longest_context(case, engine.n_gpu_layers, engine.n_cpu_moe),
        vram_for_everything_gib=everything,
        vram_floor_gib=experts_out,
        ram_floor_gib=None if case.machine.unified else _least_gib(in_ram),
    )


def longest_context(case: Case, n_gpu_layers: int | None, n_cpu_moe: int | None) -> int | None:
    """Largest n_ctx, in steps of the cache's padding, that fits without reading from disk for it."""
    steps = max(1, (case.llm.max_context or case.scenario.context_tokens) // CONTEXT_PAD)
    from_disk, flash = case.placement.storage_bytes > 0, case.setting.flash == "fa"

    def fits(step: int) -> bool:
        context = step * CONTEXT_PAD
        demand = demand_of(case.demand.footprint, context, case.kv_types, case.ubatch, flash, case.users)
        found = place(demand, case.machine, n_gpu_layers, n_cpu_moe, case.scenario.engine.mmap)
        # Nothing, or where the model overflows RAM anyway, only weights are left to the disk.
        return found.fits and found.storage_bytes <= (demand.weights_bytes if from_disk else 0.0)

    found = _largest(fits, steps)
    return found * CONTEXT_PAD if found else None


def _gpu_floors(case: Case) -> tuple[float | None, float | None]:
    if not case.machine.gpus or case.machine.backend == "cpu":
        return None, None
    layers, mmap = case.demand.footprint.n_layers, case.scenario.engine.mmap

    def floor(n_cpu_moe: int) -> float | None:
        return _least_gib(
            lambda gib: place(case.demand, _with_gpu_memory(case.machine, gib), layers + 1, n_cpu_moe, mmap).fits
        )

    everything = floor(0)
    return everything, everything if case.machine.unified else floor(layers)


def _with_gpu_memory(machine: Machine, gib: float) -> Machine:
    """The machine with `gib` of memory on all its GPUs together, in the proportion they have it now."""
    total = sum(gpu.vram_bytes for gpu in machine.gpus)
    if machine.unified:
        share = total / machine.ram.capacity_bytes if machine.ram.capacity_bytes else 1.0
        gpus = tuple(replace(gpu, vram_bytes=gib * GIB * share) for gpu in machine.gpus)
        return replace(machine, gpus=gpus, ram=replace(machine.ram, capacity_bytes=gib * GIB))
    return replace(
        machine, gpus=tuple(replace(gpu, vram_bytes=gpu.vram_bytes * gib * GIB / total) for gpu in machine.gpus)
    )


def _least_gib(fits: Callable[[float], bool]) -> float | None:
    """Least memory that fits, in steps of the resolution."""
    steps = round(LARGEST_GIB / RESOLUTION_GIB)
    largest_misfit = _largest(lambda step: not fits(step * RESOLUTION_GIB), steps) or 0
    return round((largest_misfit + 1) * RESOLUTION_GIB, 1) if largest_misfit < steps else None


def _largest(holds: Callable[[int], bool], limit: int) -> int | None:
    """Largest whole number up to `limit` that holds, where all smaller ones do; None when 1 does not."""
    if not holds(1):
        return None
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
