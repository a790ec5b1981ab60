"""`advisor recommend`: which computer to buy, for a model or a task, and why."""

import re
from collections.abc import Sequence
from typing import Any

import click

from advisor.cli.own_profile import profile_options
from advisor.cli.showing import one_format
from advisor.cli.waiting import waiting
from advisor.errors import InputError

TEXT = """
Which computer to buy for a language model, and which model: picks with reasons, and the ranking behind them.
Desktops of parts that go together (graphics card, processor, board, memory, disk, power supply, case, cooler),
laptops and unified-memory boxes.

Without --model the model is chosen for the task. Prices are estimates of dated observations; a part without one is left
out, never guessed. Parts you own cost nothing.

\b
Examples:
  advisor recommend --budget 1000
  advisor recommend --task agent --budget 2000 --condition used
  advisor recommend --task chat --users 4 --budget 3000
  advisor recommend --model Qwen3.6-35B-A3B --budget 1500
  advisor recommend --model Qwen3.6-35B-A3B --quant Q4_K_M --context 32768 --condition used --min-tok-s 30
  advisor recommend --model gpt-oss-120b --own "RTX 3060 12GB" --own "Ryzen 7 5800X" --own "DDR4-3200 2x16"
  advisor recommend --own "RTX 3060 12GB" --measured "gpt-oss-20b MXFP4 60" --budget 900
"""
OPTION_OF_FIELD = {
    "model": "--model", "quant": "--quant", "context": "--context", "budget_usd": "--budget",
    "as_of": "--as-of", "currency": "--currency", "min_tok_s": "--min-tok-s", "condition": "--condition",
    "kinds": "--kinds", "own": "--own", "limit": "--limit", "task": "--task", "sort": "--sort",
    "measured": "--measured", "country": "--country", "hours_per_day": "--hours-per-day", "kwh_usd": "--kwh-price",
    "users": "--users",
}
MOST_COLUMNS = 130
PAGE_COLUMNS = 110
"""Width where standard output is no terminal and COLUMNS is not set."""


@click.command("recommend", help=TEXT, context_settings={"max_content_width": 110})
@click.option("--model", metavar="NAME", help="The language model, in any common spelling; may carry the quant.")
@click.option(
    "--task",
    type=click.Choice(["chat", "coding", "agent", "documents", "vision"]),
    help="What it is for; without --model it chooses the model too. Default without --model: chat.",
)
@click.option(
    "--quant",
    metavar="NAME",
    help="How its weights are compressed, as llama.cpp names it; 'best' is the best quality that reaches --min-tok-s "
    "within --budget. Default: Q4_K_M, or the maker's own 4-bit type.",
)
@click.option(
    "--context",
    type=int,
    metavar="N",
    help="Tokens of context a build must hold; speeds are those with it nearly full. Default: the task's, else 8192.",
)
@click.option(
    "--budget", metavar="AMOUNT", help='Most that a build may cost: 1500, "$1,500" or "1000 EUR". Default: no limit.'
)
@click.option("--currency", metavar="CODE", help="Currency of the answer. Default: that of --budget, else USD.")
@click.option(
    "--rate", multiple=True, metavar="RATE",
    help="An exchange rate, EUR=0.9 for 0.9 EUR a dollar, or the European Central Bank's eurofxref file (CSV, XML or "
    "its https address). Default: shipped rates.",
)
@click.option("--as-of", metavar="DATE", help="Only prices that were known that day. Default: today.")
@click.option(
    "--min-tok-s",
    type=float,
    metavar="X",
    help="Least writing speed in tokens per second; people read about 5. Default: the task's, else 5.",
)
@click.option(
    "--condition",
    type=click.Choice(["new", "used", "any"]),
    default="new",
    show_default=True,
    help="used: used prices where there are any, else new ones; any: the cheaper.",
)
@click.option(
    "--kinds", default="desktop,laptop,unified", show_default=True, metavar="LIST", help="Kinds of computers."
)
@click.option(
    "--own",
    multiple=True,
    metavar="PART",
    help='A part you have, at $0; repeat for more: "RTX 3060 12GB", "Ryzen 7 5800X", "DDR4-3200 2x16".',
)
@click.option(
    "--own-pc", metavar="PC",
    help="A whole computer you have, at $0 with all that it has; what is in it behind commas, where it came with "
    'several: "OptiPlex 7050 SFF, Core i5-7500, DDR4-2400 2x8". A laptop or box gets a card in a dock.',
)
@click.option(
    "--measured", multiple=True, metavar="RUN|@FILE",
    help='A run of yours on what --own or --own-pc names, such as "Qwen3.6-35B-A3B Q4_K_M 31", or a file of what a '
    "program printed: builds that keep these parts go by it. Repeat it for several.",
)
@click.option(
    "--tinkerer", is_flag=True,
    help="Picks may have cards without a fan, a picture or a maintained driver.",
)
@click.option(
    "--sort", type=click.Choice(["value", "speed", "price", "prompt"]), default="value", show_default=True,
    help="Order of the ranking.",
)
@click.option(
    "--kwh-price", "kwh_price", metavar="AMOUNT", help='Price of a kWh: 0.30, "0.30 EUR". Default: that of --country.'
)
@click.option("--country", metavar="CODE", help="Whose electricity counts: DE, Germany. Default: the US.")
@click.option(
    "--hours-per-day", type=float, default=2.0, show_default=True, metavar="H", help="Hours a day that it works."
)
@click.option(
    "--users", type=int, default=1, show_default=True, metavar="N",
    help="How many write at once, each with a context of its own; speeds are those of each.",
)
@click.option("--limit", type=int, metavar="N", help="Most builds to show. Default: 10, with --all every one.")
@click.option(
    "--all", "every", is_flag=True,
    help="Show every build that no cheaper one with the same cards beats, not only the best of each.",
)
@profile_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
@click.option("--csv", "as_csv", is_flag=True, help="Print one line of CSV per build.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a Markdown table.")
def command(**options: Any) -> None:
    """Rank builds and print them as asked; the words for users stand in TEXT."""
    how = one_format(options)
    from advisor.cli.market_options import day_of, market_here

    options["as_of"] = day_of(options["as_of"])
    market = market_here(options["rate"])
    wish = _wish(options, market)

    from advisor.buying.advice import advise
    from advisor.cli.own_profile import own_machines_of

    with waiting("Trying every computer"):
        found = advise(wish, own_machines_of(options).knowledge, market)
    if how == "as_json":
        click.echo(found.model_dump_json(indent=2))
    elif how:
        from advisor.buying.advice_report import advice_markdown
        from advisor.buying.report import to_csv

        click.echo(to_csv(found) if how == "as_csv" else advice_markdown(found), nl=False)
    else:
        _show(found)


