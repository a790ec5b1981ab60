"""The link that restores a view, and its content as files."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from advisor.buying import report
from advisor.buying.recommendation import RankedBuild, Recommendation
from webapp import links

Maker = Callable[[], str]


def ranking(found: Recommendation, shown: Sequence[RankedBuild], state: links.State) -> None:
    """Link and files of ranked builds: those that the filters leave."""
    part = found.model_copy(update={"builds": tuple(shown)})
    makers = (lambda: report.to_csv(part), lambda: part.model_dump_json(indent=1), lambda: report.to_markdown(part))
    _offer(state, "advisor-builds", *makers)


def rows(title: str, found: Sequence[dict[str, Any]], state: links.State, name: str) -> None:
    """Link and files of a table."""
    question = state.model_dump(mode="json")
    as_csv, as_markdown = (lambda: to_csv(found)), (lambda: to_markdown(title, found))
    _offer(state, name, as_csv, lambda: to_json(question, found), as_markdown)


def _offer(state: links.State, name: str, as_csv: Maker, as_json: Maker, as_markdown: Maker) -> None:
    """The files are made when they are asked for: a redraw does not wait for them."""
    with st.container(horizontal=True, gap="small"):
        files = (("CSV", as_csv, "csv", "text/csv"), ("JSON", as_json, "json", "application/json"),
                 ("Markdown", as_markdown, "md", "text/markdown"))  # fmt: skip
        for label, data, ending, mime in files:
            st.download_button(
                label, data, f"{name}.{ending}", mime, key=f"{name}.{ending}", on_click="ignore",
                icon=":material/download:", help=f"Download this view as {label}",
            )  # fmt: skip
        _link(address(state), name)


@st.fragment
def _link(text: str, name: str) -> None:
    """The link to copy, drawn once asked for."""
    fold = st.popover("Link", icon=":material/link:", help="A link that restores this view", key=f"{name}.link",
                      on_change="rerun")  # fmt: skip
    if fold.open:
        with fold:
            st.code(text, language=None, wrap_lines=True)


def address(state: links.State) -> str:
    """The address that restores a view."""
    base = (st.context.url or "").split("?")[0]
    query = urlencode(links.write(state), doseq=True)
    return f"{base}?{query}" if query else base


# Tables as files: CSV, JSON and Markdown.

Record = Mapping[str, Any]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters that spreadsheets take for a formula. Source: OWASP, CSV Injection (read 2026-11-24)."""


def to_csv(rows: Sequence[Record]) -> str:
    """A header and one line per row; a text that a spreadsheet would compute is quoted with an apostrophe."""
    out = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def to_json(question: Record, rows: Sequence[Record]) -> str:
    """The question and the rows."""
    return json.dumps({"question": question, "rows": list(rows)}, indent=1, default=str)


def to_markdown(title: str, rows: Sequence[Record]) -> str:
    """A heading and a table."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [f"# {title}", "", *(_line(cells) for cells in (columns, ["---"] * len(columns)))]
    lines += [_line([_cell(row.get(name)) for name in columns]) for row in rows]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "/").replace("\n", " ").replace("<", "&lt;")
