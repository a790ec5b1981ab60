"""Models: by task, and one opened: which quantisation, what is lost, and what makes it faster on one machine."""

import streamlit as st

from advisor.choosing.tasks import TASK_NAMES
from advisor.errors import InputError
from advisor.question import Scenario
from catalog.names.index import UnknownName
from webapp import build_rows, cards, charts, controls, explorer, resources, tables
from webapp.described import hardware_of
from webapp.links import BuyState, MachineState, ModelsState
from webapp.words import HINTS, TERMS, note, pace, plain, sentence, span, thousands
from webapp.words import TASKS as TO_DO

HIDDEN = frozenset({"low", "high", "Size GB", "Source", "own", "from disk", "native"})
"""What rows of a model's compressions hold beside what their table shows."""
SPEEDS = {"decode": "Writing", "prefill": "Reading"}
SWEEPS = (
    ("contexts", "Context", "Tokens in the context", True,
     "The fuller the context, the more is read for each token, and the more of the model moves to RAM."),
    ("ram", "RAM speed", "MT/s", False, "Matters where part of the model lies in RAM."),
    ("links", "PCIe link", "GB/s in one direction", True,
     "PCIe 3.0 x1 is 1 GB/s, 4.0 x4 is 8, 4.0 x16 is 32. Matters for reading prompts with experts in RAM."),
    ("offloads", "Offload", "", False, "What is left to RAM. The planner takes the fastest setting that fits."),
)


def page() -> None:
    """Draw the page."""
    controls.opened(ModelsState, "Models")
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        controls.choose(ModelsState, "task", "What for?", TASK_NAMES, format_func=TO_DO.__getitem__)
    with right:
        names = resources.model_names()
        controls.choose(
            ModelsState, "model", "Open a model", ("", *names), format_func=lambda name: name or "all of them"
        )
    state = controls.published(ModelsState)
    if state.model:
        _one(state)
    else:
        _all(state)


def _all(state: ModelsState) -> None:
    """Every model, the best for the task first."""
    rows = resources.models_for(state.task)
    note("The best for the task stands first; open one above to see which compression to take and what is lost.")
    tables.show(rows, "Models by quality for the task, with size, context and what they take in")
    controls.share_rows(f"Models to {TO_DO[state.task]}", list(rows), state, "advisor-models")
    controls.link_to(MachineState(task=state.task), "Which of them run on my computer?")
    controls.link_to(BuyState(task=state.task), "Which computer to buy for it?")


def _one(state: ModelsState) -> None:
    known = resources.model_facts(state.model, state.task)
    with st.container():
        if known:
            st.html(cards.figures(known))
    with st.expander("On which machine", expanded=False):
        controls.machine(ModelsState)
        left, right = st.columns(2)
        with left:
            controls.context(ModelsState)
        with right:
            controls.quant(ModelsState)
    try:
        parts = controls.parts(ModelsState)
        asked = explorer.question(state.model, state.quant, hardware_of(parts), state.context)
        asked = resources.case(asked).scenario
        with st.spinner("Working out every quantisation"):
            rows = resources.quant_matrix(asked)
    except (InputError, UnknownName, ValueError) as error:
        st.warning(plain(sentence(str(error))), icon=":material/search_off:")
        return
    machine = parts.text.replace(" | ", ", ")
    st.subheader("Which compression?", anchor=False, help=TERMS["Compression"])
    note(f"Speeds on {machine} with {thousands(state.context)} tokens of context.")
    told = explorer.three(rows)
    with st.container():
        _three(told)
    _matrix(rows, state, [row["Quantisation"] for row in told.values()])
    _sweeps(asked, state)


