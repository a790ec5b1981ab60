"""The tensors of a header, layer by layer, each with the part of the model that it belongs to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from advisor.gguf.header import Header, TensorEntry
from advisor.gguf.hyperparameters import LAYERS_LIMIT, Hyperparameters
from advisor.sizes import Group, Tensor

_IN_LAYER = re.compile(r"blk\.(\d{1,6})\.(.+)")
_OF_ONE_EXPERT = re.compile(r"ffn_(?:gate|up|down)\.\d+")
_RECURRENT = ("ssm_", "shortconv.")
_SHARED = ("_shexp", "ffn_latent_")
_ROUTED = ("_exps", "_chexps")
_ROUTER = ("ffn_gate_inp", "exp_probs_b")
_OF_FFN = ("ffn_", "inp_gate", "proj")


@dataclass(frozen=True, slots=True)
class Layers:
    """Tensors by their name without "blk.N." and ".weight"."""

    layers: tuple[Mapping[str, TensorEntry], ...]
    """Of the model itself."""
    extra: tuple[Mapping[str, TensorEntry], ...]
    """Of multi-token prediction."""
    outside: Mapping[str, TensorEntry]


def layers_of(header: Header, keys: Hyperparameters) -> Layers:
    """The tensors by layer. Raises `InputError` where layers are missing or there are more than the file says."""
    total, extra = keys.count("block_count"), keys.count("nextn_predict_layers", 0)
    if not extra < total <= LAYERS_LIMIT:
        raise keys.refusal(f"it says that it has {total:,} layers, {extra:,} of them for multi-token prediction")
    found: list[dict[str, TensorEntry]] = [{} for _ in range(total)]
    outside: dict[str, TensorEntry] = {}
    for entry in header.tensors:
        layer, stem = split_name(entry.name)
        if layer is not None and layer >= total:
            raise keys.refusal(f"it says that it has {total} layers but holds {entry.name}")
        (outside if layer is None else found[layer]).setdefault(stem, entry)
    own = found[: total - extra]
    if empty := [i for i, layer in enumerate(own) if not layer]:
        raise keys.refusal(f"it says that it has {len(own)} layers but holds no tensor of layer {empty[0]}")
    return Layers(tuple(own), tuple(layer for layer in found[len(own) :] if layer), outside)


def split_name(name: str) -> tuple[int | None, str]:
    """Layer, and the name without it and without "weight".

    >>> split_name("blk.3.attn_q.weight")
    (3, 'attn_q')
    """
    found = _IN_LAYER.fullmatch(name)
    rest = found[2] if found else name
    return (int(found[1]) if found else None), rest.removesuffix(".weight")


def is_recurrent(layer: Mapping[str, TensorEntry]) -> bool:
    """Whether a layer keeps a state instead of a KV cache."""
    return any(stem.startswith(_RECURRENT) for stem in layer)


def tensors_of(header: Header, layers: Layers) -> tuple[Tensor, ...]:
    """The tensors as the footprint takes them."""
    recurrent = [is_recurrent(layer) for layer in layers.layers]
    found = []
    for entry in header.tensors:
        layer, stem = split_name(entry.name)
        group = _group(layer, stem, recurrent)
        found.append(Tensor(entry.name, layer, group, entry.shape, entry.type))
    return tuple(found)


def _group(layer: int | None, stem: str, recurrent: list[bool]) -> Group:
    if layer is None:
        return _outside(stem)
    if layer >= len(recurrent):
        return "mtp"
    if any(part in stem for part in _ROUTED) or _OF_ONE_EXPERT.match(stem):
        return "routed_experts"
    if any(part in stem for part in _SHARED):
        return "shared_expert"
    if stem.startswith(_ROUTER):
        return "router"
    if "norm" in stem:
        return "norm"
    if stem.startswith(_OF_FFN):
        return "dense_ffn"
    return "recurrent" if recurrent[layer] else "attention"


def _outside(stem: str) -> Group:
    if stem in ("token_embd", "per_layer_token_embd", "position_embd", "token_types"):
        return "token_embedding"
    return "norm" if "norm" in stem else "output"
