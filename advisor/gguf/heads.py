"""Heads of attention layers from a header, checked against the shapes of their tensors."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from advisor.gguf.header import TensorEntry
from advisor.gguf.hyperparameters import Hyperparameters
from advisor.gguf.layers import Layers

Fields: TypeAlias = dict[str, int | str | bool | None]
"""Columns of the catalog's table of models."""


class _Heads(NamedTuple):
    """Heads of all layers of one kind."""

    queries: int
    keys: int
    key_dim: int
    value_dim: int


def head_fields(kinds: str, hidden: int, keys: Hyperparameters, layers: Layers) -> Fields:
    """Columns about heads of full ("F" in `kinds`) and sliding ("S") layers; the catalog has one of each."""
    found = {kind: _heads(kind, kinds, hidden, keys, layers) for kind in "FS" if kind in kinds}
    if not found:
        queries = max(keys.per_layer("attention.head_count", len(kinds)))
        return {"n_heads": queries, "n_kv_heads": queries, "head_dim": max(1, hidden // max(1, queries))}
    main, narrow = found.get("F") or found["S"], found.get("S") or found["F"]
    return {
        "n_heads": main.queries, "n_kv_heads": main.keys, "head_dim": narrow.key_dim,
        "full_head_dim": main.key_dim if main.key_dim != narrow.key_dim else None,
        "sliding_heads": narrow.queries if narrow.queries != main.queries else None,
        "sliding_kv_heads": narrow.keys if narrow.keys != main.keys else None,
        "v_head_dim": _value_dim(set(found.values()), keys),
        "values_are_keys": any("attn_v" not in layer and "attn_k" in layer for layer in _of("F", kinds, layers)),
    }  # fmt: skip


def _value_dim(found: set[_Heads], keys: Hyperparameters) -> int | None:
    """Width of a value where it differs from that of a key."""
    if all(heads.key_dim == heads.value_dim for heads in found):
        return None
    widths = {heads.value_dim for heads in found}
    if len(widths) > 1:
        raise keys.refusal(f"its values have the widths {sorted(widths)}, which no known model has")
    return widths.pop()


def _of(kind: str, kinds: str, layers: Layers) -> Iterator[Mapping[str, TensorEntry]]:
    return (layer for letter, layer in zip(kinds, layers.layers, strict=True) if letter == kind)


def _heads(kind: str, kinds: str, hidden: int, keys: Hyperparameters, layers: Layers) -> _Heads:
    queries = keys.per_layer("attention.head_count", len(kinds))
    shared = keys.per_layer("attention.head_count_kv", len(kinds)) if "attention.head_count_kv" in keys else queries
    pairs = {(queries[i], shared[i]) for i, letter in enumerate(kinds) if letter == kind}
    if len(pairs) > 1 or 0 in (pair := next(iter(pairs))):
        raise keys.refusal(f"its layers of one kind have the heads {sorted(pairs)[:4]}, which no known model has")
    usual = hidden // max(1, next(filter(None, queries), 1))
    key_dim, value_dim = keys.count("attention.key_length", usual), keys.count("attention.value_length", usual)
    if kind == "S":
        key_dim = keys.count("attention.key_length_swa", key_dim)
        value_dim = keys.count("attention.value_length_swa", value_dim)
    heads = _Heads(*pair, key_dim, value_dim)
    for layer in _of(kind, kinds, layers):
        _check(heads, layer, keys)
    return heads


def _check(heads: _Heads, layer: Mapping[str, TensorEntry], keys: Hyperparameters) -> None:
    """The matrices have the widths that heads of these sizes need; queries may carry a gate of their own width."""
    query, key, value = heads.queries * heads.key_dim, heads.keys * heads.key_dim, heads.keys * heads.value_dim
    widths = {
        "attn_q": (query, 2 * query), "attn_k": (key,), "attn_v": (value,),
        "attn_qkv": (query + key + value, 2 * query + key + value),
    }  # fmt: skip
    for name, wanted in widths.items():
        entry = layer.get(name)
        if entry and entry.shape[-1] not in wanted:
            raise keys.refusal(f"{entry.name} is {entry.shape[-1]:,} wide where its heads need {wanted[0]:,}")
