"""The work that placements give to each device: bytes, weights and matrix counts of one decode step and of one prompt.

Many cases are worked out together: arrays have one row per case.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.columns import Columns, Placed, Usage, columns_of
from advisor.layer_sums import LayerSums, layer_sums
from advisor.machine import Machine
from advisor.memory import expected_experts, tokens_seen
from advisor.placement import Demand, Placement
from advisor.work import BYTES, FULL, LAYERS, SIZES, SLIDING, STATE, WEIGHTS, Vector, Work, shares_of
from catalog.units import GB

EXPERT_MATRICES = 3
"""Fused matrix multiplications (up, gate, down) of a layer's routed experts."""
ACTIVATION_BYTES = 4
"""Activations cross the link as 32-bit floats."""
_ATTENDING = slice(0, FULL.stop - FULL.start), slice(FULL.stop - FULL.start, SLIDING.stop - FULL.start)
"""`FULL` and `SLIDING` among the columns of `ATTENTION`."""

__all__ = ["Usage", "work_of", "works_of"]


class _Alone(NamedTuple):
    demand: Demand
    placement: Placement
    machine: Machine
    usage: Usage


def work_of(demand: Demand, placement: Placement, machine: Machine, usage: Usage) -> Work:
    """Work of one placement on a machine."""
    found = works_of([_Alone(demand, placement, machine, usage)])
    return Work(**{item.name: _only(getattr(found, item.name)) for item in fields(Work)})


def _only(column: Any) -> Any:
    return column[0] if column.ndim > 1 else float(column[0])


def works_of(cases: Sequence[Placed]) -> Work:
    """Work of many placements: numbers of shape (cases,), family vectors (cases, families)."""
    shares = [shares_of(case.demand.footprint) for case in cases]
    given = columns_of(cases, shares)
    batch = _batch(given)
    sums = layer_sums(cases, shares, batch.offload)
    caches, held = _caches(given, sums, batch.tokens), _held(sums)
    output = np.array([share.output for share in shares])
    decode = _decode_work(given, batch, sums, caches, held) | _weights_read(given, batch, sums, output)
    return Work(**decode, **_prefill_work(given, batch, sums, caches), **_rates(given))


def _rates(given: Columns) -> dict[str, Vector]:
    """Fields of `Work` that the machine and its users give."""
    cores = np.minimum(np.where(given.threads > 0, given.threads, given.cores), given.cores)
    return {
        "ram_bandwidth": given.ram_gb_s * GB,
        "threads": cores,
        "crowding": np.maximum(0.0, np.minimum(given.threads / given.cores, 2.0) - 1.0),
        "sockets": given.sockets,
        "vector_bandwidth": given.vector_gb_s * GB * cores / given.cores,
        "random_bandwidth": given.random_gb_s * GB,
        "users": given.users,
    }


class _Batch(NamedTuple):
    """How a prompt is cut up, and whether the GPU computes for layers that lie in RAM. [cases]"""

    tokens: Vector
    batches: Vector
    active: Vector
    """Share of the experts that a token uses."""
    read: Vector
    """Share of them that one decode step of all users reads."""
    read_by_batches: Vector
    """The same of the batches of a prompt, summed up."""
    offload: NDArray[np.bool_]


def _batch(given: Columns) -> _Batch:
    tokens = np.maximum(given.prompt_tokens, 1.0)
    batches = np.ceil(tokens / given.ubatch)
    rows = tokens / batches
    # A model without experts reads the one that it has.
    experts, used = np.maximum(given.n_experts, 1.0), np.where(given.n_experts > 0, given.n_experts_used, 1.0)
    read, by_batch = expected_experts(experts, used, np.array([given.users, rows])) / experts
    offload = (given.offloads > 0) & (rows >= given.offload_min_batch)
    return _Batch(tokens, batches, used / experts, read, by_batch * batches, offload)


class _Caches(NamedTuple):
    """KV cache and states of a step (s at peak, bytes), its attention (FLOP, scores), a prompt's (s, FLOP, scores)."""

    kv_s: Vector
    kv_bytes: Vector
    kv_flops: Vector
    kv_scores: Vector
    state_s: Vector
    state_bytes: Vector
    attention_s: Vector
    attention_cpu_flops: Vector
    attention_cpu_scores: Vector


