"""Compare: up to four builds side by side for a task, the best of each row marked and the difference said in words."""

from collections.abc import Sequence

import streamlit as st

from advisor.buying.wish import CONTEXT_TOKENS
from advisor.choosing.runnable import Runnable
from advisor.choosing.tasks import TASK_NAMES, TASKS
from advisor.errors import InputError
from catalog.names.index import UnknownName
from webapp import build_rows, cards, charts, comparison, controls, resources, tables
from webapp.described import DescribedBuild, Parts
from webapp.links import MODEL, MOST_COMPARED, BuildState, CompareState
from webapp.pages import build
from webapp.words import TASKS as TO_DO
from webapp.words import listed, plain, sentence, thousands

BUILDS = controls.key(CompareState, "build")
PRESETS = {
    "Strix Halo, DGX Spark, 2x 3090, 5090": (
        "machine: Strix Halo (Ryzen AI Max+ 395) | 128GB", "machine: DGX Spark | 128GB",
        "2x RTX 3090 | | 64GB", "RTX 5090 | | 64GB",
    ),
    "16 GB cards": ("RTX 5060 Ti 16GB | | 32GB", "RTX 5070 Ti | | 32GB", "RX 9070 XT | | 32GB"),
}
"""Comparisons that people ask for."""
CERTAIN = "run a certain model"
Pair = tuple[BuildState, DescribedBuild]
"""What is asked of a build, and the answer."""


def page() -> None:
    """Draw the page."""
    controls.opened(CompareState, "Compare")
    _question()
    _add()
    state = controls.published(CompareState)
    found, models, why = _answered(state)
    if not found:
        st.info("Nothing to compare yet: add a build above, or press Compare where a build is shown.")
        return
    _asked(found, state, why)
    _side_by_side(found, models, state)


def _question() -> None:
    """What the builds are asked for: a task, whose model is chosen unless it is named, or a certain model."""
    task = st.session_state[controls.key(CompareState, "task")]
    named = bool(st.session_state[controls.key(CompareState, "model")])
    fields = st.container(border=True).columns(5 if named else 4)
    with fields[0]:
        controls.choose(
            CompareState, "task", "What for?", (*TASK_NAMES, ""), format_func=lambda name: TO_DO.get(name, CERTAIN),
            on_change=_other_task,
        )
    with fields[1]:
        controls.choose(
            CompareState, "model", "Model", ("", *resources.model_names()) if task else resources.model_names(),
            format_func=lambda name: name or "the best that all of them run well",
        )
    with fields[2]:
        controls.choose(
            CompareState, "context", "Context", (0, *controls.CONTEXTS) if task else controls.CONTEXTS,
            format_func=lambda count: f"{thousands(count)} tokens" if count else "what the task needs",
        )
    with fields[3]:
        controls.condition(CompareState)
    if named:  # last, so that no other field is drawn anew
        with fields[4]:
            controls.quant(CompareState)


def _other_task() -> None:
    """Another task begins with a model and a context of its own."""
    task = st.session_state[controls.key(CompareState, "task")]
    fresh = {"model": "" if task else MODEL, "quant": "", "context": 0 if task else CONTEXT_TOKENS}
    for field, value in fresh.items():
        st.session_state[controls.key(CompareState, field)] = value


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
        wholes = ("", *resources.part_names("unified"), *resources.part_names("laptop"))
        whole = first.selectbox(
            "Or a whole machine", wholes, key="add whole",
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


def _answered(state: CompareState) -> tuple[list[Pair], list[Sequence[Runnable]], str]:
    """The builds asked the same question, for a task the models that each runs, the best first, and why the question is
    of its model: where none is named, it is one that as many as can be run well.
    """
    choosing = bool(state.task) and not state.model
    found = _found(state.model_copy(update={"task": ""}) if choosing else state)
    if not (state.task and found):
        return found, [], ""
    shared = None
    with st.spinner("Trying every model on each", show_time=True):
        models: dict[str, Sequence[Runnable]] = {
            asked.build: resources.models_on(
                item.prediction.scenario.hardware, state.task, state.context or None, resources.knowledge()
            )
            for asked, item in found
        }
        if choosing:
            shared = comparison.shared_model(list(models.values()))
            named = {"model": shared.name, "quant": shared.quant} if shared else {}
            found = _found(state.model_copy(update={"build": tuple(models)} | named))
    how_many = "all of them" if shared and shared.served == len(models) else f"{shared and shared.served} of them"
    why = f": the best that {how_many} run well" if shared and shared.served else ""
    return found, [models[asked.build] for asked, _ in found], why


def _found(state: CompareState) -> list[Pair]:
    """The builds of a link; those that cannot be read are said and passed over."""
    context = state.context or (TASKS[state.task].context if state.task else CONTEXT_TOKENS)
    found = []
    for text in state.build:
        asked = BuildState(
            build=text, task=state.task, model=state.model or MODEL, quant=state.quant, context=context,
            condition=state.condition, price=state.price,
        )
        try:
            answer = resources.described_build(text, build.asked(asked), asked.price)
            found.append((asked, build.by_task(answer, asked)))
        except (InputError, UnknownName, ValueError) as error:
            st.warning(plain(sentence(f"Not compared: {error}")))
    return found


def _asked(found: list[Pair], state: CompareState, why: str) -> None:
    """What is compared, in words."""
    asked, item = found[0]
    answer = item.prediction
    model = f"**{plain(answer.model)}**, compressed as **{plain(answer.quant)}**"
    room = f"{thousands(asked.context)} of context"
    if not state.task:
        st.markdown(f"Each runs {model}, with {room}, nearly full.")
        return
    needs = TASKS[state.task]
    step = f"A typical step reads {thousands(needs.new)} new tokens and writes {needs.writes}."
    st.markdown(f"To {TO_DO[state.task]} with {room}, each runs {model}{why}. {step}")


def _side_by_side(found: list[Pair], models: list[Sequence[Runnable]], state: CompareState) -> None:
    items = [item for _, item in found]
    titles = comparison.titles(items)
    people = [resources.of_people(item.prediction.scenario, 4) for item in items]
    sides = comparison.Sides(items, people, state.task or None, models)
    facts = comparison.compared(sides, controls.exchange(), controls.units())
    if len(items) > 1:
        st.subheader("What each is best at, and by how much over the next", anchor=False)
        listed(comparison.winners(titles, facts))
    st.html(cards.compared(titles, facts, "Builds side by side, the best of each row marked"))
    rows = comparison.facts(items, resources.today(), controls.exchange())
    controls.share_rows("Builds side by side", rows, state, "advisor-compare")
    with st.container(horizontal=True, gap="small"):
        for name, (asked, _) in zip(titles, found, strict=True):
            controls.link_to(asked, f"See {name}")
    left, right = st.columns(2, gap="large")
    with left:
        speeds = comparison.speeds(items)
        words = "; ".join(f"{row['name']} {row['said']}" for row in speeds)
        st.subheader("Writing speed, with the range of 9 in 10 runs", anchor=False)
        st.vega_lite_chart(charts.speeds(speeds, "tok/s"), alt=f"Writing speeds in tok/s: {words}")
    with right:
        times = [
            row for name, item in zip(titles, items, strict=True) for row in build_rows.stages(item.prediction, name)
        ]
        st.subheader("Where the time of a token goes", anchor=False)
        st.html(charts.stacked(times, build.COLOURS, "Time of a token of each build by stage"))
    with st.expander("Every fact in a table"):
        tables.show([row for row in rows if any(list(row.values())[1:])], "Every fact of the builds side by side")
