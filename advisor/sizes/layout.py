"""All tensors of a model in the order of its layers, and those of each layer but attention and recurrence: norms, the
feed-forward part, multi-token prediction, and what only a few models have.

Source: llama.cpp src/models/*.cpp (load_arch_tensors), as vendored in llama-cpp-python 0.3.36, read 2026-11-24.
"""

from collections.abc import Iterator
from functools import lru_cache

from advisor.sizes.architectures import ARCHITECTURES, Traits
from advisor.sizes.attention import attention, compressed_attention, indexer, latent_attention
from advisor.sizes.recurrent import recurrent
from advisor.sizes.tensor import Group, Part, Shape
from catalog.llms import Llm


@lru_cache(maxsize=8)
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
    return [Shape(f"blk.{layer}.{name}", layer, group or own, shape) for name, own, shape in parts]


def _outside(llm: Llm, traits: Traits) -> Iterator[Shape]:
    matrix = (llm.hidden_size, llm.vocab_size)
    yield Shape("token_embd.weight", None, "token_embedding", matrix)
    if traits.output_norm:
        yield Shape("output_norm.weight", None, "norm", (llm.hidden_size,))
    if traits.norm_bias:
        yield Shape("output_norm.bias", None, "norm", (llm.hidden_size,))
    if traits.learned_positions:
        yield Shape("position_embd.weight", None, "token_embedding", (llm.hidden_size, llm.max_context))
    if not llm.tied_embeddings:
        yield Shape("output.weight", None, "output", matrix)
    if traits.head_bias:
        yield Shape("output.bias", None, "output", (llm.vocab_size,))
    for name, group, shape in _rare_outside(llm, traits):
        yield Shape(name, None, group, shape)


def _layer(llm: Llm, traits: Traits, layer: int, kind: str, ffn: str) -> Iterator[Part]:
    has_kv = not llm.n_layers - llm.kv_shared_layers <= layer < llm.n_layers
    yield from _norms(llm, traits, kind, ffn)
    if kind == "M":
        yield from latent_attention(llm, traits)
    elif llm.compress_ratios:
        yield from compressed_attention(llm, llm.compress_ratios[layer])
    elif kind in "FSB":
        yield from attention(llm, kind, traits, has_kv or not traits.kv_matrices_shared)
    if kind in "RB":
        yield from recurrent(llm)
    if llm.has_indexer(layer) and kind in "FM":
        yield from indexer(llm, kind)
    if ffn == "D" or (ffn == "E" and traits.parallel_dense):
        width = llm.dense_ffn if has_kv else llm.kv_shared_ffn or llm.dense_ffn
        width = llm.ffn_widths[layer] if llm.ffn_widths else width
        yield from _dense(llm, traits, width or 0)
    if ffn == "E":
        yield from _experts(llm, traits, layer)
    yield from _rare_inside(llm, layer)


def _norms(llm: Llm, traits: Traits, kind: str, ffn: str) -> Iterator[Part]:
    # Where each part has a norm of its own, a part that is not there has none.
    names = ["attn_norm"] * (traits.attn_norm and not (kind == "N" and traits.ffn_norm)) + [
        "ffn_norm"
    ] * traits.ffn_norm
    if traits.residual_scores:
        yield "attn_res_score.weight", "attention", (llm.hidden_size,)
        yield "ffn_res_score.weight", "dense_ffn", (llm.hidden_size,)
    if traits.sub_norms:
        yield "attn_sub_norm.weight", "norm", (llm.hidden_size,)
        yield "ffn_sub_norm.weight", "norm", (llm.dense_ffn or 0,)
    names += [f"post_norm_{i}" for i in range(traits.extra_norms + (traits.expert_norms if ffn == "E" else 0))]
    for name in names:
        yield f"{name}.weight", "norm", (llm.hidden_size,)
        if traits.norm_bias:
            yield f"{name}.bias", "norm", (llm.hidden_size,)


