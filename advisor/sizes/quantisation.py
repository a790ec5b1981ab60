"""Which ggml type each tensor gets in a quantised file: llama.cpp's mix rules, then the recipe's own overrides.

Source: llama.cpp src/llama-quant.cpp (llama_tensor_get_type_impl, tensor_type_fallback, tensor_allows_quantization), as
vendored in llama-cpp-python 0.3.36, read 2026-11-24. Importance matrices are assumed for the i-quants that need one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from advisor.sizes import Shape, Tensor
from catalog.llms import Llm
from catalog.quants import Quant
from catalog.tables import tensor_types

# The rules of llama.cpp's file types: which part of a model gets which tensor type, where it differs from the default.
#
# Source: llama.cpp src/llama-quant.cpp, llama_ftype_get_default_type and llama_tensor_get_type_impl (read 2026-11-24).


class Rule(NamedTuple):
    """`then` where the condition holds, else `otherwise` (None: the default type)."""

    condition: str
    then: str
    otherwise: str | None = None


PLAIN = (
    "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q6_K", "IQ1_S", "IQ1_M", "IQ2_XXS",
    "IQ2_XS", "IQ3_XXS", "IQ3_S", "IQ4_XS", "IQ4_NL", "TQ1_0", "TQ2_0", "Q1_0", "Q2_0", "NVFP4", "IQ2_K",
    "IQ3_K", "IQ4_K", "IQ5_K", "IQ6_K", "IQ2_KS", "IQ4_KS", "IQ5_KS", "IQ4_KSS", "IQ2_KL", "IQ2_KT", "IQ3_KT",
    "IQ4_KT", "Q6_0", "IQ1_S_R4", "IQ1_KT", "IQ1_BN", "IQ2_BN",
)
"""File types named after the tensor type that most tensors take."""

DEFAULT_TYPE: dict[str, str] = {name: name for name in PLAIN} | {
    "Q2_K_S": "Q2_K", "Q3_K_S": "Q3_K", "Q3_K_M": "Q3_K", "Q3_K_L": "Q3_K", "Q4_K_S": "Q4_K", "Q4_K_M": "Q4_K",
    "Q5_K_S": "Q5_K", "Q5_K_M": "Q5_K", "IQ2_S": "IQ2_XS", "IQ2_M": "IQ2_S", "IQ3_XS": "IQ3_S",
    "IQ3_M": "IQ3_S", "MXFP4_MOE": "MXFP4",
}

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


_FLOATS = ("F32", "F16", "BF16")
_KEPT_F32 = ("_norm", "ffn_gate_inp", "altup_", "ssm_conv1d", "shortconv.conv", "position_embd")
_KEPT_F16 = ("altup_proj", "altup_unembd_proj", "laurel", "per_layer_model_proj")
"""Never quantised: in the type in which the conversion from the maker's files leaves them."""
_FALLBACK = {
    "Q2_K": "Q4_0", "Q3_K": "Q4_0", "TQ1_0": "Q4_0", "TQ2_0": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0",
}
"""Types with blocks of 256 that need another where the row is no multiple; i-quants fall back to IQ4_NL."""

_CATEGORIES = (
    ("attn_qkv.weight", "attn_v"), ("attn_kv_b.weight", "attn_v"), ("attn_v.weight", "attn_v"),
    ("attn_k.weight", "attn_k"), ("attn_q.weight", "attn_q"), ("attn_output.weight", "attn_output"),
    ("ffn_up", "ffn_up"), ("ffn_gate", "ffn_gate"), ("ffn_down", "ffn_down"),
)


@dataclass(frozen=True, slots=True)
class _Model:
    """What the rules ask about the model."""

    n_experts: int
    gqa: float
    n_layers: int
    n_values: int
    """Tensors of the attn_v category."""
    tied: bool
    is_70b: bool


@dataclass(slots=True)
class _Position:
    """Counters of the tensors of a category met so far."""

    values: int = 0
    downs: int = 0


def typed(llm: Llm, quant: Quant, shapes: Sequence[Shape]) -> tuple[Tensor, ...]:
    """The tensors with the type that `quant` gives each."""
    layers = [s.layer for s in shapes if s.layer is not None]
    model = _Model(
        n_experts=llm.n_experts,
        gqa=_queries_per_key(llm),
        n_layers=max(layers) + 1,
        n_values=sum(category(s.name) == "attn_v" for s in shapes),
        tied=llm.tied_embeddings,
        is_70b=llm.n_layers == 80 and llm.architecture in ("llama", "qwen2") and llm.n_heads != llm.n_kv_heads,
    )
    at, recipe = _Position(), _recipe(quant)
    return tuple(Tensor(*shape, _type(llm, model, quant, recipe, shape, at)) for shape in shapes)


def _queries_per_key(llm: Llm) -> float:
    """As llama.cpp's n_gqa of the first layer: no KV heads there count as 0, the latent cache as one head."""
    first = llm.attention_kinds()[0]
    if first == "M":
        return llm.n_heads
    per_layer_heads = llm.recurrent in ("mamba1", "mamba2", "short_conv")
    return 0 if first in "RN" and per_layer_heads else llm.n_heads / llm.n_kv_heads


@lru_cache(maxsize=20_000)
def category(name: str) -> str:
    """Part a tensor plays in the rules; "other" for the rest."""
    if name in ("output.weight", "token_embd.weight", "per_layer_token_embd.weight"):
        return "output" if name == "output.weight" else "token_embd"
    return next((value for part, value in _CATEGORIES if part in name), "other")


