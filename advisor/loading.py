"""The work that a placement gives to each device: bytes, weights and matrix counts of one decode step and of one
prompt.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.footprint import Footprint
from advisor.machine import Machine
from advisor.memory import expected_experts, kv_read_bytes
from advisor.placement import CPU, Demand, Placement, ram_available
from advisor.work import FAMILIES, Shares, Vector, Work, shares_of
from catalog.units import GB, TERA

EXPERT_MATRICES = 3
"""Fused matrix multiplications (up, gate, down) of a layer's routed experts."""
ACTIVATION_BYTES = 4
"""Activations cross the link as 32-bit floats."""


Mask = NDArray[np.bool_]


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
    footprint, shares = demand.footprint, shares_of(demand.footprint)
    cores = min(usage.threads or machine.cpu.cores, machine.cpu.cores)
    sides, batch = _sides(footprint, placement, machine), _batch(footprint, machine, usage)
    sums, caches = _sums(shares, sides, machine, batch.offload), _caches(footprint, shares, sides, usage, batch.tokens)
    return Work(
        **_decode_work(footprint, shares, placement, machine, usage, sides, sums, caches),
        **_prefill_work(footprint, placement, machine, sides, batch, sums, caches),
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

    on_gpu: Mask
    moe: Mask
    expert_on_gpu: Mask
    expert_on_cpu: Mask
    bandwidth: Vector
    flops: Vector
    output_on_gpu: bool
    output_bandwidth: float


def _sides(footprint: Footprint, placement: Placement, machine: Machine) -> _Sides:
    on_gpu = placement.layer_device != CPU
    expert_on_gpu = on_gpu & ~placement.experts_on_cpu
    # The CPU is device -1 and so the last entry; its FLOP peak is not used.
    bandwidths = np.array([gpu.bandwidth_gb_s for gpu in machine.gpus] + [machine.ram.bandwidth_gb_s]) * GB
    flops = np.array([gpu.fp16_tflops for gpu in machine.gpus] + [1.0]) * TERA
    return _Sides(
        on_gpu=on_gpu,
        moe=footprint.layer_is_moe,
        expert_on_gpu=expert_on_gpu,
        expert_on_cpu=footprint.layer_is_moe & ~expert_on_gpu,
        bandwidth=bandwidths[placement.layer_device],
        flops=flops[placement.layer_device],
        output_on_gpu=placement.output_device != CPU,
        output_bandwidth=float(bandwidths[placement.output_device]),
    )


@dataclass(frozen=True, slots=True)
class _Batch:
    """How a prompt is cut up, and whether the GPU computes for layers that lie in RAM."""

    tokens: float
    batches: float
    active: float
    """Share of the experts that a token uses."""
    offload: bool


def _batch(footprint: Footprint, machine: Machine, usage: Usage) -> _Batch:
    tokens = float(max(usage.prompt_tokens, 1))
    batches = float(-(-int(tokens) // usage.ubatch))
    active = footprint.n_experts_used / footprint.n_experts if footprint.n_experts else 1.0
    offload = bool(machine.gpus) and machine.backend != "cpu" and not machine.unified
    return _Batch(tokens, batches, active, offload and tokens / batches >= usage.offload_min_batch)


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Sums over layers, a row for each of: decode on GPUs (1 / bandwidth), decode on the CPU, and in a prompt 1 / FLOP
    peak and 1 / bandwidth of the GPU that computes, what it gets a copy of over the link, and the CPU.
    """

    resident_bytes: Vector
    resident_weights: Vector
    expert_bytes: Vector
    expert_weights: Vector
    cpu_layers: float
    cpu_matrices: float
    cpu_recurrent_layers: float
    cpu_expert_layers: float
    """Layers with experts in RAM: those on the CPU, and those whose experts alone are there."""
    split_layers: float
    """The latter."""


def _sums(shares: Shares, sides: _Sides, machine: Machine, offload: bool) -> _Sums:
    """One product for all rows: many small ones cost more than their arithmetic."""
    gpu, experts = sides.on_gpu | offload, sides.expert_on_gpu | (sides.moe & offload)
    main = machine.gpus[0] if machine.gpus else None
    flops = np.where(sides.on_gpu, sides.flops, main.fp16_tflops * TERA if main else 1.0)
    bandwidth = np.where(sides.on_gpu, sides.bandwidth, main.bandwidth_gb_s * GB if main else 1.0)
    on_cpu, n = ~sides.on_gpu, len(FAMILIES)
    resident = np.array(
        [sides.on_gpu / sides.bandwidth, on_cpu, gpu / flops, gpu / bandwidth, gpu & on_cpu, ~gpu]
    ) @ shares.resident  # fmt: skip
    routed = np.array(
        [sides.expert_on_gpu / sides.bandwidth, sides.expert_on_cpu, experts / flops, experts / bandwidth,
         experts & sides.expert_on_cpu, sides.expert_on_cpu & ~experts]
    ) @ shares.experts  # fmt: skip
    cpu_layers, cpu_matrices, cpu_recurrent, cpu_moe = resident[1, 2 * n :].tolist()
    expert_layers = float(routed[1, 2 * n])
    return _Sums(
        resident[:, :n], resident[:, n : 2 * n], routed[:, :n], routed[:, n : 2 * n],
        cpu_layers, cpu_matrices, cpu_recurrent, expert_layers, expert_layers - cpu_moe,
    )  # fmt: skip


class _Caches(NamedTuple):
    """KV cache and states of a step (s at peak, bytes), its attention (FLOP, scores), a prompt's (s, FLOP, scores)."""

    kv_s: float
    kv_bytes: float
    kv_flops: float
    kv_scores: float
    state_s: float
    state_bytes: float
    attention_s: float
    attention_cpu_flops: float
    attention_cpu_scores: float


def _caches(footprint: Footprint, shares: Shares, sides: _Sides, usage: Usage, tokens: float) -> _Caches:
    kv, flops = kv_read_bytes(footprint, usage.depth, *usage.kv_types), footprint.layer_attention_flops
    now, mean = _seen(footprint, shares, usage.depth), _seen(footprint, shares, usage.prompt_start + tokens / 2)
    state, heads = footprint.layer_recurrent_bytes, footprint.layer_attention_heads
    per_layer = np.array([kv, state, flops * mean, flops * now, heads * mean, heads * now])
    gpu, users = sides.on_gpu, usage.users
    found = per_layer @ np.array([gpu / sides.bandwidth, ~gpu, gpu / sides.flops]).T
    kv_s, state_s = (found[:2, 0] * users).tolist()
    kv_bytes, state_bytes, prompt_flops, step_flops, prompt_scores, step_scores = found[:, 1].tolist()
    step = (kv_s, kv_bytes * users, step_flops * users, step_scores * users, 2 * state_s, 2 * state_bytes * users)
    return _Caches(*step, float(found[2, 2]) * tokens, prompt_flops * tokens, prompt_scores * tokens)


def _seen(footprint: Footprint, shares: Shares, depth: float) -> Any:
    """Tokens that each layer attends to at a depth."""
    window = footprint.layer_window
    return np.where(window > 0, np.minimum(depth, np.where(window > 0, window, 1)), depth) if shares.windowed else depth


def _decode_work(
    footprint: Footprint, shares: Shares, placement: Placement, machine: Machine, usage: Usage, sides: _Sides,
    sums: _Sums, caches: _Caches,
) -> dict[str, Any]:  # fmt: skip
    """Fields of `Work` for one decode step of all users."""
    read = _experts_read(footprint, usage.users)
    layers, matrices, recurrent, moe = shares.counts
    dense_s = sums.resident_bytes[0]
    if sides.output_on_gpu:
        dense_s = dense_s + shares.output_bytes / sides.output_bandwidth
    return {
        "gpu_dense_s": dense_s,
        "gpu_expert_s": sums.expert_bytes[0] * read,
        "gpu_kv_s": caches.kv_s,
        "gpu_state_s": caches.state_s,
        "gpu_matrices": matrices - sums.cpu_matrices - EXPERT_MATRICES * sums.split_layers + sides.output_on_gpu,
        "gpu_moe_layers": moe - sums.cpu_expert_layers,
        "gpu_recurrent_layers": recurrent - sums.cpu_recurrent_layers,
        "cpu_recurrent_layers": sums.cpu_recurrent_layers,
        "gpu_used": float(sums.cpu_layers < layers or sides.output_on_gpu),
        "spill_s": _spill_s(footprint, placement, machine, read),
        **_cpu_decode(shares, sides, sums, read, caches.kv_bytes + caches.state_bytes),
        "cpu_kv_products": caches.kv_flops / 2,
        "cpu_kv_scores": caches.kv_scores,
        **_paging(footprint, sums, read, placement, machine, usage.mapped),
        **_link_decode(footprint, sums.split_layers, placement, machine, usage),
    }


def _spill_s(footprint: Footprint, placement: Placement, machine: Machine, read: float) -> float:
    """Reading over the link what found no room on the GPU: experts in part, all else whole."""
    if not placement.spilled_bytes or machine.unified:
        return 0.0
    resident, experts = float(footprint.layer_resident_bytes.sum()), float(footprint.layer_expert_bytes.sum())
    share = (resident + experts * read) / (resident + experts)
    return placement.spilled_bytes * share / (machine.gpus[0].link_gb_s * GB)


def _cpu_decode(shares: Shares, sides: _Sides, sums: _Sums, read: float, cache: float) -> dict[str, Any]:
    size = sums.resident_bytes[1] + sums.expert_bytes[1] * read
    weights = sums.resident_weights[1] + sums.expert_weights[1] * read
    return {
        "cpu_bytes": size if sides.output_on_gpu else size + shares.output_bytes,
        "cpu_weights": weights if sides.output_on_gpu else weights + shares.output_weights,
        "cpu_kv_bytes": cache,
        "cpu_layers": sums.cpu_layers,
        "cpu_expert_layers": sums.split_layers,
    }


def _paging(
    footprint: Footprint, sums: _Sums, read: float, placement: Placement, machine: Machine, mapped: bool
) -> dict[str, float]:
    """What a step reads from disk where RAM is too small. The GPU's part of a mapped file has gone through the page
    cache too and takes room there. Lookup tables (token and n-gram embeddings) are read a row at a time: they are the
    first to be left on the disk.
    """
    held = max(0.0, placement.ram_bytes + placement.storage_bytes - footprint.embedding_bytes)
    room = placement.ram_bytes if placement.storage_bytes else ram_available(machine, 0.0)
    through = held + (footprint.file_bytes - held if mapped and not machine.unified else 0.0)
    share = max(0.0, 1 - room / through) if through > 0 else 0.0
    expert_bytes, dense_bytes = sum(sums.expert_bytes[1].tolist()), sum(sums.resident_bytes[1].tolist())
    missing = max(0.0, placement.storage_bytes - footprint.embedding_bytes - expert_bytes)
    return {
        "missing_bytes": min(dense_bytes, missing),
        "paged_expert_bytes": expert_bytes * read,
        "paged_share": share,
    }


def _link_decode(
    footprint: Footprint, split: float, placement: Placement, machine: Machine, usage: Usage
) -> dict[str, float]:
    """Crossings between devices: out and back for each layer whose experts alone are in RAM, once per change of
    device.
    """
    hops = np.count_nonzero(placement.layer_device[1:] != placement.layer_device[:-1])
    link = machine.gpus[0].link_gb_s * GB if machine.gpus else float("inf")
    row = footprint.hidden_size * ACTIVATION_BYTES * usage.users
    return {"crossings": 2.0 * split + hops, "link_s": row * (split * (footprint.n_experts_used + 1) + hops) / link}


def _prefill_work(
    footprint: Footprint, placement: Placement, machine: Machine, sides: _Sides, batch: _Batch, sums: _Sums,
    caches: _Caches,
) -> dict[str, Any]:  # fmt: skip
    """Fields of `Work` for one prompt, in micro-batches of `usage.ubatch`. The output head runs for one token only."""
    tokens, batches, active = batch.tokens, batch.batches, batch.active
    piped = placement.strategy == "multi_gpu" and batches > 1
    link = machine.gpus[0].link_gb_s * GB if machine.gpus else float("inf")
    read = _experts_read(footprint, tokens / batches) * batches
    dense, routed = sums.resident_bytes, sums.expert_bytes
    return {
        "prompt_tokens": tokens,
        "batches": batches,
        "stages": float(len(set(placement.layer_device[sides.on_gpu].tolist()))) if piped else 1.0,
        "rows_per_expert": tokens / batches * active,
        "prefill_attention_s": caches.attention_s,
        "prefill_cpu_kv_products": caches.attention_cpu_flops / 2,
        "prefill_cpu_kv_scores": caches.attention_cpu_scores,
        "prefill_dense_s": 2 * tokens * sums.resident_weights[2],
        "prefill_expert_s": 2 * tokens * active * sums.expert_weights[2],
        "prefill_stream_s": dense[3] * batches + routed[3] * read,
        "prefill_link_s": (sum(dense[4].tolist()) * batches + sum(routed[4].tolist()) * read) / link,
        "prefill_products": tokens * sums.resident_weights[5],
        "prefill_expert_products": tokens * active * sums.expert_weights[5],
        "prefill_cpu_bytes": dense[5] * batches + routed[5] * read,
    }
