"""The first bytes of a file, read in order and within bounds."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from advisor.errors import InputError, reason

FIRST_CHUNK_BYTES, CHUNK_BYTES = 1 << 16, 1 << 20
"""Bytes read at a time: most parts of a split model have headers of a few hundred bytes."""
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")


@dataclass(slots=True)
class Allowance:
    """What all headers of one model together may still have; more than any real model, little enough to be quick."""

    header_bytes: int = 1 << 27
    """Those of vocabularies of 260,000 tokens take 6 to 20 MB."""
    strings: int = 2_000_000
    """In arrays. Gemma 4 has 262,144 tokens and 514,906 merges."""
    keys: int = 65_536
    """A few dozen are usual, and three for each part."""
    kept_bytes: int = 8 << 20
    """Of values that are kept."""
    tensors: int = 65_536
    """The largest models have about 2,000."""


class Stream:
    """A file from its start: nothing is read beyond its end, and nothing is believed of lengths written in it."""

    def __init__(self, file: BinaryIO, file_bytes: int, name: str, allowance: Allowance) -> None:
        self._file, self._name = file, name
        self.file_bytes, self.allowance = file_bytes, allowance
        self._data, self._start, self._at = b"", 0, 0

    @property
    def position(self) -> int:
        """Bytes of the file before the next one."""
        return self._start + self._at

    @property
    def left_bytes(self) -> int:
        """Bytes of the file from here on."""
        return self.file_bytes - self.position

    def damaged(self, what: str) -> InputError:
        """The error that says what is wrong with this file."""
        return InputError(f"{self._name!r} is a damaged GGUF file: {what}; download it again or name another")

    def take(self, n: int) -> bytes:
        """The next `n` bytes."""
        if self._at + n > len(self._data):
            self._fill(n)
        start = self._at
        self._at = start + n
        return self._data[start : self._at]

    def u32(self) -> int:
        """The next 4 bytes as a number."""
        value: int = _U32.unpack(self.take(4))[0]
        return value

    def u64(self) -> int:
        """The next 8 bytes as a number."""
        value: int = _U64.unpack(self.take(8))[0]
        return value

    def skip(self, n: int) -> None:
        """Pass over `n` bytes without reading them."""
        self._check(n)
        self._at += n
        if self._at > len(self._data):
            self._start, self._at, self._data = self.position, 0, b""

    def skip_strings(self, n: int) -> None:
        """Pass over `n` strings, each with its length before it."""
        self.allowance.strings -= n
        if self.allowance.strings < 0:
            raise self.damaged(f"an array of {n:,} strings is more than any vocabulary has")
        if n * _U64.size > self.left_bytes:
            raise self.damaged(f"an array of {n:,} strings does not fit into it")
        unpack = _U64.unpack_from
        for _ in range(n):
            if self._at + 8 > len(self._data):
                self._fill(8)
            self._at += 8 + unpack(self._data, self._at)[0]
            if self._at > len(self._data):
                self._pass_over()

    def _pass_over(self) -> None:
        """Go on beyond what was read."""
        beyond = self._at - len(self._data)
        self._at = len(self._data)
        self.skip(beyond)

    def _check(self, n: int) -> None:
        if n > self.left_bytes:
            raise self.damaged(f"it ends within its header, after {self.file_bytes:,} bytes")
        if self.position + n > self.allowance.header_bytes:
            raise self.damaged("its header is longer than that of any model")

    def _fill(self, n: int) -> None:
        """Have at least the next `n` bytes at hand."""
        self._check(n)
        start = self.position
        try:
            self._file.seek(start)
            data = self._file.read(max(n, CHUNK_BYTES if start else FIRST_CHUNK_BYTES))
        except OSError as error:
            raise InputError(f"{self._name!r} cannot be read: {reason(error)}") from None
        if len(data) < n:
            raise self.damaged("it became shorter while it was read")
        self._data, self._start, self._at = data, start, 0
