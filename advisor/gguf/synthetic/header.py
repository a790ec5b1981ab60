"""The bytes of a GGUF file before its weights.

Source: the GGUF specification, version 3 (ggml docs/gguf.md), read 2026-11-25.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from advisor.gguf.encodings import constants
from advisor.sizes import Tensor

ALIGNMENT_BYTES = 32
_VERSION = 3
_NEW_TYPES = {"Q2_0": 42}
"""Types that the gguf package does not know yet. Source: llama.cpp ggml/include/ggml.h enum ggml_type."""


@dataclass(frozen=True, slots=True)
class Wide:
    """Whole numbers that the loader wants with 64 bits."""

    values: tuple[int, ...]


Value: TypeAlias = str | bool | int | float | tuple[int, ...] | tuple[bool, ...] | Wide


def header_bytes(metadata: Mapping[str, Value], tensors: Sequence[Tensor]) -> bytes:
    """Everything up to the first tensor, padding included."""
    out = bytearray(b"GGUF" + struct.pack("<IQQ", _VERSION, len(tensors), len(metadata)))
    for key, value in metadata.items():
        out += _text(key) + _typed(value)
    types, offset = constants().GGMLQuantizationType, 0
    for tensor in tensors:
        dims = tensor.shape
        layout = f"<I{len(dims)}QIQ"
        number = _NEW_TYPES.get(tensor.type) or int(types[tensor.type])
        out += _text(tensor.name) + struct.pack(layout, len(dims), *dims, number, offset)
        offset += padded(int(tensor.bytes))
    return bytes(out) + bytes(padded(len(out)) - len(out))


def padded(size_bytes: int) -> int:
    """The next multiple of the alignment.

    >>> padded(33)
    64
    """
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _typed(value: Value) -> bytes:
    """A value with its type before it."""
    kinds = constants().GGUFValueType
    if isinstance(value, Wide):
        return _array(int(kinds.UINT64), "Q", value.values)
    if isinstance(value, tuple):
        whole = not isinstance(value[0], bool)
        return _array(int(kinds.INT32 if whole else kinds.BOOL), "i" if whole else "?", value)
    if isinstance(value, str):
        return struct.pack("<I", int(kinds.STRING)) + _text(value)
    kind, code = (
        (kinds.BOOL, "?") if isinstance(value, bool)
        else (kinds.UINT32, "I") if isinstance(value, int)
        else (kinds.FLOAT32, "f")
    )  # fmt: skip
    return struct.pack(f"<I{code}", int(kind), value)


def _array(kind: int, code: str, values: Sequence[int]) -> bytes:
    return struct.pack(f"<IIQ{len(values)}{code}", int(constants().GGUFValueType.ARRAY), kind, len(values), *values)
