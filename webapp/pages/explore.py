"""Explore a model: its quantisations, and how context, RAM, link and offload change its speed on one machine."""

import streamlit as st

from advisor.errors import InputError
from advisor.question import Scenario
from catalog.names.index import UnknownName
from webapp import build_rows, charts, controls, explorer, resources, tables
from webapp.described import hardware_of
from webapp.links import ExploreState
from webapp.words import HINTS, TERMS, note, plain, sentence, thousands

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
    about = "How much is lost by compressing it, and what makes it faster on one machine?"
    controls.opened(ExploreState, "Explore a model", about)
    with st.container(border=True):
        first, second, third = st.columns(3)
        with first:
            controls.model(ExploreState)
        with second:
            controls.quant(ExploreState)
        with third:
            controls.context(ExploreState)
        controls.machine(ExploreState)
    state = controls.published(ExploreState)
    try:
        asked = explorer.question(state.model, state.quant, hardware_of(controls.parts(ExploreState)), state.context)
        asked = resources.case(asked).scenario
        with st.spinner("Working out every quantisation"):
            rows = resources.quant_matrix(asked)
    except (InputError, UnknownName, ValueError) as error:
        st.warning(plain(sentence(str(error))), icon=":material/search_off:")
        return
    _matrix(rows, state)
    _sweeps(asked, state)


def _matrix(rows: tuple[explorer.Row, ...], state: ExploreState) -> None:
    st.subheader("Quantisations", anchor=False, help=TERMS["Quantisation"])
    machine = controls.parts(ExploreState).text.replace(" | ", ", ")
    note(f"{state.model} on {machine}, {thousands(state.context)} tokens of context.")
    shown = [
        {name: value for name, value in row.items() if name not in {"low", "high", "Size GB", "Source"}}
        | {"90 % range": f"{row['low']:.0f} to {row['high']:.0f}" if row["tok/s"] else "does not run",
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


def _sweeps(asked: Scenario, state: ExploreState) -> None:
    st.subheader("What makes it faster", anchor=False)
    st.segmented_control(
        "Speed shown", list(SPEEDS), key=controls.key(ExploreState, "speed"), format_func=SPEEDS.__getitem__,
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
