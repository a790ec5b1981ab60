"""What tells the layers of one GGUF architecture from those of another, beyond the sizes in the catalog."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Traits:
    """Optional tensors of a layer; the defaults are those of Llama."""

    qk_norm: Literal["", "head", "full"] = ""
    """Norms of queries and keys: per head dimension, or over all heads."""
    qkv_bias: bool = False
    output_bias: bool = False
    fused_qkv: bool = False
    doubled_query: bool = False
    """The query matrix also makes a gate of its own width."""
    output_gate: Literal["", "element", "head"] = ""
    sinks: bool = False
    extra_norms: int = 0
    """Norms of hidden size beside those before attention and before the FFN."""
    expert_norms: int = 0
    """The same, only in layers with experts."""
    attn_norm: bool = True
    ffn_norm: bool = True
    output_norm: bool = True
    norm_bias: bool = False
    gated_ffn: bool = True
    fused_gate_up: bool = False
    ffn_bias: bool = False
    expert_bias: bool = False
    router_correction: bool = False
    kv_matrices_shared: bool = True
    """Layers that reuse the KV cache of others have no key and value matrices of their own."""
    parallel_dense: bool = False
    """Layers with experts also run a dense FFN."""
    shared_expert_gate: bool = False
    mtp_vocabulary: bool = False
    """The MTP layer stores its own embedding and output matrix."""


_QWEN_HYBRID = Traits(qk_norm="head", doubled_query=True, shared_expert_gate=True)
_GEMMA = Traits(qk_norm="head", extra_norms=2)
_DEEPSEEK = Traits(router_correction=True)

ARCHITECTURES: dict[str, Traits] = {
    "llama": Traits(),
    "llama4": Traits(),
    "mistral3": Traits(),
    "granite": Traits(),
    "granitemoe": Traits(),
    "granitehybrid": Traits(),
    "smollm3": Traits(),
    "gemma": Traits(),
    "gemma2": Traits(extra_norms=2),
    "gemma3": _GEMMA,
    "gemma3n": Traits(qk_norm="head", extra_norms=2, kv_matrices_shared=False),
    "gemma4": Traits(qk_norm="head", extra_norms=2, expert_norms=4, parallel_dense=True),
    "qwen2": Traits(qkv_bias=True),
    "qwen3": Traits(qk_norm="head"),
    "qwen3moe": Traits(qk_norm="head"),
    "qwen3vl": Traits(qk_norm="head"),
    "qwen3vlmoe": Traits(qk_norm="head"),
    "qwen3next": _QWEN_HYBRID,
    "qwen35": _QWEN_HYBRID,
    "qwen35moe": _QWEN_HYBRID,
    "gpt-oss": Traits(qkv_bias=True, output_bias=True, sinks=True, expert_bias=True),
    "deepseek2": _DEEPSEEK,
    "glm-dsa": _DEEPSEEK,
    "glm4moe": Traits(qkv_bias=True, qk_norm="head", router_correction=True, mtp_vocabulary=True),
    "minimax-m2": Traits(qk_norm="full", router_correction=True),
    "olmoe": Traits(qk_norm="full"),
    "phi3": Traits(fused_qkv=True, fused_gate_up=True),
    "gpt2": Traits(fused_qkv=True, qkv_bias=True, output_bias=True, norm_bias=True, gated_ffn=False, ffn_bias=True),
    "nemotron_h": Traits(ffn_norm=False, gated_ffn=False),
    "nemotron_h_moe": Traits(ffn_norm=False, gated_ffn=False, router_correction=True),
    "lfm2": Traits(qk_norm="head"),
    "lfm2moe": Traits(qk_norm="head", router_correction=True),
    "afmoe": Traits(qk_norm="head", output_gate="element", extra_norms=2, router_correction=True),
    "cohere2moe": Traits(ffn_norm=False),
    "hunyuan-moe": Traits(qk_norm="head"),
    "dots1": Traits(qk_norm="head", router_correction=True),
    "mimo2": Traits(sinks=True, router_correction=True),
    "bailingmoe3": Traits(output_gate="head", router_correction=True),
    "kimi-linear": _DEEPSEEK,
    "laguna": Traits(qk_norm="head", output_gate="head", router_correction=True),
    "jamba": Traits(),
    "step35": Traits(qk_norm="head", output_gate="head", router_correction=True),
    "glm5-next": _DEEPSEEK,
    "qwen4exp": Traits(
        qk_norm="head", doubled_query=True, shared_expert_gate=True, attn_norm=False, ffn_norm=False, output_norm=False
    ),
}
"""By general.architecture. Source: llama.cpp src/models/<architecture>.cpp."""
