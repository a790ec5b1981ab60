"""Keys about attention: heads of each layer, widths of keys and values, windows, rotation, latent cache, indexer.

Source: as `metadata`.
"""

from advisor.gguf.synthetic.header import Value
from advisor.sizes.attention import heads
from catalog.llms import Llm

_ROPE_BASE = 1_000_000.0
_INDEXER_TOP_K = 2048
"""Positions that sparse attention reads; the configurations of the models that have an indexer say so."""
_ONE_KV_COUNT = frozenset({"qwen35", "qwen35moe", "qwen3next", "qwen4exp"})
"""Architectures whose recurrent layers follow from the interval of full ones; others mark them by no KV heads."""
_ROPE_SECTIONS = frozenset({"qwen35", "qwen35moe", "qwen3vl", "qwen3vlmoe", "qwen4exp"})
"""Architectures that rotate by several positions (time, height, width)."""
_QUARTER_ROTATED = frozenset({"qwen35", "qwen35moe", "qwen3next", "qwen4exp"})
"""Architectures that rotate a quarter of each head."""


def attention_keys(llm: Llm) -> dict[str, Value]:
    """Keys about attention."""
    keys = _heads(llm) | _widths(llm)
    keys["rope.freq_base"] = _ROPE_BASE
    kinds = llm.attention_kinds()
    if llm.sliding_window and "S" in llm.attention_pattern:
        keys["attention.sliding_window"] = llm.sliding_window
        keys["attention.sliding_window_pattern"] = tuple(kind == "S" for kind in kinds + "F" * llm.mtp_in_gguf)
        keys["rope.freq_base_swa"] = _ROPE_BASE
    if llm.kv_shared_layers:
        keys["attention.shared_kv_layers"] = llm.kv_shared_layers
    if llm.index_heads and llm.index_head_dim:
        keys["attention.indexer.head_count"] = llm.index_heads
        keys["attention.indexer.key_length"] = llm.index_head_dim
        keys["attention.indexer.top_k"] = _INDEXER_TOP_K
    if llm.index_pool:
        keys["attention.indexer.kpool"] = llm.index_pool
    return keys


def _heads(llm: Llm) -> dict[str, Value]:
    """Head counts: one number, or one per layer where layers differ."""
    found = [_of_layer(llm, kind) for kind in llm.attention_kinds()]
    found += [_of_layer(llm, _attending(llm))] * llm.mtp_in_gguf
    queries, keys = (tuple(pair[i] for pair in found) for i in (0, 1))
    return {"attention.head_count": _one_or_all(queries), "attention.head_count_kv": _one_or_all(keys)}


def _one_or_all(values: tuple[int, ...]) -> Value:
    return values[0] if len(set(values)) == 1 else values


def _attending(llm: Llm) -> str:
    """Kind of the layers that attend to everything."""
    return next((kind for kind in "FMS" if kind in llm.attention_pattern), "F")


def _of_layer(llm: Llm, kind: str) -> tuple[int, int]:
    """Query heads and KV heads of a layer of that kind."""
    if kind == "M":
        return llm.n_heads, 1
    if kind in "RN" and llm.architecture in _ONE_KV_COUNT:
        kind = "F"
    own = heads(llm, kind)
    return own.queries, 0 if kind in "RN" else own.keys


def _widths(llm: Llm) -> dict[str, Value]:
    if llm.kv_lora_rank:
        return _latent_widths(llm, llm.kv_lora_rank)
    full, sliding = heads(llm, _attending(llm)), heads(llm, "S")
    keys: dict[str, Value] = {
        "attention.key_length": full.key_dim,
        "attention.value_length": full.value_dim,
    }
    if "S" in llm.attention_pattern and (sliding != full or llm.full_head_dim):
        keys["attention.key_length_swa"] = sliding.key_dim
        keys["attention.value_length_swa"] = sliding.value_dim
        keys["rope.dimension_count_swa"] = sliding.key_dim
    rotated = full.key_dim // (4 if llm.architecture in _QUARTER_ROTATED else 1)
    keys["rope.dimension_count"] = rotated
    if llm.architecture in _ROPE_SECTIONS:
        third = rotated // 6
        keys["rope.dimension_sections"] = (rotated // 2 - 2 * third, third, third, 0)
    return keys


def _latent_widths(llm: Llm, rank: int) -> dict[str, Value]:
    """Of multi-head latent attention: the cache holds one latent row, the heads have widths of their own."""
    rotated, nope = llm.qk_rope_head_dim or 0, llm.qk_nope_head_dim or 0
    return {
        "attention.q_lora_rank": llm.q_lora_rank or 0,
        "attention.kv_lora_rank": rank,
        "attention.key_length": rank + rotated,
        "attention.value_length": rank,
        "attention.key_length_mla": nope + rotated,
        "attention.value_length_mla": llm.v_head_dim or nope,
        "rope.dimension_count": rotated,
    }