def _caches(given: Columns, sums: LayerSums, tokens: Vector) -> _Caches:
    """Of each kind of attention there are keys, values, FLOP and heads, per token that its layers attend to."""
    depths = np.array([given.depth, given.prompt_start + tokens / 2])[:, None]
    step, prompt = zip(depths, tokens_seen(given.window, depths), strict=True)
    full, sliding, users = sums.cpu.T[FULL], sums.cpu.T[SLIDING], given.users
    gpu_step = sums.gpu.T[FULL] * step[0] + sums.gpu.T[SLIDING] * step[1]
    cpu_step, cpu_prompt = (full * seen + sliding * in_window for seen, in_window in (step, prompt))
    gpu_full, gpu_sliding = (sums.gpu_attention.T[part][2] for part in _ATTENDING)
    return _Caches(
        kv_s=(gpu_step[0] * given.k_bytes + gpu_step[1] * given.v_bytes) * users,
        kv_bytes=(cpu_step[0] * given.k_bytes + cpu_step[1] * given.v_bytes) * users,
        kv_flops=cpu_step[2] * users,
        kv_scores=cpu_step[3] * users,
        state_s=2 * sums.gpu[:, STATE] * users,
        state_bytes=2 * sums.cpu[:, STATE] * users,
        attention_s=(gpu_full * prompt[0][0] + gpu_sliding * prompt[1][0]) * tokens,
        attention_cpu_flops=cpu_prompt[2] * tokens,
        attention_cpu_scores=cpu_prompt[3] * tokens,
    )


class _Held(NamedTuple):
    """Bytes in RAM: of layers on the CPU without their experts, and of experts. [cases]"""

    dense: Vector
    experts: Vector


def _held(sums: LayerSums) -> _Held:
    return _Held(sums.cpu[:, BYTES].sum(axis=1), sums.ram_experts[:, BYTES].sum(axis=1))


def _decode_work(given: Columns, batch: _Batch, sums: LayerSums, caches: _Caches, held: _Held) -> dict[str, Vector]:
    """Fields of `Work` for one decode step of all users, but what `_weights_read` adds."""
    cpu_layers, cpu_matrices, cpu_recurrent, cpu_moe = sums.cpu[:, LAYERS].T
    ram_moe = sums.ram_experts[:, SIZES.stop]
    split_layers = ram_moe - cpu_moe
    return {
        "gpu_kv_s": caches.kv_s,
        "gpu_state_s": caches.state_s,
        "gpu_matrices": given.matrices - cpu_matrices - EXPERT_MATRICES * split_layers + given.output_on_gpu,
        "gpu_moe_layers": given.moe_layers - ram_moe,
        "gpu_recurrent_layers": given.recurrent_layers - cpu_recurrent,
        "cpu_recurrent_layers": cpu_recurrent,
        "gpu_used": np.maximum(cpu_layers < given.layers, given.output_on_gpu),
        "spill_s": _spill_s(given, batch.read),
        "cpu_kv_bytes": caches.kv_bytes + caches.state_bytes,
        "cpu_kv_products": caches.kv_flops / 2,
        "cpu_kv_scores": caches.kv_scores,
        "cpu_layers": cpu_layers,
        "cpu_expert_layers": split_layers,
        **_paging(given, batch.read, held),
        **_link_decode(given, split_layers, sums.devices - 1),
    }


def _weights_read(given: Columns, batch: _Batch, sums: LayerSums, output: Vector) -> dict[str, Vector]:
    """Weights of a step on the GPUs and in RAM, by family; `output`: those of the output. [cases, `SIZES`]"""
    read, on_gpu = batch.read[:, None], given.output_on_gpu[:, None]
    on_cpu = sums.cpu[:, SIZES] + sums.ram_experts[:, SIZES] * read + output * (1 - on_gpu)
    return {
        "gpu_dense_s": sums.gpu[:, BYTES] + output[:, BYTES] / (given.output_gb_s * GB)[:, None],
        "gpu_expert_s": sums.gpu_expert_s * read,
        "cpu_bytes": on_cpu[:, BYTES],
        "cpu_weights": on_cpu[:, WEIGHTS],
    }


