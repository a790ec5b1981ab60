"""How fast RAM can be read, over threads.

Only reads are counted and made, as decoding does: a copy would write as much as it reads. Every thread compares the two
halves of its slice of one buffer (memcmp), which are equal, so that each byte is read once; of the kernels in KERNELS
that is the fastest on the processors tried, for it reads 64 bytes per instruction in two streams and computes next to
nothing. A processor on which another kernel is faster takes that one. Sums and products are no candidates: numpy's take
more time to add than RAM takes to deliver, and BLAS starts threads of its own.
"""

import ctypes
import mmap
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
import psutil
from numpy.typing import NDArray

from advisor.detection.memory import memory_gib
from advisor.detection.processor import read_caches
from advisor.errors import InputError
from calibration.probes.sample import Sample
from catalog.profiles import ProbeResult
from catalog.units import GB, GIB, MIB

Bytes = NDArray[np.uint8]
Kernel = Callable[[Bytes], bool]

MARK: Final = 1
"""A byte that no measured buffer holds: a kernel that has not read all would miss it."""
LEAST_BYTES: Final = 256 * MIB
CACHES_BEYOND: Final = 4
SHARE_OF_FREE: Final = 8
NEEDED_BYTES: Final = 64 * MIB
KNEE_SHARE: Final = 0.95
_PASS_S: Final = 0.06
"""Shortest measurement: some hundred times what it takes to wake a thread."""
_PATIENCE_S: Final = 1.0
_PAGE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class RamProbe:
    """Read bandwidth in GB/s by number of threads, on large pages as the engine's own buffers may have.

    `small_pages` is that of 4 KiB pages with `knee` threads, as a mapped model file has: None where pages cannot be
    chosen. `beyond_cache` is False where too little memory was free for a buffer well beyond the caches.
    """

    by_threads: tuple[tuple[int, Sample], ...]
    small_pages: Sample | None
    kernel: str
    buffer_bytes: int
    beyond_cache: bool

    @property
    def best(self) -> Sample:
        """The most that any number of threads reached."""
        return max((sample for _, sample in self.by_threads), key=lambda sample: sample.value)

    @property
    def knee(self) -> int:
        """The fewest threads that reach 95 % of the best."""
        enough = KNEE_SHARE * self.best.value
        return next(threads for threads, sample in self.by_threads if sample.value >= enough)

    def results(self) -> Iterator[ProbeResult]:
        """Rows of a profile."""
        for threads, sample in self.by_threads:
            yield sample.result(f"ram_read_gb_s threads={threads}", "GB/s")
        if self.small_pages:
            yield self.small_pages.result(f"ram_read_gb_s pages=4KiB threads={self.knee}", "GB/s")
        knee = Sample(float(self.knee), 0.0, self.best.repeats)
        yield knee.result("ram_knee_threads", "threads")


def probe_ram(threads: Sequence[int] | None = None, *, buffer_bytes: int | None = None, repeats: int = 7) -> RamProbe:
    """Measure for each number of threads, else from 1 to the processors that this process may use.

    Raises InputError when less than 512 MiB of memory is free.
    """
    size, beyond = (buffer_bytes, True) if buffer_bytes else buffer_size()
    counts = tuple(threads) if threads else thread_counts(usable_processors())
    with ReadBench(size) as bench:
        by_threads = tuple((count, bench.sample(count, repeats)) for count in counts)
        name = bench.name
    found = RamProbe(by_threads, None, name, size, beyond)
    if not hasattr(mmap, "MADV_NOHUGEPAGE"):
        return found
    with ReadBench(size, name, small_pages=True) as bench:
        return RamProbe(by_threads, bench.sample(found.knee, repeats), name, size, beyond)


