"""What lies in memory beside the weights: KV cache, recurrent state, compute buffers. All sizes in bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from advisor.sizes.footprint import Footprint
from catalog.tables import tensor_types

Array = NDArray[np.float64]
Number = TypeVar("Number", float, Array)
Tokens = TypeVar("Tokens", int, float, Array)

CONTEXT_PAD: Final = 256
"""llama.cpp pads the cells of a KV cache to multiples of this. Source: llama-context.cpp (GGML_PAD(n_ctx, 256))."""

FLOAT_BYTES: Final = 4
"""Activations, scores and logits are f32."""
MASK_BYTES: Final = 2
"""The mask of flash attention is f16."""
INDEX_BYTES: Final = 8
"""Where a value goes in a transposed cache (i64)."""
PIPELINE_COPIES: Final = 4
"""Copies of a graph's inputs on each of several devices, and on the CPU, that work at micro-batches in turn. Source:
ggml/src/ggml-backend.cpp GGML_SCHED_MAX_COPIES; seen in llama.cpp's reports of several RPC devices.
"""
OFFLOADED_BATCH: Final = 32
"""ggml-cuda copies weights that lie in RAM for batches of this size and more. Source: GGML_OP_OFFLOAD_MIN_BATCH."""

_KV_SPELLINGS: Final[Mapping[str, str]] = {"fp16": "F16", "fp32": "F32", "q8": "Q8_0", "q4": "Q4_0", "q5": "Q5_0"}


@cache
def kv_element_bytes(kv_type: str) -> float:
    """Bytes per element of a KV cache type.

    >>> kv_element_bytes("q8_0")
    1.0625
    """
    name = kv_type.strip()
    return tensor_types()[_KV_SPELLINGS.get(name.lower(), name.upper())].bits_per_weight / 8


def padded(tokens: Tokens) -> Tokens:
    """Tokens rounded up to the cache's padding.

    >>> padded(300.0)
    512.0
    """
    rounded: Tokens = -(-tokens // CONTEXT_PAD) * CONTEXT_PAD
    return rounded


@lru_cache(maxsize=4096)
def _row_bytes(footprint: Footprint, k_type: str, v_type: str) -> Array:
    """Bytes per token of context in each layer."""
    per_element = np.array([kv_element_bytes(k_type), kv_element_bytes(v_type)])
    return np.asarray(footprint.layer_kv_elements @ per_element)


def kv_bytes(footprint: Footprint, n_ctx: float, k_type: str, v_type: str, ubatch: float, n_seq: int = 1) -> Array:
    """KV cache as allocated, by layer, for `n_seq` sequences of `n_ctx` tokens each.

    A sliding layer keeps its window and one micro-batch. Source: llama.cpp src/llama-kv-cache-iswa.cpp.
    """
    full = padded(n_ctx)
    window = np.minimum(padded(footprint.layer_window + ubatch), full)
    tokens = np.where(footprint.layer_window > 0, window, full)
    return _row_bytes(footprint, k_type, v_type) * tokens * n_seq


def tokens_seen(window: Array, depth: float | Array) -> Array:
    """Tokens that a layer attends to at a depth: all, or where it has a window (0: none) those in it."""
    return np.where(window > 0, np.minimum(window, depth), depth)


def expected_experts(n_experts: Number, n_used: Number, batch: Number) -> Number:
    """Distinct experts that a batch of tokens routes to, were the choice uniform: n (1 - (1 - k/n)^b).

    >>> expected_experts(128.0, 8.0, 1.0)
    8.0
    """
    distinct: Number = n_experts * (1.0 - (1.0 - n_used / n_experts) ** batch)
    return distinct


def compute_buffer_bytes(
    footprint: Footprint,
    ubatch: float,
    n_ctx: float,
    flash_attn: bool,
    on_gpu: bool,
    experts_in_ram: bool = False,
    *,
    pipelined: bool = False,
    output: bool = True,
) -> float:
    """Scratch memory of one device for its part of the graph: the largest set of tensors alive at one time.

    `on_gpu`: the device that computes attention and logits; otherwise the host side beside a GPU (embeddings, masks,
    and the experts if they are in RAM).
    `experts_in_ram`: a micro-batch of 32 tokens or more copies one expert tensor at a time to the GPU.
    `pipelined`: all layers lie on several devices, which work at micro-batches in turn: each, and the CPU, keeps
    `PIPELINE_COPIES` of the masks and of what it is handed; `output`: this device also computes the logits.
    Source: llama.cpp ggml/src/ggml-alloc.c (tensors reuse each other's room), src/llama-graph.cpp build_attn_mha (the
    mask in f32, for flash attention in f16), build_inp_embd (tokens and embeddings are both inputs); sizes reported by
    runs: tests/advisor/sizes/test_buffers.py.
    """
    hidden, caches = FLOAT_BYTES * ubatch * footprint.hidden_size, _caches(footprint)
    # The caches of full layers and of sliding ones have a mask each.
    cells = n_ctx * caches.full + min(padded(caches.widest_window + ubatch), n_ctx) * caches.sliding
    masks = (MASK_BYTES if flash_attn else FLOAT_BYTES) * ubatch * cells
    feed_forward = FLOAT_BYTES * ubatch * footprint.feed_forward_width + masks
    if not on_gpu:
        # Without flash attention values are stored transposed, one by one.
        values = float(footprint.layer_kv_elements[:, 1].max(initial=0.0)) * (caches.full + caches.sliding)
        places = 0.0 if flash_attn else INDEX_BYTES * ubatch * values
        if pipelined:
            return PIPELINE_COPIES * (places + masks + hidden) + hidden
        return places + 2 * hidden + (feed_forward if experts_in_ram else masks)
    inputs = 0.0
    if pipelined:  # these are not given up for other tensors
        inputs = PIPELINE_COPIES * (masks + 2 * hidden)
        feed_forward -= masks
        masks = 0.0
    scores = 0.0 if flash_attn else footprint.n_heads * FLOAT_BYTES * ubatch * n_ctx
    attention = scores + masks + FLOAT_BYTES * ubatch * footprint.attention_width + 2 * hidden
    feed_forward += 3 * hidden
    if experts_in_ram and ubatch >= OFFLOADED_BATCH:
        feed_forward += footprint.largest_expert_bytes
    logits = FLOAT_BYTES * ubatch * footprint.vocab_size + hidden if output else 0.0
    return max(logits, attention, feed_forward) + inputs


class _Caches(NamedTuple):
    """Which caches a model has: one for its full and one for its sliding layers."""

    full: bool
    sliding: bool
    widest_window: float


@lru_cache(maxsize=4096)
def _caches(footprint: Footprint) -> _Caches:
    windows = footprint.layer_window
    caching = footprint.layer_kv_elements.sum(axis=1) > 0
    return _Caches(
        bool((caching & (windows == 0)).any()), bool((caching & (windows > 0)).any()), float(windows.max(initial=0.0))
    )


# What a placement must find room for: weights, caches and buffers of a footprint for one context.

@dataclass(frozen=True, slots=True)
class Demand:
    """What is to be held: a footprint with its caches and buffers for one context. Per-layer arrays in bytes."""

    footprint: Footprint
    resident: Array
    experts: Array
    kv: Array
    state: Array
    held: Array
    """Weights but the experts, cache and state."""
    held_below: tuple[float, ...]
    """Sum of `held` over the layers below each, and over all."""
    experts_below: tuple[float, ...]
    kv_sum: float
    output: float
    compute: float
    compute_offload: float
    """Compute buffer of a GPU that also receives copies of RAM-resident experts in prefill."""
    compute_cpu: float
    compute_piped: float
    """Compute buffer of each of several GPUs that hold all layers; `compute_piped_last`: of the one with the output."""
    compute_piped_last: float
    compute_cpu_piped: float

    @property
    def weights_bytes(self) -> float:
        """All weights read or looked up during inference."""
        return float(self.resident.sum() + self.experts.sum()) + self.output + self.footprint.embedding_bytes


@lru_cache(maxsize=4096)
def demand_of(
    footprint: Footprint, n_ctx: int, kv_types: tuple[str, str], ubatch: int, flash_attn: bool, users: int
) -> Demand:
    """Sizes of everything that a placement must find room for. `n_ctx` is per sequence."""
    on_gpu, offload, beside = (
        float(compute_buffer_bytes(footprint, ubatch, n_ctx, flash_attn, gpu, copies))
        for gpu, copies in ((True, False), (True, True), (False, False))
    )
    inner, last, host = (
        float(compute_buffer_bytes(footprint, ubatch, n_ctx, flash_attn, gpu, pipelined=True, output=output))
        for gpu, output in ((True, False), (True, True), (False, False))
    )
    resident, experts = footprint.layer_resident_bytes.sum(axis=1), footprint.layer_expert_bytes.sum(axis=1)
    kv = np.asarray(kv_bytes(footprint, n_ctx, *kv_types, ubatch, users))
    state = footprint.layer_recurrent_bytes * users
    held = resident + kv + state
    return Demand(
        footprint=footprint,
        resident=resident,
        experts=experts,
        kv=kv,
        state=state,
        held=held,
        held_below=_sums_below(held),
        experts_below=_sums_below(experts),
        kv_sum=float(kv.sum()),
        output=float(footprint.output_bytes.sum()),
        compute=on_gpu,
        compute_offload=offload,
        compute_cpu=beside,
        compute_piped=inner,
        compute_piped_last=last,
        compute_cpu_piped=host,
    )


def _sums_below(sizes: Array) -> tuple[float, ...]:
    return (0.0, *np.cumsum(sizes).tolist())
