"""Recurrent layers from a header: which kind they are and the sizes of the state that they keep.

Source: llama.cpp src/llama-hparams.cpp n_embd_r, n_embd_s and src/models/*.cpp, as vendored in llama-cpp-python 0.3.36,
read 2026-11-24.
"""

from collections.abc import Mapping

from advisor.gguf.header import TensorEntry
from advisor.gguf.heads import Fields
from advisor.gguf.hyperparameters import Hyperparameters
from advisor.gguf.layers import Layers, is_recurrent

_DELTA_NET = frozenset({"ssm_ba", "ssm_beta"})


def recurrent_fields(keys: Hyperparameters, layers: Layers) -> Fields:
    """Columns about recurrent layers; none for a model without."""
    layer = next((layer for layer in layers.layers if is_recurrent(layer)), None)
    if layer is None:
        return {}
    if "shortconv.conv" in layer:
        return {"recurrent": "short_conv", "conv_kernel": keys.count("shortconv.l_cache")}
    fields = _kimi_delta(keys) if "ssm_conv1d_q" in layer else _state_space(keys, layer)
    _check(fields, layer, keys)
    return fields | {"conv_kernel": keys.count("ssm.conv_kernel", 4)}


def _kimi_delta(keys: Hyperparameters) -> Fields:
    heads, size = keys.per_layer("attention.head_count", 1)[0], keys.count("kda.head_dim")
    return _sizes("kimi_delta", heads, heads, size, size)


def _state_space(keys: Hyperparameters, layer: Mapping[str, TensorEntry]) -> Fields:
    inner, state = keys.count("ssm.inner_size"), keys.count("ssm.state_size")
    rank, groups = keys.count("ssm.time_step_rank"), keys.count("ssm.group_count", 1)
    if "ssm_x" in layer:
        return _sizes("mamba1", 1, inner, state, 1) | {"ssm_dt_rank": rank}
    if rank == 0 or inner % rank:
        raise keys.refusal(f"its recurrent width {inner:,} is not made of {rank:,} heads")
    kind = "gated_delta_net" if _DELTA_NET & layer.keys() else "mamba2"
    return _sizes(kind, groups, rank, state, inner // rank)


def _sizes(kind: str, key_heads: int, value_heads: int, key_dim: int, value_dim: int) -> Fields:
    return {
        "recurrent": kind, "recurrent_key_heads": key_heads, "recurrent_value_heads": value_heads,
        "recurrent_key_dim": key_dim, "recurrent_value_dim": value_dim,
    }  # fmt: skip


def _check(fields: Fields, layer: Mapping[str, TensorEntry], keys: Hyperparameters) -> None:
    """The convolution has the channels that heads of these sizes need."""
    names = ("key_heads", "value_heads", "key_dim", "value_dim")
    key_heads, value_heads, key_dim, value_dim = (int(fields[f"recurrent_{name}"] or 0) for name in names)
    own, values = key_heads * key_dim, value_heads * value_dim
    channels = {"kimi_delta": own, "mamba1": values}.get(str(fields["recurrent"]), 2 * own + values)
    conv = layer.get("ssm_conv1d") or layer.get("ssm_conv1d_q")
    if conv and conv.shape[-1] != channels:
        raise keys.refusal(f"{conv.name} has {conv.shape[-1]:,} channels where its states need {channels:,}")
