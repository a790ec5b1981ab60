"""How many bytes and FLOPs a quantised model has, layer by layer: all the rest of the physics reads these arrays."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from advisor.sizes import Group, Tensor, shapes
from advisor.sizes.attention import INDEXED_RATIO, compressor_rows, heads
from advisor.sizes.quantisation import typed
from advisor.sizes.recurrent import state_bytes
from catalog.llms import Llm
from catalog.quants import Quant
from catalog.tables import tensor_types

__all__ = ["Footprint", "Group", "Tensor", "footprint", "footprint_of_tensors"]

Array = NDArray[np.float64]
USUAL_UBATCH, PAD, FLOAT_BYTES = 512, 256, 4
"""Tokens of a micro-batch, for which a window keeps room too; cells of a cache are padded; states are f32."""
WEIGHT_BYTES = (
    "layer_resident_bytes", "layer_expert_bytes", "last_feed_forward_bytes", "layer_feed_forward_bytes",
    "output_bytes", "embedding_bytes",
    "largest_expert_bytes", "file_bytes",
)
FEED_FORWARD_MATRIX = re.compile(r"\.ffn_(up|gate|down)\.weight$")
"""Matrices of a dense feed-forward part, as llama.cpp names them."""
FEED_FORWARD: frozenset[Group] = frozenset({"router", "dense_ffn", "shared_expert"})


@dataclass(frozen=True, eq=False)
class Footprint:
    """Arrays have one row per layer (L) and, for weights, one column per tensor type (T). Sizes are bytes."""

    name: str
    architecture: str
    n_layers: int
    hidden_size: int
    vocab_size: int
    max_context: int
    types: tuple[str, ...]
    """ggml tensor types present."""
    bits_per_weight: Array
    layer_resident_bytes: Array
    """All weights of the layer but the routed experts: read at every token. [L, T]"""
    layer_expert_bytes: Array
    """All routed experts of the layer: what --n-cpu-moe moves. [L, T]"""
    last_feed_forward_bytes: Array
    """Of the last layer's resident weights those after its attention: a prompt needs them only for the tokens whose
    logits are wanted. Source: `inp_out_ids` in llama.cpp src/models (read 2026-11-28). [T]
    """
    layer_feed_forward_bytes: Array
    """Of the resident weights the up, gate and down matrices of dense parts: what `--override-tensor` can keep in RAM.
    [L, T]
    """
    layer_matrices: Array
    """Matrix multiplications with weights per token in the layer (experts: one per fused kind). [L]"""
    layer_is_moe: NDArray[np.bool_]
    n_experts: int
    n_experts_used: int
    output_bytes: Array
    """Output matrix and what else the last step reads; a tied embedding's copy counts here too. [T]"""
    embedding_bytes: float
    """Token embeddings as they lie in RAM: one row per token is read."""
    n_heads: int
    layer_kv_elements: Array
    """Elements of K and of V per token of context; MLA: the latent row in K. [L, 2]"""
    layer_window: Array
    """Sliding window in tokens, 0 without. [L]"""
    layer_recurrent_bytes: Array
    """State per sequence, read and written once per step. [L]"""
    layer_attention_flops: Array
    """FLOPs per query token and token of context (scores and values). [L]"""
    layer_attention_heads: Array
    """Heads that score each token of context. [L]"""
    attention_width: int
    """Elements per token that the widest attention part keeps at one time beside the scores: queries, keys, values."""
    feed_forward_width: int
    """Elements per token that the widest feed-forward part keeps at one time."""
    largest_expert_bytes: float
    """Largest tensor of routed experts."""
    parameters: float
    parameters_active: float
    """Weights that one token is multiplied with: no lookups, no MTP, of the experts only those used."""
    file_bytes: float

    @property
    def has_apart(self) -> bool:
        """Whether weights of some layers may lie apart from their layer: routed experts, or feed-forward matrices."""
        return bool(self.layer_is_moe.any())

    def feed_forward_apart(self, layers: int) -> "Footprint":
        """The same with the feed-forward matrices of the first layers counted as experts are: what may lie in RAM while
        attention and cache are on a card. Each token uses all of them.
        """
        apart = np.where(np.arange(self.n_layers)[:, None] < layers, self.layer_feed_forward_bytes, 0.0)
        return replace(
            self, layer_resident_bytes=self.layer_resident_bytes - apart,
            layer_expert_bytes=self.layer_expert_bytes + apart,
            last_feed_forward_bytes=self.last_feed_forward_bytes - apart[-1],
            layer_is_moe=self.layer_is_moe | (apart.sum(axis=1) > 0),
        )

    def scaled(self, factor: float) -> "Footprint":
        """The same with so many times the bytes of weights: a file of a stated size whose recipe is not known."""
        return replace(self, **{name: getattr(self, name) * factor for name in WEIGHT_BYTES})


