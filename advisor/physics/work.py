"""What a placement makes each device do, in numbers that do not depend on any efficiency.

`decode_work` and `prefill_work` say it of one decode step and of one prompt, for many tasks at once: arrays have one
row per task. The fields of `Work` are what the equations of `stages` read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from advisor.physics.task import (
    BYTES,
    FAMILIES,
    FULL,
    LAYERS,
    MOE,
    SIZES,
    SLIDING,
    STATE,
    WEIGHTS,
    Columns,
    Numbers,
    Spans,
    Task,
    Vector,
    columns_of,
    spans_of,
)
from advisor.sizes.buffers import expected_experts, tokens_seen
from catalog.units import GB, TERA

EXPERT_MATRICES = 3
"""Fused matrix multiplications (up, gate, down) of a layer's routed experts."""
HALF_BYTES = 2
"""Kernels for batches read keys and values as 16-bit floats: others are unpacked, written and read again (llama.cpp
ggml/src/ggml-cuda/fattn-common.cuh, `need_f16_K`).
"""
ACTIVATION_BYTES = 4
"""Activations cross the link as 32-bit floats."""
ROUTED_ALIKE = 0.7
"""Tokens of one batch choose their experts partly alike: b of them touch as many as b to this power would by chance.
Source: llama-batched-bench of three models with experts on a GB10, 2 to 32 sequences (0.6 to 0.8 fit alike;
calibration/evidence/several_users.csv, 2026-11-29). The CPU gains nothing by it: with experts in RAM a
draft took 25.5 tok/s to 12.0 (design notes, section 10).
"""
REDUCES = 2
"""Sums over all GPUs that share a layer: after its attention and after its feed-forward part. In split mode row there
is one after each matrix that is no expert's.
"""
KEYS, VALUES, FLOP, HEADS = range(4)
"""Columns of `FULL` and `SLIDING`."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Work of one decode step and of one prompt: numbers of shape () or (tasks,), by quant family (families,) or
    (tasks, families). Seconds are at 100 % of the peaks.
    """

    # One decode step, which gives every user a token.
    gpu_dense_s: Vector
    gpu_expert_s: Vector
    gpu_row_s: Vector
    gpu_expert_row_s: Vector
    """Multiplying the weights with one token, and the experts that it chooses, at the peak of the matrix units."""
    gpu_kv_s: Numbers
    gpu_state_s: Numbers
    gpu_matrices: Numbers
    gpu_moe_layers: Numbers
    gpu_recurrent_layers: Numbers
    gpu_used: Numbers
    rows: Numbers
    """Tokens computed together: one of each user, and those drafted."""
    rows_each: Numbers
    choices: Numbers
    """Entries of the vocabulary among which the tokens of a step beyond its first are chosen."""
    gpu_draft_s: Numbers
    cpu_draft_bytes: Numbers
    """Reading the weights of a draft, and how many passes of it one after the other."""
    draft_passes: Numbers
    divided_share: Numbers
    divided_rest_share: Numbers
    """Part of the GPUs' time that the slowest of them takes where they share each layer, of weights and of experts and
    context; 1 where they do not.
    """
    reduces: Numbers
    reduce_s: Numbers
    """Sums over the GPUs that share a layer, and the time on the link that they take."""
    cpu_bytes: Vector
    cpu_weights: Vector
    cpu_kv_bytes: Numbers
    cpu_kv_products: Numbers
    """Multiplications of a step's attention on the CPU: queries with keys, and weights with values."""
    cpu_kv_scores: Numbers
    """Scores that they give: one for each head and token of context."""
    cpu_layers: Numbers
    cpu_expert_layers: Numbers
    """Layers of which the experts alone are in RAM."""
    cpu_recurrent_layers: Numbers
    crossings: Numbers
    link_s: Numbers
    spill_s: Numbers
    cycled_bytes: Numbers
    """Weights of every step that are read from disk in every step: all of them where not all find room in RAM."""
    paged_expert_bytes: Numbers
    paged_share: Numbers
    """Experts read in a step from a mapped file, and the part of that file that the page cache cannot hold."""

    # The machine.
    ram_bandwidth: Numbers
    threads: Numbers
    crowding: Numbers
    """Threads beyond the physical cores, as a part of the cores: 1 where two share each."""
    sockets: Numbers
    vector_bandwidth: Numbers
    random_bandwidth: Numbers
    disk_bandwidth: Numbers
    """Of the disk, in any order, at most; infinite where it is not said."""

    # One prompt, in micro-batches.
    prompt_tokens: Numbers
    batches: Numbers
    prefill_reduces: Numbers
    prefill_reduce_s: Numbers
    pipeline_gpus: Numbers
    """GPUs that work at different micro-batches at the same time."""
    rows_per_expert: Numbers
    prefill_dense_s: Vector
    prefill_expert_s: Vector
    prefill_attention_s: Numbers
    prefill_unpacked_s: Numbers
    """Unpacking a context in a quantised cache for each micro-batch, at the full bandwidth."""
    prefill_stream_s: Vector
    prefill_link_s: Numbers
    prefill_copied_bytes: Numbers
    """Of a prompt, from RAM over the link to the GPU that computes for layers in RAM."""
    prefill_products: Vector
    prefill_expert_products: Vector
    """The CPU's part of a prompt's multiplications, without and of routed experts."""
    prefill_cpu_bytes: Vector
    prefill_cpu_kv_products: Numbers
    prefill_cpu_kv_scores: Numbers
    prefill_cpu_elements: Numbers
    """Elements of the layers' width that are normed, turned, gated and added to, of all tokens."""
    prefill_once_s: Vector
    prefill_once_bytes: Vector
    prefill_once_weights: Vector
    """What is computed for the prompt's last token alone, by GPUs and by the CPU: what follows the last layer's
    attention, and the output.
    """


