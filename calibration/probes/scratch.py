"""A file to time a disk with: random bytes, which no disk can compress, never more than a share of the free space."""

import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from advisor.errors import InputError
from catalog.units import GIB, MIB

PREFIX: Final = ".advisor-disk-probe-"
MOST_BYTES: Final = GIB
SHARE_OF_FREE: Final = 20
_NEEDED_BYTES: Final = 16 * MIB
_ENOUGH_BYTES: Final = 64 * MIB
_CHUNK_BYTES: Final = 16 * MIB
_STALE_S: Final = 3600.0


@contextmanager
def scratch_file(folder: Path, write_s: float) -> Iterator[Path]:
    """A scratch file on a folder's disk, on the disk itself, removed afterwards.

    At most 1 GiB, at most a twentieth of the free space, and of more than 64 MiB what can be written in `write_s`
    seconds. Those that a killed process left more than an hour ago are removed too. Raises InputError.
    """
    _remove_left(folder)
    try:
        size = _size(folder)
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


def _size(folder: Path) -> int:
    free = shutil.disk_usage(folder).free
    size = min(MOST_BYTES, free // SHARE_OF_FREE) // MIB * MIB
    if size < _NEEDED_BYTES:
        raise InputError(
            f"only {free // MIB} MiB are free on the disk of {folder}, and timing it needs "
            f"{_NEEDED_BYTES * SHARE_OF_FREE // MIB} MiB: make room or name another folder"
        )
    return size


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


def _remove_left(folder: Path) -> None:
    for path in folder.glob(f"{PREFIX}*"):
        try:
            if time.time() - path.stat().st_mtime > _STALE_S:
                path.unlink()
        except OSError:  # another process's: it is not in the way
            continue
