"""`advisor accuracy`: predicted against measured on the shipped evidence."""

from typing import TYPE_CHECKING, Any

import click

from advisor.cli.showing import on_terminal
from advisor.errors import InputError

if TYPE_CHECKING:
    from advisor.documents import Document

TEXT = """
Show how far predictions are from measured public runs, each predicted by a fit that never saw its machine, beside the
formulas of other advisors on the same rows.

\b
Examples:
  advisor accuracy
  advisor accuracy --claims
  advisor accuracy --anchor 1
  advisor accuracy --predictions
  advisor accuracy --plot accuracy.png
  advisor accuracy --markdown --plot docs/accuracy.png > ACCURACY.md
"""
TITLE = "How accurate the predictions are"
PAGE_COLUMNS = 120
"""Width where standard output is no terminal and COLUMNS is not set."""
MADE_BY = "advisor accuracy --markdown --plot docs/accuracy.png > ACCURACY.md"


@click.command("accuracy", help=TEXT, context_settings={"max_content_width": 100})
@click.option("--claims", is_flag=True, help="Instead: what an article claims, beside predictions and measured runs.")
@click.option(
    "--anchor", type=click.IntRange(1, 50), metavar="N", help="Instead: errors where N runs of each rig are told."
)
@click.option("--predictions", is_flag=True, help="Instead: what was predicted beforehand, and what came.")
@click.option("--coefficients", is_flag=True, help="Instead: what the runs say of each coefficient of the physics.")
@click.option("--again", is_flag=True, help="Leave every machine out anew instead of reading how that ended: minutes.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON alone.")
@click.option("--markdown", is_flag=True, help="Print a Markdown page: the one kept as ACCURACY.md.")
@click.option(
    "--plot",
    metavar="FILE",
    help="Also draw predicted against measured: .png, .svg or .html (needs the extra 'plots').",
)
def command(
    claims: bool, anchor: int | None, predictions: bool, coefficients: bool, again: bool, as_json: bool, markdown: bool,
    plot: str | None,
) -> None:
    """Compare with measured runs; the help that users see is above."""
    if as_json and markdown:
        raise InputError("--json and --markdown cannot both be printed: leave one out")
    views = (
        (claims, _claims), (bool(anchor), lambda: _anchored(anchor or 1, again)),
        (predictions, _predictions), (coefficients, _coefficients),
    )
    chosen = [view for asked, view in views if asked]
    if len(chosen) > 1:
        raise InputError("--claims, --anchor, --predictions and --coefficients are shown one at a time: take one")
    if chosen:
        _put(*chosen[0](), as_json, markdown)
        return
    if plot:
        from advisor.charts import plot_file

        plot_file(plot)
    from calibration.accuracy.accuracy import accuracy
    from calibration.accuracy.page import as_data, charts, document, page

    if again:
        click.echo("leaving every machine out: some minutes", err=True)
    found = accuracy(again)
    if plot:
        from advisor.charts import draw

        draw(charts(found), plot, "Predicted against measured speeds", headed=False)
    if as_json:
        _print_json(as_data(found))
    elif markdown:
        click.echo(page(found, TITLE, plot, MADE_BY), nl=False)
    else:
        on_terminal(document(found), PAGE_COLUMNS)


def _claims() -> "tuple[Any, Document]":
    from advisor.physics.knowledge import load
    from calibration.accuracy.claims import as_data, document, judged
    from catalog.tables import public_runs

    found = judged(load(), public_runs())
    return as_data(found), document(found, "Claims")


def _anchored(runs: int, again: bool) -> "tuple[Any, Document]":
    from dataclasses import asdict

    from advisor.documents import Document
    from advisor.physics.knowledge import load
    from calibration.accuracy.accuracy import accuracy
    from calibration.accuracy.anchoring import anchored, floors, section
    from calibration.accuracy.page import GROUP_OF_REGIME

    found, table = accuracy(again), load().efficiencies
    data = {
        "anchored": [asdict(row) for row in anchored(found, runs, table)],
        "floor": [asdict(of) for of in floors(found)],
    }
    return data, Document("", [section(found, table, GROUP_OF_REGIME, [runs])])


def _predictions() -> "tuple[Any, Document]":
    from calibration.accuracy.registered import as_data, document, judged

    found = judged()
    return as_data(found), document(found)


def _coefficients() -> "tuple[Any, Document]":
    from calibration.accuracy.learned import as_data, document, learned
    from catalog.tables import beside, efficiencies

    found = learned((*efficiencies(), *beside()))
    return as_data(found), document(found)


def _put(data: Any, shown: "Document", as_json: bool, markdown: bool) -> None:
    from advisor.documents import as_markdown

    if as_json:
        _print_json(data)
    elif markdown:
        click.echo(as_markdown(shown), nl=False)
    else:
        on_terminal(shown, PAGE_COLUMNS)


def _print_json(data: Any) -> None:
    import json

    click.echo(json.dumps(data, indent=1))
