"""Ranked builds as a table for the terminal, with the parts of the first and what the numbers mean."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from advisor.build_words import cells, contents, counted, explanation, headline, money, provenance
from advisor.recommendation import RankedBuild, Recommendation

WIDE, MIDDLE = 100, 80
"""Columns of a terminal from which all, or all but prompt, context and power, are shown."""


def terminal(found: Recommendation, width: int) -> RenderableType:
    """The answer for a terminal of `width` columns; the command for the first build is to follow, unwrapped."""
    best = found.builds[0]
    return Group(
        Text(headline(found), style="bold"), "", _ranking(found.builds, width), "", *_faint(explanation(found)), "",
        Text(f"Parts of build 1, {best.name}", style="bold"), _parts(best),
        *_faint([note.message for note in best.notes]), "",
        Text("To see build 1 by itself", style="bold"),
    )  # fmt: skip


def columns(width: int) -> tuple[str, ...]:
    """Titles of the columns that a terminal has room for."""
    if width >= WIDE:
        return ("Price", "$/(tok/s)", "tok/s", "(90 %)", "Prompt", "Context", "Power", "Limit")
    return ("Price", "$/(tok/s)", "tok/s", "(90 %)", "Limit") if width >= MIDDLE else ("Price", "$/(tok/s)", "tok/s")


def _ranking(builds: Sequence[RankedBuild], width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", width=width)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("Build", ratio=1)
    titles = columns(width)
    for title in titles:
        table.add_column(title, justify="left" if title == "Limit" else "right", no_wrap=True)
    for build in builds:
        numbers = cells(build)
        table.add_row(
            f"{build.rank}{'*' if build.pareto else ' '}", _told(build), *(numbers[title] for title in titles)
        )
    return table


def _told(build: RankedBuild) -> Text:
    text = Text(build.name, style="bold")
    text.append(f"\n{contents(build)}", style="not bold")
    if build.next_dollar:
        text.append(f"\n{build.next_dollar.text}", style="not bold dim")
    return text


def _parts(build: RankedBuild) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column()
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for name, part, count in counted(build):
        table.add_row(part.kind, name, money(part.price_usd * count), provenance(part))
    table.add_row("", "together", Text(money(build.price_usd), style="bold"), "")
    return table


def _faint(lines: Sequence[str]) -> list[RenderableType]:
    return [Text(line, style="dim") for line in lines]
