"""The rules of llama.cpp's file types: which part of a model gets which tensor type, where it differs from the default.

Source: llama.cpp src/llama-quant.cpp, llama_ftype_get_default_type and llama_tensor_get_type_impl (read 2026-11-24).
"""

from typing import NamedTuple


class Rule(NamedTuple):
    """`then` where the condition holds, else `otherwise` (None: the default type)."""

    condition: str
    then: str
    otherwise: str | None = None


PLAIN = (
    "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q6_K", "IQ1_S", "IQ1_M", "IQ2_XXS",
    "IQ2_XS", "IQ3_XXS", "IQ3_S", "IQ4_XS", "IQ4_NL", "TQ1_0", "TQ2_0", "Q1_0", "Q2_0", "NVFP4", "IQ2_K",
    "IQ3_K", "IQ4_K", "IQ5_K", "IQ6_K", "IQ2_KS", "IQ4_KS", "IQ5_KS", "IQ4_KSS", "IQ2_KL", "IQ2_KT", "IQ3_KT",
    "IQ4_KT", "Q6_0", "IQ1_S_R4",
)  # fmt: skip
"""File types named after the tensor type that most tensors take."""

DEFAULT_TYPE: dict[str, str] = {name: name for name in PLAIN} | {
    "Q2_K_S": "Q2_K", "Q3_K_S": "Q3_K", "Q3_K_M": "Q3_K", "Q3_K_L": "Q3_K", "Q4_K_S": "Q4_K", "Q4_K_M": "Q4_K",
    "Q5_K_S": "Q5_K", "Q5_K_M": "Q5_K", "IQ2_S": "IQ2_XS", "IQ2_M": "IQ2_S", "IQ3_XS": "IQ3_S",
    "IQ3_M": "IQ3_S", "MXFP4_MOE": "MXFP4",
}  # fmt: skip

LOW_BIT = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"})

_TINY = {
    "token_embd": Rule("always", "Q2_K"),
    "attn_v": Rule("grouped or experts", "Q4_K", "Q2_K"),
    "attn_k:8x": Rule("always", "Q4_K"),
    "ffn_down": Rule("first eighth", "Q2_K"),
    "attn_output:8x": Rule("always", "Q5_K"),
}
_SMALL = {
    "token_embd": Rule("always", "IQ3_S"),
    "attn_v": Rule("grouped or experts", "Q4_K", "IQ3_S"),
    "attn_k:8x": Rule("always", "Q4_K"),
    "ffn_down": Rule("first eighth", "IQ3_S"),
    "attn_output": Rule("always", "IQ3_S"),
    "attn_output:8x": Rule("always", "Q5_K"),
}
_OUTPUT_8X = {"attn_output:8x": Rule("always", "Q5_K")}
_EMBEDDING_Q4 = {"token_embd": Rule("always", "Q4_K")}

RULES: dict[str, dict[str, Rule]] = {
    "IQ1_S": {**_TINY, "attn_output": Rule("always", "IQ2_XXS")},
    "IQ1_M": {**_TINY, "attn_output": Rule("always", "IQ2_XXS")},
    "IQ2_XXS": _TINY,
    "IQ2_XS": _TINY,
    "IQ2_S": _SMALL,
    "IQ2_M": _SMALL,
    "TQ1_0": _EMBEDDING_Q4,
    "TQ2_0": _EMBEDDING_Q4,
    "Q2_0": _EMBEDDING_Q4,
    "Q2_K": {
        "attn_v": Rule("grouped", "Q4_K", "Q3_K"),
        "ffn_down": Rule("always", "Q3_K"),
        "attn_output": Rule("always", "Q3_K"),
        **_OUTPUT_8X,
    },
    "Q2_K_S": {"attn_v": Rule("grouped", "Q4_K"), "ffn_down": Rule("first eighth", "Q4_K")},
    "IQ3_XXS": {
        "token_embd": Rule("always", "IQ3_S"),
        "attn_v": Rule("grouped", "Q4_K"),
        "attn_k": Rule("always", "IQ2_S"),
        "attn_q": Rule("always", "IQ2_S"),
        "attn_output": Rule("always", "IQ3_S"),
        **_OUTPUT_8X,
    },
    "IQ3_XS": {
        "attn_v": Rule("grouped", "Q4_K"),
        "attn_k": Rule("always", "IQ3_XXS"),
        "attn_q": Rule("always", "IQ3_XXS"),
        "ffn_gate": Rule("middle", "IQ3_XXS"),
        "ffn_up": Rule("middle", "IQ3_XXS"),
        **_OUTPUT_8X,
    },
    "IQ3_S": {"attn_v": Rule("grouped", "Q4_K"), **_OUTPUT_8X},
    "IQ3_M": {
        "attn_v": Rule("always", "Q4_K"),
        "ffn_down": Rule("first eighth", "Q4_K"),
        "ffn_down:8x": Rule("first eighth or more bits", "Q4_K"),
        "attn_output": Rule("always", "Q4_K"),
        **_OUTPUT_8X,
    },
    "Q3_K_S": _OUTPUT_8X,
    "Q3_K_M": {
        "attn_v": Rule("first two", "Q5_K", "Q4_K"),
        "ffn_down": Rule("first sixteenth", "Q5_K", "Q4_K"),
        "attn_output": Rule("always", "Q4_K"),
        **_OUTPUT_8X,
    },
    "Q3_K_L": {
        "attn_v": Rule("always", "Q5_K"),
        "ffn_down": Rule("always", "Q5_K"),
        "attn_output": Rule("always", "Q5_K"),
    },
    "IQ4_XS": {"attn_v": Rule("grouped", "Q5_K"), **_OUTPUT_8X},
    "IQ4_NL": {"attn_v": Rule("grouped", "Q5_K"), **_OUTPUT_8X},
    "Q4_K_S": {"attn_v": Rule("first four", "Q5_K"), "ffn_down": Rule("first eighth", "Q5_K"), **_OUTPUT_8X},
    "Q4_K_M": {"attn_v": Rule("more bits", "Q6_K"), "ffn_down": Rule("more bits", "Q6_K"), **_OUTPUT_8X},
    "Q5_K_M": {"attn_v": Rule("more bits", "Q6_K"), "ffn_down": Rule("more bits", "Q6_K")},
}
