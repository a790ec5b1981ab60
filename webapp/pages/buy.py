"""Buy: one sentence of wishes, and the few computers that answer it."""

import math
from collections.abc import Sequence
from html import escape

import streamlit as st

from advisor.answer import Prediction
from advisor.buying.picking.reasons import REMARKS
from advisor.buying.recommendation import KIND_WORDS, Pick, RankedBuild, Recommendation
from advisor.buying.report import contents
from advisor.buying.wish import PROMPT_TOKENS
from advisor.documents import seconds
from advisor.errors import InputError
from advisor.market.money import Exchange, money_of, shown
from catalog.names.index import UnknownName
from webapp import build_rows, cards, charts, controls, picking, resources, tables, visitor
from webapp.links import BuildState, BuyState, MachineState, ModelsState
from webapp.words import HINTS, listed, note, pace, page_time, plain, sentence, span, thousands
from webapp.words import TASKS as TO_DO

KINDS = {"desktop": "Desktop", "laptop": "Laptop", "unified": "Mac or mini PC"}
PEOPLE = {1: "1 person", 2: "2 people", 4: "4 people", 8: "8 people"}
BUDGETS = (500, 700, 1000, 1500, 2000, 3000, 5000, 10000)
SMALL_BUDGETS = (700.0, 1000.0)
ANY = "any price"
MOST_CARDS = 3
SHOWN_ABOVE = ("writes ", "reads ")
"""Beginnings of reasons that a card says with its figures."""
SEALED = "public runs name"
"""In the reason that the seal of a card says."""
BESIDE = {"more": "A bit more", "less": "A bit less", "ready_made": "Without building"}


def warm(state: BuyState) -> None:
    """Work out the first visitor's answer, and those of smaller budgets, for which other models are tried: budgets
    between them are then answered from what was worked out.
    """
    for budget in (None, *SMALL_BUDGETS):
        resources.advice(picking.wish_of(state.model_copy(update={"budget": budget}), 1.0), state.price)


def page() -> None:
    """Draw the page."""
    controls.opened(BuyState)
    _sentence()
    state = controls.published(BuyState)
    with st.container():
        found = _answer(state)
    _wishes(state)
    if found is None:
        return
    if found.picks:
        _beside(found, _picked(found), state)
    _all(found, state)


def _answer(state: BuyState) -> Recommendation | None:
    """The picks, where anything answers the wish; else what to do is said."""
    exchange = controls.exchange()
    try:
        with st.spinner("Trying every computer with every model"):
            found = resources.advice(picking.wish_of(state, exchange.per_usd), state.price)
    except (InputError, UnknownName) as error:
        st.warning(plain(sentence(str(error))), icon=":material/search_off:")
        controls.link_to(MachineState(), "What runs on the computer I have?")
        return None
    if not found.builds:
        _nothing(found, state)
        return None
    if found.picks:
        _model_line(found, state)
        _picks(_picked(found), state, exchange)
    else:
        st.info("No build is worth naming before the others: the whole list stands below.")
    return found


def _picked(found: Recommendation) -> list[tuple[Pick, RankedBuild]]:
    return [(pick, found.builds[pick.build]) for pick in found.picks]


def _sentence() -> None:
    """The wish as one sentence whose words can be changed."""
    state = controls.current(BuyState)
    with st.container(horizontal=True, key="sentence", vertical_alignment="center", gap="small"):
        st.markdown('<h1 class="unseen">Which computer to buy</h1>', unsafe_allow_html=True, anchors=False)
        _words("I want to")
        _word("task", "What for", tuple(TO_DO), TO_DO.__getitem__, 230)
        _words("with")
        _context(state)
        _words("for up to" if state.budget else "at")
        _budget(state)
        _word("condition", "Condition of the parts", tuple(controls.CONDITIONS), controls.CONDITIONS.__getitem__, 245,
              help=HINTS["condition"])
        with st.container(horizontal=True, key="people", vertical_alignment="center", gap="small", width="content"):
            _words("for")
            _word("users", "People at once", tuple(PEOPLE), lambda n: PEOPLE.get(n, f"{n} people"), 140)


def _wishes(state: BuyState) -> None:
    """What most visitors leave as it is: drawn after the answer, so that the keyboard comes to that first, and shown
    below the sentence.
    """
    with st.container(horizontal=True, key="wishes", vertical_alignment="center", gap="small"):
        with st.popover("More wishes", type="tertiary", key="more wishes", on_change="rerun") as fold:
            if fold.open:
                _more(BuyState)
        controls.link_to(ModelsState(task=state.task), "Another model?")


def _words(text: str) -> None:
    st.markdown(text, width="content")


