"""Widgets bound to a view's state and its address: what a visitor sets is in the link, what a link says is set.

First the state in the session and in the address, then the fields that several pages ask with, at last what shares a
view: its link, and its content as files.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

import streamlit as st

from advisor.buying import report
from advisor.buying.recommendation import Recommendation
from advisor.market.money import CURRENCIES, Exchange
from advisor.question import RamRequest
from advisor.sizes.quality import BEST
from webapp import links, resources, tables
from webapp.described import Parts
from webapp.words import HINTS, plain, quant_choices, quant_label, thousands

S = TypeVar("S", bound=links.State)
Draw = TypeVar("Draw", bound=Callable[..., None])
PLACES = "places"
"""Where the session keeps the pages by their paths."""
BY_NAME, ADDRESS = "opened by name", "address to show"
"""Whether a page was opened without a query, and the query that its address is then to show."""
SEEN = "fields as last seen"
SETTABLE = (str, int, float, tuple, list, type(None))
"""What fields and folds hold; what else a session keeps is set by nobody."""
CONTEXTS = (2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144)
CONDITIONS = {"new": "new parts only", "used": "used where quoted", "any": "used parts are fine"}
FRAME = """export default function ({ data }) {
  const main = document.querySelector('[data-testid="stMain"]');
  if (main) main.tabIndex = -1;
  if (data && data.query && !location.search) history.replaceState({}, "", `${location.pathname}?${data.query}`);
}"""
"""The part that scrolls is one stop of the Tab key too many; the link that skips the head still leads there.

A page that is opened by its name says what it shows in the address that it came by: written by Streamlit it would be
one more, and Back would lead to the same page.
"""
PRINT = '<button type="button" class="print">Print</button>'
PRINTS = """export default function ({ parentElement }) {
  parentElement.querySelector("button").onclick = () => window.print();
}"""
NO_CARD, NO_MACHINE, UNSAID = "none", "no, it is built from parts", "not said"
MEMORIES = (
    "DDR4-3200 2x8", "DDR4-3200 2x16", "DDR4-3600 2x16", "DDR4-3200 2x32", "DDR4-3600 2x32", "DDR5-5600 2x16",
    "DDR5-6000 2x16", "DDR5-6000 2x32", "DDR5-6000 2x48", "DDR5-6400 2x64",
)
SIZES = ("16GB", "24GB", "32GB", "48GB", "64GB", "96GB", "128GB", "192GB", "256GB", "512GB")


def opened(kind: type[links.State], title: str = "", about: str = "") -> None:
    """Draw the head of a view, and set its widgets from its address where that is new, or from its last state.

    What cannot be read of an address is said, where nothing below moves by it: a field would be drawn anew, without
    what is being typed into it.
    """
    if title:
        st.title(title, anchor=False)
    if about:
        st.markdown(about)
    complained = st.container()
    memory, page = st.session_state, kind.__name__
    for name in links.SETTINGS:
        memory.setdefault(key(kind, name), kind.model_fields[name].get_default())
    given = {name: st.query_params.get_all(name) for name in st.query_params}
    came = memory.get("page") != page
    memory["page"] = page
    memory[BY_NAME] = came and not given
    if came and not given:
        last = memory.get(f"{page}:link", {})
        given = {name: value for name, value in last.items() if name not in links.SETTINGS}
    elif not came and (given == memory.get(f"{page}:link") or (memory.get(ADDRESS) and not given) or _touched()):
        # Streamlit forgets the values of widgets that a run does not draw, unless they are set anew.
        for name in (key(kind, field) for field in kind.model_fields):
            if name in memory:
                memory[name] = memory[name]
        return
    state, complaints = links.read(kind, given)
    put(state)
    memory[f"{page}:link"] = given
    for line in complaints:
        complained.info(plain(line))


def _touched() -> bool:
    """Whether the visitor set anything since the last run: its address may then still be that of before, which a
    browser takes up late, and is not a way back.
    """
    memory = st.session_state
    return any(memory[name] != value for name, value in memory.get(SEEN, {}).items() if name in memory)


def fragment(draw: Draw) -> Draw:
    """A part of a page that is drawn anew by itself: what was set in it is seen by then, and no later run's."""

    @wraps(draw)
    def drawn(*args: Any, **more: Any) -> None:
        draw(*args, **more)
        _remember()

    return cast(Draw, st.fragment(drawn))


def _remember() -> None:
    """What all fields show, as this run was begun with them or has drawn them."""
    memory = st.session_state
    memory[SEEN] = {str(name): memory[name] for name in memory if isinstance(memory[name], SETTABLE)}


