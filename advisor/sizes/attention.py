"""Tensors of attention layers: grouped-query and latent (MLA)."""

from collections.abc import Iterator
from typing import NamedTuple

from advisor.sizes.architectures import Traits
from advisor.sizes.tensor import Part
from catalog.llms import Llm

INDEXED_RATIO = 4
"""Layers that compress so many tokens to a row have an indexer."""


class Heads(NamedTuple):
    """Head counts and sizes of one attention layer."""

    queries: int
    keys: int
    key_dim: int
    value_dim: int


def heads(llm: Llm, kind: str) -> Heads:
    """Heads of a layer of that kind ("F" or "S")."""
    sliding = kind == "S"
    queries = llm.sliding_heads if sliding and llm.sliding_heads else llm.n_heads
    keys = llm.sliding_kv_heads if sliding and llm.sliding_kv_heads else llm.n_kv_heads
    if not sliding and llm.full_kv_heads:
        keys = llm.full_kv_heads
    dim = llm.head_dim if sliding or not llm.full_head_dim else llm.full_head_dim
    return Heads(queries, keys, dim, llm.v_head_dim or dim)


def attention(llm: Llm, kind: str, traits: Traits, has_kv: bool) -> Iterator[Part]:
    """Grouped-query attention: projections, norms, gates, biases."""
    q, k, dk, dv = heads(llm, kind)
    hidden = llm.hidden_size
    query_width = q * dk * (2 if traits.doubled_query else 1)
    widths = {"attn_q": query_width}
    if has_kv:
        widths["attn_k"] = k * dk
        if not (llm.values_are_keys and kind == "F"):
            widths["attn_v"] = k * dv
    if traits.fused_qkv:
        widths = {"attn_qkv": sum(widths.values())}
    for name, width in widths.items():
        yield f"{name}.weight", "attention", (hidden, width)
        if traits.qkv_bias or llm.qkv_bias:
            yield f"{name}.bias", "attention", (width,)
    yield "attn_output.weight", "attention", (q * dv, hidden)
    yield from _extras(llm, Heads(q, k, dk, dv), traits, has_kv)


def _extras(llm: Llm, of: Heads, traits: Traits, has_kv: bool) -> Iterator[Part]:
    if traits.output_bias:
        yield "attn_output.bias", "attention", (llm.hidden_size,)
    if traits.output_gate:
        width = of.queries * (of.value_dim if traits.output_gate == "element" else 1)
        yield "attn_gate.weight", "attention", (llm.hidden_size, width)
    if traits.sinks:
        yield "attn_sinks.weight", "attention", (of.queries,)
    if traits.qk_norm:
        full = traits.qk_norm == "full"
        yield "attn_q_norm.weight", "norm", (of.key_dim * (of.queries if full else 1),)
        if has_kv:
            yield "attn_k_norm.weight", "norm", (of.key_dim * (of.keys if full else 1),)


def latent_attention(llm: Llm, traits: Traits) -> Iterator[Part]:
    """Multi-head latent attention with the key and value matrices split per head, as the MLA cache needs them."""
    rank, nope, rope = llm.kv_lora_rank or 0, llm.qk_nope_head_dim or 0, llm.qk_rope_head_dim or 0
    values, hidden, n = llm.v_head_dim or nope, llm.hidden_size, llm.n_heads
    if llm.q_lora_rank:
        yield "attn_q_a.weight", "attention", (hidden, llm.q_lora_rank)
        yield "attn_q_a_norm.weight", "norm", (llm.q_lora_rank,)
        yield "attn_q_b.weight", "attention", (llm.q_lora_rank, n * (nope + rope))
    else:
        yield "attn_q.weight", "attention", (hidden, n * (nope + rope))
    yield "attn_kv_a_mqa.weight", "attention", (hidden, rank + rope)
    yield "attn_kv_a_norm.weight", "norm", (rank,)
    yield "attn_k_b.weight", "attention", (nope, rank, n)
    yield "attn_v_b.weight", "attention", (rank, values, n)
    if traits.output_gate:
        yield "attn_gate.weight", "attention", (hidden, n * (values if traits.output_gate == "element" else 1))
    yield "attn_output.weight", "attention", (n * values, hidden)


def indexer(llm: Llm, kind: str) -> Iterator[Part]:
    """What chooses the tokens that a layer attends to: beside latent attention, and beside that of all heads."""
    n, dim = llm.index_heads or 0, llm.index_head_dim or 0
    if kind == "F":
        yield "index_q_proj.weight", "attention", (llm.hidden_size, n * dim)
        yield "index_k_proj.weight", "attention", (llm.hidden_size, dim)
        yield "index_q_norm.weight", "norm", (dim,)
        yield "index_k_norm.weight", "norm", (dim,)
        return
    yield "indexer.attn_q_b.weight", "attention", (llm.q_lora_rank or llm.hidden_size, n * dim)
    yield "indexer.attn_k.weight", "attention", (llm.hidden_size, dim)
    yield "indexer.k_norm.weight", "norm", (dim,)
    yield "indexer.k_norm.bias", "norm", (dim,)
    yield "indexer.proj.weight", "attention", (llm.hidden_size, n)
    if llm.index_pool:
        yield "indexer_compressor_gate.weight", "attention", (llm.hidden_size, dim)
        yield "indexer_compressor_ape.weight", "attention", (dim, llm.index_pool)


def compressed_attention(llm: Llm, ratio: int) -> Iterator[Part]:
    """DeepSeek-V4: one key and value row for all heads, kept for a window and, of every `ratio` tokens, as one row."""
    hidden, dim, rank = llm.hidden_size, llm.head_dim, llm.q_lora_rank or 0
    groups, low = llm.output_groups or 1, llm.output_lora_rank or 0
    yield "attn_sinks.weight", "attention", (llm.n_heads,)
    yield "attn_q_a.weight", "attention", (hidden, rank)
    yield "attn_q_a_norm.weight", "norm", (rank,)
    yield "attn_q_b.weight", "attention", (rank, llm.n_heads * dim)
    yield "attn_kv.weight", "attention", (hidden, dim)
    yield "attn_kv_norm.weight", "norm", (dim,)
    yield "attn_output_a.weight", "attention", (llm.n_heads * dim // groups, groups * low)
    yield "attn_output_b.weight", "attention", (groups * low, hidden)
    if ratio:
        yield from _compressor("attn_compressor", llm, dim, ratio)
    if ratio == INDEXED_RATIO:
        heads_, index = llm.index_heads or 0, llm.index_head_dim or 0
        yield "indexer.proj.weight", "attention", (hidden, heads_)
        yield "indexer.attn_q_b.weight", "attention", (rank, heads_ * index)
        yield from _compressor("indexer_compressor", llm, index, ratio)


def _compressor(name: str, llm: Llm, dim: int, ratio: int) -> Iterator[Part]:
    wide = compressor_rows(ratio)[1] * dim
    yield f"{name}_kv.weight", "attention", (llm.hidden_size, wide)
    yield f"{name}_gate.weight", "attention", (llm.hidden_size, wide)
    yield f"{name}_ape.weight", "attention", (wide, ratio)
    yield f"{name}_norm.weight", "norm", (dim,)


def compressor_rows(ratio: int) -> tuple[int, int]:
    """Rows of the state in which tokens wait to be compressed, and how many heads wide they are: with an indexer
    windows overlap by half. Source: llama.cpp src/models/deepseek4.cpp, src/llama-kv-cache-dsv4.cpp (2026-08-22).
    """
    return (2 * ratio, 2) if ratio == INDEXED_RATIO else (ratio, 1)