def _word(field: str, label: str, options: tuple[object, ...], said: object, width: int, **more: object) -> None:
    controls.choose(
        BuyState, field, label, options, format_func=said, label_visibility="collapsed", width=width, **more
    )


def _context(state: BuyState) -> None:
    """The context. No two choices have the same words, by which a browser tells what was chosen; and as it goes on
    showing them, the field of a task with another usual context is another one.
    """
    usual = picking.context_of(state.task)
    field = f"context where {usual} are usual"
    options = (0, *(count for count in controls.CONTEXTS if count != usual))
    st.session_state[field] = now = 0 if state.context == usual else state.context
    st.selectbox(
        "Context", options if now in options else (now, *options), key=field, width=205,
        format_func=lambda count: f"{thousands(count or usual)} of context", label_visibility="collapsed",
        help=HINTS["context"], on_change=_put_context, args=(field,),
    )


def _put_context(field: str) -> None:
    st.session_state[controls.key(BuyState, "context")] = st.session_state[field]


def _budget(state: BuyState) -> None:
    """The budget: usual amounts, or any that is typed."""
    currency = controls.exchange().currency
    now = ANY if state.budget is None else shown(state.budget, currency)
    steps = [amount * 10.0 ** round(math.log10(controls.exchange().per_usd)) for amount in BUDGETS]
    options = list(dict.fromkeys((ANY, now, *(shown(amount, currency) for amount in steps))))
    st.session_state["budget text"] = now
    st.selectbox(
        "Budget", options, key="budget text", accept_new_options=True, label_visibility="collapsed", width=140,
        on_change=_budgeted, help=HINTS["budget"],
    )


def _budgeted() -> None:
    text, key = str(st.session_state["budget text"] or ANY), controls.key(BuyState, "budget")
    if text == ANY:
        st.session_state[key] = None
        return
    try:
        money = money_of(text, str(st.session_state["settings.currency"]))
    except InputError as error:
        st.toast(plain(sentence(str(error))), icon=":material/error:")
        return
    st.session_state["settings.currency"] = money.currency
    st.session_state[key] = money.amount


def _more(kind: type[BuyState]) -> None:
    """What most visitors leave as it is."""
    controls.choose(
        kind, "model", "Model", ("", *resources.model_names()), format_func=lambda name: name or "the best for the task"
    )
    if st.session_state[controls.key(kind, "model")]:
        controls.quant(kind, best=True)
    st.number_input(
        "Writes at least (tok/s)", 0.0, 1e5, step=5.0, format="%g", key=controls.key(kind, "speed"),
        help=HINTS["speed"], placeholder="what the task needs",
    )
    st.pills(
        "Kinds of computers", list(KINDS), selection_mode="multi", key=controls.key(kind, "kinds"),
        format_func=KINDS.__getitem__, help=HINTS["kinds"],
    )
    st.toggle("Server cards without fans too", key=controls.key(kind, "tinkerer"), help=HINTS["tinkerer"])
    own = st.session_state[controls.key(kind, "own")]
    names = (*own, *resources.part_names("gpu"), *resources.part_names("cpu"))
    st.multiselect(
        "Parts you have", list(dict.fromkeys(names)), key=controls.key(kind, "own"), help=HINTS["own"],
        accept_new_options=True, placeholder="none",
    )
    _prices(kind)


def _prices(kind: type[BuyState]) -> None:
    """Prices of the visitor's own, for this visit and its links."""
    chosen = st.selectbox(
        "Your price for a", list(KIND_WORDS), format_func=lambda item: KIND_WORDS[item][0], key="price kind"
    )
    part = st.selectbox("Part", visitor.names_of(chosen), key="price part")
    exchange = controls.exchange()
    label = f"Price, {exchange.currency}"
    amount = st.number_input(label, 1.0, 1e6, 100.0, step=10.0, format="%.0f", key="price amount")
    st.button("Set price", on_click=_set_price, args=(kind, chosen, part, amount / exchange.per_usd))
    mine = st.session_state[controls.key(kind, "price")]
    if mine:
        st.multiselect(
            "Your prices", list(mine), key=controls.key(kind, "price"), help="Remove one to undo it.",
            format_func=lambda text: exchange.worded(visitor.told(text)),
        )


def _set_price(kind: type[BuyState], of: str, part: str, usd: float) -> None:
    where = controls.key(kind, "price")
    others = [text for text in st.session_state[where] if not text.startswith(f"{of}:{part}=")]
    st.session_state[where] = (*others, *visitor.written({(of, part): round(usd, 2)}))


