"""A build at an address of its own: what it does and costs, of what it is made, how to run it, and why the number."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from html import escape

import streamlit as st

from advisor.answer import LIMITS, REGIMES, Prediction, Range
from advisor.buying.costs import power_of
from advisor.buying.recommendation import KIND_WORDS, RankedBuild
from advisor.buying.report import contents, counted
from advisor.buying.stock import Stock
from advisor.buying.wish import Wish
from advisor.choosing.tasks import TASKS
from advisor.documents import number, seconds
from advisor.errors import InputError
from advisor.market.money import Exchange
from advisor.physics.knowledge import Knowledge
from advisor.physics.stages import STAGES
from catalog.names.index import UnknownName
from catalog.prices import PartKind
from webapp import build_rows, cards, charts, comparison, controls, picking, resources, swaps, tables
from webapp.described import DescribedBuild, parts_of
from webapp.links import BuildState, BuyState
from webapp.pages import measuring, upgrading
from webapp.words import TASKS as TO_DO
from webapp.words import TERMS, listed, note, pace, page_time, plain, sentence, span, thousands

COLOURS = {stage.words: stage.colour for stage in STAGES.values()}
KINDS = {"desktop": "Desktop built from parts", "laptop": "Laptop", "unified": "Whole machine with shared memory"}
PEOPLE = (1, 2, 4)
LATELY_DAYS = 150
SLOW, USUAL, FAST = "slow", "usual", "fast"


def page() -> None:
    """Draw the page."""
    controls.opened(BuildState)
    state = controls.published(BuildState)
    if not state.build:
        st.title("A build", anchor=False)
        st.info("No build is named: choose one on the page Buy.")
        controls.link_to(BuyState(), "Find one")
        return
    try:
        found = resources.described_build(state.build, asked(state), state.price)
    except (InputError, UnknownName, ValueError) as error:
        st.title("A build", anchor=False)
        st.warning(plain(sentence(str(error))), icon=":material/search_off:")
        controls.link_to(BuyState(), "Find another")
        return
    found = by_task(found, state)
    answer, known = measuring.own(found.prediction.scenario.hardware, found.prediction, resources.knowledge())
    with st.container():
        _head(found, answer, state)
        detailed(answer, found.build, known)
    with st.container():
        if found.build:
            _parts(found.build, state)
            _costs(found.build, answer, state)
    _run_it(answer, found.build.predict_command if found.build else "", known)
    measuring.box(answer)
    why(answer, found.build)
    _upgrades(answer, state, known)
    controls.share_rows(found.build.name if found.build else answer.machine,
                        comparison.facts([found], resources.today(), controls.exchange()), state, "advisor-build")


def asked(state: BuildState) -> Wish:
    """What is asked of the build."""
    return Wish(
        model=state.model, quant=state.quant or None, context=state.context, condition=state.condition,
        users=state.users,
    )


def by_task(found: DescribedBuild, state: BuildState) -> DescribedBuild:
    """The build asked what its task asks."""
    if not state.task:
        return found
    hardware, told = found.prediction.scenario.hardware, found.prediction
    question = TASKS[state.task].question(told.model, told.quant, state.context, state.users)
    answer = resources.prediction(question.model_copy(update={"hardware": hardware}), resources.knowledge())
    build, speed = found.build, answer.decode_tok_s
    if build:
        each = {"usd_per_tok_s": build.price_usd / speed.p50} if speed else {}
        build = build.model_copy(update={"prediction": answer} | each)
    return replace(found, prediction=answer, build=build)


def name_of(found: DescribedBuild) -> str:
    """What a build is called."""
    return found.build.name if found.build else found.prediction.machine.replace(" | ", ", ")


def verdict(answer: Prediction) -> str:
    """What to think of it, in one sentence made of its facts."""
    speed, place = answer.decode_tok_s, answer.placement
    if speed is None:
        return f"{answer.model} {answer.quant} finds no room on it."
    fast = (
        "far faster than anyone reads" if speed.p05 >= 20 else "faster than people read" if speed.p05 >= 7
        else "about as fast as people read" if speed.p50 >= 5 else "slower than people read"
    )
    lies = REGIMES[place.strategy].words
    if lies.startswith(("all", "on", "larger")):
        lies = f"the model {lies}"
    else:
        lies = lies.replace("some", "some of its") if lies.startswith("some") else f"its {lies}"
    limit = LIMITS[answer.bottleneck or "gpu_overhead"].short
    by = "about as fast as its GPU gets with such a small model" if limit == "GPU overhead" else f"limited by {limit}"
    return f"Writes {fast}, with {lies}; {by}."


def _head(found: DescribedBuild, answer: Prediction, state: BuildState) -> None:
    st.title(plain(name_of(found)), anchor=False)
    exchange, build = controls.exchange(), found.build
    lines = []
    if build:
        spread = f"8 of 10 buyers pay {exchange.said(build.low_usd)} to {exchange.said(build.high_usd)}"
        kind = plain(f"({spread}), {KINDS[build.kind].lower()}: {contents(build)}")
        lines.append(f"**{plain(exchange.said(build.price_usd))}** {kind}")
        lines.append(plain(prices_age(build)))
    else:
        lines.append(plain(sentence(found.why_not)))
    to_do = f" to {TO_DO[state.task]}" if state.task else ""
    people = f", for each of {state.users} at once" if state.users > 1 else ""
    model = f"For {answer.model} {answer.quant}{to_do} with {thousands(state.context)} tokens of context{people}."
    st.markdown("  \n".join([*lines, plain(verdict(answer)), plain(model)]))
    evidence = answer.evidence
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(cards.seal(evidence.level, evidence.runs), width="content")
        st.button(
            "Compare", icon=":material/compare_arrows:", on_click=controls.compare, args=(state,),
            help="Up to four builds stand side by side on the page Compare.",
        )
        controls.printing()


def prices_age(build: RankedBuild) -> str:
    """How much of the price was seen lately: by dollars, not by the oldest screw."""
    dated = [part for part in build.parts if part.price_as_of]
    total = sum(part.price_usd for part in dated)
    if not total:
        return "Nothing to buy."
    day = resources.today()
    late = [part for part in dated if part.price_as_of and (day - part.price_as_of).days <= LATELY_DAYS]
    newest = max(part.price_as_of for part in dated if part.price_as_of)
    old = sorted({KIND_WORDS[part.kind][0] for part in dated if part not in late or part.before_shortage})
    mind = f" Longer ago: {', '.join(old)}; look before you buy." if old else ""
    if not late:
        return f"Nobody saw a price of it in the last five months; the newest is of {newest}: look before you buy."
    share = sum(part.price_usd for part in late) / total
    return f"{share:.0%} of the price was seen in the last five months, the newest on {newest}.{mind}"


def detailed(answer: Prediction, found: RankedBuild | None, known: Knowledge) -> None:
    """What a machine does: figures, an answer at its speed, several people, where the time goes."""
    speed = answer.decode_tok_s
    if speed is None:
        st.warning(plain("It does not fit: no speed can be given. What would fit stands below."))
        st.subheader("Where the model would lie", anchor=False)
        _memory(answer, unfolded=True)
        return
    st.subheader("What it does", anchor=False)
    _figures(answer, found)
    told = (*(found.notes if found else ()), *answer.warnings)
    _warnings([item.message for item in told if item.code not in measuring.OF_RUNS])  # said where the runs are pasted
    left, right = st.columns(2, gap="large")
    with left:
        _streaming(speed)
    with right:
        _people(answer, known)
    st.subheader("Where the time of a token goes, and where the model lies", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        st.html(charts.waterfall(build_rows.waterfall(answer), COLOURS, "Time of one token by stage"))
    with right:
        _memory(answer)


def _figures(answer: Prediction, found: RankedBuild | None) -> None:
    """The numbers that a buyer asks for first."""
    decode, prefill, first = answer.decode_tok_s, answer.prefill_tok_s, answer.time_to_first_token_s
    units, load = controls.units(), answer.scenario.workload
    cells: list[tuple[str, str, str]] = []
    if decode:
        cells.append(("Writes", pace(decode.p50, units), f"9 of 10: {span(decode.p05, decode.p95, units)}"))
        cells.append(("A page of text", seconds(build_rows.page_s(decode.p50)), "500 words"))
    if prefill:
        whole = answer.scenario.context_tokens()
        cells.append(("Reads", pace(prefill.p50, units), f"9 of 10: {span(prefill.p05, prefill.p95, units)}"))
        cells.append((f"Reads {thousands(whole)} in", seconds(whole / prefill.p50), "all of it, once"))
    if first is not None:
        cells.append(("Answer starts after", seconds(first), f"{load.prompt_tokens:,} tokens read"))
    if found:
        longest = found.longest_context_tokens
        cells.append(("Longest context", thousands(longest) if longest else "-", "tokens"))
        cells.append(("Power", f"{found.power_w:.0f} W", "under load, estimated"))
    st.html(cards.figures(cells))


def _warnings(messages: Sequence[str]) -> None:
    """What to mind."""
    for message in dict.fromkeys(messages):
        st.warning(plain(sentence(message)), icon=":material/warning:")


@controls.fragment
def _streaming(speed: Range) -> None:
    """An answer that appears as fast as it would be written."""
    choice = st.segmented_control(
        "An answer at its speed", [SLOW, USUAL, FAST], default=USUAL, key="streamed", required=True,
        help="What you would see. Slow: one of twenty such machines is slower. Usual: the middle. Fast: one of twenty "
        "is faster.",
    )
    tok_s = {SLOW: speed.p05, FAST: speed.p95}.get(choice or USUAL, speed.p50)
    st.html(cards.streamed(tok_s))
    note(f"{number(tok_s)} tokens a second, {page_time(tok_s)}.")


def _people(answer: Prediction, known: Knowledge) -> None:
    """The same with several people who write at once."""
    rows = []
    for users in sorted({*PEOPLE, answer.scenario.workload.users}):
        load = answer.scenario.workload.model_copy(update={"users": users})
        told = resources.prediction(answer.scenario.model_copy(update={"workload": load}), known)
        each, together = told.decode_tok_s, told.aggregate_tok_s
        rows.append({
            "People at once": users,
            "Each": build_rows.said(each) if told.fits else "does not fit",
            "Together": build_rows.said(together) if told.fits else "",
            "Answer starts after": seconds(told.time_to_first_token_s) if told.time_to_first_token_s else "",
        })
    st.markdown("**Several people at once**, tok/s", help="Each with a context of the same length.")
    st.html(tables.table(rows, {}, "Speeds for one, two and four people"))


def _memory(answer: Prediction, *, unfolded: bool = False) -> None:
    """Where the bytes lie."""
    case = resources.case(answer.scenario)
    rows = build_rows.memories(case)
    place, layers = answer.placement, case.demand.footprint.n_layers
    how = REGIMES[place.strategy].sentence.format(
        gpu_layers=place.n_gpu_layers, layers=layers, moe=min(place.n_cpu_moe, layers)
    )
    st.html(charts.memory(rows, "How full each memory is"))
    moe = f" (n_cpu_moe {place.n_cpu_moe})" if place.n_cpu_moe else ""
    sizes = f"model {place.weights_gb:.1f} GiB, context {place.kv_gb:.2f} GiB"
    disk = f", {place.storage_gb:.1f} GiB of it on the disk" if place.storage_gb > 0 else ""
    note(f"{how[0].upper()}{how[1:]}{moe}: {sizes}{disk}.")
    with st.expander("What would fit", expanded=unfolded):
        listed(build_rows.room(resources.capacity(answer.scenario), case))


def _parts(build: RankedBuild, state: BuildState) -> None:
    """Every part with its price, and what else could take its place."""
    st.subheader("Parts and prices", anchor=False)
    stock = resources.stock(state.condition, (), state.price, resources.today())
    whole, exchange = swaps.whole(build, stock), controls.exchange()
    rows = build_rows.parts(build, resources.today(), exchange)
    if whole:
        _together(swaps.checks(whole), "Whether the parts go together")
        _lines(build, rows, whole, state, stock)
    else:
        st.html("".join(cards.part(row) for row in rows))
    alone = "It is sold whole: no part in it can be exchanged." if build.kind != "desktop" else ""
    sum_of = f"Together {exchange.said(build.price_usd)}" if len(rows) > 1 else "The price"
    note(f"{sum_of}: what an ordinary buyer pays sellers to trust, before tax. {alone}")
    _histories(build, exchange)
    if alone:
        return
    with st.spinner("Trying every other part"):
        dollar = resources.next_dollar(state.build, asked(state), state.price)
    swap = build_rows.next_dollars(build.model_copy(update={"next_dollar": dollar}), exchange)
    st.markdown(f"**What the next dollars buy:** {plain(swap or 'no single swap gains a tenth of the speed')}")


def _together(checks: Sequence[tuple[bool, str]], label: str) -> None:
    """What fits and what does not, and why."""
    marks = "".join(f'<li{"" if good else " class=against"}>{escape(words)}</li>' for good, words in checks)
    st.html(f'<ul class="points across" aria-label="{escape(label)}">{marks}</ul>')


def _lines(
    build: RankedBuild, rows: Sequence[build_rows.Row], whole: swaps.Whole, state: BuildState, stock: Stock
) -> None:
    """A line for each part, with a button that changes it in place; one for the graphics card that is not there too."""
    lines = [(part.kind, row) for row, (_, part, _) in zip(rows, counted(build), strict=True)]
    if whole.gpu is None:
        lines.insert(0, ("gpu", dict.fromkeys(rows[0], "") | {"Part": KIND_WORDS["gpu"][0], "Name": "none"}))
    with st.container(key="parts", gap=None):
        for at, (of, row) in enumerate(lines):
            kind = next((kind for kind in swaps.CHOSEN if kind == of), None)
            with st.container(horizontal=True, vertical_alignment="center", key=f"part-{at}", gap="small"):
                st.html(cards.part(row))
                if kind and of not in {other for other, _ in lines[:at]}:
                    _change(kind, row, build, whole, state, stock)


def _change(
    kind: PartKind, row: build_rows.Row, build: RankedBuild, whole: swaps.Whole, state: BuildState, stock: Stock
) -> None:
    """Another part of a kind in the place of one: what each costs more, whether it fits, and if not, why."""
    label, exchange = KIND_WORDS[kind][0], controls.exchange()
    fold = st.popover(f"Change **{plain(label)} {plain(row['Name'])}**", key=f"change {kind}", on_change="rerun",
                      width="content")
    if not fold.open:
        return
    with fold:
        now = sum(part.price_usd for part in build.parts if part.kind == kind)
        options = swaps.options(kind, whole, stock)
        found = {item.name: item for item in sorted(options, key=lambda item: not item.able)}
        able = sum(item.able for item in options)
        others = "; those that do not stand last, with the reason" if able < len(options) else ""
        note(f"{able} of {len(options)} with a price fit{others}.")
        choice = st.selectbox(
            f"Another {label}", list(found), index=None, key=f"to {kind}", placeholder="choose or type to search",
            format_func=partial(_offered, found, now, exchange),
        )
        if not choice:
            return
        taken = found[choice]
        note(sentence(f"{taken.name}: {taken.words}"))
        text = swaps.with_part(parts_of(state.build), kind, choice, taken.follow).text
        changed = state.model_copy(update={"build": text})
        able = taken.able and _tried(taken, changed, build)
        st.button(
            f"Take {plain(choice)}", type="primary", on_click=_take, key=f"take {kind}", disabled=not able,
            args=(changed, kind, choice),
        )


def _tried(taken: swaps.Swap, changed: BuildState, build: RankedBuild) -> bool:
    """What the build is with another part; whether it is one."""
    then = by_task(resources.described_build(changed.build, asked(changed), changed.price), changed)
    speed, exchange, units = then.prediction.decode_tok_s, controls.exchange(), controls.units()
    if then.build is None or speed is None:
        note(sentence(f"It makes no whole computer: {then.why_not or 'the model finds no room in it'}"))
        return False
    _together(swaps.checks(taken.then, taken.follow), f"Whether {taken.name} goes together with the rest")
    now, more = build.prediction.decode_tok_s, signed(then.build.price_usd - build.price_usd, exchange)
    was = f", now {pace(now.p50, units)}" if now else ""
    note(f"Then {exchange.said(then.build.price_usd)} ({more}), writes {pace(speed.p50, units)}{was}.")
    return True


def _take(state: BuildState, kind: str, name: str) -> None:
    """Show the build with another part, and close the choice of it."""
    st.session_state[f"change {kind}"] = False
    st.session_state[f"to {kind}"] = None
    controls.go(state)
    st.toast(plain(f"{name} is in it now: every number is of the changed build."), icon=":material/swap_horiz:")


def _offered(found: Mapping[str, swaps.Swap], now_usd: float, exchange: Exchange, name: str) -> str:
    """A part that could be taken: its price beside that of the one there is, and whether it goes together."""
    return f"{name}: {signed(found[name].price_usd - now_usd, exchange)}, {found[name].words}"


def signed(usd: float, exchange: Exchange) -> str:
    """A difference of prices.

    >>> signed(-12.4, Exchange()), signed(30.0, Exchange())
    ('-$12', '+$30')
    """
    return f"{'-' if usd < 0 else '+'}{exchange.said(abs(usd))}"


def _histories(build: RankedBuild, exchange: Exchange) -> None:
    """What was seen of each part's price over time, drawn once unfolded."""
    fold = st.expander("Prices over time", key="histories", on_change="rerun")
    if not fold.open:
        return
    with fold:
        for part in dict.fromkeys(build.parts):
            seen = resources.history(part.kind, part.name, None, part.condition)
            if len(seen) < 2:
                continue
            first, last = seen[0], seen[-1]
            words = (
                f"{part.name}: {exchange.said(first[1])} on {first[0]}, {exchange.said(last[1])} on {last[0]}, "
                f"{len(seen)} seen"
            )
            st.html(f"{cards.spark([usd for _, usd in seen[-40:]], words)} <small>{escape(words)}</small>")
        note("Each bar is one price that was seen, turned to what an ordinary buyer pays; the oldest stands left.")


