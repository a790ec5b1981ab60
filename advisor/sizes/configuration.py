"""From a model's config.json, as makers publish it beside the weights, to a description by figures.

Source: configuration classes of transformers 5.24.0, read 2026-11-29.
"""

import json
from collections.abc import Mapping
from typing import Any

from advisor.errors import InputError

MOST_BYTES = 1 << 20
"""Of a configuration; real ones have a few kB."""
ARCHITECTURE_OF = {
    "apertus": "apertus", "arcee": "arcee", "bailing_moe": "bailingmoe", "bailing_moe_v2": "bailingmoe2",
    "cohere": "command-r", "cohere2": "cohere2", "deepseek_v2": "deepseek2", "deepseek_v3": "deepseek2",
    "deepseek_v32": "deepseek32", "dots1": "dots1", "ernie4_5": "ernie4_5", "ernie4_5_moe": "ernie4_5-moe",
    "exaone": "exaone", "exaone4": "exaone4", "gemma": "gemma", "gemma2": "gemma2", "gemma3_text": "gemma3",
    "glm4": "glm4", "glm4_moe": "glm4moe", "glm_moe_dsa": "glm-dsa", "gpt_oss": "gpt-oss", "granite": "granite",
    "granitemoe": "granitemoe", "hunyuan_v1_dense": "hunyuan-dense", "hunyuan_v1_moe": "hunyuan-moe",
    "internlm2": "internlm2", "kimi_k2": "deepseek2", "llama": "llama", "mellum": "mellum", "minicpm": "minicpm",
    "minimax_m2": "minimax-m2", "mistral": "llama", "mistral4": "mistral4", "ministral3": "mistral3",
    "mixtral": "llama", "olmo2": "olmo2", "olmo3": "olmo2", "olmoe": "olmoe", "phi3": "phi3", "qwen2": "qwen2",
    "qwen2_moe": "qwen2moe", "qwen3": "qwen3", "qwen3_5_moe_text": "qwen35moe", "qwen3_5_text": "qwen35",
    "qwen3_moe": "qwen3moe", "qwen3_next": "qwen3next", "qwen3_vl_moe_text": "qwen3vlmoe", "qwen3_vl_text": "qwen3vl",
    "seed_oss": "seed_oss", "smollm3": "smollm3", "stablelm": "stablelm", "starcoder2": "starcoder2",
}
"""What llama.cpp calls the architecture of a model_type. Source: llama.cpp conversion/*.py (b10573, 2026-08-22)."""
COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("n_layers", ("num_hidden_layers",)), ("hidden_size", ("hidden_size",)), ("vocab_size", ("vocab_size",)),
    ("max_context", ("max_position_embeddings",)), ("tied_embeddings", ("tie_word_embeddings",)),
    ("n_heads", ("num_attention_heads",)), ("n_kv_heads", ("num_key_value_heads",)), ("head_dim", ("head_dim",)),
    ("v_head_dim", ("v_head_dim",)), ("q_lora_rank", ("q_lora_rank",)), ("kv_lora_rank", ("kv_lora_rank",)),
    ("qk_nope_head_dim", ("qk_nope_head_dim",)), ("qk_rope_head_dim", ("qk_rope_head_dim",)),
    ("index_heads", ("index_n_heads",)), ("index_head_dim", ("index_head_dim",)),
    ("n_experts", ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")),
    ("n_experts_used", ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k")),
    ("expert_ffn", ("moe_intermediate_size",)),
    ("shared_expert_ffn", ("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size")),
    ("leading_dense_layers", ("first_k_dense_replace",)), ("dense_ffn", ("intermediate_size",)),
    ("sliding_window", ("sliding_window",)), ("conv_kernel", ("linear_conv_kernel_dim",)),
    ("recurrent_key_heads", ("linear_num_key_heads",)), ("recurrent_value_heads", ("linear_num_value_heads",)),
    ("recurrent_key_dim", ("linear_key_head_dim",)), ("recurrent_value_dim", ("linear_value_head_dim",)),
    ("mtp_layers", ("num_nextn_predict_layers", "mtp_num_hidden_layers")),
)
"""Columns of the catalog by the keys that hold them."""
LETTERS = {"full_attention": "F", "sliding_attention": "S", "linear_attention": "R", "chunked_attention": "S"}
TIED = frozenset({"gemma", "gemma2", "gemma3", "command-r", "cohere2"})
"""Their classes share the embedding where the file says nothing."""


def custom_of_config(text: str, named: str) -> dict[str, Any]:
    """The figures of a configuration, as the `custom` object of a question's model; `named` is what errors call it.

    Raises `InputError` for what is no configuration of a language model whose layers are known.
    """
    whole = _parsed(text, named)
    nested = whole.get("text_config") or whole.get("llm_config") or whole.get("language_config")
    config: Mapping[str, Any] = nested if isinstance(nested, Mapping) else whole
    kind = str(config.get("model_type") or whole.get("model_type") or "")
    architecture = ARCHITECTURE_OF.get(kind)
    if architecture is None:
        told = f"has the model_type {kind[:40]!r}, whose layers are not known here" if kind else "has no model_type"
        raise InputError(f"{named} {told}: name a GGUF file of the model, or its size with --custom-model")
    found: dict[str, Any] = {"architecture": architecture}
    for column, keys in COLUMNS:
        value = next((config[key] for key in keys if config.get(key) is not None), None)
        if isinstance(value, int) and (value or isinstance(value, bool)):
            found[column] = value
    if "tied_embeddings" not in found:
        found["tied_embeddings"] = bool(whole.get("tie_word_embeddings", architecture in TIED))
    return found | _experts(config, found) | _kinds(config, found)


def _parsed(text: str, named: str) -> Mapping[str, Any]:
    if len(text) > MOST_BYTES:
        raise InputError(f"{named} is larger than any config.json: name the file of that name beside the model")
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{named} is no JSON: name the config.json of a model") from None
    if not isinstance(whole, dict):
        raise InputError(f"{named} holds no JSON object: name the config.json of a model")
    return whole


def _experts(config: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Widths of experts that classes state in several ways."""
    if not found.get("n_experts"):
        return dict.fromkeys(("expert_ffn", "n_experts_used", "shared_expert_ffn"))
    fields: dict[str, Any] = {"ffn_pattern": "E"}
    if "expert_ffn" not in found:
        fields |= {"expert_ffn": found.get("dense_ffn"), "dense_ffn": None}
    shared = config.get("n_shared_experts") or config.get("num_shared_experts") or config.get("moe_num_shared_experts")
    if isinstance(shared, int) and "shared_expert_ffn" not in found:
        fields["shared_expert_ffn"] = shared * (fields.get("expert_ffn") or found["expert_ffn"])
    return fields


def _kinds(config: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The letter of each layer's attention."""
    if found.get("kv_lora_rank"):
        return {"attention_pattern": "M", "n_kv_heads": found.get("n_heads"), "head_dim": None, "sliding_window": None}
    types = config.get("layer_types")
    if isinstance(types, list) and types:
        letters = [LETTERS.get(str(kind)) for kind in types]
        if None in letters:
            raise InputError(f"config.json has layers of the type {str(types[letters.index(None)])[:40]!r}: not known")
        pattern = "".join(filter(None, letters))
    elif isinstance(interval := config.get("full_attention_interval"), int) and interval > 0:
        pattern = "R" * (interval - 1) + "F"
    elif isinstance(period := config.get("sliding_window_pattern"), int) and period > 0 and found.get("sliding_window"):
        pattern = "S" * (period - 1) + "F"
    else:
        return {"sliding_window": None}
    fields: dict[str, Any] = {"attention_pattern": pattern}
    if "R" in pattern:
        fields["recurrent"] = "gated_delta_net"
    return fields if "S" in pattern else fields | {"sliding_window": None}
