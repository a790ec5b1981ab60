"""Tables as Streamlit draws them, as HTML and as files: which columns, and how their numbers are written."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from advisor.documents import Document, Section, Table, as_csv, as_markdown, columns
from webapp.build_rows import money_titles
from webapp.words import TERMS

Row = Mapping[str, Any]
ROW_HEIGHT = 36
SHORT = ("Date", "Age", "Price", "Condition")
"""Columns of an HTML table whose cells are not broken over lines."""


NUMBERS = MappingProxyType({
    "Price": "${:,.0f}", "Writes, tok/s": "{:.1f}", "Reads, tok/s": "{:,.0f}", "At context": "{:,}", "Runs": "{:,}",
    "Machines": "{:,}", "Typical error": "{:.0f} %", "Within 20 %": "{:.0f} %", "Inside the range": "{:.0f} %",
    "Slowest of 9 in 10": "{:.0f} %", "Fastest of 9 in 10": "{:.0f} %", "Measured": "{:.3g}", "Predicted": "{:.3g}",
    "Low": "{:.3g}", "High": "{:.3g}", "Error": "{:.0f} %",
})
"""How numbers are written in tables of text."""


def _columns() -> dict[str, Any]:
    """How each column is written, by its name."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "Price": number("Price", format="dollar"),
        "tok/s": number("tok/s", format="%.1f", help=TERMS["tok/s"]),
        "90 % range": text("90 % range", help=TERMS["90 % range"]),
        "$/(tok/s)": number("$/(tok/s)", format="$%.1f", help=TERMS["$/(tok/s)"]),
        "Prompt": number("Reads tok/s", format="%.0f", help=TERMS["Prompt"]),
        "First token": number("First token", format="%.2f s", help=TERMS["First token"]),
        "Longest context": text("Longest context", help=TERMS["Longest context"]),
        "Room for context": text("Room for context", help="Tokens that fit beside the model as it lies."),
        "Power": number("Power", format="%.0f W", help=TERMS["Power"]),
        "Best for its price": text("Best for its price", help=TERMS["Pareto front"]),
        "Gain": number("Gain", format="+%.0f %%", help="Writing speed over the machine as it is."),
        "Link": st.column_config.LinkColumn("Link", display_text="open", help="The page that states it."),
        "Quality": number("Quality", format="%.0f", help=TERMS["Quality"]),
        "Grade": text("Grade", help=TERMS["Grade"]),
        "Compression": text("Compression", help=TERMS["Compression"]),
        "Bits per weight": number("Bits per weight", format="%.2f"),
        "Size GiB": number("Size GiB", format="%.1f", help=TERMS["GiB"]),
        "VRAM floor GiB": number("VRAM floor", format="%.1f GiB", help="Least VRAM, with all experts in RAM."),
        "VRAM for all GiB": number("VRAM for all", format="%.1f GiB", help="VRAM that holds model and context."),
        "RAM floor GiB": number("RAM floor", format="%.1f GiB", help="Least RAM that keeps the disk out of it."),
        "n_cpu_moe": number("n_cpu_moe", help=TERMS["n_cpu_moe"]),
        "KL divergence": number("KL divergence", format="%.4f", help=TERMS["KL divergence"]),
        "Perplexity": number("Perplexity", format="%.2f %%", help="Rise over the original's: 0 is no loss."),
        "Slowest of 9 in 10": number(format="%.0f %%"),
        "Fastest of 9 in 10": number(format="%.0f %%"),
        "Typical error": number(format="%.0f %%"),
        "Within 20 %": number(format="%.0f %%"),
        "Inside the range": number(format="%.0f %%"),
        "Error": number(format="%.0f %%"),
        "Measured": number("Measured tok/s", format="%.3g"),
        "Predicted": number("Predicted tok/s", format="%.3g"),
        "Low": number("at least", format="%.3g"),
        "High": number("at most", format="%.3g"),
        "At context": number("At context", format="localized", help="Tokens already in view when it was measured."),
    }


def money_columns(currency: str) -> dict[str, Any]:
    """How the columns of prices in a currency are written, by their names."""
    if currency == "USD":
        return {}
    price, per_speed = money_titles(currency)
    number = st.column_config.NumberColumn
    return {price: number(price, format="%.0f"),
            per_speed: number(per_speed, format="%.1f", help=TERMS["$/(tok/s)"])}


def show(rows: Sequence[Row], alt: str, **more: Any) -> Any:
    """A table of rows."""
    named = {name for row in rows for name in row}
    config = {name: column for name, column in _columns().items() if name in named}
    tall = min(len(rows), 12) * ROW_HEIGHT + ROW_HEIGHT + 4
    return st.dataframe(
        list(rows), hide_index=True, column_config=config | more.pop("column_config", {}), alt=alt,
        row_height=ROW_HEIGHT, placeholder="", height=more.pop("height", tall), **more,
    )


def html(rows: Sequence[Row], label: str) -> None:
    """A short table whose numbers are written as in a grid of `show`."""
    st.html(table(rows, NUMBERS, label))


def table(
    rows: Sequence[Row], formats: Mapping[str, str], label: str, titles: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Rows as HTML, which the browser draws at once and reads aloud, where a grid needs a library.

    Numbers are as their formats say, sources are links; wider than the page it is scrolled sideways.

    Rows: the columns in order, headed by their names or by other `titles`; `Source` is a link where the row has a
    `Link`.
    """
    names = [name for name in (rows[0] if rows else ()) if name != "Link"]
    head = "".join(f'<th scope="col"{_side(name, formats)}>{escape(titles.get(name, name))}</th>' for name in names)
    body = "".join(f"<tr>{''.join(_cell(row, name, formats) for name in names)}</tr>" for row in rows)
    grid = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide" role="region" aria-label="{escape(label)}" tabindex="0">{grid}</div>'


def _side(name: str, formats: Mapping[str, str]) -> str:
    return ' class="number"' if name in formats or name in SHORT else ""


def _cell(row: Row, name: str, formats: Mapping[str, str]) -> str:
    value = row[name]
    shown = "" if value is None or value == "" else escape(formats.get(name, "{}").format(value))
    if name == "Source" and row.get("Link"):
        site = escape(urlsplit(row["Link"]).netloc.removeprefix("www."))
        shown = f'<a href="{escape(row["Link"])}" title="{shown}" target="_blank" rel="noopener">{site}</a>'
    return f"<td{_side(name, formats)}>{shown}</td>"


def _of_rows(rows: Sequence[Row]) -> Table:
    """Rows as a table of a document, with a column for every name that some row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(columns(*names), [[row.get(name) for name in names] for row in rows])


def to_csv(rows: Sequence[Row]) -> str:
    """A header and one line per row; a text that a spreadsheet would compute is quoted with an apostrophe."""
    return as_csv(_of_rows(rows))


def to_json(question: Row, rows: Sequence[Row]) -> str:
    """The question and the rows."""
    return json.dumps({"question": question, "rows": list(rows)}, indent=1, default=str)


def to_markdown(title: str, rows: Sequence[Row]) -> str:
    """A heading and a table; numbers have four digits."""
    short = [{n: f"{value:.4g}" if isinstance(value, float) else value for n, value in row.items()} for row in rows]
    return as_markdown(Document(title, [Section("", [_of_rows(short)])]))
