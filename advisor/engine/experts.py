"""Where each expert's bytes lie in a model file: one slice of each of its layer's stacked matrices."""

import re
from collections import defaultdict
from typing import NamedTuple

from advisor.gguf import Header, TensorEntry
from advisor.gguf.layers import split_name

_STACKED = re.compile(r"ffn_(up|down|gate|gate_up)_exps(\.bias)?")


class Slice(NamedTuple):
    """Bytes of one file, from `start` to before `end`."""

    part: int
    """Index of the file in `Header.parts`."""
    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How many there are."""
        return self.end - self.start


class Expert(NamedTuple):
    """One expert of one layer."""

    layer: int
    number: int
    slices: tuple[Slice, ...]

    @property
    def size_bytes(self) -> int:
        """Of all its matrices."""
        return sum(item.size_bytes for item in self.slices)


def experts_of(header: Header) -> tuple[Expert, ...]:
    """All experts that a router chooses from, layer by layer; empty for a dense model."""
    stacked: dict[int, list[TensorEntry]] = defaultdict(list)
    for entry in header.tensors:
        layer, stem = split_name(entry.name)
        if layer is not None and _STACKED.fullmatch(stem):
            stacked[layer].append(entry)
    return tuple(
        Expert(layer, number, tuple(_slice(entry, number) for entry in stacked[layer]))
        for layer in sorted(stacked)
        for number in range(stacked[layer][0].shape[-1])
    )


def _slice(entry: TensorEntry, number: int) -> Slice:
    """An expert's share of a tensor: experts are the last dimension, one after another."""
    size = entry.size_bytes // entry.shape[-1]
    return Slice(entry.part, entry.start + number * size, entry.start + (number + 1) * size)