def _wish(options: dict[str, Any], market: Any) -> Any:
    """The wish that the options ask, its budget in dollars. Raises `InputError` that names the option."""
    from pydantic import ValidationError

    from advisor.buying.wish import Wish
    from advisor.market.market import today
    from advisor.market.money import Money, currency_of, money_of
    from advisor.question import complaint

    kinds = [kind.strip().lower() for kind in options["kinds"].split(",") if kind.strip()]
    if options["quant"] and not options["model"]:
        raise InputError("--quant is of a model: name it with --model, or leave out --quant")
    same = ("model", "task", "quant", "context", "min_tok_s", "condition", "own", "every", "as_of", "tinkerer", "sort",
            "users")
    asked = {name: options[name] for name in same if options[name] is not None}
    currency = currency_of(options["currency"]) if options["currency"] else None
    try:
        budget = money_of(options["budget"], currency or "USD") if options["budget"] is not None else None
    except InputError as error:
        raise InputError(f"--budget: {error}") from None
    currency = currency or (budget or Money(0, "USD")).currency
    usd = budget and budget.amount / market.rates.per_usd(budget.currency, options["as_of"] or today())
    if options["own_pc"]:
        asked["own"] = (*options["own"], *_whole_pc(options["own_pc"], options["own"]))
    if options["measured"]:
        from advisor.cli.add_runs import measured_runs

        asked["measured"] = measured_runs(options["measured"])
    asked |= {"country": options["country"], "hours_per_day": options["hours_per_day"]}
    try:
        kwh = money_of(options["kwh_price"], currency) if options["kwh_price"] is not None else None
    except InputError as error:
        raise InputError(f"--kwh-price: {error}") from None
    asked["kwh_usd"] = kwh and kwh.amount / market.rates.per_usd(kwh.currency, options["as_of"] or today())
    try:
        limit = options["limit"] if options["limit"] is not None else (100_000 if options["every"] else 10)
        return Wish.model_validate(asked | {"budget_usd": usd, "currency": currency, "kinds": kinds, "limit": limit})
    except ValidationError as error:
        raise InputError(_in_options(complaint(error, Wish))) from None


def _whole_pc(text: str, beside: Sequence[str]) -> tuple[str, ...]:
    """What is owned with a computer: its name, and the parts behind commas. Raises `InputError` for what is no
    computer, for one of which there are several, and for an unknown one of which nothing is said.
    """
    from catalog.names.index import UnknownName
    from catalog.names.parts import resolve_part

    name, *parts = [word.strip() for word in text.split(",") if word.strip()] or [text]
    whole = next((rest for rest in (text, name) if _is_computer(rest)), name)
    parts = [] if whole == text else parts
    try:
        found = resolve_part(whole)
    except UnknownName as error:
        if error.ambiguous or not (parts or beside):
            inside = 'say what is in it: "NAME, Core i5-7500, DDR4-2400 2x8"'
            raise InputError(f"--own-pc: {error}; {'name one of them' if error.ambiguous else inside}") from None
        return (f"computer: {whole}", *parts)
    if found.kind not in {"office", "unified", "laptop"}:
        raise InputError(f"--own-pc: {found.name} is a part, not a computer: name it with --own")
    return (found.name if found.memory_gib is None else whole, *parts)


def _is_computer(text: str) -> bool:
    """Whether a text is the name of a computer of the catalog, which may have commas in it."""
    from catalog.names.index import UnknownName
    from catalog.names.parts import resolve_part

    try:
        return resolve_part(text).kind in {"office", "unified", "laptop"}
    except UnknownName:
        return False


def _in_options(sentence: str) -> str:
    """A complaint about a field, told of the option that set it."""
    field = re.match(r"(\w+)(?:\[\d+\])?", sentence)
    option = OPTION_OF_FIELD.get(field[1]) if field else None
    return f"{option}{sentence[field.end() :]}" if field and option else sentence


def _show(found: Any) -> None:
    from advisor.buying.advice_report import advice_document
    from advisor.cli.showing import console
    from advisor.documents import as_rich

    screen = console(PAGE_COLUMNS, MOST_COLUMNS)
    screen.print(as_rich(advice_document(found, screen.width), screen.width))
    if found.builds:
        # In one line, however long, so that it can be copied.
        first = found.builds[found.picks[0].build] if found.picks else found.builds[0]
        click.echo(f"  {first.predict_command}")
