"""The link that restores a view, and its content as files."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from advisor.build_files import to_csv, to_markdown
from advisor.recommendation import RankedBuild, Recommendation
from webapp import downloads, links

Maker = Callable[[], str]


def ranking(found: Recommendation, shown: Sequence[RankedBuild], state: links.State) -> None:
    """Link and files of ranked builds: those that the filters leave."""
    part = found.model_copy(update={"builds": tuple(shown)})
    makers = (lambda: to_csv(part), lambda: part.model_dump_json(indent=1), lambda: to_markdown(part))
    _offer(state, "advisor-builds", *makers)


def rows(title: str, found: Sequence[dict[str, Any]], state: links.State, name: str) -> None:
    """Link and files of a table."""
    question = state.model_dump(mode="json")
    as_csv, as_markdown = (lambda: downloads.to_csv(found)), (lambda: downloads.to_markdown(title, found))
    _offer(state, name, as_csv, lambda: downloads.to_json(question, found), as_markdown)


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
