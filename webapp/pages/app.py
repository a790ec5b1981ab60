"""The pages and the frame around them: the script that `advisor app` has Streamlit run."""

from pathlib import Path

import streamlit as st

from catalog import tables
from webapp import resources
from webapp.links import FindState
from webapp.pages import compare, evidence, explore, find, machine
from webapp.words import TERMS, plain

PAGES = (
    ("Find a build", "", find.page),
    ("My machine", "machine", machine.page),
    ("Explore a model", "explore", explore.page),
    ("Compare", "compare", compare.page),
    ("Evidence", "evidence", evidence.page),
)
"""Title, path below the server's address and drawing of each page; the first is the one without a path."""


def warm() -> None:
    """Read the tables, rank the first visitor's question and import what draws it, before the first visitor comes."""
    from importlib import import_module

    resources.ranking(FindState().wish(), ())
    tables.public_runs()
    for name in ("pandas", "pyarrow"):
        import_module(name)


def main() -> None:
    """Draw the frame and the page that the address names."""
    st.set_page_config(page_title="Advisor", page_icon=str(Path(__file__).with_name("icon.svg")), layout="wide")
    pages = [st.Page(show, title=title, url_path=path or None, default=not path) for title, path, show in PAGES]
    st.navigation(pages, position="top").run()
    with st.expander("Words used here", icon=":material/help:"):
        st.markdown("\n\n".join(f"**{plain(term)}**: {plain(meaning)}" for term, meaning in TERMS.items()))


if __name__ == "__main__":
    main()
