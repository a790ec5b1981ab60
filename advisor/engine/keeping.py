"""A process that keeps byte ranges of files in memory until its standard input ends.

`python -m advisor.engine.keeping`. It maps the files and locks the ranges; pages of a file are shared by all that
map it, so llama.cpp finds them in memory. One request and one reply, a JSON object a line each.
"""

import ctypes
import mmap
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from advisor.children import requests
from advisor.engine.settings import Record

PAGE_BYTES = mmap.PAGESIZE


class Span(NamedTuple):
    """Bytes of one file, from `start` to before `end`."""

    part: int
    """Index of the file in `Header.parts`, as in `Keep.paths`."""
    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How many there are."""
        return self.end - self.start


class Keep(Record):
    """What to keep: spans of whole pages; the last page of a file may end with it."""

    paths: tuple[str, ...]
    spans: tuple[Span, ...]


class KeptPages(Record):
    """What is kept: locked, no page leaves memory; only read ahead, it does when others need the room."""

    locked_bytes: int
    unlocked_bytes: int
    reason: str
    """Why some could not be locked; empty where all were."""


def main() -> None:
    """Keep what is asked for until the parent has gone."""
    heard = requests()
    asked = Keep.model_validate_json(heard.get())
    maps = [mapped(Path(path)) for path in asked.paths]
    kept = _lock(maps, asked.spans)
    sys.stdout.write(kept.model_dump_json() + "\n")
    sys.stdout.flush()
    heard.get()  # there is no second request: until the parent has gone


def mapped(path: Path) -> mmap.mmap:
    """A file mapped, not read."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _lock(maps: list[mmap.mmap], spans: tuple[Span, ...]) -> KeptPages:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mlock.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    addresses = [np.frombuffer(item, np.uint8).ctypes.data for item in maps]
    locked = unlocked = 0
    reason = ""
    for span in spans:
        if libc.mlock(addresses[span.part] + span.start, span.size_bytes) == 0:
            locked += span.size_bytes
            continue
        reason = os.strerror(ctypes.get_errno())
        unlocked += span.size_bytes
        maps[span.part].madvise(mmap.MADV_WILLNEED, span.start, span.size_bytes)
    return KeptPages(locked_bytes=locked, unlocked_bytes=unlocked, reason=reason)


if __name__ == "__main__":
    main()
