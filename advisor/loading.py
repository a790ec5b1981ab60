"""The work that a placement gives to each device: bytes, weights and matrix counts of one decode step and of one
prompt.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.footprint import Footprint
from advisor.machine import Machine
from advisor.memory import expected_experts, kv_read_bytes
from advisor.placement import CPU, Demand, Placement, ram_available
from advisor.work import Shares, Vector, Work, shares_of
from catalog.units import GB, TERA

EXPERT_MATRICES = 3
"""Fused matrix multiplications (up, gate, down) of a layer's routed experts."""
ACTIVATION_BYTES = 4
"""Activations cross the link as 32-bit floats."""


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


def work_of(demand: Demand, placement: Placement, machine: Machine, usage: Usage) -> Work:
    """Work of a placement on a machine."""
    cores = min(usage.threads or machine.cpu.cores, machine.cpu.cores)
    return Work(
        **decode_work(demand.footprint, placement, machine, usage),
        **prefill_work(demand.footprint, placement, machine, usage),
        ram_bandwidth=machine.ram.bandwidth_gb_s * GB,
        threads=float(cores),
        crowding=max(0.0, min(usage.threads / machine.cpu.cores, 2.0) - 1.0),
        sockets=float(machine.cpu.sockets),
        vector_bandwidth=machine.cpu.vector_gb_s * GB * cores / machine.cpu.cores,
        random_bandwidth=machine.storage.random_gb_s * GB,
        users=float(usage.users),
    )


def _experts_read(footprint: Footprint, tokens: float) -> float:
    if not footprint.n_experts:
        return 1.0
    return float(expected_experts(footprint.n_experts, footprint.n_experts_used, tokens)) / footprint.n_experts


@dataclass(frozen=True, slots=True, eq=False)
class _Sides:
    """Masks over layers: which run on a GPU, whose experts do, and the peaks of each layer's device."""

    on_gpu: NDArray[np.bool_]
    expert_on_gpu: NDArray[np.bool_]
    bandwidth: Vector
    flops: Vector
    output_on_gpu: bool
    output_bandwidth: float


def _sides(placement: Placement, machine: Machine) -> _Sides:
    on_gpu = placement.layer_device != CPU
    # The CPU is device -1 and so the last entry; its FLOP peak is not used.
    bandwidths = np.array([gpu.bandwidth_gb_s for gpu in machine.gpus] + [machine.ram.bandwidth_gb_s]) * GB
    flops = np.array([gpu.fp16_tflops for gpu in machine.gpus] + [1.0]) * TERA
    return _Sides(
        on_gpu=on_gpu,
        expert_on_gpu=on_gpu & ~placement.experts_on_cpu,
        bandwidth=bandwidths[placement.layer_device],
        flops=flops[placement.layer_device],
        output_on_gpu=placement.output_device != CPU,
        output_bandwidth=float(bandwidths[placement.output_device]),
    )


def decode_work(footprint: Footprint, placement: Placement, machine: Machine, usage: Usage) -> dict[str, Any]:
    """Fields of `Work` for one decode step of all users."""
    sides, shares = _sides(placement, machine), shares_of(footprint)
    read = _experts_read(footprint, usage.users)
    state = footprint.layer_recurrent_bytes * 2 * usage.users
    kv = np.asarray(kv_read_bytes(footprint, usage.depth, *usage.kv_types)) * usage.users
    gpu, experts = sides.on_gpu, sides.expert_on_gpu
    moe = footprint.layer_is_moe
    per_byte_s = gpu / sides.bandwidth
    dense_s = per_byte_s @ shares.resident_bytes
    if sides.output_on_gpu:
        dense_s = dense_s + shares.output_bytes / sides.output_bandwidth
    matrices = footprint.layer_matrices - np.where(moe & ~experts, EXPERT_MATRICES, 0)
    return {
        "gpu_dense_s": dense_s,
        "gpu_expert_s": (experts / sides.bandwidth) @ shares.expert_bytes * read,
        "gpu_kv_s": float(per_byte_s @ kv),
        "gpu_state_s": float(per_byte_s @ state),
        "gpu_matrices": float(gpu @ matrices + sides.output_on_gpu),
        "gpu_moe_layers": float(np.count_nonzero(moe & experts)),
        "gpu_recurrent_layers": float(np.count_nonzero(gpu & (footprint.layer_recurrent_bytes > 0))),
        "cpu_recurrent_layers": float(np.count_nonzero(~gpu & (footprint.layer_recurrent_bytes > 0))),
        "gpu_used": float(gpu.any() or sides.output_on_gpu),
        "spill_s": _spill_s(footprint, placement, machine, read),
        **_cpu_decode(shares, sides, moe, read, float(~gpu @ (kv + state))),
        **_paging(footprint, shares, sides, read, placement, machine, usage.mapped),
        **_link_decode(footprint, sides, moe, placement, machine, usage),
    }


