"""The whole of decode and prefill from `Work` and coefficients: seconds by stage, for one scenario or for arrays of
them.

Equations: design notes "The performance model, in equations", sections 3 (decode) and 4 (prefill).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from advisor.speed import filled_share, missed_s, overhead_s, pipelined_s, saturated, slower_of, transfer_s
from advisor.work import Numbers, Work
from catalog.units import GB

Values = Mapping[str, Any]
"""Coefficients by name; floats or arrays of shape (n,), per-family ones (families,) or (n, families)."""


def _total(by_family: Any) -> Any:
    return np.sum(by_family, axis=-1)


def decode_stages(work: Work, values: Values) -> dict[str, Numbers]:
    """Seconds of one decode step by stage; the step gives every user one token."""
    ram = saturated(work.ram_bandwidth * values["ram_stream"], values["core_gb_s"] * GB, work.threads)
    reading = _total(work.cpu_bytes) / ram
    unpacking = _total(work.cpu_weights / values["cpu_unpack"]) / work.vector_bandwidth
    matrices = overhead_s(work.gpu_matrices, values["gpu_matrix_us"])
    special = overhead_s(work.gpu_moe_layers, values["gpu_moe_us"]) + overhead_s(
        work.gpu_recurrent_layers, values["gpu_recurrent_us"]
    )
    stream = values["gpu_stream"]
    return {
        "gpu_weights": _total(work.gpu_dense_s / stream) + work.gpu_state_s / stream[..., 0],
        "gpu_experts": _total(work.gpu_expert_s / (stream * values["gpu_expert"])),
        "gpu_kv": work.gpu_kv_s / values["gpu_kv"],
        "gpu_launches": matrices + special + overhead_s(work.gpu_used, values["gpu_token_us"]),
        "cpu_weights": slower_of(reading, unpacking),
        "cpu_kv": transfer_s(work.cpu_kv_bytes, work.ram_bandwidth, values["cpu_kv"]),
        "cpu_sync": overhead_s(work.cpu_layers, values["cpu_layer_us"]),
        "link": overhead_s(work.crossings, values["crossing_us"]) + (work.link_s + work.spill_s) / values["link_share"],
        "disk": missed_s(work.missing_bytes, 0.0, work.random_bandwidth, values["disk_gain"]),
    }


def prefill_stages(work: Work, values: Values) -> dict[str, Numbers]:
    """Seconds of the whole prompt by stage."""
    matmul = values["prefill_matmul"]
    filled = filled_share(work.rows_per_expert, values["prefill_half_rows"])
    expert = matmul * values["prefill_expert"] * np.asarray(filled)[..., None]
    computing = _total(work.prefill_dense_s / matmul) + _total(work.prefill_expert_s / expert)
    matrices = slower_of(computing, _total(work.prefill_stream_s / values["gpu_stream"]))
    launches = overhead_s(work.gpu_matrices * work.batches, values["prefill_matrix_us"])
    launches = launches + overhead_s(work.gpu_moe_layers * work.batches, values["prefill_moe_us"])
    scans = work.gpu_recurrent_layers * work.prompt_tokens * values["prefill_recurrent_ns"] * 1e-9
    ram = saturated(work.ram_bandwidth * values["ram_stream"], values["core_gb_s"] * GB, work.threads)
    multiplying = _total(work.prefill_products / values["prefill_cpu"]) / work.vector_bandwidth
    scores = work.prefill_cpu_kv_products / values["prefill_cpu_scores"] / work.vector_bandwidth
    attention = work.prefill_attention_s / values["prefill_attention"]

    def piped(seconds: Numbers) -> Numbers:
        result: Numbers = pipelined_s(seconds, work.stages, work.batches, values["prefill_pipeline"])
        return result

    return {
        "gpu_matmul": piped(matrices), "gpu_attention": piped(attention), "gpu_launches": piped(launches + scans),
        "link": work.prefill_link_s / values["prefill_link"],
        "cpu_matmul": slower_of(multiplying, _total(work.prefill_cpu_bytes) / ram) + scores,
    }  # fmt: skip


def total_s(stages: Mapping[str, Numbers]) -> Numbers:
    """Sum of the stages: the devices work one after the other."""
    total: Numbers = sum(stages.values(), start=0.0)
    return total
