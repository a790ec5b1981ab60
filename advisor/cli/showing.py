"""How commands show an answer: as a table of CSV, as Markdown, or on the terminal."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from advisor.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from advisor.documents import Document, Table

FORMATS = ("as_json", "as_csv", "as_markdown")


def one_format(options: Mapping[str, Any]) -> str:
    """Which of the formats for programs and pages is asked; "" for the terminal. Raises `InputError` for several."""
    asked = [name for name in FORMATS if options[name]]
    if len(asked) > 1:
        raise InputError("--json, --csv and --markdown exclude each other: give one")
    return asked[0] if asked else ""


def show(page: "Document", table: "Table", how: str, usual_columns: int) -> None:
    """The table alone as CSV, or the page that it is part of as Markdown or on the terminal."""
    from advisor.documents import as_csv, as_markdown

    if how == "as_csv":
        click.echo(as_csv(table), nl=False)
    elif how == "as_markdown":
        click.echo(as_markdown(page), nl=False)
    else:
        on_terminal(page, usual_columns)


def on_terminal(page: "Document", usual_columns: int) -> None:
    """A page in the width there is."""
    from advisor.documents import as_rich

    screen = console(usual_columns)
    screen.print(as_rich(page, screen.width))


def console(usual_columns: int, most_columns: int | None = None) -> "Console":
    """Standard output for rich; `usual_columns` where it is no terminal and COLUMNS is not set."""
    from rich.console import Console

    screen = Console(highlight=False)
    if not screen.is_terminal and not os.environ.get("COLUMNS"):
        screen.width = usual_columns
    screen.width = min(screen.width, most_columns or screen.width)
    return screen
