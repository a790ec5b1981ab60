"""`advisor accuracy`: predicted against measured on the shipped evidence."""

from typing import TYPE_CHECKING, Any

import click

from advisor.errors import InputError

if TYPE_CHECKING:
    from calibration.accuracy.accuracy import Accuracy
    from calibration.accuracy.page import Section

TEXT = """
Show how far predictions are from measured public runs, each predicted by a fit that never saw its machine, beside the
formulas of other advisors on the same rows.

\b
Examples:
  advisor accuracy
  advisor accuracy --claims
  advisor accuracy --plot accuracy.png
  advisor accuracy --markdown --plot docs/accuracy.png > ACCURACY.md
"""
TITLE = "How accurate the predictions are"
PAGE_COLUMNS = 120
"""Width where standard output is no terminal and COLUMNS is not set."""
MADE_BY = "advisor accuracy --markdown --plot docs/accuracy.png > ACCURACY.md"


@click.command("accuracy", help=TEXT, context_settings={"max_content_width": 100})
@click.option("--claims", is_flag=True, help="Instead: what an article claims, beside predictions and measured runs.")
@click.option("--again", is_flag=True, help="Leave every machine out anew instead of reading how that ended: minutes.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON alone.")
@click.option("--markdown", is_flag=True, help="Print a Markdown page: the one kept as ACCURACY.md.")
@click.option(
    "--plot",
    metavar="FILE",
    help="Also draw predicted against measured: .png, .svg or .html (needs the extra 'plots').",
)
def command(claims: bool, again: bool, as_json: bool, markdown: bool, plot: str | None) -> None:
    """Compare with measured runs; the help that users see is above."""
    if as_json and markdown:
        raise InputError("--json and --markdown cannot both be printed: leave one out")
    if claims:
        _show(_claims(), as_json, markdown)
        return
    from calibration.accuracy.accuracy import accuracy

    if again:
        click.echo("leaving every machine out: some minutes", err=True)
    found = accuracy(again)
    if plot:
        from calibration.pictures import draw_scatter

        draw_scatter(found.comparisons, plot)
    if as_json:
        _json(found)
    else:
        _page(found, markdown, plot)


def _page(found: "Accuracy", markdown: bool, plot: str | None) -> None:
    from calibration.accuracy.page import INTRODUCTION, page, sections

    if markdown:
        click.echo(page(found, TITLE, plot, MADE_BY), nl=False)
    else:
        click.echo(INTRODUCTION)
        _tables(sections(found))


def _json(found: "Accuracy") -> None:
    import json

    from calibration.accuracy.page import as_data

    click.echo(json.dumps(as_data(found), indent=1))


def _tables(parts: "list[Section]") -> None:
    import os

    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = PAGE_COLUMNS
    for part in parts:
        console.print(f"\n[bold]{part.title}[/bold]")
        if part.remark:
            console.print(part.remark, markup=False)
        table = Table(*part.columns[: part.brief], box=None, pad_edge=False)
        for row in part.rows:
            table.add_row(*row[: part.brief])
        console.print(table)


def _claims() -> Any:
    from advisor.physics.knowledge import load
    from calibration.accuracy.claims import judged
    from catalog.tables import public_runs

    return judged(load(), public_runs())


def _show(found: Any, as_json: bool, markdown: bool) -> None:
    import json

    from calibration.accuracy.claims import INTRODUCTION, as_data, section
    from calibration.accuracy.page import markdown as to_markdown

    if as_json:
        click.echo(json.dumps(as_data(found), indent=1))
    elif markdown:
        click.echo(to_markdown([section(found)], "Claims", INTRODUCTION), nl=False)
    else:
        click.echo(INTRODUCTION)
        _tables([section(found)])
