"""An address that is no page: what was asked for, what it may have meant, and where to go on."""

from difflib import get_close_matches
from urllib.parse import parse_qs

import streamlit as st

from webapp import controls
from webapp.links import MOVED, VIEWS, BuyState, LostState, MachineState, State, read
from webapp.words import plain

TITLES = {
    "build": "the build", "machine": "My computer", "models": "Models", "compare": "Compare", "trust": "Why trust it",
}
"""What a link to each page is called."""
LIKE = 0.6
SHOWN = 80
"""Letters of an address that are told."""


def page() -> None:
    """Draw the page."""
    controls.opened(LostState)
    state = controls.published(LostState)
    shown = state.address if len(state.address) <= SHOWN else f"{state.address[:SHOWN]}…"
    st.title(plain(f"There is no page at {shown}" if shown else "There is no such page"), anchor=False)
    st.markdown("The address may be mistyped or cut off, or what it led to has another name by now.")
    meant = nearest(state.address)
    ways = {"Which computer to buy?": BuyState(), "What runs on the computer I have?": MachineState()}
    if meant:
        ways = {f"Did you mean {TITLES[meant.path]}?": meant} | ways
    for label, there in ways.items():
        controls.link_to(there, label, icon=":material/arrow_forward:")


def nearest(address: str) -> State | None:
    """The page that an address may have meant, with what its query says of it; None where none is like it.

    >>> nearest("/biuld?build=RTX+3090").build
    'RTX 3090'
    >>> nearest("/no/such/page") is None
    True
    """
    path, _, query = address.partition("?")
    names = [name for name in (*VIEWS, *MOVED) if name not in {"", LostState.path}]
    for part in path.lower().split("/"):
        for name in get_close_matches(part, names, n=1, cutoff=LIKE):
            state, _ = read(VIEWS[MOVED.get(name, name)], parse_qs(query))
            return state
    return None
