"""Feed-forward parts of the layers: dense, with experts or none; read from a header and written into one.

Read: the tensors say how wide. Written: what llama.cpp's own conversion writes. Source: as `advisor.gguf.attention`.
"""

from collections.abc import Mapping

from advisor.gguf.header import TensorEntry
from advisor.gguf.layers import Fields, Hyperparameters, Layers
from advisor.gguf.metadata import Value
from catalog.llms import Llm

EXPERTS, EXPERTS_USED = "expert_count", "expert_used_count"
LATENT_SIZE = "moe_latent_size"

_SIGMOID = 2
_SOFTMAX = 1
"""Source: llama.cpp src/llama-hparams.h llama_expert_gating_func_type."""
_SIGMOID_GATING = frozenset({
    "minimax-m2", "glm-dsa", "glm4moe", "step35", "lfm2moe", "afmoe", "cohere2moe", "dots1", "mimo2", "bailingmoe3",
    "laguna", "glm5-next", "kimi-linear", "nemotron_h_moe", "deepseek2",
})
_PER_LAYER = frozenset({"nemotron_h", "nemotron_h_moe"})
"""Architectures that mark layers without a feed-forward part by the width 0."""


def feed_forward_fields(keys: Hyperparameters, layers: Layers, kv_shared_layers: int) -> Fields:
    """Columns about the feed-forward parts, from a header."""
    kinds = "".join(
        "E" if "ffn_gate_inp" in layer else "D" if "ffn_down" in layer else "N" for layer in layers.layers
    )
    own = len(kinds) - kv_shared_layers
    dense, shared = _width("ffn_down", layers.layers[:own]), _width("ffn_down", layers.layers[own:])
    fields: Fields = {
        "ffn_pattern": kinds,
        "dense_ffn": dense or None,
        "kv_shared_ffn": shared if shared not in (0, dense) else None,
        "shared_expert_ffn": _width("ffn_down_shexp", layers.layers) or None,
        "moe_latent_size": keys.count(LATENT_SIZE, 0) or None,
    }
    return fields | (_expert_fields(keys, layers) if "E" in kinds else {})


def feed_forward_keys(llm: Llm) -> dict[str, Value]:
    """Keys about the feed-forward parts, for a header."""
    keys: dict[str, Value] = {"feed_forward_length": _lengths(llm)}
    if not llm.n_experts:
        return keys
    keys |= {
        EXPERTS: llm.n_experts,
        EXPERTS_USED: llm.n_experts_used,
        "expert_feed_forward_length": llm.expert_ffn or 0,
        "leading_dense_block_count": llm.leading_dense_layers,
        "expert_weights_norm": True,
        "expert_weights_scale": 1.0,
        "expert_gating_func": _SIGMOID if llm.architecture in _SIGMOID_GATING else _SOFTMAX,
    }
    shared = llm.shared_expert_ffn or 0
    keys["expert_shared_count"] = max(1, shared // (llm.expert_ffn or shared)) if shared else 0
    if shared:
        keys["expert_shared_feed_forward_length"] = shared
    if llm.moe_latent_size:
        keys[LATENT_SIZE] = llm.moe_latent_size
    if llm.architecture == "llama4":
        keys["interleave_moe_layer_step"] = len(llm.ffn_pattern)
    return keys


def _width(name: str, layers: tuple[Mapping[str, TensorEntry], ...]) -> int:
    """The widest of a matrix that leads back from the width in question."""
    return max((layer[name].shape[0] for layer in layers if name in layer), default=0)


def _lengths(llm: Llm) -> Value:
    """Width of the dense part, else of an expert; per layer where layers differ."""
    usual = llm.dense_ffn or llm.expert_ffn or 0
    if llm.architecture in _PER_LAYER:
        return tuple(0 if kind == "N" else usual for kind in llm.ffn_kinds()) + (usual,) * llm.mtp_in_gguf
    if llm.kv_shared_ffn:
        own = llm.n_layers - llm.kv_shared_layers
        return (usual,) * own + (llm.kv_shared_ffn,) * llm.kv_shared_layers
    if llm.architecture == "gemma3n":
        return (usual,) * llm.n_layers
    return usual


def _expert_fields(keys: Hyperparameters, layers: Layers) -> Fields:
    count, used = keys.count(EXPERTS), max(keys.per_layer(EXPERTS_USED, len(layers.layers)))
    if not 1 <= used <= count:
        raise keys.refusal(f"it says that each token uses {used:,} of its {count:,} experts")
    downs = [layer["ffn_down_exps"] for layer in layers.layers if "ffn_down_exps" in layer]
    for entry in downs:
        if entry.shape[-1] != count:
            raise keys.refusal(f"it says that it has {count:,} experts but {entry.name} has {entry.shape[-1]:,}")
    single = [layer["ffn_down.0"] for layer in layers.layers if "ffn_down.0" in layer]
    width = max((entry.shape[0] for entry in (*downs, *single)), default=0)
    return {"n_experts": count, "n_experts_used": used, "expert_ffn": width or None}