BY_FAMILY = frozenset(item.name for item in fields(Work) if item.type is Vector)
"""Fields of `Work` with a number for each quant family."""


def work_of(task: Task) -> Work:
    """Work of one task."""
    found = works_of([task])
    rows: dict[str, Any] = {item.name: getattr(found, item.name)[0] for item in fields(Work)}
    numbers = {name: float(row) for name, row in rows.items() if name not in BY_FAMILY}
    return Work(**rows | numbers)


def works_of(tasks: Sequence[Task]) -> Work:
    """Work of many tasks: numbers of shape (tasks,), by family (tasks, families)."""
    task, spans = columns_of(tasks), spans_of(tasks)
    machine = machine_work(
        task.threads, task.cores, task.sockets, task.vector_gb_s, task.ram_gb_s, task.random_gb_s, task.disk_gb_s
    )
    return Work(**decode_work(task, spans), **prefill_work(task, spans), **machine)


def taken(work: Work, rows: Any) -> Work:
    """Some rows of many works."""
    return Work(*(getattr(work, item.name)[rows] for item in fields(Work)))


def stack(works: Sequence[Work]) -> Work:
    """Many works as one."""
    return Work(*(np.array([getattr(work, item.name) for work in works]) for item in fields(Work)))


def machine_work(
    asked_threads: Numbers, cores: Vector, sockets: Vector, vector_gb_s: Vector, ram_gb_s: Vector, random_gb_s: Vector,
    disk_gb_s: Vector,
) -> dict[str, Vector]:
    """Fields of `Work` that the machine and its threads (0: one for each core) give."""
    threads = np.minimum(np.where(np.asarray(asked_threads) > 0, asked_threads, cores), cores)
    return {
        "ram_bandwidth": ram_gb_s * GB,
        "threads": threads,
        "crowding": np.maximum(0.0, np.minimum(asked_threads / cores, 2.0) - 1.0),
        "sockets": sockets,
        "vector_bandwidth": vector_gb_s * GB * threads / cores,
        "random_bandwidth": random_gb_s * GB,
        "disk_bandwidth": disk_gb_s * GB,
    }


