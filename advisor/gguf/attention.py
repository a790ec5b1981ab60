"""Attention of each layer from a header: its kind, its sliding window, its cache.

Source: llama.cpp src/llama-model.cpp load_hparams and src/models/*.cpp load_arch_hparams, as vendored in
llama-cpp-python 0.3.36, read 2026-11-24.
"""

from collections.abc import Mapping
from typing import NamedTuple

from advisor.gguf.header import TensorEntry
from advisor.gguf.heads import Fields, head_fields
from advisor.gguf.hyperparameters import Hyperparameters
from advisor.gguf.layers import Layers, is_recurrent

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
    "cohere2": _Pattern(4), "olmo2": _Pattern(4),
}  # fmt: skip
"""Architectures that llama.cpp runs with sliding windows; period 0: all layers, None: the file must have a pattern."""
_FIXED_WINDOW = {"llama4": 8192}
"""llama.cpp takes this window whatever the file says."""
_KV_FROM_START = {"gemma3n": 20}
"""Layers with an own KV cache where the file has no key for it."""


def attention_fields(architecture: str, hidden: int, keys: Hyperparameters, layers: Layers) -> Fields:
    """Columns about attention."""
    n = len(layers.layers)
    window, slides = _sliding(architecture, keys, n)
    kinds = "".join(_kind(layer, slides[i]) for i, layer in enumerate(layers.layers))
    fields: Fields = {"attention_pattern": kinds, "sliding_window": window if "S" in kinds else None}
    fields |= head_fields(kinds, hidden, keys, layers)
    if "M" in kinds:
        fields |= _latent_fields(keys, layers.layers[kinds.index("M")])
    if "attention.indexer.key_length" in keys:
        fields["index_heads"] = keys.count("attention.indexer.head_count")
        fields["index_head_dim"] = keys.count("attention.indexer.key_length")
    own = _KV_FROM_START.get(architecture, n)
    fields["kv_shared_layers"] = keys.count("attention.shared_kv_layers", max(0, n - own))
    if not 0 <= int(fields["kv_shared_layers"] or 0) < n:
        raise keys.refusal(f"{fields['kv_shared_layers']} of its {n} layers share the KV cache of others")
    return fields


def _kind(layer: Mapping[str, TensorEntry], slides: bool) -> str:
    if is_recurrent(layer):
        return "R"
    if all(name in layer for name in _LATENT):
        return "M"
    if _QUERIES & layer.keys():
        return "S" if slides else "F"
    return "N"


def _sliding(architecture: str, keys: Hyperparameters, n: int) -> tuple[int, tuple[bool, ...]]:
    """Window in tokens, and which layers have it."""
    usual, key = _SLIDING.get(architecture), "attention.sliding_window_pattern"
    window = keys.count("attention.sliding_window", usual.window or 0 if usual else 0)
    if usual is None or window == 0:
        return 0, (False,) * n
    window = _FIXED_WINDOW.get(architecture, window)
    if keys.is_list(key):
        return window, tuple(bool(item) for item in keys.per_layer(key, n))
    period = keys.count(key, usual.period)
    full = 0 if usual.first_is_full else period - 1
    return window, tuple(period == 0 or i % period != full for i in range(n))


def _latent_fields(keys: Hyperparameters, layer: Mapping[str, TensorEntry]) -> Fields:
    """Multi-head latent attention: one row per token for all heads."""
    rank = keys.count("attention.kv_lora_rank")
    wide, per_head, values = (layer[name].shape for name in _LATENT)
    rope = wide[-1] - rank
    if len(wide) != 2 or rope < 0 or len(per_head) < 2 or len(values) < 2 or per_head[1] != rank:
        raise keys.refusal(f"its latent rank is {rank:,} where its tensors have {wide} and {per_head}")
    return {
        "kv_lora_rank": rank, "qk_rope_head_dim": rope, "qk_nope_head_dim": per_head[0], "v_head_dim": values[1],
        "q_lora_rank": layer["attn_q_a"].shape[-1] if "attn_q_a" in layer else None,
    }  # fmt: skip
