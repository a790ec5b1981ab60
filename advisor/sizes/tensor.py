"""A weight tensor as GGUF files hold it: name, part of the model, shape, type, bytes."""

from dataclasses import dataclass
from math import prod
from typing import Literal, NamedTuple

from catalog.tables import tensor_types

Group = Literal[
    "attention", "recurrent", "norm", "router", "dense_ffn", "shared_expert", "routed_experts",
    "output", "token_embedding", "mtp",
]  # fmt: skip
Part = tuple[str, Group, tuple[int, ...]]
"""A tensor of a layer: its name without "blk.N.", group, shape."""


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