def decode_work(task: Columns, spans: Spans) -> dict[str, Vector]:
    """Fields of `Work` for one decode step of all users."""
    users, rows, link_b_s = task.users, task.users * task.rows_each, task.link_gb_s * GB
    cpu, ram_experts = spans.layers[:, 0], spans.ram_experts
    gpu, gpu_flop = ((spans.layers / peak[..., None]).sum(axis=1) for peak in (spans.byte_s, spans.flop_s))

    # Weights: of the experts those that the tokens of all users choose.
    read, read_ram = _experts_read(task, rows**ROUTED_ALIKE), _experts_read(task, rows)
    on_cpu = cpu[:, SIZES] + ram_experts[:, SIZES] * read_ram[:, None] + spans.output * ~task.output_on_gpu[:, None]
    gpu_expert_s = (spans.gpu_experts[..., BYTES] / spans.byte_s[..., None]).sum(axis=1)
    expert_flop_s = 2 * (spans.gpu_experts[..., WEIGHTS] / spans.flop_s[..., None]).sum(axis=1)

    # Context: what each user's token attends to, by all layers or in their window.
    in_window = tokens_seen(task.window, task.depth)
    gpu_kv, cpu_kv = (_attended(side, task.depth, in_window) for side in (gpu, cpu))

    # Layers, counted: those on the CPU, and those of which the experts alone are there.
    layers, matrices, recurrent, moe = spans.layers[..., LAYERS].sum(axis=1).T
    cpu_layers, cpu_matrices, cpu_recurrent, cpu_moe = cpu[:, LAYERS].T
    split = ram_experts[:, MOE] - cpu_moe

    # The link: out and back for each layer whose experts alone are in RAM, once per change of device; and what found
    # no room on the GPU, experts in part, all else whole.
    hops = (spans.layers[..., LAYERS.start] > 0).sum(axis=1) - 1
    crossed = task.hidden_size * ACTIVATION_BYTES * rows * (split * (task.n_experts_used + 1) + hops)
    spilled = np.where(task.unified, 0.0, task.spilled_bytes)
    share = (task.layer_bytes + task.expert_bytes * read_ram) / (task.layer_bytes + task.expert_bytes)
    divided, reduces, reduce_s = _divided(task, spans, read, rows)
    return {
        "rows": rows,
        "rows_each": task.rows_each,
        "choices": task.more_chosen * task.vocab_size,
        "gpu_draft_s": np.where(task.output_on_gpu, task.draft_bytes, 0.0) / (task.output_gb_s * GB),
        "cpu_draft_bytes": np.where(task.output_on_gpu, 0.0, task.draft_bytes),
        "draft_passes": task.draft_passes,
        "divided_share": divided,
        "divided_rest_share": np.where(task.by_rows, 1.0, divided),
        "reduces": reduces,
        "reduce_s": reduce_s,
        "gpu_dense_s": gpu[:, BYTES] + spans.output[:, BYTES] / (task.output_gb_s * GB)[:, None],
        "gpu_expert_s": gpu_expert_s * read[:, None],
        "gpu_row_s": 2 * (gpu_flop[:, WEIGHTS] + spans.output[:, WEIGHTS] / (task.output_tflops * TERA)[:, None]),
        "gpu_expert_row_s": expert_flop_s * _experts_read(task, np.ones_like(rows))[:, None],
        "gpu_kv_s": (gpu_kv[:, :FLOP] * task.kv_element_bytes).sum(axis=1) * users,
        "gpu_state_s": 2 * gpu[:, STATE] * users,
        "gpu_matrices": matrices - cpu_matrices - EXPERT_MATRICES * split + task.output_on_gpu,
        "gpu_moe_layers": moe - ram_experts[:, MOE],
        "gpu_recurrent_layers": recurrent - cpu_recurrent,
        "gpu_used": np.where((cpu_layers < layers) | task.output_on_gpu, 1.0, 0.0),
        "cpu_bytes": on_cpu[:, BYTES],
        "cpu_weights": on_cpu[:, WEIGHTS],
        "cpu_kv_bytes": (cpu_kv[:, :FLOP] * task.kv_element_bytes).sum(axis=1) * users + 2 * cpu[:, STATE] * users,
        "cpu_kv_products": cpu_kv[:, FLOP] * rows / 2,
        "cpu_kv_scores": cpu_kv[:, HEADS] * rows,
        "cpu_layers": cpu_layers,
        "cpu_expert_layers": split,
        "cpu_recurrent_layers": cpu_recurrent,
        "crossings": 2.0 * split + hops,
        "link_s": crossed / link_b_s,
        "spill_s": spilled * share / link_b_s,
        **_paging(task, cpu[:, BYTES].sum(axis=1), ram_experts[:, BYTES].sum(axis=1), read_ram),
    }


def _divided(task: Columns, spans: Spans, read: Vector, rows: Vector) -> tuple[Vector, Vector, Vector]:
    """Where GPUs share each layer: the part of their summed time that the slowest takes, how often they sum up, and
    the seconds on the link of that. Each has as much of a layer as it would have had of all layers.
    """
    each = spans.layers[..., BYTES].sum(axis=2) + spans.gpu_experts[..., BYTES].sum(axis=2) * read[:, None]
    each = each / spans.byte_s
    longest, together = each.max(axis=1), each.sum(axis=1)
    shared = np.where(task.divided & (together > 0), longest / np.maximum(together, 1e-30), 1.0)
    reduces = np.where(shared < 1, _reduces(task, spans), 0.0)
    sent = reduces * rows * task.hidden_size * ACTIVATION_BYTES * 2 * (1 - shared)  # a ring sends 2 (n - 1) / n
    return shared, reduces, sent / (task.slowest_link_gb_s * GB)


