"""`advisor prices show` and `check`: what a part costs, and how far such estimates are from what was seen."""

from typing import TYPE_CHECKING, Any

import click

from advisor.cli.market_options import day_of, market_here, part_named
from advisor.cli.showing import on_terminal

if TYPE_CHECKING:
    from advisor.documents import Document

PAGE_COLUMNS = 110
"""Width where standard output is no terminal and COLUMNS is not set."""


@click.command("show")
@click.argument("part")
@click.option("--condition", type=click.Choice(["new", "used", "any"]), default="any", show_default=True,
              help="any: the lower of both.")
@click.option("--as-of", metavar="DATE", help="Only what was known that day. Default: today.")
@click.option("--currency", metavar="CODE", default="USD", show_default=True, help="Currency of the estimate.")
@click.option("--rate", multiple=True, metavar="RATE", help="An exchange rate, EUR=0.9, or the ECB's eurofxref file.")
@click.option("--plot", metavar="FILE", help="Draw its history: .png, .svg or .html (needs the extra 'plots').")
@click.option("--html", metavar="FILE", help="Write all of it as a page, in one file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def show(part: str, condition: Any, as_of: str | None, currency: str, rate: tuple[str, ...], plot: str | None,
         html: str | None, *, as_json: bool) -> None:
    """Show what PART costs, with its history. PART may carry its memory size: "Framework Desktop 128GB"."""
    from advisor.market.market import today
    from advisor.market.money import currency_of
    from advisor.market.part_price import document, part_price

    named, day, code = part_named(part), day_of(as_of) or today(), currency_of(currency)
    market = market_here(rate)
    market.rates.per_usd(code, day)  # refused before anything is written
    found = part_price(market, named, condition, day)
    if plot or html:
        _pictured(document(found, market, code), plot, html)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    elif html != "-":
        on_terminal(document(found, market, code, drawn=False), PAGE_COLUMNS)


def _pictured(shown: "Document", plot: str | None, html: str | None) -> None:
    from advisor.documents import as_html, charts_of

    if plot:
        from advisor.charts import draw

        draw(charts_of(shown), plot, shown.title, columns=1)
    if html:
        from advisor.cli.lines import written

        with written(html, "--html") as file:
            file.write(as_html(shown).encode())


@click.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON alone.")
@click.option("--markdown", is_flag=True, help="Print Markdown.")
def check(*, as_json: bool, markdown: bool) -> None:
    """Show how far estimates are from what was seen: each shipped or own observation left out in turn and estimated
    from those known on its day.
    """
    from advisor.market.check_report import checked, document

    found = checked(market_here())
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps({"by_kind": [asdict(row) for row in found]}, indent=2))
    elif markdown:
        from advisor.documents import as_markdown

        click.echo(as_markdown(document(found)), nl=False)
    else:
        on_terminal(document(found), PAGE_COLUMNS)
