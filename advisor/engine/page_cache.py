"""What the system holds of a model's files in memory: how much of some bytes, and asking it to drop all."""

import ctypes
import mmap
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from advisor.engine.experts import Slice
from advisor.gguf import Header

PAGE_BYTES = mmap.PAGESIZE
_IN_MEMORY = 1
"""Lowest bit of a page's byte. Source: man 2 mincore."""


class PageCache:
    """The files of a model, mapped but not read, so that the system can be asked what of them is in memory."""

    def __init__(self, header: Header) -> None:
        self._maps = [_mapped(part.path) for part in header.parts]
        self._addresses = [np.frombuffer(item, np.uint8).ctypes.data for item in self._maps]
        self._mincore = ctypes.CDLL(None, use_errno=True).mincore
        self._mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)

    def share(self, slices: Iterable[Slice]) -> float:
        """Share of the pages of these bytes that are in memory; 1 of none."""
        pages = held = 0
        for part, start, end in slices:
            first = start // PAGE_BYTES * PAGE_BYTES
            found = np.zeros(-(-(end - first) // PAGE_BYTES), np.uint8)
            if self._mincore(self._addresses[part] + first, end - first, found.ctypes.data):
                error = ctypes.get_errno()
                raise OSError(error, os.strerror(error))
            pages, held = pages + len(found), held + int((found & _IN_MEMORY).sum())
        return held / pages if pages else 1.0


def can_tell(header: Header) -> bool:
    """Whether the system tells this user what is in memory: Linux does of files that the user owns or may write.

    Source: Linux mm/mincore.c can_do_mincore; of others it says that all of them is there.
    """
    return sys.platform != "win32" and all(
        os.access(part.path, os.W_OK) or part.path.stat().st_uid == os.geteuid() for part in header.parts
    )


def forget(header: Header) -> None:
    """Let the system drop what it holds of the files in memory; what another process maps stays."""
    if not hasattr(os, "posix_fadvise"):
        return
    for part in header.parts:
        with part.path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
