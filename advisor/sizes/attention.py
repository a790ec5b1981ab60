"""Tensors of attention layers: grouped-query and latent (MLA)."""

from collections.abc import Iterator
from typing import NamedTuple

from advisor.sizes.architectures import Traits
from advisor.sizes.tensor import Part
from catalog.llms import Llm


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
        if traits.qkv_bias:
            yield f"{name}.bias", "attention", (width,)
    yield "attn_output.weight", "attention", (q * dv, hidden)
    yield from _extras(llm, Heads(q, k, dk, dv), traits, has_kv)
    if llm.index_heads and llm.index_head_dim:
        yield "index_q_proj.weight", "attention", (hidden, llm.index_heads * llm.index_head_dim)
        yield "index_k_proj.weight", "attention", (hidden, llm.index_head_dim)
        yield "index_q_norm.weight", "norm", (llm.index_head_dim,)
        yield "index_k_norm.weight", "norm", (llm.index_head_dim,)


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
        yield "attn_gate.weight", "attention", (hidden, n)
    yield "attn_output.weight", "attention", (n * values, hidden)
    if llm.index_heads and llm.index_head_dim:
        yield from _indexer(llm, llm.index_heads, llm.index_head_dim)


def _indexer(llm: Llm, n: int, dim: int) -> Iterator[Part]:
    yield "indexer.attn_q_b.weight", "attention", (llm.q_lora_rank or llm.hidden_size, n * dim)
    yield "indexer.attn_k.weight", "attention", (llm.hidden_size, dim)
    yield "indexer.k_norm.weight", "norm", (dim,)
    yield "indexer.k_norm.bias", "norm", (dim,)
    yield "indexer.proj.weight", "attention", (llm.hidden_size, n)
    if llm.index_pool:
        yield "indexer_compressor_gate.weight", "attention", (llm.hidden_size, dim)
        yield "indexer_compressor_ape.weight", "attention", (dim, llm.index_pool)