def _nothing(found: Recommendation, state: BuyState) -> None:
    """Nothing answers the wish: the nearest ways out, each with the build that would then do."""
    st.subheader("Nothing answers that yet", anchor=False)
    note("These are the nearest ways out:" if found.ways_out else "No change of one wish alone helps: change two.")
    for place, way in enumerate(found.ways_out):
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(plain(sentence(way.change)), width="stretch")
            if way.build is None:
                continue
            budget = controls.exchange().of(way.build.price_usd)
            if state.budget and budget <= state.budget and way.change.startswith("Spend"):  # its price is uncertain
                budget = controls.exchange().of(way.build.high_usd)
            if state.budget and budget > state.budget:
                more = math.ceil(budget / 10) * 10.0
                st.button(
                    f"Spend {plain(shown(more, state.currency))}", key=f"way {place}", on_click=controls.go,
                    args=(state.model_copy(update={"budget": more}),),
                )
            controls.link_to(_build_state(way.build, state), "See the build")
    if state.condition == "new":
        used = state.model_copy(update={"condition": "any"})
        st.button("Used parts are fine", on_click=controls.go, args=(used,))
    controls.link_to(MachineState(), "What runs on the computer I have?")


def _model_line(found: Recommendation, state: BuyState) -> None:
    """Which model was chosen and why, and what the prices are of."""
    newest = max((build.price_newest for build in found.builds if build.price_newest), default=None)
    dated = f" Prices seen up to {newest:%b %Y}." if newest else ""
    people = f" Picked for {state.users} at once; speeds are each person's." if state.users > 1 else ""
    first = found.models[0]
    lead = f"Model: **{plain(first.model)}**, compressed as **{plain(first.quant)}**. "
    why = first.why.removeprefix(f"{first.model} {first.quant}: ")
    st.markdown(f":small[{lead}{plain(sentence(why))}{plain(people + dated)}]")


def _picks(picked: Sequence[tuple[Pick, RankedBuild]], state: BuyState, exchange: Exchange) -> None:
    """The picks side by side; of four the one that needs no building is left to the lines below."""
    cards_of = [item for item in picked if item[0].pick != "ready_made"][:MOST_CARDS]
    if len(cards_of) < MOST_CARDS:
        cards_of = list(picked[:MOST_CARDS])
    speeds = [build.prediction.decode_tok_s for _, build in cards_of]
    most = max((speed.p95 for speed in speeds if speed), default=1.0)
    for place, (column, (pick, build)) in enumerate(zip(st.columns(len(cards_of)), cards_of, strict=True)):
        key = "pick-first" if place == 0 else f"pick-{place}"
        with column.container(border=True, key=key, height="stretch"):
            _card(pick, build, state, exchange, most, cards_of[0][1])


def _build_state(build: RankedBuild, state: BuyState) -> BuildState:
    """The address of a build, asked as it was asked here."""
    answer = build.prediction
    by_task = answer.scenario.workload.prompt_tokens != PROMPT_TOKENS
    return BuildState(
        build=build_rows.parts_text(build), model=answer.model, quant=answer.quant, condition=state.condition,
        context=answer.scenario.context_tokens(), task=state.task if by_task else "", price=state.price,
        users=answer.scenario.workload.users,
    )


def model_of(build: RankedBuild) -> str:
    """What a build's speed is of."""
    return f"{build.model} {build.quant}"


def _card(
    pick: Pick, build: RankedBuild, state: BuyState, exchange: Exchange, most: float, first: RankedBuild
) -> None:
    """A pick with its buttons; where its model is not that of the first, which stands above, it is named."""
    answer, units, speed = build.prediction, controls.units(), build.prediction.decode_tok_s
    evidence = answer.evidence
    good = next((text for text in pick.why if not (text.startswith(SHOWN_ABOVE) or SEALED in text)), REMARKS[pick.pick])
    low, high = exchange.said(build.low_usd), exchange.said(build.high_usd)
    st.html(cards.card(cards.PickCard(
        tag=picking.NAMES[pick.pick], name=titled(build),
        contents=contents(build) + (f"; runs {model_of(build)}" if model_of(build) != model_of(first) else ""),
        price=exchange.said(build.price_usd), spread=f"8 of 10 pay {low} to {high}",
        speed=pace(speed.p50, units) if speed else "does not fit", speed_below=page_time(speed.p50) if speed else "",
        bar=cards.range_bar(speed, most) if speed else "",
        reads=cards.ends(f"9 of 10 runs: {span(speed.p05, speed.p95, units)}", reads(answer)) if speed else "",
        goods=(good,), bads=pick.against[:1], seal=cards.seal(evidence.level, evidence.runs),
    )))
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        controls.link_to(_build_state(build, state), "See the build", icon=":material/arrow_forward:")
        st.button(
            "Compare", key=f"compare {build.name}", on_click=controls.compare, args=(_build_state(build, state),),
            help="Up to four builds stand side by side.",
        )


