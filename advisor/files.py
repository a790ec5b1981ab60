"""Files that are there whole or not at all: written as a draft beside their place, then renamed.

What was there before stays until the new file is complete, whatever happens: an error, a full disk, a killed process.
Only ordinary files are replaced. A link stays a link, and the file that it leads to is replaced; devices, pipes and
files that a process holds open (/dev/stdout) are written straight, since a file in their place would break them.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import BinaryIO

from advisor.errors import InputError, reason

REMEDY = "name a file in a folder that exists, is writable and has room"
LINKS_LIMIT = 40
"""Links followed from one name. Source: Linux include/linux/namei.h MAXSYMLINKS."""


@contextmanager
def new_file(
    path: str | Path,
    named: str = "",
    remedy: str = REMEDY,
    *,
    make_folder: bool = False,
    durable: bool = False,
    private: bool = False,
) -> Iterator[BinaryIO]:
    """A file to write to, which gets its name when the block ends without an error; else nothing is left of it.

    An error calls the file `named` (else by its path) and ends with the `remedy`. `durable` waits until the file is on
    the disk, so that a power failure leaves the old or the new one. `private` keeps other users from reading it. Raises
    `InputError` where it cannot be written.
    """
    path = Path(path)
    named = named or repr(str(path))
    try:
        if path.is_dir():
            raise InputError(f"{named} is a folder: name a file")
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        if written_straight(path):
            with path.open("ab" if path.is_file() else "wb") as file:
                yield file
        else:
            with _draft(path, durable=durable, private=private) as file:
                yield file
    except BrokenPipeError:
        raise  # the reader wants no more: no fault of the file
    except OSError as error:
        raise unwritable(named, error, remedy) from None


def write_whole(path: Path, content: bytes, remedy: str = REMEDY) -> None:
    """Write a file of the user's own, on the disk when this returns; its folder is made. Raises as `new_file`."""
    with new_file(path, str(path), remedy, make_folder=True, durable=True, private=True) as file:
        file.write(content)


def beginning(path: Path, most_bytes: int, named: str = "") -> bytes:
    """At most so many bytes of a file, which an error calls `named` (else by its path). Raises `InputError`."""
    try:
        with path.open("rb") as file:
            return file.read(most_bytes)
    except (OSError, ValueError) as error:
        raise InputError(f"{named or repr(str(path))} cannot be read: {reason(error)}") from None


def text_of(path: Path) -> str:
    """A small file's text, as the system's own are; empty when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def unwritable(named: str, error: OSError, remedy: str = REMEDY) -> InputError:
    """The error of a file that could not be written, with the way out."""
    return InputError(f"{named} cannot be written ({reason(error)}): {remedy}")


def same_file(one: str | int, other: str | int) -> bool:
    """Whether two names, or numbers of open files, lead to one ordinary file, by links too; devices and pipes may be
    read and written at once.
    """
    try:
        first, second = (os.fstat(item) if isinstance(item, int) else Path(item).stat() for item in (one, other))
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(first.st_mode) and os.path.samestat(first, second)


def remove_drafts(path: Path) -> None:
    """Delete what killed processes left of a file that no other process is writing now."""
    for left in path.parent.glob(f".{escape(path.name)}.*.partial"):
        left.unlink()


def written_straight(path: Path) -> bool:
    """Whether a name stands for no file that another could replace: a device, a pipe, or what a process has open."""
    if path.exists() and not path.is_file():
        return True
    for _ in range(LINKS_LIMIT):
        if not path.is_symlink():
            return False
        folder = Path(os.path.realpath(path.parent))
        if folder.parts[:2] == ("/", "proc"):  # /dev/stdout and /dev/fd/3 lead there too
            return True
        path = folder / path.readlink()
    return True  # the links go in a circle: opening them says so


@contextmanager
def _draft(path: Path, *, durable: bool, private: bool) -> Iterator[BinaryIO]:
    """The file beside its place, with the rights of the old file, else those that the system gives a new one."""
    path = Path(os.path.realpath(path))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with draft.open("xb") as file:
            if private or path.exists():
                draft.chmod(0o600 if private else path.stat().st_mode & 0o777)
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
