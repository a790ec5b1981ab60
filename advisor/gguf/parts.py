"""The one or several files of a model, read into one header."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from advisor.errors import InputError, reason
from advisor.gguf.header import (
    ALIGNMENT_BYTES,
    MAGIC,
    VERSION,
    FilePart,
    Header,
    TensorEntry,
    check_count,
    read_tensors,
)
from advisor.gguf.metadata import Value, read_metadata
from advisor.gguf.stream import Allowance, Stream

VERSIONS = (2, VERSION)
ALIGNMENT_LIMIT = 1 << 20
"""Largest alignment taken: llama.cpp's files have 32, some have pages of 4096."""
PARTS_LIMIT = 4096
"""Published models have up to about 50, those in one file per tensor 1,100 to 1,800."""
SHOWN_MISSING = 3
SPLIT_NAME = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
"""Source: llama.cpp llama_split_path."""


@dataclass(frozen=True, slots=True)
class _File:
    """What one file says."""

    part: FilePart
    metadata: dict[str, Value]
    tensors: tuple[TensorEntry, ...]
    modified: date


class Place(Protocol):
    """Where the files of a model lie: a disk, or a server."""

    def opened(self, path: Path) -> AbstractContextManager[tuple[BinaryIO, int, date]]:
        """A file, its bytes and the day of its last change. Raises `InputError`."""

    def lacks(self, path: Path, /) -> bool:
        """Whether a file is known not to be there."""


class _Disk:
    """The files of this computer."""

    @contextmanager
    def opened(self, path: Path) -> Iterator[tuple[BinaryIO, int, date]]:
        """A file, its bytes and the day of its last change; raises `InputError` for what is no ordinary file."""
        about = _about(path, str(path))
        try:
            file = path.open("rb")
        except OSError as error:
            raise _unreadable(str(path), error) from None
        with file:
            yield file, about.st_size, _day(about.st_mtime)

    def lacks(self, path: Path, /) -> bool:
        """Whether there is no such file."""
        return not path.is_file()


def read_header(path: str | Path, place: Place | None = None) -> Header:
    """The header of a model, with all its parts where it is split; any one of them may be named.

    `place` is where the files lie: this computer, unless it is given. Raises `InputError` with one sentence for a file
    that is missing, no GGUF, damaged, truncated or incomplete.
    """
    allowance, place = Allowance(), place or _Disk()
    path = Path(path)
    named = _read(path, allowance, place)
    count = named.metadata.get("split.count", 0)
    if not isinstance(count, int) or not 0 <= count <= PARTS_LIMIT:
        raise _damaged(named, f"it says that it is one of {str(count)[:20]} parts")
    if count <= 1:
        return Header((named.part,), named.metadata, named.tensors, named.modified)
    parts = enumerate(_paths(named, count, place))
    return _joined([_numbered(part, named, i, count, allowance, place) for i, part in parts], named)


def _joined(files: Sequence[_File], named: _File) -> Header:
    tensors = tuple(replace(entry, part=i) for i, file in enumerate(files) for entry in file.tensors)
    said = files[0].metadata.get("split.tensors.count", len(tensors))
    if said != len(tensors) or len({entry.name for entry in tensors}) < len(tensors):
        raise _damaged(named, f"its {len(files)} parts do not belong together: download them anew from one place")
    return Header(tuple(file.part for file in files), files[0].metadata, tensors, files[0].modified)


def _paths(named: _File, count: int, place: Place) -> list[Path]:
    """The files of all parts. Raises `InputError` that names the missing ones."""
    path = named.part.path
    found = SPLIT_NAME.fullmatch(path.name)
    if not found or int(found["count"]) != count:
        wanted = f"{path.stem[:100]}-00001-of-{count:05d}.gguf"
        raise InputError(f"{str(path)!r} is one of {count} parts, not named as one: rename them to {wanted} and so on")
    paths = [path.with_name(f"{found['stem']}-{i:05d}-of-{count:05d}{path.suffix}") for i in range(1, count + 1)]
    if missing := [item.name for item in paths if place.lacks(item)]:
        names = ", ".join(missing[:SHOWN_MISSING])
        more = f" and {len(missing) - SHOWN_MISSING} more" if len(missing) > SHOWN_MISSING else ""
        raise InputError(f"{str(path)!r} is one of {count} parts, and beside it is missing {names}{more}: download all")
    return paths


def _numbered(
    path: Path, named: _File, index: int, count: int, allowance: Allowance, place: Place
) -> _File:
    file = named if path == named.part.path else _read(path, allowance, place)
    if file.metadata.get("split.no", index) != index or file.metadata.get("split.count") != count:
        raise _damaged(file, f"it is not part {index + 1} of {count} as its name says")
    return file


def _damaged(file: _File, what: str) -> InputError:
    return InputError(f"{str(file.part.path)!r} is a damaged GGUF file: {what}")


def _read(path: Path, allowance: Allowance, place: Place) -> _File:
    with place.opened(path) as (file, size_bytes, modified):
        return _parsed(Stream(file, size_bytes, str(path), allowance), path, modified)


def _about(path: Path, name: str) -> os.stat_result:
    """What the system says of the file; anything else than a file is refused before it is opened: pipes would wait."""
    try:
        about = path.stat()
    except OSError as error:
        raise _unreadable(name, error) from None
    except ValueError:
        raise InputError(f"{name[:200]!r} cannot be read: no file can have this name") from None
    if stat.S_ISDIR(about.st_mode):
        raise InputError(f"{name!r} is a folder: name the GGUF file in it")
    if not stat.S_ISREG(about.st_mode):
        raise InputError(f"{name!r} is no ordinary file: name a GGUF file")
    return about


def _unreadable(name: str, error: OSError) -> InputError:
    why = "no such file" if isinstance(error, FileNotFoundError) else reason(error)
    return InputError(f"{name!r} cannot be read: {why}; give the path of a GGUF file")


def _day(seconds: float) -> date:
    """The day of a file's time stamp; the epoch's where the calendar has no such day."""
    try:
        return datetime.fromtimestamp(seconds, UTC).date()
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC).date()


def _parsed(stream: Stream, path: Path, modified: date) -> _File:
    _check_start(stream, str(path))
    n_tensors, n_keys = stream.u64(), stream.u64()
    check_count(stream, n_tensors)
    metadata = read_metadata(stream, n_keys)
    alignment = metadata.get("general.alignment", ALIGNMENT_BYTES)
    if type(alignment) is not int or not 0 < alignment <= ALIGNMENT_LIMIT or alignment & (alignment - 1):
        raise stream.damaged(f"its alignment is {str(alignment)[:20]}, no power of two up to {ALIGNMENT_LIMIT:,}")
    tensors = read_tensors(stream, n_tensors, alignment)
    stream.allowance.header_bytes -= stream.position
    return _File(FilePart(path, stream.file_bytes), metadata, tensors, modified)


def _check_start(stream: Stream, name: str) -> None:
    if stream.file_bytes == 0:
        raise InputError(f"{name!r} is empty: it is no GGUF file")
    if stream.take(min(4, stream.file_bytes)) != MAGIC:
        raise InputError(f"{name!r} is no GGUF file: it does not begin with GGUF")
    version = stream.u32()
    if version and not version & 0xFFFF:
        raise InputError(f"{name!r} is a GGUF file of big-endian machines: take a little-endian one")
    if version not in VERSIONS:
        known = " and ".join(map(str, VERSIONS))
        raise InputError(f"{name!r} is of GGUF version {version}, which is not known: versions {known} are")
