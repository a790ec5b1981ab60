"""The token embedding: half of each row is a code that routers read, half is the token's own.

There are a few hundred codes, and token t has code t modulo their number. They are the same bytes for all tokens of a
code, so that what the quantised numbers are is known exactly; `router` inverts them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.gguf.synthetic.blocks import Bytes, decoded, random_blocks
from catalog.tables import tensor_types

CODES_LIMIT = 1024
CHANNELS_PER_CODE = 4
"""So many more channels than codes keep the codes well apart from each other."""
_OWN_ROWS = 8191
"""Rows of own halves before they repeat: prime, so that no two of the first millions of tokens are the same."""
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Embedding:
    """The rows of the token embedding, in parts."""

    codes: Bytes
    """[codes, bytes of the half]"""
    own: Bytes
    """[rows, bytes of the other half]"""
    code_values: NDArray[np.float64]
    """What the codes stand for, in spreads of the embedding [codes, channels]."""

    def rows(self, count: int) -> Iterator[Bytes]:
        """The first so many rows, some thousands at a time."""
        for start in range(0, count, _ROWS_AT_ONCE):
            tokens = np.arange(start, min(start + _ROWS_AT_ONCE, count))
            yield np.hstack([self.codes[tokens % len(self.codes)], self.own[tokens % len(self.own)]])


def make_embedding(
    type_name: str, hidden_size: int, vocab_size: int, spread: float, rng: np.random.Generator
) -> Embedding:
    """An embedding of that type whose weights have that spread."""
    block = tensor_types()[type_name].block_elements
    blocks = hidden_size // block
    code_blocks = max(1, blocks // 2)
    n_codes = max(1, min(code_blocks * block // CHANNELS_PER_CODE, CODES_LIMIT, vocab_size))
    codes = random_blocks(type_name, n_codes * code_blocks, spread, rng)
    own_rows = min(_OWN_ROWS, vocab_size)
    own = random_blocks(type_name, own_rows * (blocks - code_blocks), spread, rng)
    values = decoded(type_name, codes).astype(np.float64) / spread
    return Embedding(codes.reshape(n_codes, -1), own.reshape(own_rows, -1), values.reshape(n_codes, -1))