@lru_cache(maxsize=2048)
def footprint(llm: Llm, quant: Quant, mtp_layers: int | None = None) -> Footprint:
    """Footprint of a catalog model in a quantisation; `mtp_layers`: multi-token-prediction layers in the file."""
    found = footprint_of_tensors(llm, typed(llm, quant, shapes(llm, mtp_layers)))
    if quant.stated_bits is None and quant.stated_bytes is None:
        return found
    stated = quant.stated_bytes or (quant.stated_bits or 0.0) * found.parameters / 8
    return found.scaled(stated / found.file_bytes)


def footprint_of_tensors(llm: Llm, tensors: Sequence[Tensor]) -> Footprint:
    """Footprint of tensors as they are listed in a file, with the hyper-parameters of `llm`."""
    types = tuple(sorted({t.type for t in tensors}))
    weights = _Weights(llm, tensors, types)
    kinds = llm.attention_kinds()
    attention_flops, attention_heads = _attention_work(llm, kinds)
    return Footprint(
        name=llm.name, architecture=llm.architecture, n_layers=llm.n_layers, hidden_size=llm.hidden_size,
        vocab_size=llm.vocab_size, max_context=llm.max_context, types=types,
        bits_per_weight=np.array([tensor_types()[t].bits_per_weight for t in types]),
        layer_resident_bytes=weights.resident, layer_expert_bytes=weights.experts,
        last_feed_forward_bytes=weights.last_feed_forward, layer_feed_forward_bytes=weights.feed_forward,
        layer_matrices=weights.matrices,
        layer_is_moe=weights.experts.sum(axis=1) > 0,
        n_experts=llm.n_experts, n_experts_used=llm.n_experts_used,
        output_bytes=weights.output, embedding_bytes=weights.embedding,
        n_heads=llm.n_heads, layer_kv_elements=_kv_elements(llm, kinds),
        layer_window=np.array([_window(llm, layer, k) for layer, k in enumerate(kinds)]),
        layer_recurrent_bytes=np.array([_state_bytes(llm, layer, k) for layer, k in enumerate(kinds)]),
        layer_attention_flops=attention_flops, layer_attention_heads=attention_heads,
        attention_width=_attention_width(llm, kinds),
        feed_forward_width=_feed_forward_width(llm),
        largest_expert_bytes=weights.largest_expert,
        parameters=weights.parameters, parameters_active=weights.active, file_bytes=weights.file_bytes,
    )


@lru_cache(maxsize=20_000)
def _in_feed_forward(name: str) -> bool:
    return FEED_FORWARD_MATRIX.search(name) is not None


class _Weights:
    """Sums over the tensors of a file."""

    def __init__(self, llm: Llm, tensors: Sequence[Tensor], types: tuple[str, ...]) -> None:
        column = {name: i for i, name in enumerate(types)}
        # Sums are made of plain numbers, which are added many times faster than elements of arrays.
        self._resident = [[0.0] * len(types) for _ in range(llm.n_layers)]
        self._experts = [[0.0] * len(types) for _ in range(llm.n_layers)]
        self._last_feed_forward = [0.0] * len(types)
        self._feed_forward = [[0.0] * len(types) for _ in range(llm.n_layers)]
        self._matrices = [0.0] * llm.n_layers
        self._output = [0.0] * len(types)
        self.embedding = self.parameters = self.active = self.file_bytes = self.largest_expert = 0.0
        share = llm.n_experts_used / llm.n_experts if llm.n_experts else 1.0
        for tensor in tensors:
            self._add(llm, tensor, column[tensor.type], share)
        self.resident, self.experts = np.array(self._resident), np.array(self._experts)
        self.last_feed_forward, self.feed_forward = np.array(self._last_feed_forward), np.array(self._feed_forward)
        self.matrices, self.output = np.array(self._matrices), np.array(self._output)

    def _add(self, llm: Llm, tensor: Tensor, t: int, share: float) -> None:
        size, elements = tensor.bytes, tensor.elements
        self.file_bytes += size
        self.parameters += elements
        if tensor.group == "mtp":
            return  # stored, never read without speculation
        if tensor.group == "token_embedding":
            self.embedding += size
            if llm.tied_embeddings and tensor.name == "token_embd.weight":
                self._output[t] += size
                self.active += elements
        elif tensor.layer is None:
            self._output[t] += size
            self.active += elements
        else:
            self.active += elements * (share if tensor.group == "routed_experts" else 1.0)
            self._add_to_layer(tensor, tensor.layer, t, size)
            if tensor.group in FEED_FORWARD and tensor.layer == llm.n_layers - 1:
                self._last_feed_forward[t] += size

    def _add_to_layer(self, tensor: Tensor, layer: int, t: int, size: float) -> None:
        routed = tensor.group == "routed_experts"
        (self._experts if routed else self._resident)[layer][t] += size
        if len(tensor.shape) > 1 and tensor.name.endswith(".weight") and "conv" not in tensor.name:
            self._matrices[layer] += 1
        if _in_feed_forward(tensor.name):
            self._feed_forward[layer][t] += size
        if routed:
            self.largest_expert = max(self.largest_expert, size)


