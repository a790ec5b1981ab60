"""The list of tensors in a GGUF header: where each lies, checked against the size of the file."""

from collections.abc import Sequence
from math import prod

from advisor.gguf.encodings import Encoding, encodings
from advisor.gguf.header import TensorEntry
from advisor.gguf.metadata import read_text
from advisor.gguf.stream import Stream

NAME_BYTES_LIMIT = 63
DIMENSIONS_LIMIT = 4
"""Source: ggml.h GGML_MAX_NAME (with its final zero), GGML_MAX_DIMS."""
LEAST_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8
"""Name with its length, number of dimensions, one of them, type, offset."""


def check_count(stream: Stream, count: int) -> None:
    """Refuse a number of tensors that the file cannot hold."""
    if count > stream.allowance.tensors or count * LEAST_TENSOR_BYTES > stream.left_bytes:
        raise stream.damaged(f"it cannot hold the {count:,} tensors that it says it has")


def read_tensors(stream: Stream, count: int, alignment: int) -> tuple[int, tuple[TensorEntry, ...]]:
    """Start of the tensors' data, and so many tensors with their place in the file."""
    stream.allowance.tensors -= count
    rows = [_row(stream) for _ in range(count)]
    start = aligned(stream.position, alignment)
    _check_names(stream, [name for name, *_ in rows])
    return start, tuple(_placed(stream, rows, start, alignment))


def aligned(offset: int, alignment: int) -> int:
    """The next multiple of the alignment.

    >>> aligned(33, 32)
    64
    """
    return -(-offset // alignment) * alignment


def _row(stream: Stream) -> tuple[str, tuple[int, ...], Encoding, int]:
    name = read_text(stream, NAME_BYTES_LIMIT, "the name of a tensor")
    dimensions = stream.u32()
    if not name or not 1 <= dimensions <= DIMENSIONS_LIMIT:
        raise stream.damaged(f"its tensor {name!r} has {dimensions:,} dimensions" if name else "a tensor has no name")
    shape = tuple(stream.u64() for _ in range(dimensions))
    number = stream.u32()
    encoding = encodings().get(number)
    if encoding is None:
        raise stream.damaged(f"its tensor {name!r} has the unknown type {number}")
    if 0 in shape or shape[0] % encoding.block_elements:
        blocks = f"rows of {encoding.name} are multiples of {encoding.block_elements}"
        raise stream.damaged(f"its tensor {name!r} has the impossible shape {shape} ({blocks})")
    return name, shape, encoding, stream.u64()


def _check_names(stream: Stream, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise stream.damaged(f"its tensor {name!r} is there twice")
        seen.add(name)


def _placed(
    stream: Stream, rows: list[tuple[str, tuple[int, ...], Encoding, int]], start: int, alignment: int
) -> list[TensorEntry]:
    """Tensors lie one after the other, each at a multiple of the alignment, as llama.cpp demands too."""
    expected, found = 0, []
    for name, shape, encoding, offset in rows:
        size = _size_bytes(shape, encoding)
        if offset != expected:
            raise stream.damaged(f"its tensor {name!r} lies at byte {offset:,} of the data instead of {expected:,}")
        if start + offset + size > stream.file_bytes:
            end = f"its tensor {name!r} ends at byte {start + offset + size:,} of {stream.file_bytes:,}"
            raise stream.damaged(f"it is truncated ({end})")
        found.append(TensorEntry(name, shape, encoding.name, size, start + offset))
        expected = aligned(offset + size, alignment)
    return found


def _size_bytes(shape: tuple[int, ...], encoding: Encoding) -> int:
    rows = prod(shape[1:])
    return rows * (shape[0] // encoding.block_elements * encoding.block_bytes + encoding.row_bytes)