def _three(told: dict[str, explorer.Row]) -> None:
    """The quantisation to take, a smaller and a larger one."""
    if not told:
        st.info("No compression of it finds room on this machine: take a larger one, or a shorter context.")
        return
    if all(row["from disk"] for row in told.values()):
        st.warning("It is larger than this machine's memory: every word waits for the disk.")
    take = told.get("Take")
    for column, (label, row) in zip(st.columns(len(told)), told.items(), strict=True):
        key = f"choice-{'first' if label == 'Take' else label.lower()}"
        with column.container(border=True, key=key, height="stretch"):
            speed = row["tok/s"]
            lost = "not measured" if row["Perplexity"] is None else f"loses {row['Perplexity']:.1f} %"
            beside = ""
            if take is not None and row is not take and take["tok/s"]:
                beside = f"{speed / take['tok/s'] - 1:+.0%} speed, {row['Size GiB'] - take['Size GiB']:+.1f} GiB"
            st.html(cards.choice(
                label, row["Quantisation"], f"{row['Size GiB']:.1f} GiB", pace(speed, controls.units()),
                f"9 of 10: {span(row['low'], row['high'], controls.units())}",
                lost if row["own"] else f"{lost}, by another model", beside,
            ))


def _matrix(rows: tuple[explorer.Row, ...], state: ModelsState, named: list[str]) -> None:
    speeds = [row for row in rows if row["tok/s"] and row["Perplexity"] is not None]
    if speeds:
        words = "; ".join(
            f"{row['Quantisation']} {row['Size GiB']:.1f} GiB, {row['Perplexity']:.1f} %" for row in speeds
        )
        st.vega_lite_chart(charts.losses(speeds, named), alt=f"Size against quality lost: {words}")
    with st.expander("Every compression in a table"):
        shown = [
            {name: value for name, value in row.items() if name not in HIDDEN}
            | {"90 % range": span(row["low"], row["high"], "tokens") if row["tok/s"] else "does not run",
               "Link": build_rows.address(row["Source"]), "Source": row["Source"]}
            for row in rows
        ]
        order = ["Quantisation", "Bits per weight", "Size GiB", "VRAM floor GiB", "VRAM for all GiB", "RAM floor GiB",
                 "tok/s", "90 % range", "Prompt", "n_cpu_moe", "KL divergence", "Perplexity", "Measured on", "Link",
                 "Source"]
        tables.show(shown, "Quantisations: size, least memories, speed and quality lost", column_order=order)
        note(
            "Quality lost: how far the compressed model strays from the original, as the source measured it. "
            "Where nobody measured this model, the figures of Llama 3 8B stand in; sources do not compare "
            "with each other."
        )
    controls.share_rows(f"Quantisations of {state.model}", list(rows), state, "advisor-quantisations")


def _sweeps(asked: Scenario, state: ModelsState) -> None:
    """How context, memory, link and offload change the speed: drawn once unfolded."""
    fold = st.expander("What makes it faster", key="sweeps", on_change="rerun")
    if not fold.open:
        return
    with fold:
        st.segmented_control(
            "Speed shown", list(SPEEDS), key=controls.key(ModelsState, "speed"), format_func=SPEEDS.__getitem__,
            required=True, help=f"Writing: {TERMS['tok/s']} Reading: {TERMS['Prompt']}",
        )
        columns = st.columns(2, gap="large")
        for index, (along, title, x_title, log_x, remark) in enumerate(SWEEPS):
            with columns[index % 2]:
                _sweep(resources.swept(asked, along, state.speed), title, x_title, log_x, remark)
        note("Bands: where 9 of 10 real runs should fall.")


def _sweep(found: tuple[str, tuple[explorer.Row, ...]], title: str, x_title: str, log_x: bool, remark: str) -> None:
    name, rows = found
    st.markdown(f"**{plain(title)}**", help=HINTS.get("context") if name == "contexts" else TERMS.get(title))
    note(remark)
    if not rows:
        st.info("Nothing to vary here: this machine has one memory, or no graphics card.")
        return
    words = "; ".join(f"{row['x']:,.0f}: {row['speed']:.3g}" for row in rows)
    named = x_title or {"n_cpu_moe": "Layers with experts in RAM (n_cpu_moe)",
                        "n_gpu_layers": "Layers on the graphics card (n_gpu_layers)"}[name]
    ticks = [row["x"] for row in rows] if log_x and name == "contexts" else ()
    st.vega_lite_chart(charts.sweep(rows, named, log_x=log_x, ticks=ticks), alt=f"{title}, {named} and tok/s: {words}")