def more_bits(i: int, n: int) -> bool:
    """llama.cpp's use_more_bits: the first and last eighth and every third layer between.

    >>> sum(more_bits(i, 32) for i in range(32))
    16
    """
    return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


@lru_cache(maxsize=20_000)
def _kept(name: str) -> str | None:
    """The type that a tensor of that name keeps whatever the quantisation; None for one that is quantised."""
    if any(part in name for part in _KEPT_F16):
        return "F32" if "norm" in name else "F16"
    return "F32" if not name.endswith("weight") or any(part in name for part in _KEPT_F32) else None


def _type(
    llm: Llm, model: _Model, quant: Quant, recipe: tuple["_Entry", ...], shape: Shape, at: _Position
) -> str:
    kept = _kept(shape.name)
    if kept == "F16":
        return "F32" if quant.base == "F32" else "F16"
    if kept or len(shape.shape) < 2:
        return "F32"
    if llm.native_expert_type and shape.group == "routed_experts":
        return llm.native_expert_type
    default = DEFAULT_TYPE[quant.base]
    if default in _FLOATS:
        return default
    role = category(shape.name)
    standard = _standard(model, quant.base, default, role, shape, at)
    chosen = _override(llm, recipe, model, shape) or standard
    at.values += role == "attn_v"
    at.downs += role == "ffn_down"
    return _fitting(chosen, shape.shape[0])


class _Entry(NamedTuple):
    """An override taken apart; no architectures: all."""

    architectures: frozenset[str]
    part: str
    first_layers: int | None
    usual: str
    favoured: str

    def holds(self, architecture: str, shape: Shape) -> bool:
        """Whether the entry speaks of that tensor."""
        of_model = not self.architectures or architecture in self.architectures
        named = self.part in shape.name or self.part == shape.group
        return of_model and named and (self.first_layers is None or (shape.layer or 0) < self.first_layers)


def _entry(text: str) -> _Entry:
    selector, _, types = text.partition("=")
    architectures, colon, rest = selector.rpartition(":")
    part, _, first = rest.partition("<")
    usual, _, favoured = types.partition("/")
    of_models = frozenset(architectures.split("|")) if colon else frozenset[str]()
    return _Entry(of_models, part, int(first) if first else None, usual, favoured or usual)


@cache
def _recipe(quant: Quant) -> tuple[_Entry, ...]:
    return tuple(_entry(text) for text in quant.overrides)


def _override(llm: Llm, recipe: tuple[_Entry, ...], model: _Model, shape: Shape) -> str | None:
    for entry in recipe:
        if entry.holds(llm.architecture, shape):
            return entry.favoured if more_bits(shape.layer or 0, model.n_layers) else entry.usual
    return None


def _standard(model: _Model, base: str, default: str, role: str, shape: Shape, at: _Position) -> str:
    if role == "output" or (role == "token_embd" and model.tied):
        return _output_type(base, default, shape.shape[0])
    if base == "MXFP4_MOE":
        return "MXFP4" if len(shape.shape) > 2 else "Q8_0"
    if model.n_experts == 8 and base not in LOW_BIT and role in ("attn_v", "attn_k"):
        return "Q8_0"
    rule = RULES.get(base, {}).get(role)
    if model.n_experts == 8:
        rule = RULES.get(base, {}).get(f"{role}:8x", rule)
    chosen = _apply(rule, model, role, shape, at) or default
    if role == "attn_v" and model.is_70b and base not in LOW_BIT and chosen in ("Q3_K", "Q4_K"):
        return "Q5_K"
    return chosen


def _output_type(base: str, default: str, row: int) -> str:
    if base == "MXFP4_MOE" or default == "Q8_0" or row % tensor_types()[default].block_elements:
        return "Q8_0"
    return "Q5_K" if base in LOW_BIT or base == "IQ3_XXS" else "Q6_K"


def _apply(rule: Rule | None, model: _Model, role: str, shape: Shape, at: _Position) -> str | None:
    """The type a rule gives: its first where its condition holds, else its second."""
    if rule is None:
        return None
    i, n = shape.layer or 0, model.n_layers
    if role == "attn_v":
        i, n = at.values, model.n_values
    elif role == "ffn_down" and model.n_experts <= 1:
        i = at.downs
    return rule.then if _HOLDS[rule.condition](i, n, model) else rule.otherwise


_HOLDS: dict[str, Callable[[int, int, _Model], bool]] = {
    "always": lambda _i, _n, _model: True,
    "grouped": lambda _i, _n, model: model.gqa >= 4,
    "grouped or experts": lambda _i, _n, model: model.gqa >= 4 or model.n_experts >= 4,
    "first two": lambda i, _n, _model: i < 2,
    "first four": lambda i, _n, _model: i < 4,
    "first sixteenth": lambda i, n, _model: i < n // 16,
    "first eighth": lambda i, n, _model: i < n // 8,
    "middle": lambda i, n, _model: n // 8 <= i < 7 * n // 8,
    "more bits": lambda i, n, _model: more_bits(i, n),
    "first eighth or more bits": lambda i, n, _model: i < n // 8 or more_bits(i, n),
}
"""Whether a rule's condition holds for the i-th of n tensors of a category."""


def _fitting(chosen: str, row: int) -> str:
    """The type itself where the row is a multiple of its block, else llama.cpp's fall-back."""
    if row % tensor_types()[chosen].block_elements == 0:
        return chosen
    narrower = _FALLBACK.get(chosen, "IQ4_NL" if tensor_types()[chosen].family in ("iq", "iqk") else chosen)
    return narrower if row % tensor_types()[narrower].block_elements == 0 else "F16"
