"""Attention of each layer: its kind, its heads, its sliding window, its cache; read from a header and written into one.

Read: what the keys say is checked against the shapes of the tensors. Written: what llama.cpp's own conversion writes.
Source: llama.cpp src/llama-model.cpp load_hparams, src/models/*.cpp load_arch_hparams and conversion/*.py, as vendored
in llama-cpp-python 0.3.36, read 2026-11-24 and 25.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from advisor.gguf.header import TensorEntry
from advisor.gguf.layers import Fields, Hyperparameters, Layers, is_recurrent
from advisor.gguf.metadata import Value
from advisor.sizes.attention import Heads, heads
from catalog.llms import Llm

HEADS, KV_HEADS = "attention.head_count", "attention.head_count_kv"
KEY_LENGTH, VALUE_LENGTH = "attention.key_length", "attention.value_length"
SLIDING = "_swa"
"""Ends the keys of sliding layers where theirs differ."""
WINDOW, WINDOW_PATTERN = "attention.sliding_window", "attention.sliding_window_pattern"
KV_SHARED = "attention.shared_kv_layers"
LATENT_RANK = "attention.kv_lora_rank"
INDEXER = {"index_heads": "attention.indexer.head_count", "index_head_dim": "attention.indexer.key_length"}
"""Keys of the indexer by the column that holds them."""

_COMPRESSED = frozenset({"attn_kv", "attn_output_a"})
_INDEXED = frozenset({"indexer.proj", "indexer.q_proj", "index_q_proj"})
RATIOS, OUTPUT_GROUPS, OUTPUT_RANK = (
    "attention.compress_ratios", "attention.output_group_count", "attention.output_lora_rank",
)
QUERY_RANK, HASH_LAYERS = "attention.q_lora_rank", "hash_layer_count"
_QUERIES = frozenset({"attn_q", "attn_qkv", "attn_q_a"})
_LATENT = ("attn_kv_a_mqa", "attn_k_b", "attn_v_b")
"""Files of DeepSeek models without the last two are older: llama.cpp then keeps keys and values of all heads."""


class _Pattern(NamedTuple):
    """Sliding windows where the file has no pattern: of `period` layers all but the last (or the first) slide."""

    period: int | None
    first_is_full: bool = False
    window: int | None = None
    """Where the file names none."""


_SLIDING = {
    "afmoe": _Pattern(4), "cohere2moe": _Pattern(4, first_is_full=True), "gemma2": _Pattern(2, window=4096),
    "gemma3": _Pattern(6), "gemma3n": _Pattern(5), "gemma4": _Pattern(None), "gpt-oss": _Pattern(2),
    "laguna": _Pattern(4, first_is_full=True), "lfm2": _Pattern(0), "lfm2moe": _Pattern(0),
    "llama4": _Pattern(4, window=8192), "mimo2": _Pattern(None), "step35": _Pattern(None),
    "cohere2": _Pattern(4), "olmo2": _Pattern(4), "exaone4": _Pattern(4), "muse-glimmer": _Pattern(4),
    "deepseek4": _Pattern(1),
}
"""Architectures that llama.cpp runs with sliding windows; period 0: all layers, None: the file must have a pattern."""
_FIXED_WINDOW = {"llama4": 8192}
"""llama.cpp takes this window whatever the file says."""
_KV_FROM_START = {"gemma3n": 20}
"""Layers with an own KV cache where the file has no key for it."""

_ROPE_BASE = 1_000_000.0
_INDEXER_TOP_K = 2048
"""Positions that sparse attention reads; the configurations of the models that have an indexer say so."""
_ONE_KV_COUNT = frozenset({"qwen35", "qwen35moe", "qwen3next", "qwen4exp"})
"""Architectures whose recurrent layers follow from the interval of full ones; others mark them by no KV heads."""
_ROPE_SECTIONS = frozenset({"qwen35", "qwen35moe", "qwen3vl", "qwen3vlmoe", "qwen4exp"})
"""Architectures that rotate by several positions (time, height, width)."""
_QUARTER_ROTATED = frozenset({"qwen35", "qwen35moe", "qwen3next", "qwen4exp"})
"""Architectures that rotate a quarter of each head."""


def attention_fields(architecture: str, hidden: int, keys: Hyperparameters, layers: Layers) -> Fields:
    """Columns about attention, from a header."""
    n = len(layers.layers)
    window, slides = _sliding(architecture, keys, n)
    kinds = "".join(_kind(layer, slides[i]) for i, layer in enumerate(layers.layers))
    fields: Fields = {"attention_pattern": kinds, "sliding_window": window if set("SC") & set(kinds) else None}
    fields |= _head_fields(kinds, hidden, keys, layers)
    if "M" in kinds:
        fields |= _latent_fields(keys, layers.layers[kinds.index("M")])
    if INDEXER["index_head_dim"] in keys:
        fields |= {column: keys.count(key) for column, key in INDEXER.items()}
        fields["index_pattern"] = "".join("I" if _INDEXED & layer.keys() else "N" for layer in layers.layers)
    if "C" in kinds:
        fields |= _compressed_fields(keys, layers)
    own = _KV_FROM_START.get(architecture, n)
    shared = keys.count(KV_SHARED, max(0, n - own))
    if not 0 <= shared < n:
        raise keys.refusal(f"{shared} of its {n} layers share the KV cache of others")
    return fields | {"kv_shared_layers": shared}


def attention_keys(llm: Llm) -> dict[str, Value]:
    """Keys about attention, for a header."""
    kinds = llm.attention_kinds()
    found = [_counts(llm, kind) for kind in kinds] + [_counts(llm, _attending(llm))] * llm.mtp_in_gguf
    keys: dict[str, Value] = {}
    for key, counts in zip((HEADS, KV_HEADS), zip(*found, strict=True), strict=True):
        keys[key] = counts[0] if len(set(counts)) == 1 else counts
    keys |= _latent_widths(llm, llm.kv_lora_rank) if llm.kv_lora_rank else _widths(llm)
    keys["rope.freq_base"] = _ROPE_BASE
    if llm.compress_ratios:
        keys |= _compressed_keys(llm)
    if llm.sliding_window and "S" in llm.attention_pattern:
        keys[WINDOW] = llm.sliding_window
        keys[WINDOW_PATTERN] = tuple(kind == "S" for kind in kinds + "F" * llm.mtp_in_gguf)
        keys["rope.freq_base" + SLIDING] = _ROPE_BASE
    if llm.kv_shared_layers:
        keys[KV_SHARED] = llm.kv_shared_layers
    if llm.index_heads and llm.index_head_dim:
        keys |= {key: getattr(llm, column) for column, key in INDEXER.items()}
        keys["attention.indexer.top_k"] = _INDEXER_TOP_K
    if llm.index_pool:
        keys["attention.indexer.kpool"] = llm.index_pool
    return keys


# Kinds of layers and their windows.


def _kind(layer: Mapping[str, TensorEntry], slides: bool) -> str:
    if is_recurrent(layer):
        return "B" if {"ssm_in", "attn_q"} <= layer.keys() else "R"
    if layer.keys() >= _COMPRESSED:
        return "C"
    if all(name in layer for name in _LATENT):
        return "M"
    if _QUERIES & layer.keys():
        return "S" if slides else "F"
    return "N"


def _sliding(architecture: str, keys: Hyperparameters, n: int) -> tuple[int, tuple[bool, ...]]:
    """Window in tokens, and which layers have it."""
    usual = _SLIDING.get(architecture)
    window = keys.count(WINDOW, usual.window or 0 if usual else 0)
    if usual is None or window == 0:
        return 0, (False,) * n
    window = _FIXED_WINDOW.get(architecture, window)
    if keys.is_list(WINDOW_PATTERN):
        return window, tuple(bool(item) for item in keys.per_layer(WINDOW_PATTERN, n))
    period = keys.count(WINDOW_PATTERN, usual.period)
    full = 0 if usual.first_is_full else period - 1
    return window, tuple(period == 0 or i % period != full for i in range(n))


def _attending(llm: Llm) -> str:
    """Kind of the layers that attend to everything."""
    return next((kind for kind in "FMSBC" if kind in llm.attention_pattern), "F")


# Heads of full and sliding layers.


def _head_fields(kinds: str, hidden: int, keys: Hyperparameters, layers: Layers) -> Fields:
    """Columns about heads of full ("F" in `kinds`) and sliding ("S") layers; the catalog has one of each."""
    found = {kind: _heads(kind, kinds, hidden, keys, layers) for kind in "FSBC" if kind in kinds}
    if not found:
        queries = max(1, *keys.per_layer(HEADS, len(kinds), 0))
        return {"n_heads": queries, "n_kv_heads": queries, "head_dim": max(1, hidden // max(1, queries))}
    full = found.get("F") or found.get("B") or found.get("C")
    main, narrow = full or found["S"], found.get("S") or full or found["S"]
    values = {item.value_dim for item in found.values()}
    own_values = any(item.key_dim != item.value_dim for item in found.values())
    if own_values and len(values) > 1:
        raise keys.refusal(f"its values have the widths {sorted(values)}, which no known model has")
    return {
        "n_heads": main.queries,
        "n_kv_heads": main.keys,
        "head_dim": narrow.key_dim,
        "full_head_dim": main.key_dim if main.key_dim != narrow.key_dim else None,
        "sliding_heads": narrow.queries if narrow.queries != main.queries else None,
        "sliding_kv_heads": narrow.keys if narrow.keys != main.keys else None,
        "v_head_dim": values.pop() if own_values else None,
        "values_are_keys": any("attn_v" not in layer and "attn_k" in layer for layer in _of("F", kinds, layers)),
    }


def _of(kind: str, kinds: str, layers: Layers) -> Iterator[Mapping[str, TensorEntry]]:
    return (layer for letter, layer in zip(kinds, layers.layers, strict=True) if letter == kind)


def _heads(kind: str, kinds: str, hidden: int, keys: Hyperparameters, layers: Layers) -> Heads:
    """Heads of all layers of one kind. Their matrices have the widths that these need; queries may carry a gate of
    their own width.
    """
    queries = keys.per_layer(HEADS, len(kinds))
    shared = keys.per_layer(KV_HEADS, len(kinds)) if KV_HEADS in keys else queries
    pairs = {(queries[i], shared[i]) for i, letter in enumerate(kinds) if letter == kind}
    if len(pairs) > 1 or 0 in (pair := next(iter(pairs))):
        raise keys.refusal(f"its layers of one kind have the heads {sorted(pairs)[:4]}, which no known model has")
    usual = hidden // max(1, next(filter(None, queries), 1))
    key_dim, value_dim = keys.count(KEY_LENGTH, usual), keys.count(VALUE_LENGTH, usual)
    if kind == "S":
        key_dim = keys.count(KEY_LENGTH + SLIDING, key_dim)
        value_dim = keys.count(VALUE_LENGTH + SLIDING, value_dim)
    query, key, value = pair[0] * key_dim, pair[1] * key_dim, pair[1] * value_dim
    widths = {
        "attn_q": (query, 2 * query),
        "attn_k": (key,),
        "attn_v": (value,),
        "attn_qkv": (query + key + value, 2 * query + key + value),
    }
    for layer in _of(kind, kinds, layers):
        for name, wanted in widths.items():
            entry = layer.get(name)
            if entry and entry.shape[-1] not in wanted:
                raise keys.refusal(f"{entry.name} is {entry.shape[-1]:,} wide where its heads need {wanted[0]:,}")
    return Heads(*pair, key_dim, value_dim)


def _counts(llm: Llm, kind: str) -> tuple[int, int]:
    """Query heads and KV heads of a layer of that kind."""
    if kind == "M":
        return llm.n_heads, 1
    if kind in "RN" and llm.architecture in _ONE_KV_COUNT:
        kind = "F"
    own = heads(llm, kind)
    return own.queries, 0 if kind in "RN" else own.keys


def _widths(llm: Llm) -> dict[str, Value]:
    full, sliding = heads(llm, _attending(llm)), heads(llm, "S")
    keys: dict[str, Value] = {KEY_LENGTH: full.key_dim, VALUE_LENGTH: full.value_dim}
    if "S" in llm.attention_pattern and (sliding != full or llm.full_head_dim):
        keys[KEY_LENGTH + SLIDING] = sliding.key_dim
        keys[VALUE_LENGTH + SLIDING] = sliding.value_dim
        keys["rope.dimension_count" + SLIDING] = sliding.key_dim
    rotated = full.key_dim // (4 if llm.architecture in _QUARTER_ROTATED else 1)
    keys["rope.dimension_count"] = rotated
    if llm.architecture in _ROPE_SECTIONS:
        third = rotated // 6
        keys["rope.dimension_sections"] = (rotated // 2 - 2 * third, third, third, 0)
    return keys


# Compressed attention (DeepSeek-V4).


def _compressed_fields(keys: Hyperparameters, layers: Layers) -> Fields:
    n = len(layers.layers)
    if not keys.is_list(RATIOS):
        raise keys.refusal("it does not say how much each layer compresses")
    return {
        "compress_ratios": ";".join(str(ratio) for ratio in keys.per_layer(RATIOS, n)),
        "output_groups": keys.count(OUTPUT_GROUPS), "output_lora_rank": keys.count(OUTPUT_RANK),
        "q_lora_rank": keys.count(QUERY_RANK), "hash_layers": keys.count(HASH_LAYERS, 0),
    }


def _compressed_keys(llm: Llm) -> dict[str, Value]:
    ratios = llm.compress_ratios[: llm.n_layers + llm.mtp_in_gguf]
    return {
        QUERY_RANK: llm.q_lora_rank or 0, OUTPUT_GROUPS: llm.output_groups or 0, OUTPUT_RANK: llm.output_lora_rank or 0,
        RATIOS: ratios, HASH_LAYERS: llm.hash_layers, WINDOW: llm.sliding_window or 0,
    }


# Multi-head latent attention: the cache holds one latent row per token for all heads.


def _latent_fields(keys: Hyperparameters, layer: Mapping[str, TensorEntry]) -> Fields:
    rank = keys.count(LATENT_RANK)
    wide, per_head, values = (layer[name].shape for name in _LATENT)
    rope = wide[-1] - rank
    if len(wide) != 2 or rope < 0 or len(per_head) < 2 or len(values) < 2 or per_head[1] != rank:
        raise keys.refusal(f"its latent rank is {rank:,} where its tensors have {wide} and {per_head}")
    return {
        "kv_lora_rank": rank,
        "qk_rope_head_dim": rope,
        "qk_nope_head_dim": per_head[0],
        "v_head_dim": values[1],
        "q_lora_rank": layer["attn_q_a"].shape[-1] if "attn_q_a" in layer else None,
    }


def _latent_widths(llm: Llm, rank: int) -> dict[str, Value]:
    """The heads have widths of their own."""
    rotated, nope = llm.qk_rope_head_dim or 0, llm.qk_nope_head_dim or 0
    return {
        QUERY_RANK: llm.q_lora_rank or 0,
        LATENT_RANK: rank,
        KEY_LENGTH: rank + rotated,
        VALUE_LENGTH: rank,
        KEY_LENGTH + "_mla": nope + rotated,
        VALUE_LENGTH + "_mla": llm.v_head_dim or nope,
        "rope.dimension_count": rotated,
    }
