"""Tensors of the feed-forward part of a layer: dense, shared expert, router and routed experts."""

from collections.abc import Iterator

from advisor.sizes.architectures import Traits
from advisor.sizes.attention import Part
from catalog.llms import Llm


def dense(llm: Llm, traits: Traits, width: int) -> Iterator[Part]:
    """A dense FFN of that width."""
    hidden, group = llm.hidden_size, "dense_ffn"
    up = 2 * width if traits.fused_gate_up else width
    if traits.gated_ffn and not traits.fused_gate_up:
        yield "ffn_gate.weight", group, (hidden, width)
    yield "ffn_up.weight", group, (hidden, up)
    yield "ffn_down.weight", group, (width, hidden)
    if traits.ffn_bias:
        yield "ffn_up.bias", group, (up,)
        yield "ffn_down.bias", group, (hidden,)


def experts(llm: Llm, traits: Traits) -> Iterator[Part]:
    """Router, routed experts and shared expert."""
    hidden, n, width = llm.hidden_size, llm.n_experts, llm.expert_ffn or 0
    inner = llm.moe_latent_size or hidden
    yield "ffn_gate_inp.weight", "router", (hidden, n)
    if traits.router_correction:
        yield "exp_probs_b.bias", "router", (n,)
    if llm.moe_latent_size:
        yield "ffn_latent_down.weight", "shared_expert", (hidden, inner)
        yield "ffn_latent_up.weight", "shared_expert", (inner, hidden)
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
        yield from _shared(llm, traits, llm.shared_expert_ffn)


def _shared(llm: Llm, traits: Traits, width: int) -> Iterator[Part]:
    hidden, group = llm.hidden_size, "shared_expert"
    if traits.shared_expert_gate:
        yield "ffn_gate_inp_shexp.weight", group, (hidden,)
    if traits.gated_ffn:
        yield "ffn_gate_shexp.weight", group, (hidden, width)
    yield "ffn_up_shexp.weight", group, (hidden, width)
    yield "ffn_down_shexp.weight", group, (width, hidden)
