"""A weight tensor as GGUF files hold it: name, part of the model, shape, type, bytes."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Literal, NamedTuple

from catalog.tables import tensor_types

Group = Literal[
    "attention", "recurrent", "norm", "router", "dense_ffn", "shared_expert", "routed_experts",
    "output", "token_embedding", "mtp",
]
Part = tuple[str, Group, tuple[int, ...]]
"""A tensor of a layer: its name without "blk.N.", group, shape."""


EXPERTS = "ffn_(up|down|gate|gate_up)_(ch|)exps"
"""Routed experts of a layer. Source: llama.cpp common/common.h LLM_FFN_EXPS_REGEX (b10481, read 2026-11-25)."""
DENSE_FEED_FORWARD = r"ffn_(up|down|gate)\.weight"


def pattern_of(layers: Iterable[int], tensors: str) -> str:
    r"""Tensors of some layers, as llama.cpp's `--override-tensor` and its own `--n-cpu-moe` name them.

    >>> pattern_of([0], EXPERTS), pattern_of([2, 3], DENSE_FEED_FORWARD)
    ('blk\\.0\\.ffn_(up|down|gate|gate_up)_(ch|)exps', 'blk\\.(2|3)\\.ffn_(up|down|gate)\\.weight')
    """
    numbers = [str(layer) for layer in layers]
    which = numbers[0] if len(numbers) == 1 else f"({'|'.join(numbers)})"
    return rf"blk\.{which}\.{tensors}"


class Shape(NamedTuple):
    """A tensor before its type is chosen: `shape` as GGUF writes it, the row length first."""

    name: str
    layer: int | None
    group: Group
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of weights."""
        return prod(self.shape)


def tensor_bytes(shape: tuple[int, ...], type_name: str) -> float:
    """Bytes of a tensor of that type.

    >>> tensor_bytes((256, 2), "Q4_K")
    288.0
    """
    kind = tensor_types()[type_name]
    elements = prod(shape)
    return elements / kind.block_elements * kind.block_bytes + elements // shape[0] * kind.row_bytes


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor with its ggml type; `layer` is None outside the layers."""

    name: str
    layer: int | None
    group: Group
    shape: tuple[int, ...]
    type: str

    @property
    def elements(self) -> int:
        """Number of weights."""
        return prod(self.shape)

    @property
    def bytes(self) -> float:
        """Bytes in the file."""
        return tensor_bytes(self.shape, self.type)
