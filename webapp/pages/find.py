"""Find a build: a wish, the ranked builds that meet it, and one of them opened."""

import streamlit as st

from advisor.buying.recommendation import KIND_WORDS, RankedBuild, Recommendation
from advisor.buying.report import contents, headline
from advisor.buying.wish import ALL_KINDS
from advisor.documents import number
from advisor.errors import InputError
from catalog.names.index import UnknownName
from webapp import build_rows, charts, controls, resources, tables, visitor
from webapp.build_rows import MAKERS
from webapp.described import DescribedBuild, article_builds
from webapp.links import FindState
from webapp.pages import opened
from webapp.words import HINTS, listed, note, plain, price_dates, sentence

CARDS = 3
KINDS = {"desktop": "Desktop", "laptop": "Laptop", "unified": "Unified box"}
OPEN = controls.key(FindState, "open")
WISHES = (
    ("Under $900, used", "Cheapest way to a usable speed, with used parts", FindState(budget=900, condition="used")),
    ("Chat, $1,500", "New parts, faster than anyone reads", FindState(budget=1500, speed=20)),
    ("Coding agent", "32K tokens of context at 40 tok/s or more",
     FindState(context=32768, speed=40, condition="any")),
    ("Best quality, $3,000", "The least compressed model that still writes 10 tok/s",
     FindState(quant="best", budget=3000, speed=10)),
)
"""Common wishes in one click: label, hint and the view."""


def page() -> None:
    """Draw the page."""
    about = "Which computer runs your language model fast enough, for the least money?"
    controls.opened(FindState, "Find a build", about)
    _presets()
    _wish()
    state = controls.published(FindState)
    try:
        found = resources.ranking(state.wish(), state.price)
    except (InputError, UnknownName) as error:
        st.warning(plain(sentence(str(error))), icon=":material/search_off:")
        if state.budget:
            free = state.model_copy(update={"budget": None, "open": ""})
            st.button("Show builds at any price", on_click=controls.go, args=(free,))
        return
    which = f"{found.tried:,} builds reach the wish; shown is the best of each card or machine, least $/(tok/s) first."
    about = plain(f"Quantisation: {sentence(found.quant_choice)} {which}")
    st.markdown(f"**{plain(headline(found))}**\n\n:small[{about}]")
    _kept(found)
    with st.expander("How this was found"):
        quality = [f"Quality of quantisations: {found.quant_source}"] if found.quant_source else []
        left_out = (sentence(f"Left out, {text}") for text in found.left_out)
        listed([*left_out, *(sentence(line) for line in found.assumptions), *quality])


def _presets() -> None:
    """Wishes and the article's builds in one click."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for label, hint, state in WISHES:
            st.button(label, help=hint, on_click=controls.go, args=(state,), key=f"wish:{label}")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        note("An article's builds:", width="content")
        for build in article_builds():
            hint = plain(f"{build.text.replace(' | ', ', ')}: {build.claimed}, {build.claimed_tok_s:g} tok/s claimed")
            state = FindState(
                model=build.model, quant=build.quant, context=build.context, condition="any", article=build.id, speed=5
            )
            st.button(build.label, help=hint, on_click=controls.go, args=(state,), key=f"article:{build.id}")


def _wish() -> None:
    """Model, quantisation, context, budget, speed, prices, kinds and owned parts."""
    with st.container(border=True):
        first, second, third = st.columns(3)
        with first:
            controls.model(FindState)
            st.number_input(
                "Budget (USD)", 1.0, 1e7, step=50.0, format="%.0f", key=controls.key(FindState, "budget"),
                placeholder="no limit", help=HINTS["budget"],
            )
        with second:
            controls.quant(FindState, best=True)
            st.number_input(
                "Least speed (tok/s)", 0.0, 1e5, step=5.0, format="%g", key=controls.key(FindState, "speed"),
                help=HINTS["speed"],
            )
        with third:
            controls.context(FindState)
            controls.condition(FindState)
        _more()


def _more() -> None:
    """What most visitors leave as it is: drawn once unfolded, or where something is set."""
    state = controls.current(FindState)
    st.session_state.setdefault("more", bool(state.own or state.price or set(state.kinds) != set(ALL_KINDS)))
    fold = st.expander("Kinds of computers, parts you have, your own prices", key="more", on_change="rerun")
    if not fold.open:
        return
    with fold:
        left, right = st.columns(2)
        left.pills(
            "Kinds of computers", list(KINDS), selection_mode="multi", key=controls.key(FindState, "kinds"),
            format_func=KINDS.__getitem__, help=HINTS["kinds"],
        )
        own = st.session_state[controls.key(FindState, "own")]
        names = (*own, *resources.part_names("gpu"), *resources.part_names("cpu"))
        right.multiselect(
            "Parts you have", list(dict.fromkeys(names)), key=controls.key(FindState, "own"), help=HINTS["own"],
            accept_new_options=True, placeholder="none",
        )
        _prices()


def _prices() -> None:
    """Prices of the visitor's own, for this visit and its links."""
    kind, name, usd, button = st.columns([2, 4, 2, 2], vertical_alignment="bottom")
    chosen = kind.selectbox(
        "Your price for a", list(KIND_WORDS), format_func=lambda item: KIND_WORDS[item][0], key="price kind"
    )
    part = name.selectbox("Part", visitor.names_of(chosen), key="price part")
    amount = usd.number_input("USD", 1.0, 1e6, 100.0, step=10.0, format="%.0f", key="price usd")
    button.button("Set price", on_click=_set_price, args=(chosen, part, amount), width="stretch")
    mine = st.session_state[controls.key(FindState, "price")]
    if mine:
        st.multiselect(
            "Your prices", list(mine), key=controls.key(FindState, "price"), help="Remove one to undo it.",
            format_func=visitor.told,
        )


