"""Compare: up to four builds side by side, the best of each row marked and the difference said in words."""

import streamlit as st

from advisor.buying.wish import Wish
from advisor.errors import InputError
from catalog.names.index import UnknownName
from webapp import build_rows, cards, charts, controls, resources, tables
from webapp.described import DescribedBuild, Parts
from webapp.links import MOST_COMPARED, BuildState, CompareState
from webapp.pages import build
from webapp.words import plain, sentence

BUILDS = controls.key(CompareState, "build")
PRESETS = {
    "Strix Halo, DGX Spark, 2x 3090, 5090": (
        "machine: Strix Halo (Ryzen AI Max+ 395) | 128GB", "machine: DGX Spark | 128GB",
        "2x RTX 3090 | | 64GB", "RTX 5090 | | 64GB",
    ),
    "16 GB cards": ("RTX 5060 Ti 16GB | | 32GB", "RTX 5070 Ti | | 32GB", "RX 9070 XT | | 32GB"),
}
"""Comparisons that people ask for."""
TASKS = {"short chat": 8192, "64K agent": 65536}
"""Contexts that a comparison is made at in one click."""


def page() -> None:
    """Draw the page."""
    controls.opened(CompareState, "Compare")
    with st.container(border=True):
        first, second, third, fourth = st.columns(4)
        with first:
            controls.model(CompareState)
        with second:
            controls.quant(CompareState)
        with third:
            controls.context(CompareState)
        with fourth:
            controls.condition(CompareState)
    _add()
    state = controls.published(CompareState)
    found = _found(state)
    if not found:
        st.info("Nothing to compare yet: add a build above, or press Compare where a build is shown.")
        return
    _side_by_side(found, state)


def _add() -> None:
    """Add a build by its parts, a comparison that people ask for, or take one off."""
    builds = st.session_state[BUILDS]
    with st.container(horizontal=True, gap="small"):
        for label, texts in PRESETS.items():
            st.button(label, on_click=_put, args=(texts,))
    with st.expander("Add a build", expanded=not builds):
        first, second, third = st.columns(3)
        open_ = "the best value that fits"
        gpu = first.selectbox(
            "Graphics card", ("", *resources.part_names("gpu")), key="add gpu",
            format_func=lambda name: name or controls.NO_CARD,
        )
        cpu = second.selectbox(
            "Processor", ("", *resources.part_names("cpu")), key="add cpu", format_func=lambda name: name or open_
        )
        ram = third.selectbox(
            "Memory", ("", *controls.MEMORIES), key="add ram", accept_new_options=True,
            format_func=lambda name: name or open_,
        )
        whole = first.selectbox(
            "Or a whole machine", ("", *resources.part_names("unified")), key="add whole",
            format_func=lambda name: name or controls.NO_MACHINE,
        )
        parts = Parts(machine=whole, ram=ram or "") if whole else Parts(gpu=gpu or "", cpu=cpu or "", ram=ram or "")
        useless = len(builds) >= MOST_COMPARED or not (gpu or cpu or whole)
        st.button("Add", on_click=_put, args=((*builds, parts.text),), disabled=useless, help="Up to four builds.")
    if builds:
        st.pills(
            "Compared (press one to take it off)", list(builds), key="off", on_change=_take_off,
            format_func=_short,
        )


def _short(text: str) -> str:
    """A line of a build as people say it.

    >>> _short("machine: DGX Spark | 128GB"), _short("RTX 5090 | | 64GB")
    ('DGX Spark, 128GB', 'RTX 5090, 64GB')
    """
    return ", ".join(filter(None, (word.strip() for word in text.removeprefix("machine:").split("|"))))


def _put(builds: tuple[str, ...]) -> None:
    st.session_state[BUILDS] = tuple(dict.fromkeys(builds))[:MOST_COMPARED]


def _take_off() -> None:
    gone = st.session_state["off"]
    _put(tuple(text for text in st.session_state[BUILDS] if text != gone))


def _found(state: CompareState) -> list[DescribedBuild]:
    """The builds of a link; those that cannot be read are said and passed over."""
    wish = Wish(
        model=state.model, quant=state.quant or None, context=state.context, condition=state.condition
    )
    found = []
    for text in state.build:
        try:
            found.append(resources.described_build(text, wish, ()))
        except (InputError, UnknownName, ValueError) as error:
            st.warning(plain(sentence(f"Not compared: {error}")))
    return found


def _side_by_side(found: list[DescribedBuild], state: CompareState) -> None:
    titles = build_rows.titles(found)
    people = [resources.of_people(item.prediction.scenario, 4) for item in found]
    facts = build_rows.compared(found, people, controls.exchange(), controls.units())
    st.html(cards.compared(titles, facts, "Builds side by side, the best of each row marked"))
    rows = build_rows.facts(found, resources.today())
    controls.share_rows("Builds side by side", rows, state, "advisor-compare")
    with st.container(horizontal=True, gap="small"):
        for name, item in zip(titles, found, strict=True):
            controls.link_to(
                BuildState(build=item.text, model=state.model, quant=state.quant, context=state.context), f"See {name}"
            )
    left, right = st.columns(2, gap="large")
    with left:
        speeds = build_rows.speeds(found)
        words = "; ".join(f"{row['name']} {row['said']}" for row in speeds)
        st.subheader("Writing speed, with the range of 9 in 10 runs", anchor=False)
        st.vega_lite_chart(charts.speeds(speeds, "tok/s"), alt=f"Writing speeds in tok/s: {words}")
    with right:
        times = [
            row for name, item in zip(titles, found, strict=True) for row in build_rows.stages(item.prediction, name)
        ]
        st.subheader("Where the time of a token goes", anchor=False)
        st.html(charts.stacked(times, build.COLOURS, "Time of a token of each build by stage"))
    with st.expander("Every fact in a table"):
        tables.show([row for row in rows if any(list(row.values())[1:])], "Every fact of the builds side by side")
