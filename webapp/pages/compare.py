"""Compare: up to four builds side by side."""

import streamlit as st

from advisor.buying.wish import Wish
from advisor.errors import InputError
from catalog.names.index import UnknownName
from webapp import build_rows, charts, controls, resources, tables
from webapp.described import DescribedBuild, Parts, article_builds
from webapp.links import MOST_COMPARED, CompareState
from webapp.pages import opened
from webapp.words import note, plain, sentence

BUILDS = controls.key(CompareState, "build")


def page() -> None:
    """Draw the page."""
    controls.opened(CompareState, "Compare", "Up to four builds side by side, for one model.")
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
        st.info("Nothing to compare yet: add a build above, or press Add to comparison where a build is open.")
        return
    _side_by_side(found, state)


def _add() -> None:
    """Add a build by its parts, the article's four at once, or take one off."""
    builds = st.session_state[BUILDS]
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
        with st.container(horizontal=True):
            st.button("Add", on_click=_put, args=((*builds, parts.text),), disabled=useless, help="Up to four builds.")
            article = tuple(build.text for build in article_builds())
            st.button("The article's four builds", on_click=_put, args=(article,))
    if builds:
        st.pills(
            "Compared (press one to take it off)", list(builds), key="off", on_change=_take_off,
            format_func=lambda text: text.replace(" | ", ", "),
        )


def _put(builds: tuple[str, ...]) -> None:
    st.session_state[BUILDS] = tuple(dict.fromkeys(builds))[:MOST_COMPARED]


def _take_off() -> None:
    gone = st.session_state["off"]
    _put(tuple(text for text in st.session_state[BUILDS] if text != gone))


def _found(state: CompareState) -> list[DescribedBuild]:
    """The builds of a link; those that cannot be read are said and passed over."""
    wish = Wish(model=state.model, quant=state.quant or None, context=state.context, condition=state.condition)
    found = []
    for text in state.build:
        try:
            found.append(resources.described_build(text, wish, ()))
        except (InputError, UnknownName, ValueError) as error:
            st.warning(plain(sentence(f"Not compared: {error}")))
    return found


def _side_by_side(found: list[DescribedBuild], state: CompareState) -> None:
    day = resources.today()
    titles = build_rows.titles(found)
    rows = [row for row in build_rows.facts(found, day) if any(list(row.values())[1:])]
    height = (len(rows) + 1) * tables.ROW_HEIGHT + 4
    tables.show(rows, "Builds side by side: price, speed with range, placement, what limits them", height=height)
    controls.share_rows("Builds side by side", rows, state, "advisor-compare")
    left, right = st.columns(2, gap="large")
    with left:
        speeds = build_rows.speeds(found)
        words = "; ".join(f"{row['name']} {row['said']}" for row in speeds)
        st.markdown("**Writing speed, with the range of 9 in 10 runs**")
        st.vega_lite_chart(charts.speeds(speeds, "tok/s"), alt=f"Writing speeds in tok/s: {words}")
    with right:
        times = [
            row for name, item in zip(titles, found, strict=True) for row in build_rows.stages(item.prediction, name)
        ]
        st.markdown("**Where the time of a token goes**")
        st.html(charts.stacked(times, opened.COLOURS, "Time of a token of each build by stage"))
    st.subheader("Parts and prices", anchor=False)
    for name, item in zip(titles, found, strict=True):
        st.markdown(f"**{plain(name)}**")
        if item.build is None:
            note(sentence(item.why_not))
        else:
            tables.parts(build_rows.parts(item.build, day))