class ReadBench:
    """A buffer that is ready to be read; leaving its context frees it."""

    def __init__(self, size: int, kernel: str | None = None, *, small_pages: bool = False) -> None:
        self._memory = mmap.mmap(-1, size)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            with suppress(OSError):  # a kernel without large pages
                self._memory.madvise(mmap.MADV_NOHUGEPAGE if small_pages else mmap.MADV_HUGEPAGE)
        self._buffer: Bytes = np.frombuffer(self._memory, dtype=np.uint8)
        _each(slices(self._buffer, usable_processors()), lambda part: part.fill(0))  # unwritten pages are all one page
        self.name = kernel or self._fastest()

    def sample(self, threads: int, repeats: int) -> Sample:
        """Read bandwidth of so many threads at once, GB/s; fewer repeats, but three, where they take over a second."""
        parts = slices(self._buffer, threads)
        size = sum(part.nbytes for part in parts)
        kernel = kernels()[self.name]
        passes = max(1, round(_PASS_S / _each(parts, kernel)))
        end = time.perf_counter() + _PATIENCE_S
        taken: list[float] = []
        while len(taken) < min(3, repeats) or (len(taken) < repeats and time.perf_counter() < end):
            taken.append(size * passes / _each(parts, kernel, passes) / GB)
        return Sample.of(taken)

    def _fastest(self) -> str:
        """The kernel that reads fastest in one thread."""
        part = slices(self._buffer, 1)
        return min(kernels(), key=lambda name: min(_each(part, kernels()[name]) for _ in range(3)))

    def close(self) -> None:
        """Free the buffer."""
        del self._buffer
        self._memory.close()

    def __enter__(self) -> "ReadBench":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@cache
def kernels() -> Mapping[str, Kernel]:
    """Kernels by name: each reads every byte of a buffer without a mark, and tells whether a MARK is in it."""
    library = _c_library()
    found: dict[str, Kernel] = {"max": lambda part: bool(part.max() >= MARK)}
    if library is not None:
        found["memchr"] = lambda part: library.memchr(part.ctypes.data, MARK, part.nbytes) is not None
        found["memcmp"] = lambda part: _halves_differ(library, part)
    return found


def _halves_differ(library: Any, part: Bytes) -> bool:
    half = part.nbytes // 2
    return bool(library.memcmp(part.ctypes.data, part.ctypes.data + half, half) != 0)


def _c_library() -> Any | None:
    """The C library of this process; its calls release Python's lock."""
    try:
        library = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
        library.memchr.restype = ctypes.c_void_p
        library.memchr.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
        library.memcmp.restype = ctypes.c_int
        library.memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    except (OSError, AttributeError):
        return None
    return library


def slices(buffer: Bytes, count: int) -> tuple[Bytes, ...]:
    """Parts of equal size that hold all of a buffer but less than two pages each, which keep them whole and even."""
    size = buffer.nbytes // count // (2 * _PAGE_BYTES) * (2 * _PAGE_BYTES)
    edges = range(0, size * count + 1, size)
    return tuple(buffer[start:end] for start, end in pairwise(edges))


def thread_counts(processors: int) -> tuple[int, ...]:
    """Numbers of threads to try: each up to 4, then about 1.4 times as many each time, and all.

    >>> thread_counts(2), thread_counts(16)
    ((1, 2), (1, 2, 3, 4, 6, 8, 11, 16))
    """
    found = set(range(1, min(4, processors) + 1)) | {processors}
    count = 4.0
    while (count := count * 2**0.5) < processors:
        found.add(round(count))
    return tuple(sorted(found))


def usable_processors() -> int:
    """Logical processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def buffer_size() -> tuple[int, bool]:
    """Bytes to read: four times the last cache, at least 256 MiB, at most an eighth of what is free.

    And whether that is beyond the caches. Raises InputError when less than 512 MiB is free.
    """
    limit_gib = memory_gib()
    free = min(psutil.virtual_memory().available, limit_gib * GIB if limit_gib else float("inf"))
    wanted = max(LEAST_BYTES, CACHES_BEYOND * (read_caches().last_level_bytes or 0))
    size = int(min(wanted, free / SHARE_OF_FREE)) // MIB * MIB
    if size < NEEDED_BYTES:
        raise InputError(
            f"only {free / MIB:.0f} MiB of memory is free, and the RAM probe needs "
            f"{NEEDED_BYTES * SHARE_OF_FREE // MIB} MiB: close other programs"
        )
    return size, size == wanted


def _each(parts: Sequence[Bytes], work: Callable[[Bytes], object], passes: int = 1) -> float:
    """Seconds from the first start to the last end of a thread per part."""
    gate = threading.Barrier(len(parts))
    times: list[tuple[float, float]] = []

    def run(part: Bytes) -> None:
        gate.wait()
        start = time.perf_counter()
        for _ in range(passes):
            work(part)
        times.append((start, time.perf_counter()))

    workers = [threading.Thread(target=run, args=(part,)) for part in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return max(end for _, end in times) - min(start for start, _ in times)
