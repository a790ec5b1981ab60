"""All tensors of a model in the order of its layers."""

from collections.abc import Iterator
from typing import cast

from advisor.sizes.architectures import ARCHITECTURES, Traits
from advisor.sizes.attention import Part, attention, latent_attention
from advisor.sizes.extras import inside, outside
from advisor.sizes.feed_forward import dense, experts
from advisor.sizes.recurrent import recurrent
from advisor.sizes.tensor import Group, Shape
from catalog.llms import Llm


def shapes(llm: Llm, mtp_layers: int | None = None) -> tuple[Shape, ...]:
    """Every tensor of the model's GGUF file with so many multi-token-prediction layers (None: as usual files)."""
    traits = ARCHITECTURES[llm.architecture]
    kinds, ffns = llm.attention_kinds(), llm.ffn_kinds()
    result = list(_outside(llm, traits))
    for layer in range(llm.n_layers):
        result += _named(_layer(llm, traits, layer, kinds[layer], ffns[layer]), layer)
    extra = llm.mtp_in_gguf if mtp_layers is None else mtp_layers
    for layer in range(llm.n_layers, llm.n_layers + extra):
        result += _named(_mtp(llm, traits, kinds, ffns), layer, "mtp")
    return tuple(result)


def _named(parts: Iterator[Part], layer: int, group: Group | None = None) -> list[Shape]:
    return [Shape(f"blk.{layer}.{name}", layer, group or cast(Group, own), shape) for name, own, shape in parts]


def _outside(llm: Llm, traits: Traits) -> Iterator[Shape]:
    matrix = (llm.hidden_size, llm.vocab_size)
    yield Shape("token_embd.weight", None, "token_embedding", matrix)
    if traits.output_norm:
        yield Shape("output_norm.weight", None, "norm", (llm.hidden_size,))
    if traits.norm_bias:
        yield Shape("output_norm.bias", None, "norm", (llm.hidden_size,))
        yield Shape("position_embd.weight", None, "token_embedding", (llm.hidden_size, llm.max_context))
    if not llm.tied_embeddings:
        yield Shape("output.weight", None, "output", matrix)
    for name, group, shape in outside(llm):
        yield Shape(name, None, cast(Group, group), shape)


def _layer(llm: Llm, traits: Traits, layer: int, kind: str, ffn: str) -> Iterator[Part]:
    has_kv = layer < llm.n_layers - llm.kv_shared_layers
    yield from _norms(llm, traits, ffn)
    if kind == "M":
        yield from latent_attention(llm, traits)
    elif kind == "R":
        yield from recurrent(llm)
    elif kind != "N":
        yield from attention(llm, kind, traits, has_kv or not traits.kv_matrices_shared)
    if ffn == "D" or (ffn == "E" and traits.parallel_dense):
        width = llm.dense_ffn if has_kv else llm.kv_shared_ffn or llm.dense_ffn
        yield from dense(llm, traits, width or 0)
    if ffn == "E":
        yield from experts(llm, traits)
    yield from inside(llm, layer)


def _norms(llm: Llm, traits: Traits, ffn: str) -> Iterator[Part]:
    names = ["attn_norm"] * traits.attn_norm + ["ffn_norm"] * traits.ffn_norm
    names += [f"post_norm_{i}" for i in range(traits.extra_norms + (traits.expert_norms if ffn == "E" else 0))]
    for name in names:
        yield f"{name}.weight", "norm", (llm.hidden_size,)
        if traits.norm_bias:
            yield f"{name}.bias", "norm", (llm.hidden_size,)


def _mtp(llm: Llm, traits: Traits, kinds: str, ffns: str) -> Iterator[Part]:
    """One more layer of the kind that attends to everything, and what joins it to the model."""
    kind = next((k for k in "FMS" if k in kinds), "F")
    yield from _layer(llm, traits, 0, kind, "E" if "E" in ffns else "D")
    yield "nextn.eh_proj.weight", "mtp", (2 * llm.hidden_size, llm.hidden_size)
    for name in ("enorm", "hnorm", "shared_head_norm"):
        yield f"nextn.{name}.weight", "mtp", (llm.hidden_size,)
    if traits.mtp_vocabulary:
        for name in ("embed_tokens", "shared_head_head"):
            yield f"nextn.{name}.weight", "mtp", (llm.hidden_size, llm.vocab_size)
