"""What a mapped file gives when its parts are read by page faults from the disk, as experts are that lie in no memory.

The system reads around each fault as far as its read-ahead goes, mostly 128 KiB and on some disks 8 MiB: what it reads
beyond the part that is used is time lost, which no direct read shows.
Source: Linux mm/filemap.c do_sync_mmap_readahead (read 2026-11-28).
"""

import mmap
import os
import random
import time
from pathlib import Path
from typing import BinaryIO, Final

from calibration.probes.sample import Sample
from catalog.units import GB, KIB

SPAN_BYTES: Final = 512 * KIB
"""Read on from anywhere: about a matrix of one expert (2,048 x 512 weights of Qwen3.6-35B-A3B at Q4_K: 576 KiB)."""


def probe_faults(path: Path, file_bytes: int, repeats: int, seconds_each: float) -> Sample | None:
    """GB/s of the bytes asked for; None where the system cannot be told to drop what it holds of the file."""
    if not hasattr(os, "posix_fadvise") or not hasattr(mmap, "MADV_DONTNEED"):
        return None
    dice = random.Random(0)
    with path.open("rb") as file, mmap.mmap(file.fileno(), file_bytes, access=mmap.ACCESS_READ) as mapped:
        return Sample.of(_bytes_per_second(file, mapped, dice, seconds_each / repeats) / GB for _ in range(repeats))


def _bytes_per_second(file: BinaryIO, mapped: mmap.mmap, dice: random.Random, seconds: float) -> float:
    spans, spent_s = 0, 0.0
    while spent_s < seconds:
        mapped.madvise(mmap.MADV_DONTNEED)  # pages that are mapped stay in the cache
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        first = dice.randrange(len(mapped) // SPAN_BYTES) * SPAN_BYTES
        start = time.perf_counter()
        _ = mapped[first : first + SPAN_BYTES : mmap.PAGESIZE]
        spent_s += time.perf_counter() - start
        spans += 1
    return spans * SPAN_BYTES / spent_s
