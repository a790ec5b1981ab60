"""Widgets bound to a view's state and its address: what a visitor sets is in the link, what a link says is set."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

from advisor.answer import Prediction
from webapp import links, resources
from webapp.glossary import HINTS
from webapp.words import thousands

S = TypeVar("S", bound=links.State)
CONTEXTS = (2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144)
CONDITIONS = {"new": "New", "used": "Used", "any": "Either"}


def opened(kind: type[S]) -> list[str]:
    """Set the widgets of a view from its address where that is new; sentences on what could not be read."""
    memory, page = st.session_state, kind.__name__
    given = {name: st.query_params.get_all(name) for name in st.query_params}
    came = memory.get("page") != page
    memory["page"] = page
    if came and not given:
        given = memory.get(f"{page}:link", {})
    elif given == memory.get(f"{page}:link") and not came:
        _keep(kind)
        return []
    state, complaints = links.read(kind, given)
    put(state)
    memory[f"{page}:link"] = given
    return complaints


def _keep(kind: type[links.State]) -> None:
    """Hold the values of fields whose widgets this run may not draw: Streamlit forgets them otherwise."""
    memory = st.session_state
    for name in kind.model_fields:
        if key(kind, name) in memory:
            memory[key(kind, name)] = memory[key(kind, name)]


def put(state: links.State) -> None:
    """Set the widgets of a view."""
    for name in type(state).model_fields:
        st.session_state[key(type(state), name)] = getattr(state, name)


def key(kind: type[links.State], field: str) -> str:
    """Key of a field in the session."""
    return f"{kind.__name__}.{field}"


def current(kind: type[S]) -> S:
    """The state that the widgets show."""
    values = {name: st.session_state.get(key(kind, name), field.get_default())
              for name, field in kind.model_fields.items()}  # fmt: skip
    return kind.model_validate({k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def published(kind: type[S]) -> S:
    """The state that the widgets show, once its address is that of the page."""
    state = current(kind)
    link = links.write(state)
    if {name: st.query_params.get_all(name) for name in st.query_params} != link:
        st.query_params.from_dict(link)
    st.session_state[f"{kind.__name__}:link"] = link
    return state


def go(state: links.State) -> None:
    """Show another state of the same view: for callbacks of buttons."""
    st.query_params.from_dict(links.write(state))
    put(state)


def compare(text: str, answer: Prediction) -> None:
    """Put a build on the page that compares, for the question that it was predicted for."""
    where = f"{links.CompareState.__name__}:link"
    before, _ = links.read(links.CompareState, st.session_state.get(where, {}))
    builds = tuple(dict.fromkeys((*before.build, text)))[-links.MOST_COMPARED :]
    after = before.model_copy(
        update={
            "build": builds,
            "model": answer.model,
            "quant": answer.quant,
            "context": answer.scenario.context_tokens,
        }
    )
    st.session_state[where] = links.write(after)
    st.toast(f"{len(builds)} to compare: see the page Compare", icon=":material/compare_arrows:")


def choose(kind: type[links.State], field: str, label: str, options: Sequence[Any], **more: Any) -> None:
    """A select box; a value that a link brought and the options lack is put before them."""
    value = st.session_state.get(key(kind, field))
    if value not in options:
        options = (value, *options)
    st.selectbox(label, options, key=key(kind, field), help=more.pop("help", HINTS.get(field)), **more)


def model(kind: type[links.State], label: str = "Model") -> None:
    """The language model."""
    choose(kind, "model", label, resources.model_names())


def quant(kind: type[links.State], options: Sequence[str], names: Callable[[str], str]) -> None:
    """The quantisation."""
    choose(kind, "quant", "Quantisation", options, format_func=names)


def context(kind: type[links.State]) -> None:
    """The context length."""
    choose(kind, "context", "Context", CONTEXTS, format_func=lambda count: f"{thousands(count)} tokens")


def condition(kind: type[links.State]) -> None:
    """New or used prices."""
    st.segmented_control(
        "Prices", list(CONDITIONS), key=key(kind, "condition"), format_func=CONDITIONS.__getitem__,
        help=HINTS["condition"], required=True,
    )  # fmt: skip