def _costs(build: RankedBuild, answer: Prediction, state: BuildState) -> None:
    """What it costs to run, and what not to own it costs."""
    st.subheader("What it costs to run", anchor=False)
    left, right = st.columns([1, 2], gap="large")
    key = controls.key(BuildState, "hours")
    hours = left.slider("Hours a day under load", 0.0, 24.0, step=0.5, format="%.1f", key=key)
    try:
        kwh = picking.kwh_usd(state, controls.exchange().per_usd)
        power = power_of(kwh, state.country or None, max(float(hours), 0.5))
    except InputError as error:
        right.warning(plain(sentence(str(error))))
        return
    lines = resources.running(build, answer, state.task or "chat", power, controls.exchange().currency)
    with right:
        listed(sentence(line) for line in lines or ("It does not run, so it costs nothing to run.",))
        note("Another country or price of a kWh: Settings, above. Resale, repairs and your time are not counted.")


def _upgrades(answer: Prediction, state: BuildState, known: Knowledge) -> None:
    """What to buy for it later: worked out once unfolded."""
    fold = st.expander("Upgrades from here", icon=":material/upgrade:", key="upgrades", on_change="rerun")
    if fold.open:
        with fold:
            upgrading.box(BuildState, answer, state.task or "chat", state.condition, known)
            upgrading.caution()


