"""How fast a folder's disk is read past the system's page cache: by direct reads, and by faults of a mapped file.

A file is read with direct I/O where the file system takes it; elsewhere its pages are dropped from the cache before
they are read, and `note` says so. A virtual machine's disk may still come from its host's memory, which nothing here
can see. What is read is a model on that disk, or a scratch file of random bytes, which no disk can compress.
"""

import io
import mmap
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from advisor.errors import InputError
from calibration.probes.sample import Sample
from catalog.profiles import ProbeResult
from catalog.units import GB, GIB, KIB, MIB

ALIGNMENT: Final = 4 * KIB
"""Of offset, size and memory in direct I/O: no disk of today has larger blocks."""
LEAST_BYTES: Final = 8 * MIB
SPAN_BYTES: Final = 512 * KIB
"""Read on from anywhere by faults: about a matrix of one expert (2,048 x 512 weights of Qwen3.6-35B-A3B at Q4_K: 576
KiB)."""
PREFIX: Final = ".advisor-disk-probe-"
"""Of a scratch file's name."""
MOST_SCRATCH_BYTES: Final = GIB
SHARE_OF_FREE: Final = 20
_NEEDED_BYTES: Final = 16 * MIB
_ENOUGH_BYTES: Final = 64 * MIB
_CHUNK_BYTES: Final = 16 * MIB
_STALE_S: Final = 3600.0
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
    """GB/s of each pattern and of page faults (`probe_faults`); `direct` is False where the page cache could not be
    bypassed but only emptied.
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
    with nullcontext(file) if file is not None else scratch_file(folder, 2.5 * seconds_each) as path:
        size = path.stat().st_size // MIB * MIB
        if size < LEAST_BYTES:
            raise InputError(f"{path} has less than {LEAST_BYTES // MIB} MiB, too little to time the disk with")
        direct = _takes(path, opener)
        way = opener if direct else None
        rates = tuple((pattern, _rate(path, size, pattern, way, repeats, seconds_each)) for pattern in patterns)
        faults = probe_faults(path, size, repeats, seconds_each)
    note = None if direct else f"the file system of {folder} takes no direct reads: its cached pages were dropped first"
    return DiskProbe(folder, size, direct, rates, faults, note)


def _takes(path: Path, opener: Opener) -> bool:
    """Whether a block can be read so: some file systems refuse the opening, some the reading."""
    try:
        with io.FileIO(path, opener=opener) as file, mmap.mmap(-1, ALIGNMENT) as block:
            return bool(file.readinto(block) == ALIGNMENT)
    except OSError:
        return False


def _rate(path: Path, size: int, pattern: Pattern, opener: Opener | None, repeats: int, seconds: float) -> Sample:
    """GB/s of a pattern, each of its threads with a reader of its own."""
    readers = [_Reader(path, size, pattern, number, opener) for number in range(pattern.in_flight)]
    rates = []
    try:
        for _ in range(repeats):
            done: list[tuple[int, float]] = []
            start = time.perf_counter()
            end = start + seconds / repeats
            threads = [threading.Thread(target=reader.read_until, args=(end, done)) for reader in readers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rates.append(sum(size for size, _ in done) / (max(end for _, end in done) - start) / GB)
    finally:
        for reader in readers:
            reader.close()
    return Sample.of(rates)


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


def probe_faults(path: Path, file_bytes: int, repeats: int, seconds_each: float) -> Sample | None:
    """What a mapped file gives when its parts are read by page faults, as experts are that lie in no memory: GB/s of
    the bytes asked for. None where the system cannot be told to drop what it holds of the file.

    The system reads around each fault as far as its read-ahead goes, mostly 128 KiB and on some disks 8 MiB: what it
    reads beyond the part that is used is time lost, which no direct read shows.
    Source: Linux mm/filemap.c do_sync_mmap_readahead (read 2026-11-28).
    """
    if not hasattr(os, "posix_fadvise") or not hasattr(mmap, "MADV_DONTNEED"):
        return None
    dice = random.Random(0)
    with path.open("rb") as file, mmap.mmap(file.fileno(), file_bytes, access=mmap.ACCESS_READ) as mapped:
        return Sample.of(_faulted(file, mapped, dice, seconds_each / repeats) / GB for _ in range(repeats))


def _faulted(file: BinaryIO, mapped: mmap.mmap, dice: random.Random, seconds: float) -> float:
    """Bytes per second of spans anywhere in the file."""
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


@contextmanager
def scratch_file(folder: Path, write_s: float) -> Iterator[Path]:
    """A scratch file on a folder's disk, on the disk itself, removed afterwards.

    At most 1 GiB, at most a twentieth of the free space, and of more than 64 MiB what can be written in `write_s`
    seconds. Those that a killed process left more than an hour ago are removed too. Raises InputError.
    """
    for left in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another process's: it is not in the way
            if time.time() - left.stat().st_mtime > _STALE_S:
                left.unlink()
    try:
        free = shutil.disk_usage(folder).free
        size = min(MOST_SCRATCH_BYTES, free // SHARE_OF_FREE) // MIB * MIB
        if size < _NEEDED_BYTES:
            raise InputError(
                f"only {free // MIB} MiB are free on the disk of {folder}, and timing it needs "
                f"{_NEEDED_BYTES * SHARE_OF_FREE // MIB} MiB: make room or name another folder"
            )
        handle, name = tempfile.mkstemp(prefix=PREFIX, dir=folder)
    except OSError as error:
        raise InputError(
            f"no file can be written into {folder} to time its disk ({error.strerror}): name another folder"
        ) from None
    path = Path(name)
    try:
        _write(handle, size, write_s, folder)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _write(handle: int, size: int, write_s: float, folder: Path) -> None:
    end = time.perf_counter() + write_s
    chunk = random.Random(size).randbytes(_CHUNK_BYTES)
    try:
        with os.fdopen(handle, "wb", buffering=0) as file:
            written = 0
            while written < size and (written < _ENOUGH_BYTES or time.perf_counter() < end):
                written += file.write(chunk[: size - written])
                os.fsync(handle)  # else the system takes more than it can write in that time
    except OSError as error:
        raise InputError(
            f"the disk of {folder} takes no scratch file of {size // MIB} MiB ({error.strerror}): "
            "make room or name another folder"
        ) from None
