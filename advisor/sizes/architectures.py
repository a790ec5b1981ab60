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
    head_bias: bool = False
    """Of the output matrix of the whole model."""
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
    hyper_head: bool = False
    """Parallel residual streams are joined by matrices of their own before the output."""
    norm_bias: bool = False
    learned_positions: bool = False
    sub_norms: bool = False
    """Norms before the output and the down matrix (BitNet)."""
    residual_scores: bool = False
    """Vectors before each part of a layer and before the output weigh the outputs of earlier blocks (Kimi K3)."""
    latent_norm: bool = False
    """A norm of the experts' latent space."""
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
    "glm4moe": Traits(qkv_bias=True, qk_norm="head", router_correction=True),
    "minimax-m2": Traits(qk_norm="full", router_correction=True),
    "olmoe": Traits(qk_norm="full"),
    "phi3": Traits(fused_qkv=True, fused_gate_up=True),
    "gpt2": Traits(
        fused_qkv=True,
        qkv_bias=True,
        output_bias=True,
        norm_bias=True,
        gated_ffn=False,
        ffn_bias=True,
        learned_positions=True,
    ),
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
    "apertus": Traits(qk_norm="head", gated_ffn=False),
    "arcee": Traits(gated_ffn=False),
    "bailingmoe": Traits(),
    "bailingmoe2": Traits(fused_qkv=True, qk_norm="head", router_correction=True),
    "bitnet": Traits(sub_norms=True),
    "chatglm": Traits(fused_qkv=True, qkv_bias=True, fused_gate_up=True),
    "cohere2": Traits(ffn_norm=False),
    "command-r": Traits(ffn_norm=False),
    "deci": Traits(),
    "deepseek32": _DEEPSEEK,
    "deepseek4": Traits(router_correction=True, hyper_head=True),
    "ernie4_5": Traits(),
    "ernie4_5-moe": _DEEPSEEK,
    "exaone": Traits(),
    "exaone4": Traits(qk_norm="head", attn_norm=False, ffn_norm=False, extra_norms=2),
    "falcon-h1": Traits(),
    "glm4": Traits(fused_gate_up=True, extra_norms=2),
    "hunyuan-dense": Traits(qk_norm="head"),
    "hy-v3": Traits(qk_norm="head", router_correction=True),
    "internlm2": Traits(),
    "kimi-k3": Traits(output_gate="element", router_correction=True, latent_norm=True, residual_scores=True),
    "mellum": Traits(qk_norm="head"),
    "minicpm": Traits(),
    "minimax-m3": Traits(qk_norm="head", router_correction=True),
    "mistral4": Traits(),
    "muse-glimmer": Traits(output_gate="element", extra_norms=2),
    "olmo2": Traits(qk_norm="full", attn_norm=False, ffn_norm=False, extra_norms=2),
    "phi2": Traits(
        fused_qkv=True,
        qkv_bias=True,
        output_bias=True,
        ffn_norm=False,
        norm_bias=True,
        gated_ffn=False,
        ffn_bias=True,
        head_bias=True,
    ),
    "phimoe": Traits(qkv_bias=True, output_bias=True, norm_bias=True, head_bias=True),
    "qwen2moe": Traits(qkv_bias=True, shared_expert_gate=True),
    "qwen2vl": Traits(qkv_bias=True),
    "seed_oss": Traits(qkv_bias=True),
    "smallthinker": Traits(),
    "stablelm": Traits(norm_bias=True),
    "starcoder2": Traits(qkv_bias=True, output_bias=True, norm_bias=True, gated_ffn=False, ffn_bias=True),
    "qwen4exp": Traits(
        qk_norm="head", doubled_query=True, shared_expert_gate=True, attn_norm=False, ffn_norm=False, output_norm=False
    ),
}
"""By general.architecture. Source: llama.cpp src/models/<architecture>.cpp."""