def _reduces(task: Columns, spans: Spans) -> Vector:
    """Times that GPUs which share each layer put together what each has: after its attention and its feed-forward part,
    or in split mode row after each matrix. [tasks]
    """
    layers, matrices, _, moe = spans.layers[:, 1:, LAYERS].sum(axis=1).T
    return np.asarray(np.where(task.by_rows, matrices - EXPERT_MATRICES * moe, REDUCES * layers))


def gpu_layers_of(spans: Spans) -> Vector:
    """Layers that GPUs compute. [tasks]"""
    return np.asarray(spans.layers[:, 1:, LAYERS.start].sum(axis=1))


def _paging(task: Columns, held_bytes: Vector, held_expert_bytes: Vector, read: Vector) -> dict[str, Vector]:
    """What a step reads from disk where RAM is too small for the layers and experts held in it.

    There the GPU's part of a mapped file, which has gone through the page cache too, takes room from what is read again
    and again. Lookup tables (token and n-gram embeddings) are read a row at a time: they are the first to be left on
    the disk. Weights that every step reads in the same order are read anew if any of them finds no room: the cache
    drops what was read longest ago, which is what comes next.

    Measured 2026-11-29, Linux 6.18, reading 128 KiB ahead: with memory for 97, 90 and 75 % of a dense model each token
    read 100, 100 and 84 % of its file. Where 8 MiB are read ahead it was 20, 61 and 83 %.
    """
    overflows = task.storage_bytes > 0
    weights = np.maximum(0.0, task.ram_bytes + task.storage_bytes - task.embedding_bytes)
    through = np.where(overflows & task.mapped & ~task.unified, task.file_bytes, weights)
    room = np.where(overflows, task.ram_bytes, task.ram_available)
    missing = task.storage_bytes - task.embedding_bytes - held_expert_bytes
    return {
        "cycled_bytes": np.where(missing >= 1, held_bytes, 0.0),  # less than a byte is rounding
        "paged_expert_bytes": held_expert_bytes * read,
        "paged_share": np.maximum(0.0, 1 - room / np.maximum(through, 1.0)),
    }


