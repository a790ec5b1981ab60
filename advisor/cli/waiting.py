"""A word to a person who waits: what is being done, gone as soon as it is done. Files and pipes never see it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
            click.echo(GONE, err=True, nl=False)
