"""Labelled bars as HTML: a few lines of text that the browser draws at once, where a chart needs a library."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Row = Mapping[str, Any]
_GRID = "display:grid;grid-template-columns:fit-content(10rem) minmax(3rem,1fr) max-content;gap:0.4rem 0.75rem;"
_FILL = "position:absolute;top:0;bottom:0;min-width:2px;border-radius:3px;"


def waterfall(rows: Sequence[Row], colours: Mapping[str, str], label: str) -> str:
    """Parts of a whole one after the other, each on a line of its own. Rows: part, start, end, said."""
    whole = max((row["end"] for row in rows), default=0.0) or 1.0
    return _lines(
        label,
        [
            (row["part"], _bar(row["start"] / whole, row["end"] / whole, colours.get(row["part"], GREY)),
             f"{row['said']} ({(row['end'] - row['start']) / whole:.0%})")
            for row in rows
        ],
    )  # fmt: skip


def memory(rows: Sequence[Row], label: str) -> str:
    """How full each memory is; the track is as long as the memory is large. Rows: bar, need, there, said."""
    longest = max((max(row["need"], row["there"]) for row in rows), default=0.0) or 1.0
    return _lines(
        label,
        [
            (row["bar"], _bar(0.0, row["need"] / longest, BLUE, row["there"] / longest), row["said"])
            for row in rows
        ],
    )


def stacked(rows: Sequence[Row], colours: Mapping[str, str], label: str) -> str:
    """One bar of milliseconds per `bar`, made of `part`s in their order, and a key. Rows: bar, part, size, said."""
    names = list(dict.fromkeys(row["bar"] for row in rows))
    totals = {name: sum(row["size"] for row in rows if row["bar"] == name) for name in names}
    longest = max(totals.values(), default=0.0) or 1.0
    lines = [
        (name, _segments([row for row in rows if row["bar"] == name], colours, longest), f"{totals[name]:.3g} ms")
        for name in names
    ]
    key = "".join(
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:0.8rem;height:0.8rem;'
        f'background:{colours.get(part, GREY)}"></span> {escape(part)}</span>'
        for part in dict.fromkeys(row["part"] for row in rows)
    )
    style = "display:flex;flex-wrap:wrap;gap:0.25rem 0.9rem;font-size:0.875rem;margin-bottom:0.75rem"
    return f'<div style="{style}">{key}</div>{_lines(label, lines)}'


def _segments(rows: Sequence[Row], colours: Mapping[str, str], longest: float) -> str:
    """The parts of one bar side by side; each tells its time to the pointer."""
    parts = "".join(
        f'<span title="{escape(row["part"])}: {escape(row["said"])}" style="width:{row["size"] / longest:.2%};'
        f'background:{colours.get(row["part"], GREY)}"></span>'
        for row in rows
    )
    return f'<span style="display:flex;height:1.4rem">{parts}</span>'


def _bar(start: float, end: float, colour: str, track: float = 1.0) -> str:
    """A bar from one share of the width to another, on a track that takes a share of it."""
    fill = f"{_FILL}left:{start:.2%};width:{end - start:.2%};background:{colour}"
    back = f"{_FILL}left:0;width:{track:.2%};background:rgba(127,127,127,0.16)"
    parts = f'<span style="{back}"></span><span style="{fill}"></span>'
    return f'<span style="position:relative;height:1.1rem">{parts}</span>'


def _lines(label: str, lines: Sequence[tuple[str, str, str]]) -> str:
    cells = "".join(f"<span>{escape(name)}</span>{bar}<span>{escape(said)}</span>" for name, bar, said in lines)
    style = f"{_GRID}align-items:center;font-size:0.875rem;margin-bottom:0.5rem"
    return f'<div role="group" aria-label="{escape(label)}" style="{style}">{cells}</div>'


# Colours that colour-blind people tell apart, with enough contrast on a light and on a dark page.
#
# Source: Okabe and Ito, "Color Universal Design", https://jfly.uni-koeln.de/color/ (read 2026-11-24). Those used for
# marks reach 3:1 on both backgrounds (WCAG 2.2, 1.4.11); orange and sky blue do not, and only fill labelled bars.

BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
ORANGE, SKY, YELLOW, GREY = "#e69f00", "#56b4e9", "#f0e442", "#7f7f7f"
KINDS = {"desktop": BLUE, "laptop": PURPLE, "unified": GREEN}
SHAPES = {"desktop": "circle", "laptop": "square", "unified": "triangle-up"}
STAGES = {
    "gpu_weights": BLUE, "gpu_experts": SKY, "gpu_kv": GREEN, "gpu_launches": GREY, "cpu_weights": VERMILLION,
    "cpu_kv": ORANGE, "cpu_sync": YELLOW, "link": PURPLE, "disk": "#505050",
}  # fmt: skip
SERIES = (BLUE, VERMILLION, GREEN, PURPLE)
