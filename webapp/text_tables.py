"""Short tables as HTML, which the browser draws at once and reads aloud, where a grid needs a library."""

from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

Row = Mapping[str, Any]
_LINE = "padding:0.4rem 0.6rem;border-bottom:1px solid rgba(127,127,127,0.3);vertical-align:top;"
_SHORT = ("Date", "Age", "Price", "Condition")
"""Columns whose cells are not broken over lines."""


def table(
    rows: Sequence[Row], formats: Mapping[str, str], label: str, titles: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Rows with numbers as their formats say, and sources as links; wider than the page it is scrolled sideways.

    Rows: the columns in order, headed by their names or by other `titles`; `Source` is a link where the row has a
    `Link`.
    """
    names = [name for name in (rows[0] if rows else ()) if name != "Link"]
    head = "".join(
        f'<th scope="col" style="{_style(name, formats)}">{escape(titles.get(name, name))}</th>' for name in names
    )
    body = "".join(f"<tr>{''.join(_cell(row, name, formats) for name in names)}</tr>" for row in rows)
    style = "border-collapse:collapse;width:100%;min-width:44rem;font-size:0.875rem;margin-bottom:0.5rem"
    grid = f'<table style="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div role="region" aria-label="{escape(label)}" tabindex="0" style="overflow-x:auto">{grid}</div>'


def _style(name: str, formats: Mapping[str, str]) -> str:
    side = "right" if name in formats else "left"
    return f"{_LINE}text-align:{side};{'white-space:nowrap;' if name in _SHORT else ''}"


def _cell(row: Row, name: str, formats: Mapping[str, str]) -> str:
    value = row[name]
    shown = "" if value is None or value == "" else escape(formats.get(name, "{}").format(value))
    if name == "Source" and row.get("Link"):
        site = escape(urlsplit(row["Link"]).netloc.removeprefix("www."))
        link = f'href="{escape(row["Link"])}" title="{shown}" style="color:inherit"'
        shown = f'<a {link} target="_blank" rel="noopener">{site}</a>'
    return f'<td style="{_style(name, formats)}">{shown}</td>'
