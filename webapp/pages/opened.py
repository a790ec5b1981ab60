"""One build opened: why it is as fast as it is, what it is made of, and how to check it. Drawn on several pages."""

from collections.abc import Sequence

import streamlit as st

from advisor.answer import LIMITS, REGIMES, STAGES, Prediction
from advisor.buying.recommendation import RankedBuild
from advisor.documents import number, seconds
from webapp import build_rows, charts, controls, resources, tables
from webapp.described import DescribedBuild
from webapp.words import TERMS, listed, note, plain, price_dates, sentence, thousands

COLOURS = {stage.words: stage.colour for stage in STAGES.values()}
KINDS = {"desktop": "Desktop built from parts", "laptop": "Laptop", "unified": "Whole machine with shared memory"}


def build(found: RankedBuild) -> None:
    """Draw a whole build."""
    st.subheader(plain(found.name), anchor=False)
    dates = price_dates(found.parts, resources.today())
    note(f"{KINDS[found.kind]}. ${found.price_usd:,.0f}, prices of {dates}.")
    _figures(found.prediction, found)
    _warnings([note.message for note in (*found.notes, *found.prediction.warnings)])
    _token_and_memory(found.prediction)

    st.markdown("**Parts and prices**")
    tables.parts(build_rows.parts(found, resources.today()))
    note(f"Together ${found.price_usd:,.2f}. Check prices before you buy: quotes age.")
    st.button(
        "Add to comparison", icon=":material/compare_arrows:", on_click=controls.compare,
        args=(build_rows.parts_text(found), found.prediction),
        help="Up to four builds stand side by side on the page Compare.",
    )
    swap = build_rows.next_dollars(found)
    st.markdown(f"**What the next dollars buy:** {plain(swap or 'no single swap gains a tenth of the speed')}")
    _how_to_check(found.prediction, found.predict_command)


def unpriced(found: DescribedBuild) -> None:
    """Draw a build that has no price."""
    st.subheader(plain(found.prediction.machine.replace(" | ", ", ")), anchor=False)
    note(sentence(f"No price for the whole: {found.why_not}"))
    prediction(found.prediction)


def prediction(answer: Prediction) -> None:
    """Draw what is known of a machine without prices."""
    _figures(answer)
    _warnings([note.message for note in answer.warnings])
    _token_and_memory(answer)
    _how_to_check(answer, "")


def _figures(answer: Prediction, found: RankedBuild | None = None) -> None:
    """The numbers that a buyer asks for first."""
    decode, prefill, first = answer.decode_tok_s, answer.prefill_tok_s, answer.time_to_first_token_s
    if decode is None:
        st.warning(plain("It does not fit: no speed can be given. Below stands what would make it fit."))
        return
    cells: list[tuple[str, str, str]] = [
        ("Writes", f"{number(decode.p50)} tok/s", f"9 of 10: {number(decode.p05)} to {number(decode.p95)}"),
        ("Reads", f"{number(prefill.p50)} tok/s" if prefill else "-",
         f"9 of 10: {number(prefill.p05)} to {number(prefill.p95)}" if prefill else ""),
        ("First token", seconds(first) if first is not None else "-",
         f"{answer.scenario.workload.prompt_tokens} tokens asked"),
    ]
    if found:
        longest = found.longest_context_tokens
        cells += [
            ("Longest context", f"{thousands(longest)}" if longest else "-", "tokens"),
            ("Power", f"{found.power_w:.0f} W", "under load, estimated"),
            ("$/(tok/s)", f"${found.usd_per_tok_s:,.1f}", "price per speed"),
        ]
    with st.container(horizontal=True, gap="small"):
        for label, value, below in cells:
            hint = TERMS.get({"Writes": "tok/s", "Reads": "Prompt"}.get(label, label))
            st.metric(label, value, delta=below or None, delta_color="off", delta_arrow="off", help=hint, width=165)
    note(f"Limited by {LIMITS[answer.bottleneck or 'vram_bandwidth'].sentence}.")


def _warnings(messages: Sequence[str]) -> None:
    """What to mind."""
    for message in messages:
        st.warning(plain(sentence(message)), icon=":material/warning:")


def _token_and_memory(answer: Prediction) -> None:
    """The time of one token by what takes it, and where the bytes lie, side by side."""
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Where the time of a token goes**")
        st.html(charts.waterfall(build_rows.waterfall(answer), COLOURS, "Time of one token by stage"))
    with right:
        _memory(answer)


def _memory(answer: Prediction) -> None:
    """Where the bytes lie."""
    case = resources.case(answer.scenario)
    rows = build_rows.memories(case)
    place, layers = answer.placement, case.demand.footprint.n_layers
    how = REGIMES[place.strategy].sentence.format(
        gpu_layers=place.n_gpu_layers, layers=layers, moe=min(place.n_cpu_moe, layers)
    )
    st.markdown("**Where the bytes lie**", help=f"{TERMS['VRAM']} {TERMS['RAM']} {TERMS['GiB']}")
    st.html(charts.memory(rows, "How full each memory is"))
    moe = f" (n_cpu_moe {place.n_cpu_moe})" if place.n_cpu_moe else ""
    sizes = f"model {place.weights_gb:.1f} GiB, context {place.kv_gb:.2f} GiB"
    note(f"{how[0].upper()}{how[1:]}{moe}: {sizes}.")
    with st.expander("What would fit"):
        listed(build_rows.room(resources.capacity(answer.scenario), case))


def _how_to_check(answer: Prediction, predict_command: str) -> None:
    """Commands to copy, the measured runs nearest to the prediction, and what it had to assume."""
    if answer.decode_tok_s is not None:
        _commands(answer, predict_command)
    st.markdown("**Nearest measured runs**")
    note("Real runs that others published, on hardware and models most like these.")
    tables.runs(build_rows.nearby(resources.nearby(answer.scenario)))
    if answer.assumptions:
        with st.expander("What was assumed"):
            listed(sentence(line) for line in answer.assumptions)


@st.fragment
def _commands(answer: Prediction, predict_command: str) -> None:
    """Flags to copy, and how to check the number: drawn once unfolded, as its colours are a large script."""
    fold = st.expander("Run it, and check the number", icon=":material/terminal:", on_change="rerun", key="run it")
    if not fold.open:
        return
    with fold:
        note("Put the model's file in place of MODEL.gguf. The second command measures what is predicted here.")
        for name in ("llama-server", "llama-bench"):
            st.code(answer.flags[name], language="bash", wrap_lines=True)
        if predict_command:
            note("The same prediction in a terminal:")
            st.code(predict_command, language="bash", wrap_lines=True)