def _spill_s(footprint: Footprint, placement: Placement, machine: Machine, read: float) -> float:
    """Reading over the link what found no room on the GPU: experts in part, all else whole."""
    if not placement.spilled_bytes or machine.unified:
        return 0.0
    resident, experts = float(footprint.layer_resident_bytes.sum()), float(footprint.layer_expert_bytes.sum())
    share = (resident + experts * read) / (resident + experts)
    return placement.spilled_bytes * share / (machine.gpus[0].link_gb_s * GB)


def _cpu_decode(shares: Shares, sides: _Sides, moe: NDArray[np.bool_], read: float, cache: float) -> dict[str, Any]:
    cpu, experts = ~sides.on_gpu, moe & ~sides.expert_on_gpu
    output = 0.0 if sides.output_on_gpu else 1.0
    size = cpu @ shares.resident_bytes + experts @ shares.expert_bytes * read
    weights = cpu @ shares.resident_weights + experts @ shares.expert_weights * read
    return {
        "cpu_bytes": size + output * shares.output_bytes,
        "cpu_weights": weights + output * shares.output_weights,
        "cpu_kv_bytes": cache,
        "cpu_layers": float(np.count_nonzero(cpu)),
        "cpu_expert_layers": float(np.count_nonzero(experts & ~cpu)),
    }


def _paging(
    footprint: Footprint, shares: Shares, sides: _Sides, read: float,
    placement: Placement, machine: Machine, mapped: bool,
) -> dict[str, float]:  # fmt: skip
    """What a step reads from disk where RAM is too small. The GPU's part of a mapped file has gone through the page
    cache too and takes room there. Lookup tables (token and n-gram embeddings) are read a row at a time: they are the
    first to be left on the disk.
    """
    held = max(0.0, placement.ram_bytes + placement.storage_bytes - footprint.embedding_bytes)
    room = placement.ram_bytes if placement.storage_bytes else ram_available(machine, 0.0)
    through = held + (footprint.file_bytes - held if mapped and not machine.unified else 0.0)
    share = max(0.0, 1 - room / through) if through > 0 else 0.0
    expert_bytes = float((footprint.layer_is_moe & ~sides.expert_on_gpu) @ shares.expert_bytes.sum(axis=1))
    dense_bytes = float(~sides.on_gpu @ shares.resident_bytes.sum(axis=1))
    missing = max(0.0, placement.storage_bytes - footprint.embedding_bytes - expert_bytes)
    return {
        "missing_bytes": min(dense_bytes, missing),
        "paged_expert_bytes": expert_bytes * read,
        "paged_share": share,
    }