@controls.fragment
def _run_it(answer: Prediction, predict_command: str, known: Knowledge) -> None:
    """Commands to copy: drawn once unfolded, as their colours are a large script."""
    if answer.decode_tok_s is None:
        return
    fold = st.expander("Set it up, and check the number", icon=":material/terminal:", on_change="rerun", key="run it")
    if not fold.open:
        return
    with fold:
        commands(answer, predict_command, known)


def commands(answer: Prediction, predict_command: str, known: Knowledge) -> None:
    """What to type, and what to expect of it."""
    speed = answer.decode_tok_s
    if speed is None:
        return
    repository = resources.files_of(answer.model)
    name = f"[{plain(repository)}](https://huggingface.co/{repository})" if repository else "a maker that you trust"
    st.markdown(
        f"Get the GGUF file of {plain(answer.model)} whose name says {plain(answer.quant)} from {name} and put it in "
        "place of MODEL.gguf. The first line serves it, the second measures it:"
    )
    for program in ("llama-server", "llama-bench"):
        st.code(answer.flags[program], language="bash", wrap_lines=True)
    if repository:
        note("llama-server fetches the file by itself where the repository has that compression:")
        fetched = answer.flags["llama-server"].replace("-m MODEL.gguf", f"-hf {repository}:{answer.quant}")
        st.code(fetched, language="bash", wrap_lines=True)
    drafting = resources.drafting(answer.scenario, known)
    if drafting and drafting.speculation and drafting.decode_tok_s:
        note(
            f"The model can draft for itself (multi-token prediction): about {number(drafting.decode_tok_s.p50)} "
            f"tok/s, {drafting.speculation.gain:.1f}x, where most drafts are accepted. It takes a file with these "
            "layers, whose repository is often named MTP:"
        )
        st.code(drafting.flags["llama-server"], language="bash", wrap_lines=True)
    load = answer.scenario.workload
    note(
        f"Expect of llama-bench: tg{load.gen_tokens} @ d{load.decode_start} of about {number(speed.p50)} t/s; nine of "
        f"ten such machines give {number(speed.p05)} to {number(speed.p95)}."
    )
    if predict_command:
        note("The same prediction in a terminal:")
        st.code(predict_command, language="bash", wrap_lines=True)


def why(answer: Prediction, found: RankedBuild | None) -> None:
    """Measured runs nearest to the prediction, and what it had to assume."""
    st.subheader("Why this number", anchor=False)
    evidence = answer.evidence
    known = {"nobody": "Nobody published a run on such hardware: the range is wide for it."}
    said = f"{evidence.runs:,} measured runs of {evidence.level} stand behind it. The nearest of all runs:"
    note(known.get(evidence.level, said))
    st.html(tables.table(
        build_rows.nearby(resources.nearby(answer.scenario), resources.described_run(answer.scenario), answer),
        tables.NUMBERS, "Measured runs: machine, model, speed, placement, date and source",
    ))
    if answer.assumptions:
        with st.expander("What was assumed"):
            listed(sentence(line) for line in answer.assumptions)
    if found is None and answer.decode_tok_s:
        note(f"The ranges: {TERMS['90 % range'][:1].lower()}{TERMS['90 % range'][1:]}")
