"""What a header says of a model's layers: numbers by their keys, and tensors with the part that they belong to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from advisor.errors import InputError
from advisor.gguf.header import Header, TensorEntry
from advisor.gguf.metadata import Value
from advisor.sizes import Group, Tensor

BLOCKS, MTP_BLOCKS = "block_count", "nextn_predict_layers"
"""Keys of all layers, and of those among them that are for multi-token prediction."""
LARGEST = 2**31 - 1
"""llama.cpp keeps hyperparameters as 32-bit numbers."""
LAYERS_LIMIT = 512
"""Source: llama.cpp src/llama-hparams.h LLAMA_MAX_LAYERS."""
Fields: TypeAlias = dict[str, int | str | bool | None]
"""Columns of the catalog's table of models."""

_IN_LAYER = re.compile(r"blk\.(\d{1,6})\.(.+)")
_OF_ONE_EXPERT = re.compile(r"ffn_(?:gate|up|down)\.\d+")
_RECURRENT = ("ssm_", "shortconv.", "time_mix_")
_SHARED = ("_shexp", "ffn_latent_")
_ROUTED = ("_exps", "_chexps")
_ROUTER = ("ffn_gate_inp", "exp_probs_b")
_OF_FFN = ("ffn_", "inp_gate", "proj")
_EMBEDDINGS = frozenset({"token_embd", "per_layer_token_embd", "position_embd", "token_types"})


class Hyperparameters:
    """Values of the keys that begin with the architecture's name, checked: whole and not negative."""

    def __init__(self, header: Header) -> None:
        self._header = header

    def __contains__(self, key: str) -> bool:
        return self._value(key) is not None

    def refusal(self, what: str) -> InputError:
        """The error that says what cannot be true of this file."""
        return InputError(f"{str(self._header.path)!r} contradicts itself: {what}; download it again or name another")

    def count(self, key: str, default: int | None = None) -> int:
        """One number for the whole model. Raises `InputError` where it is missing and there is no default."""
        value = self._value(key)
        if value is None and default is not None:
            return default
        return self._checked(key, value)

    def per_layer(self, key: str, n: int, default: int | None = None) -> tuple[int, ...]:
        """A number for each of the first `n` layers, whether the file has one for all or one for each."""
        value = self._value(key)
        if not isinstance(value, tuple):
            return (self.count(key, default),) * n
        if len(value) < n:
            raise self.refusal(f"{self._named(key)} has {len(value)} values for {n} layers")
        return tuple(self._checked(key, int(item) if isinstance(item, bool) else item) for item in value[:n])

    def is_list(self, key: str) -> bool:
        """Whether the file has a value for each layer."""
        return isinstance(self._value(key), tuple)

    def _named(self, key: str) -> str:
        return f"{self._header.architecture}.{key}"

    def _value(self, key: str) -> Value | None:
        return self._header.metadata.get(self._named(key))

    def _checked(self, key: str, value: Value | None) -> int:
        if value is None:
            raise self.refusal(f"it has no {self._named(key)}")
        if type(value) is not int or not 0 <= value <= LARGEST:
            raise self.refusal(f"{self._named(key)} is {str(value)[:40]}, not a whole number up to {LARGEST}")
        return value


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
    total, extra = keys.count(BLOCKS), keys.count(MTP_BLOCKS, 0)
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
        found.append(Tensor(entry.name, layer, _group(layer, stem, recurrent), entry.shape, entry.type))
    return tuple(found)


def _group(layer: int | None, stem: str, recurrent: list[bool]) -> Group:
    if layer is None:
        return "token_embedding" if stem in _EMBEDDINGS else "norm" if "norm" in stem else "output"
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