def _attention_width(llm: Llm, kinds: str) -> int:
    """Queries twice (before and after their rotation), keys and values; latent attention: its queries as they are, in
    the latent space, their rotated part, and both joined.
    """
    widths = [0]
    if "M" in kinds:
        rank, rope = llm.kv_lora_rank or 0, llm.qk_rope_head_dim or 0
        widths.append(llm.n_heads * (2 * rank + 3 * rope + (llm.qk_nope_head_dim or 0)))
    for kind in set(kinds) & set("FSB"):
        of = heads(llm, kind)
        widths.append(2 * of.queries * of.key_dim + of.keys * (of.key_dim + of.value_dim))
    return max(widths)


def _feed_forward_width(llm: Llm) -> int:
    """Gate, up and their product; for experts that of all used, or their outputs before and after weighing."""
    dense = 3 * max(llm.dense_ffn or 0, llm.kv_shared_ffn or 0)
    experts = llm.n_experts_used * max(3 * (llm.expert_ffn or 0), 2 * llm.hidden_size) if llm.n_experts else 0
    return max(dense, experts)


def _kv_elements(llm: Llm, kinds: str) -> Array:
    rows, index = np.zeros((llm.n_layers, 2)), llm.index_head_dim or 0
    for layer, kind in enumerate(kinds[: llm.n_layers - llm.kv_shared_layers]):
        if kind == "M":
            rows[layer, 0] = (llm.kv_lora_rank or 0) + (llm.qk_rope_head_dim or 0)
        elif kind == "C":
            ratio = llm.compress_ratios[layer]
            keys = llm.head_dim + (index if ratio == INDEXED_RATIO else 0)
            rows[layer, 0] = keys / ratio if ratio else llm.head_dim
            continue
        elif kind in "FSB":
            of = heads(llm, kind)
            rows[layer] = of.keys * of.key_dim, of.keys * of.value_dim
        rows[layer, 0] += index if kind in "FMB" and llm.has_indexer(layer) else 0
    return rows


def _state_bytes(llm: Llm, layer: int, kind: str) -> float:
    """What a layer keeps of a sequence whatever its context: a recurrent state; beside compressed rows those of the
    window, in f16, and the tokens that wait to be compressed.
    """
    if kind in "RB":
        return state_bytes(llm)
    if kind != "C" or not (ratio := llm.compress_ratios[layer]):
        return 0.0
    window = -(-((llm.sliding_window or 0) + USUAL_UBATCH) // PAD) * PAD * llm.head_dim * 2
    count, wide = compressor_rows(ratio)
    waiting = count * wide * (llm.head_dim + ((llm.index_head_dim or 0) if ratio == INDEXED_RATIO else 0))
    return window + 2 * FLOAT_BYTES * waiting


def _window(llm: Llm, layer: int, kind: str) -> float:
    slides = kind == "S" or (kind == "C" and not llm.compress_ratios[layer])
    return float(llm.sliding_window or 0) if slides else 0.0


def _attention_work(llm: Llm, kinds: str) -> tuple[Array, Array]:
    """FLOPs per query token and token of context, and heads that score it, by layer."""
    flops, queries = np.zeros(llm.n_layers), np.zeros(llm.n_layers)
    for layer, kind in enumerate(kinds):
        if kind == "M":
            flops[layer] = 2.0 * llm.n_heads * (2 * (llm.kv_lora_rank or 0) + (llm.qk_rope_head_dim or 0))
            queries[layer] = llm.n_heads
        elif kind == "C":
            share = 1 / (llm.compress_ratios[layer] or 1)
            flops[layer], queries[layer] = 4.0 * llm.n_heads * llm.head_dim * share, llm.n_heads * share
        elif kind in "FSB":
            of = heads(llm, kind)
            flops[layer], queries[layer] = 2.0 * of.queries * (of.key_dim + of.value_dim), of.queries
    return flops, queries