def _spill_s(given: Columns, read: Vector) -> Vector:
    """Reading over the link what found no room on the GPU: experts in part, all else whole."""
    share = (given.resident_bytes + given.expert_bytes * read) / (given.resident_bytes + given.expert_bytes)
    return np.where(given.unified > 0, 0.0, given.spilled_bytes) * share / (given.link_gb_s * GB)


def _paging(given: Columns, read: Vector, held: _Held) -> dict[str, Vector]:
    """What a step reads from disk where RAM is too small. There the GPU's part of a mapped file, which has gone through
    the page cache too, takes room from what is read again and again. Lookup tables (token and n-gram embeddings) are
    read a row at a time: they are the first to be left on the disk. Weights that every step reads in the same order are
    read anew if any of them finds no room: the cache drops what was read longest ago, which is what comes next.

    Measured 2026-11-29, Linux 6.18, reading 128 KiB ahead: with memory for 97, 90 and 75 % of a dense model each token
    read 100, 100 and 84 % of its file. Where 8 MiB are read ahead it was 20, 61 and 83 %.
    """
    weights = np.maximum(0.0, given.ram_bytes + given.storage_bytes - given.embedding_bytes)
    room = np.where(given.storage_bytes > 0, given.ram_bytes, given.ram_available)
    crowded = (given.storage_bytes > 0) & (given.mapped > 0) & (given.unified == 0)
    through = np.where(crowded, given.file_bytes, weights)
    missing = given.storage_bytes - given.embedding_bytes - held.experts
    return {
        "cycled_bytes": np.where(missing >= 1, held.dense, 0.0),  # less than a byte is rounding
        "paged_expert_bytes": held.experts * read,
        "paged_share": np.maximum(0.0, 1 - room / np.maximum(through, 1.0)),
    }


def _link_decode(given: Columns, split: Vector, hops: Vector) -> dict[str, Vector]:
    """Crossings between devices: out and back for each layer whose experts alone are in RAM, once per change of
    device.
    """
    row = given.hidden_size * ACTIVATION_BYTES * given.users
    crossed = row * (split * (given.n_experts_used + 1) + hops)
    return {"crossings": 2.0 * split + hops, "link_s": crossed / (given.link_gb_s * GB)}


def _prefill_work(given: Columns, batch: _Batch, sums: LayerSums, caches: _Caches) -> dict[str, Vector]:
    """Fields of `Work` for one prompt, in micro-batches of `usage.ubatch`. The output head and what follows the last
    layer's attention run for one token only.
    """
    tokens, batches, active = batch.tokens[:, None], batch.batches[:, None], batch.active[:, None]
    read, by_cpu = batch.read_by_batches[:, None], (~batch.offload)[:, None]
    dense, routed = sums.prompt_cpu * by_cpu, sums.prompt_ram_experts * by_cpu
    held = _Held(sums.prompt_cpu[:, BYTES].sum(axis=1), sums.prompt_ram_experts[:, BYTES].sum(axis=1))
    copied = (held.dense * batch.batches + held.experts * batch.read_by_batches) * batch.offload
    return {
        "prompt_tokens": batch.tokens,
        "batches": batch.batches,
        "stages": np.where((given.several_gpus > 0) & (batch.batches > 1), sums.gpus, 1.0),
        "rows_per_expert": batch.tokens / batch.batches * batch.active,
        "prefill_attention_s": caches.attention_s,
        "prefill_cpu_kv_products": caches.attention_cpu_flops / 2,
        "prefill_cpu_kv_scores": caches.attention_cpu_scores,
        "prefill_dense_s": 2 * tokens * sums.prompt_dense[:, WEIGHTS],
        "prefill_expert_s": 2 * tokens * active * sums.prompt_experts[:, WEIGHTS],
        "prefill_stream_s": sums.prompt_dense[:, BYTES] * batches + sums.prompt_experts[:, BYTES] * read,
        "prefill_link_s": copied / (given.link_gb_s * GB),
        "prefill_products": tokens * dense[:, WEIGHTS],
        "prefill_expert_products": tokens * active * routed[:, WEIGHTS],
        "prefill_cpu_bytes": dense[:, BYTES] * batches + routed[:, BYTES] * read,
    }
