"""A word or a bar to a person who waits, gone as soon as it is done. Files and pipes never see it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click

GONE = "\r\x1b[K"


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Shows `what` on standard error while the block lasts, where that is a terminal."""
    shown = sys.stderr is not None and sys.stderr.isatty()
    if shown:
        click.echo(f"{what} ...", err=True, nl=False)
    try:
        yield
    finally:
        if shown:
            click.echo(GONE, file=drawing(), nl=False)


def drawing() -> TextIO:
    """Standard error for what moves the cursor, which `advisor.cli.app` lets nothing else do."""
    return getattr(sys.stderr, "beneath", sys.stderr)
