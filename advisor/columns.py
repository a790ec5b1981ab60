"""Many placements as columns: each number that decides their work as one array with an entry per placement."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from advisor.machine import NO_GPU, Machine
from advisor.memory import kv_element_bytes
from advisor.placement import CPU, Demand, Placement, ram_available
from advisor.work import Shares, Vector


@dataclass(frozen=True, slots=True)
class Usage:
    """The part of a workload that decides work: tokens, depths, batch and threads."""

    depth: float
    prompt_start: float
    prompt_tokens: int
    ubatch: int
    threads: int
    users: int
    kv_types: tuple[str, str]
    offload_min_batch: int
    mapped: bool
    """Whether the model's file is mapped into memory (llama.cpp's default)."""


class Placed(Protocol):
    """What is placed and used on a machine."""

    @property
    def demand(self) -> Demand:
        """What is held."""
        ...

    @property
    def placement(self) -> Placement:
        """Where it is held."""
        ...

    @property
    def machine(self) -> Machine:
        """What holds it."""
        ...

    @property
    def usage(self) -> Usage:
        """What it is asked for."""
        ...


class Columns(NamedTuple):
    """Numbers named as where they come from: usage, footprint, shares, placement, machine."""

    depth: Vector
    prompt_start: Vector
    prompt_tokens: Vector
    ubatch: Vector
    threads: Vector
    users: Vector
    offload_min_batch: Vector
    mapped: Vector
    n_experts: Vector
    n_experts_used: Vector
    embedding_bytes: Vector
    file_bytes: Vector
    hidden_size: Vector
    ram_bytes: Vector
    storage_bytes: Vector
    spilled_bytes: Vector
    unified: Vector
    offloads: Vector
    ram_gb_s: Vector
    cores: Vector
    sockets: Vector
    vector_gb_s: Vector
    random_gb_s: Vector
    link_gb_s: Vector
    """Of the first GPU."""
    output_gb_s: Vector
    """Bandwidth of the GPU with the output; infinite where it is on the CPU."""
    output_on_gpu: Vector
    several_gpus: Vector
    """Whether several GPUs take turns."""
    ram_available: Vector
    k_bytes: Vector
    v_bytes: Vector
    """Of an element of keys and of values."""
    resident_bytes: Vector
    expert_bytes: Vector
    window: Vector
    layers: Vector
    matrices: Vector
    recurrent_layers: Vector
    moe_layers: Vector


_read = attrgetter(
    "usage.depth", "usage.prompt_start", "usage.prompt_tokens", "usage.ubatch", "usage.threads", "usage.users",
    "usage.offload_min_batch", "usage.mapped",
    "demand.footprint.n_experts", "demand.footprint.n_experts_used", "demand.footprint.embedding_bytes",
    "demand.footprint.file_bytes", "demand.footprint.hidden_size",
    "placement.ram_bytes", "placement.storage_bytes", "placement.spilled_bytes",
    "machine.unified", "machine.offloads", "machine.ram.bandwidth_gb_s", "machine.cpu.cores", "machine.cpu.sockets",
    "machine.cpu.vector_gb_s", "machine.storage.random_gb_s", "machine.main_gpu.link_gb_s",
)  # fmt: skip


def columns_of(cases: Sequence[Placed], shares: Sequence[Shares]) -> Columns:
    """The columns of placements; `shares` are those of their footprints."""
    rows = [(*_read(case), *_derived(case, share)) for case, share in zip(cases, shares, strict=True)]
    table: NDArray[np.float64] = np.ascontiguousarray(np.array(rows, dtype=np.float64).T)
    return Columns(*table)


def _derived(case: Placed, share: Shares) -> tuple[float, ...]:
    machine, place = case.machine, case.placement
    head = NO_GPU if place.output_device == CPU else machine.gpus[place.output_device]
    k_type, v_type = case.usage.kv_types
    return (
        head.bandwidth_gb_s, place.output_device != CPU, place.strategy == "multi_gpu", ram_available(machine, 0.0),
        kv_element_bytes(k_type), kv_element_bytes(v_type), share.resident_bytes, share.expert_bytes, share.window,
        *share.counts,
    )  # fmt: skip