def _link_decode(
    footprint: Footprint, sides: _Sides, moe: NDArray[np.bool_], placement: Placement, machine: Machine, usage: Usage
) -> dict[str, float]:
    """Crossings between devices: out and back for each layer whose experts alone are in RAM, once per change of
    device.
    """
    split = np.count_nonzero(sides.on_gpu & moe & ~sides.expert_on_gpu)
    hops = np.count_nonzero(placement.layer_device[1:] != placement.layer_device[:-1])
    link = machine.gpus[0].link_gb_s * GB if machine.gpus else float("inf")
    row = footprint.hidden_size * ACTIVATION_BYTES * usage.users
    return {"crossings": 2.0 * split + hops, "link_s": row * (split * (footprint.n_experts_used + 1) + hops) / link}


def prefill_work(footprint: Footprint, placement: Placement, machine: Machine, usage: Usage) -> dict[str, Any]:
    """Fields of `Work` for one prompt, in micro-batches of `usage.ubatch`. The output head runs for one token only."""
    tokens = float(max(usage.prompt_tokens, 1))
    batches = float(-(-int(tokens) // usage.ubatch))
    sides, shares = _sides(placement, machine), shares_of(footprint)
    active = footprint.n_experts_used / footprint.n_experts if footprint.n_experts else 1.0
    offload = bool(machine.gpus) and machine.backend != "cpu" and not machine.unified
    offload = offload and tokens / batches >= usage.offload_min_batch
    used = set(placement.layer_device[sides.on_gpu].tolist())
    stages = float(len(used)) if placement.strategy == "multi_gpu" and batches > 1 else 1.0
    return {
        "prompt_tokens": tokens,
        "batches": batches,
        "stages": stages,
        "rows_per_expert": tokens / batches * active,
        **_prefill_attention(footprint, sides, usage, tokens),
        **_prefill_matrices(footprint, shares, sides, machine, offload, tokens, batches, active),
    }


def _prefill_attention(footprint: Footprint, sides: _Sides, usage: Usage, tokens: float) -> dict[str, float]:
    seen = usage.prompt_start + tokens / 2
    window = footprint.layer_window
    context = np.where(window > 0, np.minimum(seen, np.where(window > 0, window, 1)), seen)
    flops = footprint.layer_attention_flops * context * tokens
    gpu = sides.on_gpu
    return {
        "prefill_attention_s": float((gpu / sides.flops) @ flops),
        "prefill_cpu_kv_products": float(~gpu @ flops) / 2,
    }


def _prefill_matrices(
    footprint: Footprint, shares: Shares, sides: _Sides, machine: Machine, offload: bool,
    tokens: float, batches: float, active: float,
) -> dict[str, Any]:  # fmt: skip
    moe = footprint.layer_is_moe
    gpu, experts = sides.on_gpu | offload, sides.expert_on_gpu | (moe & offload)
    main = machine.gpus[0] if machine.gpus else None
    flops = np.where(sides.on_gpu, sides.flops, main.fp16_tflops * TERA if main else 1.0)
    bandwidth = np.where(sides.on_gpu, sides.bandwidth, main.bandwidth_gb_s * GB if main else 1.0)
    read = _experts_read(footprint, tokens / batches) * batches
    copied = (gpu & ~sides.on_gpu) @ shares.resident_bytes * batches
    copied = copied + (experts & ~sides.expert_on_gpu) @ shares.expert_bytes * read
    dense, routed = shares.resident_weights, shares.expert_weights
    cpu_dense, cpu_experts = ~gpu, moe & ~experts
    return {
        "prefill_dense_s": 2 * tokens * ((gpu / flops) @ dense),
        "prefill_expert_s": 2 * tokens * active * ((experts / flops) @ routed),
        "prefill_stream_s": (gpu / bandwidth) @ shares.resident_bytes * batches
        + (experts / bandwidth) @ shares.expert_bytes * read,
        "prefill_link_s": float(copied.sum()) / (main.link_gb_s * GB) if main else 0.0,
        "prefill_products": tokens * (cpu_dense @ dense + active * (cpu_experts @ routed)),
        "prefill_cpu_bytes": cpu_dense @ shares.resident_bytes * batches + cpu_experts @ shares.expert_bytes * read,
    }
