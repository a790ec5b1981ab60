"""Tensors and state of layers that keep a constant state instead of a KV cache."""

from collections.abc import Callable, Iterator

from advisor.sizes.tensor import Part
from catalog.llms import Llm

STATE_BYTES = 4
"""The recurrent state is kept as f32 (llama.cpp's default for the r and s caches)."""


def _sizes(llm: Llm) -> tuple[int, int, int, int, int]:
    """Width of all keys, width of all values, value heads, key size, value size."""
    kd, vd = llm.recurrent_key_dim or 0, llm.recurrent_value_dim or 0
    kh, vh = llm.recurrent_key_heads or 0, llm.recurrent_value_heads or 0
    return kh * kd, vh * vd, vh, kd, vd


def _gated_delta_net(llm: Llm) -> Iterator[Part]:
    keys, values, n, _, vd = _sizes(llm)
    hidden = llm.hidden_size
    yield "attn_qkv.weight", "recurrent", (hidden, 2 * keys + values)
    yield "attn_gate.weight", "recurrent", (hidden, values)
    yield "ssm_conv1d.weight", "recurrent", (llm.conv_kernel or 4, 2 * keys + values)
    yield "ssm_dt.bias", "recurrent", (n,)
    yield "ssm_a", "recurrent", (n,)
    if llm.architecture == "qwen3next":
        yield "ssm_ba.weight", "recurrent", (hidden, 2 * n)
    else:
        yield "ssm_beta.weight", "recurrent", (hidden, n)
        yield "ssm_alpha.weight", "recurrent", (hidden, n)
    yield "ssm_norm.weight", "norm", (vd,)
    yield "ssm_out.weight", "recurrent", (values, hidden)


def _kimi_delta(llm: Llm) -> Iterator[Part]:
    keys, values, n, kd, vd = _sizes(llm)
    hidden, kernel = llm.hidden_size, llm.conv_kernel or 4
    for letter, width in (("q", keys), ("k", keys), ("v", values)):
        yield f"ssm_conv1d_{letter}.weight", "recurrent", (kernel, width)
        yield f"attn_{letter}.weight", "recurrent", (hidden, width)
    full_rank = {"bailingmoe3": "fg", "kimi-k3": "g"}.get(llm.architecture, "")
    for letter, width in (("f", keys), ("g", values)):
        yield f"ssm_{letter}_a.weight", "recurrent", (hidden, width if letter in full_rank else kd)
        if letter not in full_rank:
            yield f"ssm_{letter}_b.weight", "recurrent", (kd, width)
    yield "ssm_beta.weight", "recurrent", (hidden, n)
    yield "ssm_a", "recurrent", (n,)
    yield "ssm_dt.bias", "recurrent", (keys,)
    yield "ssm_norm.weight", "norm", (vd,)
    yield "attn_output.weight", "recurrent", (values, hidden)


def _mamba2(llm: Llm) -> Iterator[Part]:
    groups, inner, n, _state, _ = _sizes(llm)
    hidden, conv = llm.hidden_size, inner + 2 * groups
    yield "ssm_in.weight", "recurrent", (hidden, 2 * inner + 2 * groups + n)
    yield "ssm_conv1d.weight", "recurrent", (llm.conv_kernel or 4, conv)
    yield "ssm_conv1d.bias", "recurrent", (conv,)
    yield "ssm_dt.bias", "recurrent", (n,)
    yield "ssm_a", "recurrent", (n,)
    yield "ssm_d", "recurrent", (n,)
    yield "ssm_norm.weight", "norm", (inner,)
    yield "ssm_out.weight", "recurrent", (inner, hidden)


def _mamba1(llm: Llm) -> Iterator[Part]:
    _, inner, _, state, _ = _sizes(llm)
    rank = llm.ssm_dt_rank or 0
    yield "ssm_in.weight", "recurrent", (llm.hidden_size, 2 * inner)
    yield "ssm_conv1d.weight", "recurrent", (llm.conv_kernel or 4, inner)
    yield "ssm_conv1d.bias", "recurrent", (inner,)
    yield "ssm_x.weight", "recurrent", (inner, rank + 2 * state)
    yield "ssm_dt.weight", "recurrent", (rank, inner)
    yield "ssm_dt.bias", "recurrent", (inner,)
    yield "ssm_a", "recurrent", (state, inner)
    yield "ssm_d", "recurrent", (inner,)
    for name, size in (("ssm_dt_norm", rank), ("ssm_b_norm", state), ("ssm_c_norm", state)):
        yield f"{name}.weight", "norm", (size,)
    yield "ssm_out.weight", "recurrent", (inner, llm.hidden_size)


def _short_conv(llm: Llm) -> Iterator[Part]:
    hidden = llm.hidden_size
    yield "shortconv.conv.weight", "recurrent", (llm.conv_kernel or 3, hidden)
    yield "shortconv.in_proj.weight", "recurrent", (hidden, 3 * hidden)
    yield "shortconv.out_proj.weight", "recurrent", (hidden, hidden)


_LAYERS: dict[str, Callable[[Llm], Iterator[Part]]] = {
    "gated_delta_net": _gated_delta_net,
    "kimi_delta": _kimi_delta,
    "mamba2": _mamba2,
    "mamba1": _mamba1,
    "short_conv": _short_conv,
}


def recurrent(llm: Llm) -> Iterator[Part]:
    """Tensors of a recurrent layer."""
    return _LAYERS[llm.recurrent or "short_conv"](llm)


def state_bytes(llm: Llm) -> float:
    """Convolution window and state of one recurrent layer and sequence."""
    keys, values, heads, kd, vd = _sizes(llm)
    conv_width = {
        "gated_delta_net": 2 * keys + values,
        "kimi_delta": 2 * keys + values,
        "mamba2": values + 2 * keys,
        "mamba1": values,
        "short_conv": llm.hidden_size,
        "rwkv7": llm.hidden_size,  # the token before, for both parts of a layer
    }[llm.recurrent or "short_conv"]
    state = 0 if llm.recurrent == "short_conv" else heads * kd * vd
    return STATE_BYTES * (((llm.conv_kernel or 4) - 1) * conv_width + state)
