"""Find a build: a wish, the ranked builds that meet it, and one of them opened."""

import streamlit as st

from advisor.build_words import headline
from advisor.errors import InputError
from advisor.recommendation import RankedBuild, Recommendation
from catalog.names.resolution import UnknownName
from webapp import build_rows, charts, controls, filters, opened, resources, sharing, tables
from webapp.described import DescribedBuild
from webapp.links import FindState
from webapp.notes import listed, note
from webapp.views import find_controls
from webapp.words import plain, sentence

CARDS = 3


def page() -> None:
    """Draw the page."""
    complaints = controls.opened(FindState)
    st.title("Find a build", anchor=False)
    st.markdown("Which computer runs your language model fast enough, for the least money?")
    for line in complaints:
        st.info(plain(line))
    find_controls.presets_row()
    find_controls.wish()
    state = controls.published(FindState)
    try:
        found = resources.ranking(state.wish(), state.price)
    except (InputError, UnknownName) as error:
        _refused(str(error), state)
        return
    _found(found)


def _refused(message: str, state: FindState) -> None:
    """Why nothing is shown, and the way out in one click."""
    st.warning(plain(sentence(message)), icon=":material/search_off:")
    if state.budget:
        free = state.model_copy(update={"budget": None, "open": ""})
        st.button("Show builds at any price", on_click=controls.go, args=(free,))


def _found(found: Recommendation) -> None:
    which = f"{found.tried:,} builds reach the wish; shown is the best of each card or machine, least $/(tok/s) first."
    about = plain(f"Quantisation: {sentence(found.quant_choice)} {which}")
    st.markdown(f"**{plain(headline(found))}**\n\n:small[{about}]")
    _kept(found)
    _remarks(found)


@st.fragment
def _kept(found: Recommendation) -> None:
    """What the filters leave and what is open of it: drawn anew by itself, as no filter changes what was found."""
    find_controls.filters()
    state = controls.published(FindState)
    shown = filters.kept(found.builds, state)
    if not shown:
        st.info("The filters leave no build: take one of them off.")
        return
    by_name = {build.name: build for build in shown}
    if state.open not in by_name:
        st.session_state[find_controls.OPEN] = ""
    chosen = by_name.get(state.open, shown[0])
    article = None if state.open in by_name else find_controls.article(state)
    _cards(shown)
    chart, table = st.tabs(["Price and speed", "All in a table"], key="view", on_change="rerun")
    with table if table.open else chart:
        (_table if table.open else _chart)(shown, chosen)
    sharing.ranking(found, shown, state)
    _opened(shown, chosen, article)


def _cards(shown: tuple[RankedBuild, ...]) -> None:
    """The best few as cards."""
    for column, build in zip(st.columns(CARDS), shown, strict=False):
        with column.container(border=True):
            find_controls.card(build)


def _chart(shown: tuple[RankedBuild, ...], chosen: RankedBuild) -> None:
    words = build_rows.front_words(shown)
    st.vega_lite_chart(
        charts.price_speed(build_rows.points(shown, chosen.name)), on_select=find_controls.open_picked, key="picked",
        alt=f"Price against speed of {len(shown)} builds. Not beaten in both: {'; '.join(words)}",
    )  # fmt: skip
    with st.expander("The chart in words"):
        note("No other build shown is both cheaper and faster than these:")
        listed(words)


def _table(shown: tuple[RankedBuild, ...], _chosen: RankedBuild) -> None:
    tables.show(
        build_rows.ranking(shown, resources.today()), "Ranked builds with price, speed, range and the age of prices",
        on_select=find_controls.open_row, selection_mode="single-row", key="rows",
    )  # fmt: skip
    note("Select a row to open the build below.")
    st.session_state["shown"] = [build.name for build in shown]


def _opened(shown: tuple[RankedBuild, ...], chosen: RankedBuild, article: DescribedBuild | None) -> None:
    st.divider()
    names = ("", *(build.name for build in shown))
    first = "the article's build" if article else f"the first, {shown[0].name}"
    controls.choose(FindState, "open", "Open build", names, format_func=lambda name: name or first)
    if article is None:
        opened.build(chosen)
    elif article.build:
        opened.build(article.build)
    else:
        opened.unpriced(article)


def _remarks(found: Recommendation) -> None:
    with st.expander("How this was found"):
        quality = [f"Quality of quantisations: {found.quant_source}"] if found.quant_source else []
        left_out = (sentence(f"Left out, {text}") for text in found.left_out)
        listed([*left_out, *(sentence(line) for line in found.assumptions), *quality])
