"""Recurrent layers: their kind and the sizes of the state that they keep; read from a header and written into one.

Source: llama.cpp src/llama-hparams.cpp n_embd_r, n_embd_s, src/models/*.cpp and conversion/*.py, as vendored in
llama-cpp-python 0.3.36, read 2026-11-24 and 25.
"""

from collections.abc import Mapping

from advisor.gguf.attention import HEADS
from advisor.gguf.header import TensorEntry
from advisor.gguf.layers import Fields, Hyperparameters, Layers, is_recurrent
from advisor.gguf.metadata import Value
from catalog.llms import Llm

SHORT_CONV_KERNEL, CONV_KERNEL = "shortconv.l_cache", "ssm.conv_kernel"
KIMI_HEAD_DIM = "kda.head_dim"
WKV_HEAD_DIM = "wkv.head_size"
TOKEN_SHIFTS = 2
"""RWKV keeps the token before of both parts of a layer. Source: llama.cpp src/llama-hparams.cpp n_embd_r."""
INNER_SIZE, STATE_SIZE = "ssm.inner_size", "ssm.state_size"
RANK, GROUPS = "ssm.time_step_rank", "ssm.group_count"

_USUAL_KERNEL = 4
_GATE_LOWER_BOUND = -5.0
"""Of the decay of Kimi's delta attention (kda_lower_bound in Ling-3.0-flash's configuration)."""
_DELTA_NET = frozenset({"ssm_ba", "ssm_beta"})


def recurrent_fields(keys: Hyperparameters, layers: Layers) -> Fields:
    """Columns about recurrent layers, from a header; none for a model without."""
    layer = next((layer for layer in layers.layers if is_recurrent(layer)), None)
    if layer is None:
        return {}
    if "shortconv.conv" in layer:
        return {"recurrent": "short_conv", "conv_kernel": keys.count(SHORT_CONV_KERNEL)}
    if "time_mix_receptance" in layer:
        size = keys.count(WKV_HEAD_DIM)
        width = layer["time_mix_receptance"].shape[0]
        if size == 0 or width % size:
            raise keys.refusal(f"its width {width:,} is not made of heads of {size:,}")
        heads = width // size
        return {
            "recurrent": "rwkv7", "conv_kernel": TOKEN_SHIFTS + 1, "recurrent_key_heads": heads,
            "recurrent_value_heads": heads, "recurrent_key_dim": size, "recurrent_value_dim": size,
        }
    if "ssm_conv1d_q" in layer:
        heads, size = keys.per_layer(HEADS, 1)[0], keys.count(KIMI_HEAD_DIM)
        fields = _checked("kimi_delta", (heads, heads, size, size), layer, keys)
    else:
        fields = _state_space(keys, layer)
    return fields | {"conv_kernel": keys.count(CONV_KERNEL, _USUAL_KERNEL)}


def recurrent_keys(llm: Llm) -> dict[str, Value]:
    """Keys about recurrent layers, for a header; none for a model without."""
    if llm.recurrent is None:
        return {}
    kernel = llm.conv_kernel or _USUAL_KERNEL
    if llm.recurrent == "short_conv":
        return {SHORT_CONV_KERNEL: kernel}
    keys: dict[str, Value] = {CONV_KERNEL: kernel}
    if llm.recurrent == "kimi_delta":
        keys[KIMI_HEAD_DIM] = llm.recurrent_key_dim or 0
        return keys | {"kda.safe_gate": True, "kda.gate_lower_bound": _GATE_LOWER_BOUND}
    heads = llm.recurrent_value_heads or 0
    keys[INNER_SIZE] = heads * (llm.recurrent_value_dim or 0)
    keys[STATE_SIZE] = llm.recurrent_key_dim or 0
    keys[RANK] = llm.ssm_dt_rank or heads
    keys[GROUPS] = llm.recurrent_key_heads or 0
    if llm.recurrent == "gated_delta_net":
        keys["full_attention_interval"] = len(llm.attention_pattern)
    return keys


def _state_space(keys: Hyperparameters, layer: Mapping[str, TensorEntry]) -> Fields:
    inner, state = keys.count(INNER_SIZE), keys.count(STATE_SIZE)
    rank, groups = keys.count(RANK), keys.count(GROUPS, 1)
    if "ssm_x" in layer:
        return _checked("mamba1", (1, inner, state, 1), layer, keys) | {"ssm_dt_rank": rank}
    if rank == 0 or inner % rank:
        raise keys.refusal(f"its recurrent width {inner:,} is not made of {rank:,} heads")
    kind = "gated_delta_net" if _DELTA_NET & layer.keys() else "mamba2"
    return _checked(kind, (groups, rank, state, inner // rank), layer, keys)


def _checked(
    kind: str, sizes: tuple[int, int, int, int], layer: Mapping[str, TensorEntry], keys: Hyperparameters
) -> Fields:
    """Columns of a kind and its heads and their widths; the convolution has the channels that these need."""
    key_heads, value_heads, key_dim, value_dim = sizes
    own, values = key_heads * key_dim, value_heads * value_dim
    channels = {"kimi_delta": own, "mamba1": values}.get(kind, 2 * own + values)
    conv = layer.get("ssm_conv1d") or layer.get("ssm_conv1d_q")
    if conv and conv.shape[-1] != channels:
        raise keys.refusal(f"{conv.name} has {conv.shape[-1]:,} channels where its states need {channels:,}")
    return {
        "recurrent": kind,
        "recurrent_key_heads": key_heads,
        "recurrent_value_heads": value_heads,
        "recurrent_key_dim": key_dim,
        "recurrent_value_dim": value_dim,
    }