def put(state: links.State) -> None:
    """Set the widgets of a view; settings that the state does not name stay as they are."""
    for name in type(state).model_fields:
        if name not in links.SETTINGS or name in state.model_fields_set:
            st.session_state[key(type(state), name)] = getattr(state, name)


def key(kind: type[links.State], field: str) -> str:
    """Key of a field in the session; a setting has one for all views."""
    return f"settings.{field}" if field in links.SETTINGS else f"{kind.__name__}.{field}"


def current(kind: type[S]) -> S:
    """The state that the widgets show."""
    fields = kind.model_fields.items()
    values = {name: st.session_state.get(key(kind, name), field.get_default()) for name, field in fields}
    return kind.model_validate({k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def published(kind: type[S]) -> S:
    """The state that the widgets show, once its address is that of the page."""
    state = current(kind)
    link = links.write(state)
    st.session_state[ADDRESS] = urlencode(link, doseq=True) if st.session_state.get(BY_NAME) else ""
    if not st.session_state[ADDRESS] and {name: st.query_params.get_all(name) for name in st.query_params} != link:
        st.query_params.from_dict(link)
    st.session_state[f"{kind.__name__}:link"] = link
    _remember()
    return state


def go(state: links.State) -> None:
    """Show another state of the same view: for callbacks of buttons."""
    st.query_params.from_dict(links.write(state))
    put(state)


def compare(asked: links.BuildState) -> None:
    """Put a build on the page that compares, for the question that it was predicted for."""
    where = f"{links.CompareState.__name__}:link"
    before, _ = links.read(links.CompareState, st.session_state.get(where, {}))
    builds = tuple(dict.fromkeys((*before.build, asked.build)))[-links.MOST_COMPARED :]
    same = {name: getattr(asked, name) for name in ("task", "model", "quant", "context", "condition", "price")}
    after = before.model_copy(update={"build": builds, **same})
    st.session_state[where] = links.write(after)
    st.toast(f"{len(builds)} to compare: see Compare above", icon=":material/compare_arrows:")


def compared() -> tuple[str, ...]:
    """The builds on the page that compares, as the callbacks before this run leave them."""
    page = links.CompareState.__name__
    if st.session_state.get("page") == page:
        return tuple(st.session_state.get(key(links.CompareState, "build"), ()))
    return tuple(st.session_state.get(f"{page}:link", {}).get("build", ()))


def settings() -> None:
    """What a visitor sets once for all pages: drawn last, and shown in the head of the page."""
    _remember()
    query = st.session_state.get(ADDRESS, "")
    st.components.v2.component("advisor_frame", js=FRAME)(key="frame", height=1, data={"query": query})
    with st.container(key="settings"), st.popover("Settings", icon=":material/tune:"):
        st.selectbox("Currency", CURRENCIES, key="settings.currency", help=HINTS["currency"])
        countries = resources.countries()
        st.selectbox(
            "Country", ("", *countries), key="settings.country", help=HINTS["country"],
            format_func=lambda code: countries.get(code, ("not said: the US", 0.0))[0],
        )
        usual = exchange().of(countries[str(st.session_state.get("settings.country") or "US")][1])
        st.number_input(
            "Price of a kWh", 0.0, 1000.0, step=0.05, format="%.3f", key="settings.kwh", help=HINTS["kwh"],
            placeholder=f"{usual:.2f}, as households there pay",
        )
        st.segmented_control(
            "Speeds in", ["tokens", "words"], key="settings.units", required=True,
            format_func={"tokens": "tokens a second", "words": "words a second"}.__getitem__,
        )


def printing(where: str = "print") -> None:
    """A button that prints the page."""
    button = st.components.v2.component("advisor_print", html=PRINT, js=PRINTS, isolate_styles=False)
    button(key=where, width="content", height="content")


def exchange() -> Exchange:
    """The visitor's currency, at the rate of the day."""
    return resources.exchange(str(st.session_state.get("settings.currency", "USD")))


def units() -> str:
    """How the visitor wants speeds told."""
    return str(st.session_state.get("settings.units", "tokens"))


def link_to(state: links.State, label: str, **more: Any) -> None:
    """A link to another view, which keeps what the visitor has set."""
    kept = {name: st.session_state.get(f"settings.{name}") for name in links.SETTINGS}
    named = state.model_copy(update={name: value for name, value in kept.items() if value is not None})
    query = links.write(named)
    place = st.session_state.get(PLACES, {}).get(state.path)
    if place is None:  # a page that is drawn by itself
        st.markdown(f"[{plain(label)}](/{state.path}?{urlencode(query, doseq=True)})")
    else:
        st.page_link(place, label=plain(label), query_params=query, **more)


def choose(kind: type[links.State], field: str, label: str, options: Sequence[Any], **more: Any) -> None:
    """A select box; a value that a link brought and the options lack is put before them."""
    value = st.session_state.get(key(kind, field))
    if value not in options:
        options = (value, *options)
    st.selectbox(label, options, key=key(kind, field), help=more.pop("help", HINTS.get(field)), **more)


def model(kind: type[links.State], label: str = "Model") -> None:
    """The language model."""
    choose(kind, "model", label, resources.model_names())


def quant(kind: type[links.State], *, best: bool = False) -> None:
    """The quantisation: the usual one, "the best that is fast enough" where the view can look for it, or a step."""
    name = str(st.session_state[key(kind, "model")])
    options = [choice for choice in quant_choices(name) if best or choice != BEST]
    choose(kind, "quant", "Compression", options, format_func=lambda quant: quant_label(name, quant))


def context(kind: type[links.State]) -> None:
    """The context length."""
    choose(kind, "context", "Context", CONTEXTS, format_func=lambda count: f"{thousands(count)} tokens")


def condition(kind: type[links.State]) -> None:
    """New or used prices."""
    choose(kind, "condition", "Parts", tuple(CONDITIONS), format_func=CONDITIONS.__getitem__)


def machine(kind: type[links.State], *, cards: bool = False) -> None:
    """Fields for a graphics card, a processor and memory, or for a whole machine."""

    def pick(field: str, label: str, options: Sequence[str], nothing: str, **more: bool) -> None:
        choose(kind, field, label, ("", *options), format_func=lambda name: name or nothing, **more)

    first, second, third = st.columns(3)
    named = bool(st.session_state[key(kind, "whole")])
    with first:
        pick("gpu", "Graphics card", resources.part_names("gpu"), NO_CARD, disabled=named)
        whole = (*resources.part_names("unified"), *resources.part_names("laptop"))
        pick("whole", "Or a whole machine", whole, NO_MACHINE)
    with second:
        pick("cpu", "Processor", resources.part_names("cpu"), UNSAID, disabled=named)
        if cards:
            st.number_input("How many such cards", 1, 8, step=1, key=key(kind, "gpus"), disabled=named)
    with third:
        pick("ram", "Memory", SIZES if named else MEMORIES, UNSAID, accept_new_options=True)


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


def share_ranking(found: Recommendation, rows: Sequence[dict[str, Any]], state: links.State) -> None:
    """Link and files of ranked builds; the text lists those that the table shows, one by one."""
    _offer(
        state, "advisor-builds", lambda: report.to_csv(found), lambda: found.model_dump_json(indent=1),
        lambda: tables.to_markdown(report.headline(found), rows),
    )


def share_rows(title: str, found: Sequence[dict[str, Any]], state: links.State, name: str) -> None:
    """Link and files of a table."""
    question = state.model_dump(mode="json")
    _offer(
        state, name, lambda: tables.to_csv(found), lambda: tables.to_json(question, found),
        lambda: tables.to_markdown(title, found),
    )


Make = Callable[[], str]


def _offer(state: links.State, name: str, as_csv: Make, as_json: Make, as_markdown: Make) -> None:
    """The files are made when they are asked for: a redraw does not wait for them."""
    with st.container(horizontal=True, gap="small", key=f"{name} files"):
        files = (("CSV", as_csv, "csv", "text/csv"), ("JSON", as_json, "json", "application/json"),
                 ("Markdown", as_markdown, "md", "text/markdown"))
        for label, data, ending, mime in files:
            st.download_button(
                label, data, f"{name}.{ending}", mime, key=f"{name}.{ending}", on_click="ignore",
                icon=":material/download:", help=f"Download this view as {label}",
            )
        address, query = (st.context.url or "").split("?")[0], urlencode(links.write(state), doseq=True)
        _link(f"{address}?{query}" if query else address, name, as_markdown)


@fragment
def _link(text: str, name: str, as_markdown: Make) -> None:
    """What restores a view, the view as text, and a button that prints it: drawn once asked for."""
    fold = st.popover("Share", icon=":material/link:", help="A link to this view, and the view as text for a forum",
                      key=f"{name}.link", on_change="rerun")
    if fold.open:
        with fold:
            st.code(text, language=None, wrap_lines=True)
            st.code(as_markdown(), language="markdown", height=200)
            printing(f"{name}.print")
