"""Random blocks of every tensor type that llama.cpp computes with: finite, centred, of a chosen spread.

The integers of a block are random bytes; only its float scales are set. What bytes mean is read from `gguf.quants`.

Source: llama.cpp ggml/src/ggml-common.h (block layouts), as vendored in llama-cpp-python 0.3.36, read 2026-11-25.
"""

import zlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.extras import lacking
from catalog.tables import tensor_types

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

FLOATS = frozenset({"F32", "F16", "BF16"})
_SAMPLE_BLOCKS = 2048
"""Blocks whose spread is measured: half a million weights, so to about 0.2 %."""
_SAMPLE_SEED = 20260722
_POOL_BYTES = 8 << 20


class _Field(NamedTuple):
    """A half-precision number in a block, as a multiple of the block's scale."""

    offset_bytes: int
    factor: float = 1.0


_SCALES: dict[str, tuple[_Field, ...]] = {
    "Q4_0": (_Field(0),), "Q5_0": (_Field(0),), "Q8_0": (_Field(0),), "Q1_0": (_Field(0),), "Q2_0": (_Field(0),),
    "Q4_1": (_Field(0), _Field(2, -7.5)), "Q5_1": (_Field(0), _Field(2, -15.5)),
    "Q2_K": (_Field(80), _Field(82, 1.5)), "Q3_K": (_Field(108),), "Q4_K": (_Field(0), _Field(2, 7.5)),
    "Q5_K": (_Field(0), _Field(2, 15.5)), "Q6_K": (_Field(208),),
    "TQ1_0": (_Field(52),), "TQ2_0": (_Field(64),),
    "IQ1_S": (_Field(0),), "IQ2_XXS": (_Field(0),), "IQ2_XS": (_Field(0),), "IQ2_S": (_Field(0),),
    "IQ3_XXS": (_Field(0),), "IQ3_S": (_Field(0),), "IQ4_NL": (_Field(0),), "IQ4_XS": (_Field(0),),
}
"""The second field is the minimum: that many scales below (or above) zero, so that the random integers centre on 0."""

SUPPORTED = FLOATS | _SCALES.keys() | {"IQ1_M", "MXFP4", "NVFP4"}


def random_blocks(type_name: str, count: int, spread: float, rng: np.random.Generator) -> Bytes:
    """So many blocks [count, bytes] whose weights have the standard deviation `spread` and a mean of about 0."""
    if type_name in FLOATS:
        return _encode_floats(type_name, rng.standard_normal((count, 1), dtype=np.float32) * np.float32(spread))
    blocks = _random_bytes(type_name, count, rng)
    _set_scale(type_name, blocks, spread / _unit_spread(type_name), rng)
    return blocks


def decoded(type_name: str, blocks: Bytes) -> Floats:
    """The weights that blocks stand for [count, weights per block]."""
    own = _DECODERS.get(type_name)
    if own:
        return own(blocks)
    gguf = _gguf()
    found: Floats = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[type_name])
    return found.reshape(len(blocks), -1)


def encoded_f32(values: NDArray[np.floating]) -> bytes:
    """Numbers as F32 tensors hold them."""
    return values.astype("<f4").tobytes()


@cache
def _unit_spread(type_name: str) -> float:
    """Standard deviation of the weights of random blocks whose scale is 1."""
    blocks = _random_bytes(type_name, _SAMPLE_BLOCKS, np.random.default_rng(_SAMPLE_SEED))
    _write_scale(type_name, blocks, np.ones(len(blocks)))
    return float(decoded(type_name, blocks).std())


def _random_bytes(type_name: str, count: int, rng: np.random.Generator) -> Bytes:
    """Integers as they come, but each part of a block has its scale as its minimum too, so that all parts centre on 0.

    Parts of other means would be like the parts of the embedding, whose products would add up.
    """
    size = int(tensor_types()[type_name].block_bytes)
    blocks: Bytes = rng.integers(0, 256, (count, size), dtype=np.uint8)
    if type_name in _TERNARY:
        start, end = _TERNARY[type_name]
        codes = blocks[:, start:end]
        codes &= ~((codes & (codes << 1)) & np.uint8(0xAA))  # 3 is no ternary digit: make it 1, the zero
    elif type_name == "Q2_K":
        blocks[:, :16] = (blocks[:, :16] & 0xF) * 0x11
    elif type_name in ("Q4_K", "Q5_K"):
        blocks[:, 8:12] = blocks[:, 4:8]
        blocks[:, 12:16] = (blocks[:, 12:16] & 0xF) * 0x11
    return blocks


_TERNARY = {"TQ2_0": (0, 64), "Q2_0": (2, 18)}
"""Bytes of two-bit digits 0 to 2, which stand for -1, 0 and 1."""