def _set_price(kind: str, part: str, usd: float) -> None:
    where = controls.key(FindState, "price")
    others = [text for text in st.session_state[where] if not text.startswith(f"{kind}:{part}=")]
    st.session_state[where] = (*others, *visitor.written({(kind, part): usd}))


@st.fragment
def _kept(found: Recommendation) -> None:
    """What the filters leave and what is open of it: drawn anew by itself, as no filter changes what was found."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.pills(
            "Graphics by", list(MAKERS), selection_mode="multi", key=controls.key(FindState, "makers"),
            format_func=MAKERS.__getitem__, help=HINTS["makers"],
        )
        st.toggle("Only the best for their price", key=controls.key(FindState, "best_only"), help=HINTS["best_only"])
    state = controls.published(FindState)
    shown = build_rows.kept(found.builds, state)
    if not shown:
        st.info("The filters leave no build: take one of them off.")
        return
    by_name = {build.name: build for build in shown}
    if state.open not in by_name:
        st.session_state[OPEN] = ""
    chosen = by_name.get(state.open, shown[0])
    shown_article = None if state.open in by_name else _article(state)
    for column, build in zip(st.columns(CARDS), shown, strict=False):
        with column.container(border=True):
            _card(build)
    chart, table = st.tabs(["Price and speed", "All in a table"], key="view", on_change="rerun")
    with table if table.open else chart:
        (_table if table.open else _chart)(shown, chosen)
    controls.share_ranking(found, shown, state)
    _opened(shown, chosen, shown_article)


def _chart(shown: tuple[RankedBuild, ...], chosen: RankedBuild) -> None:
    words = build_rows.front_words(shown)
    st.vega_lite_chart(
        charts.price_speed(build_rows.points(shown, chosen.name)), on_select=_open_picked, key="picked",
        alt=f"Price against speed of {len(shown)} builds. Not beaten in both: {'; '.join(words)}",
    )
    with st.expander("The chart in words"):
        note("No other build shown is both cheaper and faster than these:")
        listed(words)


def _table(shown: tuple[RankedBuild, ...], _chosen: RankedBuild) -> None:
    tables.show(
        build_rows.ranking(shown, resources.today()), "Ranked builds with price, speed, range and the age of prices",
        on_select=_open_row, selection_mode="single-row", key="rows",
    )
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


def _card(build: RankedBuild) -> None:
    """A build in a few lines with a button that opens it."""
    speed = build.prediction.decode_tok_s
    lines = [f"**{plain(build.name)}**  \n{plain(contents(build))}"]
    if speed:
        lines.append(f"### {plain(number(speed.p50))} tok/s")
        lines.append(f":small[9 of 10 runs between {plain(number(speed.p05))} and {plain(number(speed.p95))}]")
    dates = plain(f"Prices of {price_dates(build.parts, resources.today())}")
    price = plain(f"${build.price_usd:,.0f}, ${build.usd_per_tok_s:,.1f} per tok/s")
    st.markdown("\n\n".join([*lines, f"{price}  \n:small[{dates}]"]), anchors=False)
    st.button(f"Open {plain(build.name)}", key=f"open:{build.name}", on_click=_open, args=(build.name,))


def _open(name: str) -> None:
    st.session_state[OPEN] = name
    st.toast(f"{plain(name)} is open below", icon=":material/arrow_downward:")


def _open_picked() -> None:
    """Open the build whose point was chosen in the chart."""
    picked = st.session_state["picked"].selection.get(charts.PICK) or []
    if picked:
        _open(str(picked[0]["name"]))


def _open_row() -> None:
    """Open the build whose row was selected in the table."""
    rows = st.session_state["rows"].selection.rows
    if rows:
        _open(st.session_state["shown"][rows[0]])


def _article(state: FindState) -> DescribedBuild | None:
    """The article's build that the view shows, once said what the article says of it; None without one."""
    build = next((item for item in article_builds() if item.id == state.article), None)
    if build is None:
        return None
    try:
        found = resources.described_build(build.text, state.wish(), state.price)
    except (InputError, UnknownName) as error:
        st.warning(plain(sentence(str(error))))
        return None
    here = build_rows.said(found.prediction.decode_tok_s)
    price = f", ${found.build.price_usd:,.0f} at the prices here" if found.build else ""
    st.info(plain(f"The article's {build.label} ({build.claimed}) is claimed to write {build.claimed_tok_s:g} tok/s; "
                  f"predicted here: {here} tok/s{price}. It is open below."))
    return found
