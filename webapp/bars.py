"""Labelled bars as HTML: a few lines of text that the browser draws at once, where a chart needs a library."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from webapp import palette

Row = Mapping[str, Any]
_GRID = "display:grid;grid-template-columns:max-content minmax(3rem,1fr) max-content;gap:0.4rem 0.75rem;"
_FILL = "position:absolute;top:0;bottom:0;min-width:2px;border-radius:3px;"


def waterfall(rows: Sequence[Row], colours: Mapping[str, str], label: str) -> str:
    """Parts of a whole one after the other, each on a line of its own. Rows: part, start, end, said."""
    whole = max((row["end"] for row in rows), default=0.0) or 1.0
    return _lines(
        label,
        [
            (row["part"], _bar(row["start"] / whole, row["end"] / whole, colours.get(row["part"], palette.GREY)),
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
            (row["bar"], _bar(0.0, row["need"] / longest, palette.BLUE, row["there"] / longest), row["said"])
            for row in rows
        ],
    )


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
