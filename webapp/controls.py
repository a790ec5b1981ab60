"""Widgets bound to a view's state and its address: what a visitor sets is in the link, what a link says is set."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

from advisor.answer import Prediction
from advisor.question import RamRequest
from webapp import links, resources
from webapp.described import Parts
from webapp.words import HINTS, thousands

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


# Fields for the parts of a machine, shared by the pages that ask for one.

NO_CARD, NO_MACHINE, UNSAID = "none", "no, it is built from parts", "not said"
MEMORIES = (
    "DDR4-3200 2x8", "DDR4-3200 2x16", "DDR4-3600 2x16", "DDR4-3200 2x32", "DDR4-3600 2x32", "DDR5-5600 2x16",
    "DDR5-6000 2x16", "DDR5-6000 2x32", "DDR5-6000 2x48", "DDR5-6400 2x64",
)  # fmt: skip
SIZES = ("16GB", "24GB", "32GB", "48GB", "64GB", "96GB", "128GB", "192GB", "256GB", "512GB")


def machine(kind: type[links.State], *, cards: bool = False) -> None:
    """Fields for a graphics card, a processor and memory, or for a whole machine."""
    first, second, third = st.columns(3)
    named = bool(st.session_state[key(kind, "whole")])
    with first:
        _pick(kind, "gpu", "Graphics card", ("", *resources.part_names("gpu")), NO_CARD, disabled=named)
        whole = ("", *resources.part_names("unified"), *resources.part_names("laptop"))
        _pick(kind, "whole", "Or a whole machine", whole, NO_MACHINE)
    with second:
        _pick(kind, "cpu", "Processor", ("", *resources.part_names("cpu")), UNSAID, disabled=named)
        if cards:
            st.number_input("How many such cards", 1, 8, step=1, key=key(kind, "gpus"), disabled=named)
    with third:
        _pick(kind, "ram", "Memory", ("", *(SIZES if named else MEMORIES)), UNSAID, accept_new_options=True)


def _pick(kind: type[links.State], field: str, label: str, options: Sequence[str], nothing: str, **more: bool) -> None:
    choose(kind, field, label, options, format_func=lambda name: name or nothing, help=HINTS[field], **more)


def parts(kind: type[links.State]) -> Parts:
    """The parts that the fields of a page say."""
    said = {name: st.session_state.get(key(kind, name)) or "" for name in ("gpu", "cpu", "ram", "whole")}
    if said["whole"]:
        return Parts(machine=said["whole"], ram=said["ram"])
    count = st.session_state.get(key(kind, "gpus")) or 1
    disk = st.session_state.get(key(kind, "disk")) or ""
    return Parts(gpu=said["gpu"], cpu=said["cpu"], ram=said["ram"], cards=int(count), disk=str(disk))


def text_of(ram: RamRequest) -> str:
    """Memory as the field takes it.

    >>> text_of(RamRequest(type="DDR4", mt_s=3600, gb=31.2))
    'DDR4-3600 32GB'
    """
    size = f"{round(ram.gb / 2) * 2 if ram.gb > 8 else round(ram.gb)}GB" if ram.gb else ""
    return " ".join(filter(None, (f"{ram.type}-{ram.mt_s}" if ram.type and ram.mt_s else ram.type, size)))
