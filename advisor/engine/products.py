"""The products that a model's layers ask of a device; a device may refuse some, as too large for one of its buffers."""

from collections.abc import Iterable
from typing import NamedTuple

from advisor.sizes import Tensor

ROUTED_DIMENSIONS = 3


class Product(NamedTuple):
    """A matrix, or one for each expert: ggml's type and its sizes, the summed one first."""

    type: str
    shape: tuple[int, ...]

    @property
    def routed(self) -> bool:
        """Whether each row takes some experts of it."""
        return len(self.shape) == ROUTED_DIMENSIONS


def product_of(tensor: Tensor) -> Product | None:
    """What a tensor is multiplied in; None for vectors."""
    return Product(tensor.type, tensor.shape) if len(tensor.shape) > 1 else None


def products_of(tensors: Iterable[Tensor]) -> tuple[Product, ...]:
    """All that differ."""
    return tuple(dict.fromkeys(product for tensor in tensors if (product := product_of(tensor))))