def _mtp(llm: Llm, traits: Traits, kinds: str, ffns: str) -> Iterator[Part]:
    """One more layer of the kind that attends to everything, and what joins it to the model."""
    kind: str = llm.mtp_kind or next((k for k in "FMSC" if k in kinds), "F")
    if llm.mtp_ffn:
        llm = llm.model_copy(update={"dense_ffn": llm.mtp_ffn})
    yield from _layer(llm, traits, llm.n_layers, kind, "E" if "E" in ffns and not llm.mtp_ffn else "D")
    yield "nextn.eh_proj.weight", "mtp", (2 * llm.hidden_size, llm.hidden_size)
    for name in ("enorm", "hnorm", "shared_head_norm"):
        yield f"nextn.{name}.weight", "mtp", (llm.hidden_size,)
    if llm.mtp_own:
        names = ("embed_tokens", "shared_head_head")
        for name in names[llm.mtp_own == "output" :]:
            yield f"nextn.{name}.weight", "mtp", (llm.hidden_size, llm.vocab_size)


def _dense(llm: Llm, traits: Traits, width: int) -> Iterator[Part]:
    """A dense FFN of that width."""
    hidden = llm.hidden_size
    group: Group = "dense_ffn"
    up = 2 * width if traits.fused_gate_up else width
    if traits.gated_ffn and not traits.fused_gate_up:
        yield "ffn_gate.weight", group, (hidden, width)
    yield "ffn_up.weight", group, (hidden, up)
    yield "ffn_down.weight", group, (width, hidden)
    if traits.ffn_bias:
        yield "ffn_up.bias", group, (up,)
        yield "ffn_down.bias", group, (hidden,)


def _experts(llm: Llm, traits: Traits, layer: int) -> Iterator[Part]:
    """Router, routed experts and shared expert."""
    hidden, n, width = llm.hidden_size, llm.n_experts, llm.expert_ffn or 0
    inner = llm.moe_latent_size or hidden
    yield "ffn_gate_inp.weight", "router", (hidden, n)
    if layer < llm.hash_layers:
        yield "ffn_gate_tid2eid.weight", "router", (llm.n_experts_used, llm.vocab_size)
    elif traits.router_correction:
        yield "exp_probs_b.bias", "router", (n,)
    if llm.moe_latent_size:
        yield "ffn_latent_down.weight", "shared_expert", (hidden, inner)
        yield "ffn_latent_up.weight", "shared_expert", (inner, hidden)
    if traits.latent_norm:
        yield "ffn_latent_norm.weight", "shared_expert", (inner,)
    if traits.gated_ffn:
        yield "ffn_gate_exps.weight", "routed_experts", (inner, width, n)
    yield "ffn_up_exps.weight", "routed_experts", (inner, width, n)
    yield "ffn_down_exps.weight", "routed_experts", (width, inner, n)
    if traits.expert_bias:
        yield "ffn_gate_inp.bias", "router", (n,)
        yield "ffn_gate_exps.bias", "routed_experts", (width, n)
        yield "ffn_up_exps.bias", "routed_experts", (width, n)
        yield "ffn_down_exps.bias", "routed_experts", (hidden, n)
    if llm.shared_expert_ffn:
        yield from _shared_expert(llm.hidden_size, llm.shared_expert_ffn, traits)


def _shared_expert(hidden: int, width: int, traits: Traits) -> Iterator[Part]:
    group: Group = "shared_expert"
    if traits.shared_expert_gate:
        yield "ffn_gate_inp_shexp.weight", group, (hidden,)
    if traits.gated_ffn:
        yield "ffn_gate_shexp.weight", group, (hidden, width)
    yield "ffn_up_shexp.weight", group, (hidden, width)
    yield "ffn_down_shexp.weight", group, (width, hidden)


