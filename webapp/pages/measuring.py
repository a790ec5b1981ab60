"""What a visitor measured on a machine: pasted, seen in the predicted range, and from then on every number uses it."""

from html import escape

import streamlit as st

from advisor.answer import Prediction
from advisor.documents import number
from advisor.errors import InputError
from advisor.pasted.reading import read_runs
from advisor.pasted.runs import Pasted
from advisor.physics.knowledge import Knowledge
from advisor.profiles.own_runs import profile_of_runs
from advisor.question import Hardware, OwnRun, Scenario
from catalog.names.index import UnknownName
from webapp import cards, resources
from webapp.words import note, plain, sentence

RUNS = "own runs"
"""Where the session keeps them, by machine."""
OF_RUNS = frozenset({"by_own_runs", "impossible_run", "contradicting_run"})
"""Codes of remarks on the visitor's own runs, which are told where they are pasted."""
EXAMPLES = """31 tok/s, Qwen3.6-35B-A3B Q4_K_M, ncmoe 20

or what llama-bench, llama-server, ollama run --verbose, LM Studio or koboldcpp printed"""


def runs_on(hardware: Hardware) -> tuple[OwnRun, ...]:
    """What was measured on a machine in this visit."""
    found: tuple[OwnRun, ...] = st.session_state.get(RUNS, {}).get(_key(hardware), ())
    return found


def own(hardware: Hardware, answer: Prediction, known: Knowledge) -> tuple[Prediction, Knowledge]:
    """A prediction and the knowledge by the visitor's own runs, where there are any."""
    runs = runs_on(hardware)
    if not runs:
        return answer, known
    by_runs = resources.by_runs(hardware, runs, known)
    return resources.prediction(answer.scenario, by_runs), by_runs


def box(answer: Prediction) -> None:
    """The box to paste into, and what the runs say beside what was predicted without them."""
    hardware = answer.scenario.hardware
    runs = runs_on(hardware)
    with st.expander("I measured it", icon=":material/speed:", expanded=bool(runs)):
        text = st.text_area(
            "Paste what came out, or say it", key="pasted", placeholder=EXAMPLES, height=130, max_chars=200_000,
            help="Read on the computer that serves this page; nothing is sent anywhere.",
        )
        with st.container(horizontal=True, gap="small"):
            st.button("Use it", type="primary", on_click=_use, args=(text, answer), disabled=not (text or "").strip())
            if runs:
                st.button("Forget my runs", on_click=_forget, args=(hardware,))
                profile = profile_of_runs(hardware, runs, resources.today())
                st.download_button(
                    "Keep them as a profile", profile.model_dump_json(indent=1), f"{profile.name}.json",
                    "application/json", on_click="ignore",
                    help="advisor calibrate import FILE makes it the computer's own.",
                )
        for line in st.session_state.get("not read", ()):
            st.warning(plain(sentence(line)), icon=":material/block:")
        if st.session_state.get("not read"):
            note("Write it like 31 tok/s, or paste the whole of what the program printed.")
        if runs:
            known = resources.by_runs(hardware, runs, resources.knowledge())
            if any(remark.code == "by_own_runs" for remark in known.warnings):
                st.success(plain("All numbers of this computer now use what you measured."))
            _beside(hardware, runs, known)


def _use(text: str, answer: Prediction) -> None:
    """Read a paste; what it leaves open is the model that is looked at."""
    memory = st.session_state
    try:
        found = _read(text, answer)
    except (InputError, UnknownName, ValueError) as error:
        memory["not read"] = (str(error),)
        return
    memory["not read"] = tuple(str(item) for item in found.unread)
    if found.own_runs:
        hardware = answer.scenario.hardware
        kept = dict.fromkeys((*runs_on(hardware), *found.own_runs))
        memory[RUNS] = memory.get(RUNS, {}) | {_key(hardware): tuple(kept)}
    elif not found.unread:
        memory["not read"] = ("no speed was found in it: paste the table that llama-bench prints, or write 31 tok/s",)


def _read(text: str, answer: Prediction) -> Pasted:
    found = read_runs(text)
    return found if found.own_runs else read_runs(text, answer.model, answer.quant, bare=True)


def _forget(hardware: Hardware) -> None:
    memory = st.session_state
    memory[RUNS] = {key: runs for key, runs in memory.get(RUNS, {}).items() if key != _key(hardware)}
    memory["not read"] = ()


def _beside(hardware: Hardware, runs: tuple[OwnRun, ...], known: Knowledge) -> None:
    """Each run on the range that was predicted for it without it, and what is to be said of the runs."""
    for run in runs:
        asked = Scenario(
            model=run.model, quant=run.quant, hardware=hardware, engine=run.engine, workload=run.workload
        )
        told = resources.prediction(asked, resources.knowledge())
        start = told.scenario.workload.decode_start
        view = f"with {start:,} tokens in view" if start else "at the start of a chat"
        pairs = (
            ("writes", run.decode_tok_s, told.decode_tok_s), ("reads", run.prefill_tok_s, told.prefill_tok_s)
        )
        for what, measured, speed in pairs:
            if measured is None or speed is None:
                continue
            inside = speed.p05 <= measured <= speed.p95
            words = (
                f"{told.model} {told.quant} {what} {number(measured)} tok/s; predicted without it {number(speed.p50)} "
                f"({number(speed.p05)} to {number(speed.p95)}) {view}: {'inside' if inside else 'outside'} the range"
            )
            st.html(f"<p>{escape(words)}</p>{cards.range_bar(speed, speed.p95 * 1.3, (measured,))}")
    for remark in known.warnings:
        if remark.code != "by_own_runs":  # said above
            note(sentence(remark.message))


def _key(hardware: Hardware) -> str:
    return hardware.model_dump_json(exclude_defaults=True)
