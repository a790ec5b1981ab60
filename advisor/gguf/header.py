"""What a GGUF model is made of: its parts on the disk, its metadata and the place of each tensor; read and written.

Source: the GGUF specification, version 3 (ggml docs/gguf.md), read 2026-11-25.
"""

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import prod
from pathlib import Path

from advisor.gguf.encodings import NUMBERS, Encoding, encodings
from advisor.gguf.metadata import Omitted, Value, metadata_bytes, read_text, text_bytes
from advisor.gguf.stream import Stream
from advisor.sizes import Tensor

ARCHITECTURE, KIND, NAME, FILE_TYPE = "general.architecture", "general.type", "general.name", "general.file_type"
MAGIC = b"GGUF"
VERSION = 3
ALIGNMENT_BYTES = 32
"""Of tensors, where the file names no other."""
NAME_BYTES_LIMIT = 63
DIMENSIONS_LIMIT = 4
"""Source: ggml.h GGML_MAX_NAME (with its final zero), GGML_MAX_DIMS."""
LEAST_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8
"""Name with its length, number of dimensions, one of them, type, offset."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file of a model."""

    path: Path
    file_bytes: int


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor; `shape` has the row length first."""

    name: str
    shape: tuple[int, ...]
    type: str
    """ggml type by its name in the catalog."""
    size_bytes: int
    start: int
    """Offset of its first byte in its file."""
    part: int = 0
    """Index of its file in `Header.parts`."""


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """All that a model's file, or its files together, say before the weights."""

    parts: tuple[FilePart, ...]
    metadata: Mapping[str, Value]
    tensors: tuple[TensorEntry, ...]
    modified: date
    """Day of the first file's last change."""

    @property
    def path(self) -> Path:
        """The first file."""
        return self.parts[0].path

    @property
    def file_bytes(self) -> int:
        """Bytes of all files."""
        return sum(part.file_bytes for part in self.parts)

    @property
    def tensor_bytes(self) -> int:
        """Bytes of all tensors, without padding between them."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def architecture(self) -> str:
        """As the file names it; empty where it does not."""
        return self.text(ARCHITECTURE)

    @property
    def vocabulary(self) -> int | None:
        """Tokens of the tokenizer; None where the file has none and the model reads token numbers alone."""
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        return tokens.length if isinstance(tokens, Omitted) else None

    def text(self, key: str) -> str:
        """A short text of the metadata, stripped; empty where there is none."""
        value = self.metadata.get(key)
        return value.strip() if isinstance(value, str) else ""


def check_count(stream: Stream, count: int) -> None:
    """Refuse a number of tensors that the file cannot hold."""
    if count > stream.allowance.tensors or count * LEAST_TENSOR_BYTES > stream.left_bytes:
        raise stream.damaged(f"it cannot hold the {count:,} tensors that it says it has")


def read_tensors(stream: Stream, count: int, alignment: int) -> tuple[TensorEntry, ...]:
    """So many tensors with their place in the file."""
    stream.allowance.tensors -= count
    rows = [_row(stream) for _ in range(count)]
    start = aligned(stream.position, alignment)
    twice = [name for name, count in Counter(name for name, *_ in rows).items() if count > 1]
    if twice:
        raise stream.damaged(f"its tensor {twice[0]!r} is there twice")
    return tuple(_placed(stream, rows, start, alignment))


def aligned(offset: int, alignment: int = ALIGNMENT_BYTES) -> int:
    """The next multiple of the alignment.

    >>> aligned(33)
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


def _placed(
    stream: Stream, rows: list[tuple[str, tuple[int, ...], Encoding, int]], start: int, alignment: int
) -> list[TensorEntry]:
    """Tensors lie one after the other, each at a multiple of the alignment, as llama.cpp demands too."""
    expected, found = 0, []
    for name, shape, encoding, offset in rows:
        row_bytes = shape[0] // encoding.block_elements * encoding.block_bytes + encoding.row_bytes
        size = row_bytes * prod(shape[1:])
        if offset != expected:
            raise stream.damaged(f"its tensor {name!r} lies at byte {offset:,} of the data instead of {expected:,}")
        if start + offset + size > stream.file_bytes:
            end = f"its tensor {name!r} ends at byte {start + offset + size:,} of {stream.file_bytes:,}"
            raise stream.damaged(f"it is truncated ({end})")
        found.append(TensorEntry(name, shape, encoding.name, size, start + offset))
        expected = aligned(offset + size, alignment)
    return found


def header_bytes(metadata: Mapping[str, Value], tensors: Sequence[Tensor]) -> bytes:
    """Everything up to the first tensor, padding included."""
    out = bytearray(MAGIC + struct.pack("<IQQ", VERSION, len(tensors), len(metadata)) + metadata_bytes(metadata))
    offset = 0
    for tensor in tensors:
        dims = tensor.shape
        place = struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, NUMBERS[tensor.type], offset)
        out += text_bytes(tensor.name) + place
        offset += aligned(int(tensor.bytes))
    return bytes(out) + bytes(aligned(len(out)) - len(out))
