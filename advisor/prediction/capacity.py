"""How much would fit: the longest context, and the least GPU memory and RAM, found with the placement's own code."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from advisor.machines.machine import Machine
from advisor.physics.placement import Demands, Flags, Memories, Rooms, Vector, Whole, Wishes, demand_of, placed
from advisor.prediction.case import Case
from advisor.sizes.buffers import CONTEXT_PAD
from catalog.units import GIB

RESOLUTION_GIB = 0.1
"""Floors are found to this much: less than the planner's margin of any card."""
LARGEST_GIB = 4096.0
"""Floors beyond this are not looked for."""
FEW_CONTEXTS, MANY_SIZES = 12, 256
"""Contexts, each with a demand of its own, and sizes of memory that are tried together."""


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

    def in_ram(gib: Vector) -> Flags:
        memories = Memories.of([case.machine] * len(gib))._replace(ram_bytes=gib * GIB)
        return np.asarray(_rooms(case, memories, *shown).storage_bytes <= 0)

    return Capacity(
        longest_context=longest_context(case, *shown),
        longest_context_replanned=longest_context(case, engine.n_gpu_layers, engine.experts_in_ram),
        vram_for_everything_gib=everything,
        vram_floor_gib=experts_out,
        ram_floor_gib=None if case.machine.unified else _least_gib(in_ram),
    )


def _rooms(case: Case, memories: Memories, n_gpu_layers: int | None, n_cpu_moe: int | None) -> Rooms:
    """The room that a case's demand takes in other memories, one row each."""
    zeros = np.zeros(len(memories.gpus), dtype=np.intp)
    return placed(
        Demands.of([case.demand], zeros),
        memories,
        _wishes(case, n_gpu_layers, n_cpu_moe, len(zeros)),
    )


def _wishes(case: Case, n_gpu_layers: int | None, n_cpu_moe: int | None, many: int) -> Wishes:
    """A placement as a case asks for it, for so many rows."""
    engine = case.scenario.engine
    return Wishes.of([(n_gpu_layers, n_cpu_moe, engine.mmap)] * many, [engine.n_cpu_moe_last is not None] * many)


def longest_context(case: Case, n_gpu_layers: int | None, n_cpu_moe: int | None) -> int | None:
    """Largest n_ctx, in steps of the cache's padding, that fits without reading from disk for it."""
    most = max(1, (case.llm.max_context or case.context_tokens) // CONTEXT_PAD)
    from_disk, flash = case.placement.storage_bytes > 0, case.setting.flash == "fa"

    def fits(steps: Whole) -> Flags:
        contexts = [step * CONTEXT_PAD for step in steps.tolist()]
        demands = [
            demand_of(case.demand.footprint, context, case.kv_types, case.ubatch, flash, case.users)
            for context in contexts
        ]
        wishes = _wishes(case, n_gpu_layers, n_cpu_moe, len(demands))
        found = placed(Demands.of(demands), Memories.of([case.machine] * len(demands)), wishes)
        # Nothing, or where the model overflows RAM anyway, only weights are left to the disk.
        allowed = np.array([demand.weights_bytes if from_disk else 0.0 for demand in demands])
        return np.asarray(found.fits & (found.storage_bytes <= allowed))

    found = _largest(fits, most, FEW_CONTEXTS)
    return found * CONTEXT_PAD if found else None


def _gpu_floors(case: Case) -> tuple[float | None, float | None]:
    if not case.machine.gpus or case.machine.backend == "cpu":
        return None, None
    layers = case.demand.footprint.n_layers

    def floor(n_cpu_moe: int) -> float | None:
        return _least_gib(lambda gib: _rooms(case, _with_gpu_memory(case.machine, gib), layers + 1, n_cpu_moe).fits)

    everything = floor(0)
    return everything, everything if case.machine.unified else floor(layers)


def _with_gpu_memory(machine: Machine, gib: Vector) -> Memories:
    """The machine with `gib` of memory on all its GPUs together, in the proportion they have it now; one row each."""
    memories = Memories.of([machine] * len(gib))
    total = memories.vram_bytes.sum(axis=1)
    if not machine.unified:
        return memories._replace(vram_bytes=memories.vram_bytes * (gib * GIB / total)[:, None])
    share = total / memories.ram_bytes
    return memories._replace(vram_bytes=(gib * GIB * share)[:, None], ram_bytes=gib * GIB)


def _least_gib(fits: Callable[[Vector], Flags]) -> float | None:
    """Least memory that fits, in steps of the resolution."""
    steps = round(LARGEST_GIB / RESOLUTION_GIB)
    largest_misfit = _largest(lambda step: ~fits(step.astype(np.float64) * RESOLUTION_GIB), steps, MANY_SIZES) or 0
    return round((largest_misfit + 1) * RESOLUTION_GIB, 1) if largest_misfit < steps else None


def _largest(holds: Callable[[Whole], Flags], limit: int, together: int) -> int | None:
    """Largest whole number up to `limit` that holds, where all smaller ones do; None when 1 does not.

    Asks for so many numbers together, since arrays take little longer than one.
    """
    low, high = 0, limit
    while low < high:
        numbers = np.linspace(low + 1, high, min(together, high - low)).astype(np.intp)
        numbers = numbers[np.append(True, np.diff(numbers) > 0)]  # np.unique would load masked arrays
        if (fails := np.flatnonzero(~holds(numbers))).size:
            high = int(numbers[fails[0]]) - 1
        low = int(numbers[fails[0] - 1]) if fails.size and fails[0] else low if fails.size else int(numbers[-1])
    return low or None
