"""`advisor upgrade`: what to buy for this or a described computer, ranked by what it changes."""

from typing import Any

import click

from advisor.cli.predict import command as predict
from advisor.cli.showing import one_format, show
from advisor.cli.waiting import waiting
from advisor.errors import InputError

TEXT = """
What to buy for a computer you have: single purchases and pairs of them, cheapest first, each at least a tenth better
than the one before. A new card brings a power supply that feeds it.

With no hardware at all the answer is for this machine. --goal larger looks for a better model by itself; the other
goals are about --model, by default Qwen3.6-35B-A3B.

\b
Examples:
  advisor upgrade --gpu "RTX 3060 12GB" --cpu "Ryzen 5 5600" --ram "DDR4-3200 2x8" --model Qwen3.6-35B-A3B
  advisor upgrade --gpu "RTX 2060" --cpu "Ryzen 5 5600" --ram "DDR4-3200 2x8" --goal larger --budget 500
  advisor upgrade --model gpt-oss-20b --goal people --condition used
"""
NOT_ASKED = frozenset({"gguf", "hf", "hf_file", "config", "custom_model", "batch", "output", "as_json"})
PAGE_COLUMNS = 120


def _asked(**options: Any) -> None:
    """Print the purchases; the help that users see is above."""
    how = one_format(options)
    from pydantic import ValidationError

    from advisor.buying.upgrades import UpgradeWish, upgrades_document, upgrades_table, upgrades_wished
    from advisor.cli.market_options import market_here
    from advisor.cli.own_profile import own_machines_of
    from advisor.cli.predict import asked
    from advisor.market.market import today
    from advisor.market.money import money_of
    from advisor.question import complaint

    market = market_here()
    machines = own_machines_of(options)
    empty = dict.fromkeys(option.name for option in predict.params)
    named = options["model"] or "Qwen3.6-35B-A3B"
    scenario = asked(empty | options | {"model": named}, machines)
    if options["measured"]:
        from advisor.cli.add_runs import measured_runs

        scenario = scenario.model_copy(update={"measured": measured_runs(options["measured"])})
    budget = money_of(options["budget"]) if options["budget"] else None
    usd = budget.amount / market.rates.per_usd(budget.currency, today()) if budget else None
    same = {name: options[name] for name in ("goal", "task", "condition", "tinkerer")}
    try:
        wish = UpgradeWish.model_validate(same | {"budget_usd": usd})
    except ValidationError as error:
        raise InputError(complaint(error, UpgradeWish).replace("budget_usd", "--budget")) from None
    with waiting("Trying every purchase"):
        found = upgrades_wished(scenario, wish, market, machines.knowledge)
    if how == "as_json":
        click.echo(found.model_dump_json(indent=2))
    else:
        show(upgrades_document(found), upgrades_table(found), how, PAGE_COLUMNS)


command = click.Command(
    "upgrade",
    help=TEXT,
    callback=_asked,
    params=[
        click.Option(
            ["--goal"], type=click.Choice(["faster", "larger", "longer", "people"]), default="faster",
            show_default=True, help="What should change: speed, model, context, or how many can use it at once.",
        ),
        click.Option(
            ["--task"], type=click.Choice(["chat", "coding", "agent", "documents", "vision"]), default="chat",
            show_default=True, help="What it is for.",
        ),
        click.Option(["--budget"], metavar="AMOUNT", help='Most that it may cost: 500, "$500" or "400 EUR".'),
        click.Option(
            ["--condition"], type=click.Choice(["new", "used", "any"]), default="any", show_default=True,
            help="Of what is bought.",
        ),
        click.Option(["--tinkerer"], is_flag=True, help="Also cards without a fan, a picture or a maintained driver."),
        *(option for option in predict.params if option.name not in NOT_ASKED),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON alone."),
        click.Option(["--csv", "as_csv"], is_flag=True, help="Print one line of CSV per purchase."),
        click.Option(["--markdown", "as_markdown"], is_flag=True, help="Print a Markdown table."),
    ],
    context_settings={"max_content_width": 100},
)
