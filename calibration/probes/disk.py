"""How fast the disk under a folder is read, past the system's page cache.

A file is read with direct I/O where the file system takes it; elsewhere its pages are dropped from the cache before
they are read, and `note` says so. A virtual machine's disk may still come from its host's memory, which nothing here
can see.
"""

import io
import mmap
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from advisor.errors import InputError
from calibration.probes.faults import SPAN_BYTES, probe_faults
from calibration.probes.sample import Sample
from calibration.probes.scratch import scratch_file
from catalog.profiles import ProbeResult
from catalog.units import GB, KIB, MIB

ALIGNMENT: Final = 4 * KIB
"""Of offset, size and memory in direct I/O: no disk of today has larger blocks."""
LEAST_BYTES: Final = 8 * MIB
Opener = Callable[[str, int], int]


@dataclass(frozen=True, slots=True)
class Pattern:
    """How a file is read: blocks of so many bytes, one after another or anywhere, so many at a time."""

    block_bytes: int
    in_flight: int
    sequential: bool = False

    @property
    def name(self) -> str:
        """Such as "random block=4KiB in_flight=32"."""
        order = "sequential" if self.sequential else "random"
        return f"{order} block={self.block_bytes // KIB}KiB in_flight={self.in_flight}"


PATTERNS: Final = (
    Pattern(4 * KIB, 1),
    Pattern(4 * KIB, 32),
    Pattern(64 * KIB, 1),
    Pattern(64 * KIB, 32),
    Pattern(1 * MIB, 1),
    Pattern(1 * MIB, 32),
    Pattern(4 * MIB, 1, sequential=True),
    Pattern(4 * MIB, 8, sequential=True),
)
"""4 KiB is a page that a mapped file faults in, 64 KiB and 1 MiB are what the kernel reads around it; 32 threads, as
many as fault at once on a large processor. The largest come last, for the disk of a virtual machine may hold reads up
once so many bytes have been read."""

AROUND: Final = Pattern(64 * KIB, 1)
"""What a page fault of a mapped file reads at the least: half of the kernel's usual read-ahead of 128 KiB.

Source: Linux mm/filemap.c do_sync_mmap_readahead (read 2026-11-28).
"""


@dataclass(frozen=True, slots=True)
class DiskProbe:
    """GB/s of each pattern and of page faults (see `calibration.probes.faults`); `direct` is False where the page cache
    could not be bypassed but only emptied.
    """

    folder: Path
    file_bytes: int
    direct: bool
    rates: tuple[tuple[Pattern, Sample], ...]
    faults: Sample | None = None
    note: str | None = None

    @property
    def sequential_gb_s(self) -> Sample:
        """The most that reading on reached."""
        return max((rate for pattern, rate in self.rates if pattern.sequential), key=lambda rate: rate.value)

    def results(self) -> Iterator[ProbeResult]:
        """Rows of a profile."""
        for pattern, rate in self.rates:
            yield rate.result(f"disk_read_gb_s {pattern.name}", "GB/s")
        if self.faults:
            yield self.faults.result(f"disk_read_gb_s faults span={SPAN_BYTES // KIB}KiB", "GB/s")


def open_direct(path: str, flags: int) -> int:
    """A descriptor that bypasses the page cache. Raises OSError where the system or the file system has no such."""
    if hasattr(os, "O_DIRECT"):
        return os.open(path, flags | os.O_DIRECT)
    raise OSError("this system has no direct reads")


def probe_disk(
    folder: Path,
    file: Path | None = None,
    *,
    patterns: tuple[Pattern, ...] = PATTERNS,
    repeats: int = 5,
    seconds_each: float = 0.4,
    opener: Opener = open_direct,
) -> DiskProbe:
    """Read `file` (a model on that disk), else a scratch file written into the folder and removed afterwards.

    Raises InputError when the folder cannot be written or too little space is free.
    """
    with _readable(folder, file, 2.5 * seconds_each) as path:
        size = path.stat().st_size // MIB * MIB
        if size < LEAST_BYTES:
            raise InputError(f"{path} has less than {LEAST_BYTES // MIB} MiB, too little to time the disk with")
        direct = _takes(path, opener)
        rates = tuple(
            (pattern, _rate(path, size, pattern, opener if direct else None, repeats, seconds_each))
            for pattern in patterns
        )
        faults = probe_faults(path, size, repeats, seconds_each)
    note = None if direct else f"the file system of {folder} takes no direct reads: its cached pages were dropped first"
    return DiskProbe(folder, size, direct, rates, faults, note)


@contextmanager
def _readable(folder: Path, file: Path | None, write_s: float) -> Iterator[Path]:
    if file is not None:
        yield file
        return
    with scratch_file(folder, write_s) as path:
        yield path


def _takes(path: Path, opener: Opener) -> bool:
    """Whether a block can be read so: some file systems refuse the opening, some the reading."""
    try:
        with io.FileIO(path, opener=opener) as file, mmap.mmap(-1, ALIGNMENT) as block:
            return bool(file.readinto(block) == ALIGNMENT)
    except OSError:
        return False


def _rate(path: Path, size: int, pattern: Pattern, opener: Opener | None, repeats: int, seconds: float) -> Sample:
    readers = [_Reader(path, size, pattern, number, opener) for number in range(pattern.in_flight)]
    try:
        return Sample.of(_bytes_per_second(readers, seconds / repeats) / GB for _ in range(repeats))
    finally:
        for reader in readers:
            reader.close()


class _Reader:
    """One of the threads: its own descriptor, block and share of a file that is read on."""

    def __init__(self, path: Path, size: int, pattern: Pattern, number: int, opener: Opener | None) -> None:
        self._file = io.FileIO(path, opener=opener)
        self._block = mmap.mmap(-1, pattern.block_bytes)  # starts on a page, as direct reads must
        self._pattern, self._blocks, self._emptied = pattern, size // pattern.block_bytes, opener is None
        self._next = self._blocks * number // pattern.in_flight
        self._dice = random.Random(number)

    def read_until(self, end: float, last: list[tuple[int, float]]) -> None:
        """Read blocks until a time, at least one; add the bytes and when the last one came."""
        done, now = 0, 0.0
        while now < end:
            index = self._next if self._pattern.sequential else self._dice.randrange(self._blocks)
            self._next = (index + 1) % self._blocks
            offset = index * self._pattern.block_bytes
            if self._emptied and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self._file.fileno(), offset, self._pattern.block_bytes, os.POSIX_FADV_DONTNEED)
            self._file.seek(offset)
            done += self._file.readinto(self._block) or 0
            now = time.perf_counter()
        last.append((done, now))

    def close(self) -> None:
        self._file.close()
        self._block.close()


def _bytes_per_second(readers: list[_Reader], seconds: float) -> float:
    done: list[tuple[int, float]] = []
    start = time.perf_counter()
    threads = [threading.Thread(target=reader.read_until, args=(start + seconds, done)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(size for size, _ in done) / (max(end for _, end in done) - start)
