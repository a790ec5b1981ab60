"""Small print in the colour of the text: Streamlit's captions are too faint for WCAG 2.2 (1.4.3, 4.5:1)."""

from collections.abc import Iterable
from typing import Literal

import streamlit as st

from webapp.words import plain


def note(text: str, width: Literal["stretch", "content"] = "stretch") -> None:
    """A remark in small print; the text is shown as it is."""
    st.markdown(f":small[{plain(text)}]", width=width)


def listed(lines: Iterable[str]) -> None:
    """Lines as a list, in one piece: each piece of a page costs the browser some milliseconds."""
    st.markdown("\n".join(f"- {plain(line)}" for line in lines))