def prefill_work(task: Columns, spans: Spans) -> dict[str, Vector]:
    """Fields of `Work` for one prompt. The output, and what follows the last layer's attention, are computed for the
    one token whose logits are wanted.
    """
    tokens = np.maximum(task.prompt_tokens, 1.0)
    batches = np.ceil(tokens / task.ubatch)
    rows = tokens / batches
    used = np.where(task.n_experts > 0, task.n_experts_used, 1.0) / np.maximum(task.n_experts, 1.0)
    read = _experts_read(task, rows) * batches

    # Bytes and weights of the layers on each device, of their experts, and of the experts in RAM.
    at_last = np.arange(len(tokens)), spans.last
    last_in_ram = spans.last_experts_in_ram[:, None]
    layers, experts, on_gpu = (held[..., SIZES].copy() for held in (spans.layers, spans.experts, spans.gpu_experts))
    layers[at_last] -= spans.last_feed_forward
    experts[at_last] -= spans.last_experts
    on_gpu[at_last] -= spans.last_experts * (1.0 - last_in_ram)
    ram_experts = spans.ram_experts[:, SIZES] - spans.last_experts * last_in_ram

    # Of large batches what lies in RAM is copied to the main GPU and computed there, else by the CPU.
    offload = task.offloads & (rows >= task.offload_min_batch)
    peaks = np.stack([spans.byte_s, spans.flop_s], axis=-1)
    peaks[:, 0] = np.where(offload[:, None], peaks[:, 1], np.inf)
    size_peaks = np.repeat(peaks, len(FAMILIES), axis=-1)
    dense = (layers / size_peaks).sum(axis=1)
    routed = (np.where(offload[:, None, None], experts, on_gpu) / size_peaks).sum(axis=1)
    by_cpu = ~offload[:, None]
    cpu_dense, cpu_routed = layers[:, 0] * by_cpu, ram_experts * by_cpu
    copied = layers[:, 0, BYTES].sum(axis=1) * batches + ram_experts[:, BYTES].sum(axis=1) * read

    # Attention: each token to those before it, in the mean to half of the prompt and all that was before.
    depth = task.prompt_start + tokens / 2
    in_window = tokens_seen(task.window, depth)
    gpu_attention = _attended((spans.layers / spans.flop_s[..., None]).sum(axis=1), depth, in_window)
    gpu_context = _attended((spans.layers / spans.byte_s[..., None]).sum(axis=1), depth, in_window)[:, :FLOP]
    unpacked = np.where(task.kv_element_bytes < HALF_BYTES, task.kv_element_bytes + 2 * HALF_BYTES, 0.0)
    cpu_attention = _attended(spans.layers[:, 0], depth, in_window)
    gpus = (spans.layers[:, 1:, LAYERS.start] > 0).sum(axis=1)
    reduces = np.where(task.divided & (gpus > 1), _reduces(task, spans), 0.0)
    sent = reduces * tokens * task.hidden_size * ACTIVATION_BYTES * 2 * (1 - 1 / np.maximum(gpus, 1))
    return {
        "prefill_reduces": reduces * batches,
        "prefill_reduce_s": sent / (task.slowest_link_gb_s * GB),
        "prompt_tokens": tokens,
        "batches": batches,
        "pipeline_gpus": np.where(task.gpus_in_turn & (batches > 1), gpus, 1.0),
        "rows_per_expert": rows * used,
        "prefill_dense_s": (2 * tokens)[:, None] * dense[:, WEIGHTS],
        "prefill_expert_s": (2 * tokens * used)[:, None] * routed[:, WEIGHTS],
        "prefill_stream_s": dense[:, BYTES] * batches[:, None] + routed[:, BYTES] * read[:, None],
        "prefill_attention_s": gpu_attention[:, FLOP] * tokens,
        "prefill_unpacked_s": (gpu_context * unpacked).sum(axis=1) * batches,
        "prefill_link_s": copied * offload / (task.link_gb_s * GB),
        "prefill_copied_bytes": copied * offload,
        "prefill_products": tokens[:, None] * cpu_dense[:, WEIGHTS],
        "prefill_expert_products": (tokens * used)[:, None] * cpu_routed[:, WEIGHTS],
        "prefill_cpu_bytes": cpu_dense[:, BYTES] * batches[:, None] + cpu_routed[:, BYTES] * read[:, None],
        "prefill_cpu_kv_products": cpu_attention[:, FLOP] * tokens / 2,
        "prefill_cpu_kv_scores": cpu_attention[:, HEADS] * tokens,
        "prefill_cpu_elements": spans.layers[:, 0, LAYERS.start] * ~offload * task.hidden_size * tokens,
        **_once(task, spans),
    }


def _once(task: Columns, spans: Spans) -> dict[str, Vector]:
    """What is computed for one token of a prompt, where it lies."""
    used = _experts_read(task, np.ones_like(task.users))[:, None]
    in_ram, last_on_cpu = spans.last_experts_in_ram[:, None], (spans.last == 0)[:, None]
    peak = spans.byte_s[np.arange(len(spans.last)), spans.last][:, None]  # infinite for the CPU
    on_gpu = spans.last_feed_forward + spans.last_experts * used * (1.0 - in_ram)
    output_on_cpu = ~task.output_on_gpu[:, None]
    on_cpu = spans.last_feed_forward * last_on_cpu + spans.last_experts * used * in_ram + spans.output * output_on_cpu
    output_s = np.where(output_on_cpu, 0.0, spans.output[:, BYTES] / (task.output_gb_s * GB)[:, None])
    return {
        "prefill_once_s": on_gpu[:, BYTES] / peak + output_s,
        "prefill_once_bytes": on_cpu[:, BYTES],
        "prefill_once_weights": on_cpu[:, WEIGHTS],
    }


def _experts_read(task: Columns, tokens: Vector) -> Vector:
    """Share of the experts that so many tokens choose together; a model without experts reads the one that it has."""
    experts, used = np.maximum(task.n_experts, 1.0), np.where(task.n_experts > 0, task.n_experts_used, 1.0)
    return expected_experts(experts, used, tokens) / experts


def _attended(table: Vector, depth: Vector, in_window: Vector) -> Vector:
    """Elements of keys and of values, FLOP and scores of a query at a depth. [tasks, 4]"""
    return table[:, FULL] * depth[:, None] + table[:, SLIDING] * in_window[:, None]