def _set_scale(type_name: str, blocks: Bytes, scale: float, rng: np.random.Generator) -> None:
    """Give the blocks that scale; where few scales exist, two neighbours mixed so that the spread comes out right."""
    if type_name not in _COARSE:
        signs = rng.choice((-1.0, 1.0), len(blocks)) if len(_SCALES.get(type_name, ())) == 1 else np.ones(len(blocks))
        _write_scale(type_name, blocks, scale * signs)  # both signs: 4-bit integers from -8 to 7 are centred on -0.5
        return
    columns, steps = _COARSE[type_name]
    upper = int(np.searchsorted(steps, scale, side="right").clip(1, len(steps) - 1))
    low, high = steps[upper - 1], steps[upper]
    share = float(np.clip((scale**2 - low**2) / (high**2 - low**2), 0.0, 1.0))
    picks = rng.random((len(blocks), columns)) < share
    blocks[:, :columns] = np.where(picks, upper, upper - 1)


def _write_scale(type_name: str, blocks: Bytes, scales: NDArray[np.float64]) -> None:
    if type_name in _COARSE:
        columns, steps = _COARSE[type_name]
        blocks[:, :columns] = np.searchsorted(steps, scales)[:, None]
    elif type_name == "IQ1_M":  # the scale lies in the upper four bits of the four words that end a block, lowest first
        bits, words = _halves(scales).view("<u2"), blocks[:, 48:56].copy().view("<u2")
        for i in range(4):
            words[:, i] = (words[:, i] & 0x0FFF) | (((bits >> (4 * i)) & 0xF) << 12)
        blocks[:, 48:56] = words.view(np.uint8)
    else:
        for field in _SCALES[type_name]:
            halves = _halves(scales * field.factor)
            blocks[:, field.offset_bytes : field.offset_bytes + 2] = halves.view(np.uint8).reshape(-1, 2)


def _halves(values: NDArray[np.float64]) -> NDArray[np.float16]:
    """Half-precision numbers, none of them 0."""
    smallest = np.copysign(np.finfo(np.float16).smallest_subnormal, values)
    halves = values.astype("<f2")
    return np.where(halves == 0, smallest, halves).astype("<f2")


_CODES = np.arange(127)
_UE4M3 = np.where(_CODES < 8, _CODES * 2.0**-9, (1 + (_CODES & 7) / 8) * 2.0 ** ((_CODES >> 3) - 7.0)) / 2
_E8M0 = np.concatenate([[2.0**-128], 2.0 ** (np.arange(1, 255) - 128.0)])
"""What each scale byte of NVFP4 and of MXFP4 stands for; 127 and 255 would be no numbers."""
_COARSE: dict[str, tuple[int, NDArray[np.float64]]] = {"MXFP4": (1, _E8M0), "NVFP4": (4, _UE4M3)}
"""Types with one-byte scales: how many begin a block, and the values of the bytes."""


def _encode_floats(type_name: str, values: Floats) -> Bytes:
    if type_name == "BF16":
        return (values.view("<u4") >> 16).astype("<u2").view(np.uint8).reshape(len(values), -1)
    return values.astype("<f4" if type_name == "F32" else "<f2").view(np.uint8).reshape(len(values), -1)


def _decode_q1_0(blocks: Bytes) -> Floats:
    bits = np.unpackbits(blocks[:, 2:], axis=1, bitorder="little").astype(np.float32)
    return (2 * bits - 1) * _scale_at_start(blocks)


def _decode_q2_0(blocks: Bytes) -> Floats:
    digits = (blocks[:, 2:, None] >> np.array([0, 2, 4, 6], np.uint8)) & 3
    return (digits.reshape(len(blocks), -1).astype(np.float32) - 1) * _scale_at_start(blocks)


def _scale_at_start(blocks: Bytes) -> Floats:
    return blocks[:, :2].copy().view("<f2").astype(np.float32)


_DECODERS: dict[str, Callable[[Bytes], Floats]] = {
    "F32": lambda blocks: blocks.view("<f4").astype(np.float32),
    "F16": lambda blocks: blocks.view("<f2").astype(np.float32),
    "Q1_0": _decode_q1_0,
    "Q2_0": _decode_q2_0,
}
"""Types that `gguf.quants` of 0.19 does not read."""


@cache
def _gguf() -> ModuleType:
    try:
        import_module("gguf.quants")
        return import_module("gguf")
    except ImportError:
        raise lacking("writing a model file", "engine") from None


def generator(seed: int, what: str) -> np.random.Generator:
    """Random numbers for one purpose, the same whatever else was drawn."""
    return np.random.default_rng([seed, zlib.crc32(what.encode())])


class Pools:
    """Stores of random blocks from which tensors of any size are cut: gigabytes for the price of some megabytes.

    There is one pool for each tensor type and spread.
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
