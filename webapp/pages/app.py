"""The pages and the frame around them: the script that is run for every visitor; served.py serves it."""

from functools import partial
from pathlib import Path

import streamlit as st

from webapp import controls
from webapp.links import MOVED, BuildState, CompareState, LostState
from webapp.pages import build, buy, compare, lost, machine, models, trust
from webapp.words import TERMS, plain

HERE = Path(__file__).parent
PAGES = (
    ("Buy", "", buy.page),
    ("My computer", "machine", machine.page),
    ("Models", "models", models.page),
    ("Compare", "compare", compare.page),
    ("Why trust it", "trust", trust.page),
)
"""Title, path below the server's address and drawing of each page; the first is the one without a path."""
HIDDEN = (("Build", BuildState.path, build.page), ("No such page", LostState.path, lost.page))
"""Pages that nobody looks for by name."""


def main() -> None:
    """Draw the frame and the page that the address names."""
    st.set_page_config(page_title="Advisor", page_icon=str(HERE / "icon.svg"), layout="wide")
    count, pages = len(controls.compared()), []
    for title, path, show in PAGES:
        counted = f"{title} ({count})" if count and path == CompareState.path else title
        pages.append(st.Page(show, title=counted, url_path=path or None, default=not path))
    pages += [st.Page(show, title=title, url_path=path, visibility="hidden") for title, path, show in HIDDEN]
    places = {page.url_path: page for page in pages}
    st.session_state[controls.PLACES] = places
    moved = [
        st.Page(partial(_moved, places[to]), title=to, url_path=path, visibility="hidden")
        for path, to in MOVED.items()
    ]
    shown = st.navigation([*pages, *moved], position="top")
    with st.container():  # so that what stands below has one place, and an open fold of it stays open
        shown.run()
    with st.expander("Words used here", icon=":material/help:"):
        st.markdown("\n\n".join(f"**{plain(term)}**: {plain(meaning)}" for term, meaning in TERMS.items()))
    controls.settings()


def _moved(to: st.Page) -> None:
    """Go on to the page that took the place of another, with what its link says."""
    st.switch_page(to, query_params={name: st.query_params.get_all(name) for name in st.query_params})


if __name__ == "__main__":
    main()
