"""Keys about the feed-forward parts: widths, experts, how they are weighted.

Source: as `metadata`.
"""

from advisor.gguf.synthetic.header import Value
from catalog.llms import Llm

_SIGMOID = 2
_SOFTMAX = 1
"""Source: llama.cpp src/llama-hparams.h llama_expert_gating_func_type."""
_SIGMOID_GATING = frozenset({
    "minimax-m2", "glm-dsa", "glm4moe", "step35", "lfm2moe", "afmoe", "cohere2moe", "dots1", "mimo2", "bailingmoe3",
    "laguna", "glm5-next", "kimi-linear", "nemotron_h_moe", "deepseek2",
})  # fmt: skip
_PER_LAYER = frozenset({"nemotron_h", "nemotron_h_moe"})
"""Architectures that mark layers without a feed-forward part by the width 0."""


def feed_forward_keys(llm: Llm) -> dict[str, Value]:
    """Keys about the feed-forward parts."""
    keys: dict[str, Value] = {"feed_forward_length": _width(llm)}
    if not llm.n_experts:
        return keys
    keys |= {
        "expert_count": llm.n_experts,
        "expert_used_count": llm.n_experts_used,
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
        keys["moe_latent_size"] = llm.moe_latent_size
    if llm.architecture == "llama4":
        keys["interleave_moe_layer_step"] = len(llm.ffn_pattern)
    return keys


def _width(llm: Llm) -> Value:
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