def _rare_outside(llm: Llm, traits: Traits) -> Iterator[Part]:
    """Per-layer inputs, AltUp, hyper-connections and n-gram tables that lie outside the layers."""
    hidden = llm.hidden_size
    if llm.per_layer_input_size:
        width = llm.per_layer_input_size * llm.n_layers
        yield "per_layer_token_embd.weight", "token_embedding", (width, llm.per_layer_input_vocab or 0)
        yield "per_layer_model_proj.weight", "output", (hidden, width)
        yield "per_layer_proj_norm.weight", "norm", (llm.per_layer_input_size,)
    if llm.altup_inputs:
        yield "altup_proj.weight", "output", (hidden, hidden, llm.altup_inputs - 1)
        yield "altup_unembd_proj.weight", "output", (hidden, hidden, llm.altup_inputs - 1)
    if llm.hyper_connections and llm.hyper_connection_rank:
        wide = llm.hyper_connections * hidden
        yield "hc_head_norm.weight", "norm", (wide,)
        yield "hc_head_down.weight", "output", (wide, llm.hyper_connection_rank)
        yield "hc_head_up.weight", "output", (llm.hyper_connection_rank, wide)
    if llm.hyper_connections and traits.hyper_head:
        yield "output_hc_fn.weight", "output", (llm.hyper_connections * hidden, llm.hyper_connections)
        yield "output_hc_base.weight", "norm", (llm.hyper_connections,)
        yield "output_hc_scale.weight", "norm", (1,)
    if traits.residual_scores:
        yield "output_res_score.weight", "norm", (hidden,)
    if llm.ngram_rows and llm.ngram_dim:
        yield "per_layer_token_embd.weight", "token_embedding", (llm.ngram_dim, llm.ngram_rows)


def _rare_inside(llm: Llm, layer: int) -> Iterator[Part]:
    """The same of one layer, and Laurel."""
    if llm.per_layer_input_size:
        yield "inp_gate.weight", "dense_ffn", (llm.hidden_size, llm.per_layer_input_size)
        yield "proj.weight", "dense_ffn", (llm.per_layer_input_size, llm.hidden_size)
        yield "per_layer_post_norm.weight", "norm", (llm.hidden_size,)
    if llm.altup_inputs:
        hidden, n = llm.hidden_size, llm.altup_inputs
        yield "altup_correct_coef.weight", "attention", (n, n)
        yield "altup_correct_scale.weight", "norm", (hidden,)
        yield "altup_predict_coef.weight", "attention", (n, n * n)
        yield "altup_router.weight", "attention", (hidden, n)
        yield "altup_router_norm.weight", "norm", (hidden,)
    if llm.laurel_rank:
        yield "laurel_l.weight", "attention", (llm.hidden_size, llm.laurel_rank)
        yield "laurel_r.weight", "attention", (llm.laurel_rank, llm.hidden_size)
        yield "laurel_post_norm.weight", "norm", (llm.hidden_size,)
    if llm.hyper_connections:
        yield from _hyper_connections(llm, llm.hyper_connections)
    if llm.ngram_layer == layer:
        yield from _ngram(llm, llm.hyper_connections or 1)


def _hyper_connections(llm: Llm, n: int) -> Iterator[Part]:
    wide, rank = n * llm.hidden_size, llm.hyper_connection_rank
    for where in ("attn", "ffn"):
        if rank:
            yield f"hc_{where}_norm.weight", "norm", (wide,)
            yield f"hc_{where}_down.weight", "attention", (wide, rank)
            yield f"hc_{where}_up.weight", "attention", (rank, wide)
            yield f"hc_{where}_inject.weight", "attention", (wide, n)
        else:
            yield f"hc_{where}_fn.weight", "attention", (wide, (2 + n) * n)
            yield f"hc_{where}_base.weight", "norm", ((2 + n) * n,)
            yield f"hc_{where}_scale.weight", "norm", (3,)


def _ngram(llm: Llm, n: int) -> Iterator[Part]:
    hidden = llm.hidden_size
    yield "ple_key.weight", "attention", (hidden, n * hidden)
    yield "ple_value.weight", "attention", (hidden, hidden)
    for name in ("key", "query", "conv"):
        yield f"ple_norm_{name}.weight", "norm", (n * hidden,)
    yield "ple_conv1d.weight", "attention", (4, n * hidden)
