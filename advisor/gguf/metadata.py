"""The key-value pairs of a GGUF header: read, checked and kept where they are short; and written.

Source: the GGUF specification, version 3 (ggml docs/gguf.md), read 2026-11-25.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from advisor.errors import printable
from advisor.gguf.stream import Stream

KEY_BYTES_LIMIT = 65_535
"""Source: the GGUF specification (ggml docs/gguf.md): keys are at most 2^16 - 1 bytes long."""
KEPT_STRING_BYTES = 4096
"""Longer texts (chat templates, licences) are passed over."""
KEPT_ELEMENTS = 4096
"""Longer arrays (scores and types of tokens) are passed over; those per layer have at most 512 elements."""
_ELEMENT_BYTES = 32
"""About what Python takes for an element of an array."""
LEAST_PAIR_BYTES = 8 + 1 + 4 + 1
"""Length and one byte of a key, type, one byte of a value."""


@dataclass(frozen=True, slots=True)
class Omitted:
    """A value that is there but not kept: a long text, or an array that is long or of texts."""

    length: int
    """Bytes of the text or elements of the array."""


class Wide(tuple[int, ...]):
    """Whole numbers that the loader wants with 64 bits."""

    __slots__ = ()


Number: TypeAlias = int | float | bool
Value: TypeAlias = Number | str | tuple[Number, ...] | Omitted

KINDS: Mapping[str, int] = {
    "UINT8": 0, "INT8": 1, "UINT16": 2, "INT16": 3, "UINT32": 4, "INT32": 5, "FLOAT32": 6, "BOOL": 7, "STRING": 8,
    "ARRAY": 9, "UINT64": 10, "INT64": 11, "FLOAT64": 12,
}
"""Types of values by number. Source: ggml/include/gguf.h enum gguf_type (read 2026-11-25)."""
_FORMATS: Mapping[str, str] = {
    "UINT8": "B", "INT8": "b", "UINT16": "H", "INT16": "h", "UINT32": "I", "INT32": "i", "FLOAT32": "f", "BOOL": "?",
    "UINT64": "Q", "INT64": "q", "FLOAT64": "d",
}
_SCALARS: Mapping[int, str] = {KINDS[name]: letter for name, letter in _FORMATS.items()}
"""Formats of `struct` by GGUF value type."""


def read_metadata(stream: Stream, count: int) -> dict[str, Value]:
    """So many key-value pairs."""
    allowance = stream.allowance
    if count > allowance.keys or count * LEAST_PAIR_BYTES > stream.left_bytes:
        raise stream.damaged(f"it cannot hold the {count:,} keys that it says it has")
    pairs: dict[str, Value] = {}
    allowance.keys -= count
    for _ in range(count):
        key = read_text(stream, KEY_BYTES_LIMIT, "a key")
        if not key or key in pairs:
            raise stream.damaged(f"its key {key[:80]!r} is there twice" if key else "one of its keys is empty")
        pairs[key] = value = _value(stream, key)
        allowance.kept_bytes -= len(key) + _weight(value)
        if allowance.kept_bytes < 0:
            raise stream.damaged("it has more metadata than any model")
    return pairs


def _weight(value: Value) -> int:
    if isinstance(value, tuple):
        return _ELEMENT_BYTES * len(value)
    return len(value) if isinstance(value, str) else 0


def read_text(stream: Stream, limit_bytes: int, what: str) -> str:
    """A text of at most so many bytes."""
    length = stream.u64()
    if length > limit_bytes:
        raise stream.damaged(f"{what} is {length:,} bytes long where {limit_bytes:,} are allowed")
    return _decoded(stream, length, what)


def _decoded(stream: Stream, length: int, what: str) -> str:
    try:
        return printable(stream.take(length).decode("utf-8"))
    except UnicodeDecodeError:
        raise stream.damaged(f"{what} is not UTF-8") from None


def _value(stream: Stream, key: str) -> Value:
    kind = stream.u32()
    if kind == KINDS["STRING"]:
        length = stream.u64()
        if length <= KEPT_STRING_BYTES:
            return _decoded(stream, length, f"the text of {key[:80]!r}")
        stream.skip(length)
        return Omitted(length)
    if kind == KINDS["ARRAY"]:
        return _array(stream, key)
    code = _SCALARS.get(kind)
    if code is None:
        raise stream.damaged(f"its key {key[:80]!r} has the unknown value type {kind}")
    value: Number = struct.unpack(f"<{code}", stream.take(struct.calcsize(f"<{code}")))[0]
    return value


def _array(stream: Stream, key: str) -> Value:
    kind, count = stream.u32(), stream.u64()
    if kind == KINDS["ARRAY"]:
        raise stream.damaged(f"its key {key[:80]!r} is an array of arrays, which GGUF readers refuse")
    if kind == KINDS["STRING"]:
        stream.skip_strings(count)
        return Omitted(count)
    code = _SCALARS.get(kind)
    if code is None:
        raise stream.damaged(f"its key {key[:80]!r} is an array of the unknown type {kind}")
    if count > KEPT_ELEMENTS:
        stream.skip(count * struct.calcsize(f"<{code}"))
        return Omitted(count)
    layout = f"<{count}{code}"
    return tuple(struct.unpack(layout, stream.take(struct.calcsize(layout))))


def metadata_bytes(pairs: Mapping[str, Value]) -> bytes:
    """Key-value pairs as they stand in a file."""
    return b"".join(text_bytes(key) + _typed(value) for key, value in pairs.items())


def text_bytes(text: str) -> bytes:
    """A text with its length before it."""
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _typed(value: Value) -> bytes:
    """A value with its type before it."""
    if isinstance(value, str):
        return struct.pack("<I", KINDS["STRING"]) + text_bytes(value)
    if isinstance(value, tuple):
        kind = "BOOL" if isinstance(value[0], bool) else "UINT64" if isinstance(value, Wide) else "INT32"
        head = (KINDS["ARRAY"], KINDS[kind], len(value))
        return struct.pack(f"<IIQ{len(value)}{_FORMATS[kind]}", *head, *value)
    kind = "BOOL" if isinstance(value, bool) else "UINT32" if isinstance(value, int) else "FLOAT32"
    return struct.pack(f"<I{_FORMATS[kind]}", KINDS[kind], value)