def titled(build: RankedBuild) -> str:
    """A build's name, with the condition of its card or of the machine that it is."""
    used = any(part.kind in {"gpu", "unified", "laptop"} and part.condition == "used" for part in build.parts)
    return f"{build.name}, used" if used else build.name


def reads(answer: Prediction) -> str:
    """How long the whole context takes to be read."""
    count = answer.scenario.context_tokens()
    if answer.prefill_tok_s is None:
        return ""
    return f"reads {thousands(count)} in {seconds(count / answer.prefill_tok_s.p50)}"


def _beside(found: Recommendation, picked: Sequence[tuple[Pick, RankedBuild]], state: BuyState) -> None:
    """What lies just beside the wish, in words: more and less money, nothing to build, and not to buy at all."""
    ready = next((build for pick, build in picked if pick.pick == "ready_made"), None)
    other = f", with {model_of(ready)}" if ready and model_of(ready) != model_of(picked[0][1]) else ""
    lines = [(BESIDE[item.kind], item.text + other * (item.kind == "ready_made")) for item in found.beside]
    told = " ".join(item.text for item in found.beside)
    apart = (near.text.partition(": ") for near in found.near if near.text not in told)
    lines += [(label, words) for label, _, words in apart]
    if swap := build_rows.next_dollars(picked[0][1], controls.exchange()):
        lines.append(("One part more", swap))
    lines += [_of_running(words) for words in found.running]
    text = "".join(f"<p><b>{escape(label)}:</b> {escape(sentence(words))}</p>" for label, words in lines)
    with st.container(key="beside"):
        st.html(f'<div class="more">{text}</div>')
        if ready is not None and len(picked) > MOST_CARDS:
            controls.link_to(_build_state(ready, state), f"See {ready.name}")


def _every(state: BuyState) -> list[dict[str, object]]:
    """Every card and machine that runs the model that was named, once the table is asked for, but for what the wish
    leaves out; else nothing.
    """
    if not state.model:
        return []
    wish = picking.wish_of(state, controls.exchange().per_usd).model_copy(update={"limit": 200})
    try:
        with st.spinner("Trying every computer"):
            every = resources.ranking(wish, state.price).builds
            wished = [build for build in every if state.tinkerer or not build_rows.for_tinkerers(build)]
            return build_rows.ranking(wished, resources.today(), controls.exchange())
    except InputError:
        return []


def _of_running(words: str) -> tuple[str, str]:
    """What a sentence about running costs is about, and what it says of that."""
    begun = {"closed models": "Closed models", "a rented": "Renting instead", "the same work over": "An API instead"}
    label = next((label for start, label in begun.items() if words.lower().startswith(start)), "To run it")
    return label, words[len(label) :].strip() if words.lower().startswith(label.lower()) else words


def _all(found: Recommendation, state: BuyState) -> None:
    """The best that answer the wish: as a chart, as files; as a table every card and machine that runs the model."""
    st.subheader("Price and speed of what answers", anchor=False)
    if len({model_of(build) for build in found.builds}) > 1:
        note("Each with the best model for it: speeds compare where the model is the same, which the table names.")
    chart, table = st.tabs(["Price and speed", "All in a table"], key="view", on_change="rerun")
    exchange = controls.exchange()
    rows = build_rows.ranking(found.builds, resources.today(), exchange)
    with table if table.open else chart:
        if table.open:
            tables.show(
                _every(state) or rows, "Ranked builds with price, speed, range and the age of prices",
                column_config=tables.money_columns(exchange.currency),
            )
        else:
            words = build_rows.front_words(found.builds, exchange)
            points = build_rows.points(found.builds, [pick.build for pick in found.picks], exchange)
            st.vega_lite_chart(
                charts.price_speed(points, exchange.currency),
                alt=f"Price against speed of {len(found.builds)} builds. Not beaten in both: {'; '.join(words)}",
            )
            with st.expander("The chart in words"):
                note("No other build shown is both cheaper and faster than these:")
                listed(words)
    controls.share_ranking(found, rows, state)
    with st.expander("What was left out, and how this was found"):
        left_out = (sentence(f"Left out, {text}") for text in found.left_out)
        tried = f"{found.tried:,} builds were tried; shown is the best of each card or machine."
        quality = [f"Quality of quantisations: {found.quant_source}"] if found.quant_source else []
        reasons = [sentence(f"A model of another pick, {model.why}") for model in found.models[1:]]
        server = [] if state.tinkerer else ["Server cards without fans are left out; More wishes lets them in."]
        listed([tried, *left_out, *server, *reasons, *(sentence(line) for line in found.assumptions), *quality])
