"""Files of JSON lines for `advisor predict --batch`: nothing is left half-written."""

import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from advisor.cli import ending
from advisor.errors import InputError, reason
from advisor.files import new_file, same_file

if TYPE_CHECKING:
    from typing import TextIO

    from _typeshed import ReadableBuffer

    from advisor.asked import GgufFile, HfModel
    from advisor.gguf.model_file import ModelFile
    from advisor.gguf.web import Access
    from advisor.physics.knowledge import Knowledge

STREAM = "-"
FILES_KEPT = 64
"""Model files that a batch reads once, however often its lines name them."""


def answer_file(source: str, target: str, knowledge: "Knowledge") -> None:
    """Answer the scenarios in `source` into `target`, line by line; "-" is standard input or output.

    Raises `InputError` where both are one file: its questions would be lost, or its answers asked in turn.
    """
    from advisor.prediction.batch import answer_lines, is_error

    if same_file(_place(source, sys.stdin), _place(target, sys.stdout)):
        raise InputError(f"--output {target!r} is the file of questions that --batch reads: name another")
    with _lines_of(source) as lines, written(target) as file, ending.heeding():
        count = errors = 0
        for answer in answer_lines(lines, knowledge, lru_cache(FILES_KEPT)(_model_file)):
            ending.go_on()
            file.write(answer.encode() + b"\n")
            count, errors = count + 1, errors + is_error(answer)
    if errors:
        click.echo(f"{errors} of {count} lines could not be answered; each has its reason in its place", err=True)


def _place(name: str, stream: "TextIO") -> str | int:
    """A file's name, or the number of the open one that "-" stands for."""
    try:
        return stream.fileno() if name == STREAM else name
    except (OSError, ValueError):
        return name


def _model_file(model: "GgufFile | HfModel", quant: str | None) -> "ModelFile":
    from advisor.gguf.named import read_named

    return read_named(model, quant, access())


def access() -> "Access":
    """What the command line may read from servers: any that its user names; headers are kept in the data folder."""
    from advisor.gguf.web import Access
    from advisor.profiles.store import data_folder

    return Access(kept=data_folder() / "headers")


@contextmanager
def _lines_of(source: str) -> Iterator[Iterable[bytes]]:
    if source == STREAM:
        yield _not_empty(sys.stdin.buffer, "standard input")
        return
    with _opened(source) as file:
        yield _not_empty(file, repr(source))


def _opened(source: str) -> BinaryIO:
    try:
        return Path(source).open("rb")
    except (OSError, ValueError) as error:
        raise InputError(f"--batch {source!r} cannot be read: {reason(error)}") from None


def _not_empty(file: BinaryIO, name: str) -> Iterable[bytes]:
    """The lines of a file. Refuses one without any before anything is written."""
    try:
        first = file.readline()
    except OSError as error:
        raise InputError(f"--batch {name} cannot be read: {reason(error)}") from None
    if not first:
        raise InputError(f"--batch {name} is empty: give one scenario (JSON object) per line")
    return chain([first], file)


@contextmanager
def written(target: str, option: str = "--output") -> Iterator[BinaryIO]:
    """The file that an option names, which appears only once it is complete; devices, pipes and "-" (standard output)
    are written straight. Raises `InputError`.
    """
    if target == STREAM:
        yield cast(BinaryIO, _Shown()) if sys.stdout.isatty() else sys.stdout.buffer
        sys.stdout.flush()
        return
    with new_file(target, f"{option} {target!r}") as file:
        yield file


class _Shown(io.RawIOBase):
    """Standard output that is a terminal, as a file of bytes: they go the way of all text, and steer nothing."""

    def write(self, content: "ReadableBuffer") -> int:
        """Show whole lines; how many bytes they had."""
        shown = bytes(content)
        sys.stdout.write(shown.decode("utf-8", "replace"))
        return len(shown)
