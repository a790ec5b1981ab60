"""`advisor prices set`, `import`, `export` and `update`: the prices that are a person's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from advisor.cli.market_options import day_of, part_named
from advisor.errors import InputError
from advisor.extras import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from catalog.prices import Observation

OWN = "your own figure"


@click.command("set")
@click.argument("part")
@click.argument("price")
@click.option("--condition", type=click.Choice(["new", "used"]), default="new", show_default=True)
@click.option("--as-of", metavar="DATE", help="The day it holds for. Default: today.")
@click.option("--source", metavar="TEXT", default=OWN, show_default=True, help="Where you have it from.")
def set_price(part: str, price: str, condition: str, as_of: str | None, source: str) -> None:
    """Enter what PART costs you: 700, "$700" or "650 EUR". It goes before all that others saw; the newest counts."""
    from advisor.market.market import today
    from advisor.market.money import money_of
    from catalog.names.parts import sizes_of
    from catalog.prices import Observation

    named, money, day = part_named(part), money_of(price), day_of(as_of) or today()
    if day > today():
        raise InputError(f"--as-of {day} lies in the future")
    if named.memory_gib is None and len(sizes_of(named.row)) > 1:
        sold = ", ".join(f"{size:g}GB" for size in sizes_of(named.row))
        raise InputError(f"{named.name} is sold in several sizes: name one of {sold} behind it")
    told = {"part_kind": named.kind, "part": named.name, "memory_gib": named.memory_gib, "condition": condition,
            "kind": "street", "seller": "own", "price": money.amount, "currency": money.currency, "as_of": day,
            "source": source[:500]}
    _store([Observation.model_validate(told)], "typed")
    for said in named.assumptions:
        click.echo(f"note: {said}", err=True)
    size = f" {named.memory_gib:g} GB" if named.memory_gib else ""
    click.echo(f"{named.name}{size}, {condition}: {money} from {day} on")


def _store(observations: "Sequence[Observation]", origin: Any, keep_until: "datetime | None" = None) -> int:
    """Store all or none of them: how many are new."""
    require("to store prices", "prices")
    from contextlib import closing

    from advisor.market.places import address_to_write
    from advisor.market.store import PriceStore
    from advisor.profiles.store import data_folder

    with closing(PriceStore(address_to_write(data_folder()))) as store:
        return store.add(observations, origin, keep_until)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--condition", type=click.Choice(["new", "used"]), default="new", show_default=True,
              help="Of lines that do not say it.")
@click.option("--currency", metavar="CODE", default="USD", show_default=True, help="Of prices that do not say it.")
@click.option("--source", metavar="TEXT", default="", help="Where they are from, of lines that do not say it.")
@click.option("--skip-bad", is_flag=True, help="Import the good lines and leave out the bad ones.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON alone.")
def imported(file: Path, condition: Any, currency: str, source: str, *, skip_bad: bool, as_json: bool) -> None:
    """Store the prices of a CSV FILE: all of them, or none where a line is bad.

    Columns are found by their titles: part, price, condition, currency, as_of (or date), source (or shop), kind; those
    of eBay's and Keepa's exports too.
    """
    from advisor.market.importing import read_prices, told
    from advisor.market.market import today
    from advisor.market.money import currency_of

    found = read_prices(file, today(), condition, currency_of(currency), source)
    if found.bad and not skip_bad:
        lines = "line is" if len(found.bad) == 1 else "lines are"
        raise InputError(
            f"{len(found.bad):,} {lines} bad, nothing was imported: {told(found.bad)}; mend them, or --skip-bad leaves "
            "them out"
        )
    new = _store(found.observations, "imported") if found.observations else 0
    if as_json:
        import json

        bad = [{"line": line.number, "why": line.why} for line in found.bad]
        click.echo(json.dumps({"read": len(found.observations), "new": new, "bad": bad, "unread": found.unread}))
        return
    for said in (*found.assumptions, *(f"column not read: {title}" for title in found.unread)):
        click.echo(f"note: {said}", err=True)
    if found.bad:
        click.echo(f"left out: {told(found.bad)}", err=True)
    there = len(found.observations) - new
    click.echo(f"{new:,} prices stored" + (f", {there:,} were there already" if there else ""))


def _cell(value: Any) -> Any:
    """Numbers stay numbers; None is empty."""
    return value if isinstance(value, float) else str(value if value is not None else "")


@click.command("export")
@click.option("--output", metavar="FILE", default="-", help="Default: standard output.")
@click.option("--shipped", is_flag=True, help="The shipped observations too.")
def export(output: str, *, shipped: bool) -> None:
    """Write your own prices as CSV, which `import` reads. What a shop lent you by `update` is not among them."""
    from advisor.cli.lines import written
    from advisor.documents import Table, as_csv, columns
    from advisor.market.market import stored_at
    from advisor.profiles.store import data_folder
    from catalog import tables
    from catalog.prices import Observation

    rows = (*(tables.observations() if shipped else ()), *stored_at(data_folder(), exported=True))
    names = list(Observation.model_fields)
    cells = [[_cell(getattr(row, name)) for name in names] for row in rows]
    with written(output) as file:
        file.write(as_csv(Table(columns(*names), cells)).encode())


@click.command("update")
@click.option("--source", metavar="SHOP", help="Which shop to ask; without one, all are listed.")
@click.option("--part", "parts", multiple=True, metavar="PART", help="Repeat for more. Default: the graphics cards.")
def update(source: str | None, parts: tuple[str, ...]) -> None:
    """Ask a shop for prices with your own key. What it says is stored here, never exported."""
    from advisor.market.sources import source_named

    asked = source_named(source)
    require("prices update", "shops")
    from catalog.names.parts import PART_TABLES

    named = [part_named(text) for text in parts] or [part_named(row.name) for row in PART_TABLES["gpu"]()]
    shop, new = asked.opened(), 0
    for part in named:
        answer = shop.ask(part)
        new += _store(answer.observations, "fetched", answer.keep_until) if answer.observations else 0
        for said in answer.remarks:
            click.echo(f"note: {said}", err=True)
    click.echo(f"{new:,} prices stored")
