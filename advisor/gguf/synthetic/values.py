"""How large the weights of each tensor are, so that activations stay near 1 through any number of layers.

Norms are 1. Matrices have a spread of 1 / sqrt(inputs), so that a normed input gives an output near 1. What a layer
adds to the residual stream is made small instead: all layers together add about a quarter of the energy that the
token's embedding put there. The stream stays finite, and what the token is stays readable in the last layer.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from advisor.sizes import Tensor
from catalog.llms import Llm

ADDED_BY_LAYERS = 0.5
"""Size of what all layers add to the stream, in sizes of the embedding: a quarter of its energy."""
LOGIT_SPREAD = 3.0
"""Standard deviation of the output logits: with 250,000 tokens the first leads the second by about 0.6."""
_ADDING = frozenset({
    "attn_output", "ssm_out", "ffn_down", "ffn_down_exps", "ffn_down_shexp", "shortconv.out_proj", "proj", "laurel_r",
    "ffn_latent_up", "ple_value",
})
"""Matrices whose output goes into the residual stream."""
_NORMS_OF_ADDED = frozenset({
    "post_attention_norm", "post_ffw_norm", "post_ffw_norm_1", "post_ffw_norm_2", "post_norm", "laurel_post_norm",
})
_SCALED_EMBEDDING = frozenset({"gemma", "gemma2", "gemma3", "gemma3n", "gemma4", "afmoe"})
"""Architectures that multiply the embedding by the square root of its length."""
_NORMS_AFTER = frozenset({"gemma2", "gemma3", "gemma3n", "gemma4", "afmoe"})
"""Architectures that norm what a layer adds."""


@dataclass(frozen=True, slots=True)
class Values:
    """What to fill a tensor with: random numbers of that spread around that mean."""

    spread: float
    mean: float = 0.0


def embedding_spread(llm: Llm) -> float:
    """Standard deviation of the token embedding; smaller where it serves as output matrix too."""
    if llm.architecture in _SCALED_EMBEDDING:
        return 1 / sqrt(llm.hidden_size)
    return LOGIT_SPREAD / sqrt(llm.hidden_size) if llm.tied_embeddings else 1.0


def values_of(llm: Llm, tensor: Tensor) -> Values:
    """Spread and mean of a tensor's weights."""
    stem = stem_of(tensor.name)
    if tensor.name.endswith(".bias") or stem in ("attn_sinks", "hc_attn_base", "hc_ffn_base"):
        return Values(0.5, -2.5) if stem == "ssm_dt" else Values(0.0)
    if stem == "ssm_a":
        return Values(0.2, -1.0)
    if tensor.name.endswith("ffn_gate_inp.scale"):
        return Values(0.0, sqrt(llm.hidden_size))
    if tensor.group == "norm" or "norm" in stem or stem in ("ssm_d", "rope_freqs"):
        return Values(0.0, _added(llm) if stem in _NORMS_OF_ADDED and llm.architecture in _NORMS_AFTER else 1.0)
    if stem == "output":
        return Values(LOGIT_SPREAD / sqrt(tensor.shape[0]))
    return Values(_gain(llm, stem) / sqrt(tensor.shape[0]))


def stem_of(name: str) -> str:
    """A tensor's name without its layer and its last word.

    >>> stem_of("blk.3.ffn_down_exps.weight")
    'ffn_down_exps'
    """
    parts = name.split(".")
    inner = parts[2:] if parts[0] == "blk" else parts
    return ".".join(inner[:-1] if inner[-1] in ("weight", "bias", "scale") else inner)


def _added(llm: Llm) -> float:
    """Size of what one of a layer's two parts adds to the stream."""
    stream = 1.0 if llm.architecture in _SCALED_EMBEDDING else embedding_spread(llm)
    return ADDED_BY_LAYERS * stream / sqrt(2 * llm.n_layers)


def _gain(llm: Llm, stem: str) -> float:
    if stem not in _ADDING:
        return 1.0
    if stem == "ffn_down_exps":  # the experts' outputs are averaged
        return sqrt(llm.n_experts_used) * (1.0 if llm.moe_latent_size else _added(llm))
    return _added(llm)


def filled(tensor: Tensor, values: Values, rng: np.random.Generator) -> NDArray[np.float64]:
    """The numbers of a small F32 tensor."""
    return values.mean + values.spread * rng.standard_normal(tensor.elements)
