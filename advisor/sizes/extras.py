"""Tensors that only a few models have: per-layer inputs, AltUp, Laurel, hyper-connections, n-gram tables."""

from collections.abc import Iterator

from advisor.sizes.attention import Part
from catalog.llms import Llm


def outside(llm: Llm) -> Iterator[Part]:
    """Those outside the layers."""
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
    if llm.ngram_rows and llm.ngram_dim:
        yield "per_layer_token_embd.weight", "token_embedding", (llm.ngram_dim, llm.ngram_rows)


def inside(llm: Llm, layer: int) -> Iterator[Part]:
    """Those of one layer."""
    if llm.per_layer_input_size:
        yield "inp_gate.weight", "dense_ffn", (llm.hidden_size, llm.per_layer_input_size)
        yield "proj.weight", "dense_ffn", (llm.per_layer_input_size, llm.hidden_size)
        yield "per_layer_post_norm.weight", "norm", (llm.hidden_size,)
    if llm.altup_inputs:
        yield from _altup(llm.hidden_size, llm.altup_inputs)
    if llm.laurel_rank:
        yield "laurel_l.weight", "attention", (llm.hidden_size, llm.laurel_rank)
        yield "laurel_r.weight", "attention", (llm.laurel_rank, llm.hidden_size)
        yield "laurel_post_norm.weight", "norm", (llm.hidden_size,)
    if llm.hyper_connections:
        yield from _hyper_connections(llm, llm.hyper_connections)
    if llm.ngram_layer == layer:
        yield from _ngram(llm, llm.hyper_connections or 1)


def _altup(hidden: int, n: int) -> Iterator[Part]:
    yield "altup_correct_coef.weight", "attention", (n, n)
    yield "altup_correct_scale.weight", "norm", (hidden,)
    yield "altup_predict_coef.weight", "attention", (n, n * n)
    yield "altup_router.weight", "attention", (hidden, n)
    yield "altup_router_norm.weight", "norm", (hidden,)


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
