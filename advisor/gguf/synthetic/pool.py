"""A store of random blocks from which tensors of any size are cut: gigabytes for the price of some megabytes."""

import zlib
from collections.abc import Iterator

import numpy as np

from advisor.gguf.synthetic.blocks import random_blocks
from catalog.tables import tensor_types

_POOL_BYTES = 8 << 20


def generator(seed: int, what: str) -> np.random.Generator:
    """Random numbers for one purpose, the same whatever else was drawn."""
    return np.random.default_rng([seed, zlib.crc32(what.encode())])


class Pools:
    """One pool for each tensor type and spread.

    A pool has a prime number of blocks: rows and experts begin at ever new places in it, so no two experts of a tensor
    are the same until it has been gone through as many times as an expert has blocks.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._pools: dict[tuple[str, float], bytes] = {}

    def cut(self, name: str, type_name: str, spread: float, size_bytes: int) -> Iterator[memoryview]:
        """So many bytes of blocks, in pieces, from a place that depends on the tensor's name."""
        pool = self._pool(type_name, spread)
        block_bytes = int(tensor_types()[type_name].block_bytes)
        start = int(generator(self._seed, name).integers(len(pool) // block_bytes)) * block_bytes
        while size_bytes > 0:
            piece = memoryview(pool)[start : start + size_bytes]
            yield piece
            size_bytes -= len(piece)
            start = 0

    def _pool(self, type_name: str, spread: float) -> bytes:
        key = (type_name, spread)
        if key not in self._pools:
            count = _prime_below(_POOL_BYTES // int(tensor_types()[type_name].block_bytes))
            rng = generator(self._seed, f"{type_name} {spread:.6g}")
            self._pools[key] = random_blocks(type_name, count, spread, rng).tobytes()
        return self._pools[key]


def _prime_below(limit: int) -> int:
    """The largest prime up to a limit of at least 2.

    >>> _prime_below(100)
    97
    """
    return next(n for n in range(limit, 1, -1) if all(n % i for i in range(2, int(n**0.5) + 1)))
