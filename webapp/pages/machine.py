"""My machine: what it does with every model, by its own calibration where there is one, and what makes it faster."""

import streamlit as st

from advisor.engine.library import installed_version
from advisor.errors import InputError
from advisor.physics.knowledge import Knowledge
from advisor.profiles.own_machine import remark_on
from advisor.question import Hardware
from catalog.names.index import UnknownName
from catalog.profiles import Profile
from webapp import build_rows, controls, resources, tables
from webapp.described import hardware_of
from webapp.explorer import question
from webapp.links import MachineState
from webapp.pages import opened
from webapp.visitor import cpu_named, stored
from webapp.words import age, note, plain, sentence, thousands

ABOUT_PROFILES = """A calibration measures this very machine and makes its numbers narrower. Make one in a terminal with
advisor calibrate: this page finds it. One of another computer is written to a file there, with advisor calibrate
export: give it here. It stays on this computer."""


def page() -> None:
    """Draw the page."""
    about = "What does the computer you have do with each model, and what would make it faster?"
    controls.opened(MachineState, "My machine", about)
    _parts()
    state = controls.published(MachineState)
    hardware = _hardware()
    if hardware is None:
        return
    hardware, known = _profile(hardware)
    try:
        _models(hardware, state, known)
        _one(hardware, state, known)
    except (InputError, UnknownName, ValueError) as error:
        st.warning(plain(sentence(str(error))), icon=":material/search_off:")


def _parts() -> None:
    with st.container(border=True):
        controls.machine(MachineState, cards=True)
        left, right = st.columns([2, 1], vertical_alignment="bottom")
        with left:
            controls.context(MachineState)
        right.button(
            "Fill in this computer", icon=":material/memory:", on_click=_detected, width="stretch",
            help="Looks at the computer that serves this page, which is yours.",
        )
        for line in st.session_state.get("detection notes", ()):
            note(sentence(line))


def _detected() -> None:
    """Fill in the parts of the computer that serves the page."""
    found = resources.this_machine()
    parts, state = found.hardware, controls.current(MachineState)
    gpu = parts.gpus[0] if parts.gpus else None
    notes = list(found.notes)
    if parts.machine is None and parts.ram.mt_s is None:
        notes.append('the system does not tell type and speed of the memory: choose it, for example "DDR5-6000 2x32"')
    st.session_state["detection notes"] = notes
    seen = {
        "gpu": gpu.name if gpu else "", "gpus": gpu.count if gpu else 1, "cpu": cpu_named(parts.cpu or ""),
        "ram": controls.text_of(parts.ram), "whole": parts.machine or "", "disk": parts.storage.name or "",
    }
    controls.go(state.model_copy(update=seen))


def _hardware() -> Hardware | None:
    """The machine that the fields describe; None, once said, where they describe none."""
    parts = controls.parts(MachineState)
    if not (parts.gpu or parts.cpu or parts.machine or parts.ram):
        st.info("Choose your graphics card, processor and memory above, or let this computer be filled in.")
        return None
    try:
        return hardware_of(parts)
    except InputError as error:
        st.warning(plain(sentence(str(error))))
        return None


def _profile(hardware: Hardware) -> tuple[Hardware, Knowledge]:
    """The machine, and the knowledge to predict with: a profile's where one is given or stored, and is its own."""
    with st.expander("A calibration profile of this machine"):
        st.markdown(plain(ABOUT_PROFILES))
        given = st.file_uploader("Calibration profile (JSON)", type=["json"], max_upload_size=1, key="profile")
    if given is None:
        return _stored_profile(hardware)
    try:
        found = resources.calibrated(given.getvalue(), hardware)
    except (InputError, UnknownName, ValueError) as error:
        st.error(plain(sentence(str(error))), icon=":material/block:")
        return hardware, resources.knowledge()
    st.success(_whose(found.profile))
    return found.hardware, found.knowledge


def _stored_profile(hardware: Hardware) -> tuple[Hardware, Knowledge]:
    """The same with a profile that is stored on this computer, unless the visitor does not want it."""
    machines, usual = resources.own_machines(), (hardware, resources.knowledge())
    if not machines.machines:
        return usual
    try:
        told, machine = stored(machines, hardware, resources.this_machine().hardware)
    except (InputError, UnknownName):
        return usual  # the page tells what is wrong with the parts where it predicts
    if machine is None:
        return usual
    remark = remark_on(machine, installed_version())
    if remark:
        st.info(plain(sentence(remark)))
    if not machine.current or not st.checkbox("Use this computer's calibration", value=True, key="own calibration"):
        return usual
    st.success(_whose(machine.profile))
    return told, machine.knowledge


def _whose(profile: Profile) -> str:
    old = age(profile.measured_on, resources.today())
    return plain(f"Calibrated with profile {profile.name} of {profile.measured_on} ({old}).")


def _models(hardware: Hardware, state: MachineState, known: Knowledge) -> None:
    rows = resources.models_on(hardware, state.context, known)
    st.subheader("Every model", anchor=False)
    able = [row for row in rows if row["Fits"] == "yes"]
    reading, agents = (sum(bool(row[name]) for row in able) for name in ("For reading", "For agents"))
    fast = f"{reading} write as fast as people read, {agents} are fast enough for agents"
    note(f"Of {len(rows)} models {len(able)} fit, {fast}; {thousands(state.context)} tokens of context.")
    tables.show(rows, "Every model: whether it fits, speed with range, and what it is fast enough for")
    controls.share_rows("What this machine does with every model", list(rows), state, "advisor-machine")


def _one(hardware: Hardware, state: MachineState, known: Knowledge) -> None:
    st.subheader("One model, and what would make it faster", anchor=False)
    left, right = st.columns(2)
    with left:
        controls.model(MachineState)
    with right:
        controls.condition(MachineState)
    state = controls.published(MachineState)
    _ladder(hardware, state, known)
    answer = resources.prediction(question(state.model, None, hardware, state.context), known)
    st.subheader(plain(f"{answer.model} {answer.quant} as it is"), anchor=False)
    opened.prediction(answer)


def _ladder(hardware: Hardware, state: MachineState, known: Knowledge) -> None:
    st.markdown("**The upgrade ladder**", help="Single purchases, cheapest first, each a tenth faster than the last.")
    try:
        rungs = resources.upgrades(state.model, hardware, state.context, state.condition, known)
    except InputError as error:
        st.info(plain(sentence(str(error))))
        return
    if not rungs:
        st.info("No single part with a price makes this model a tenth faster here.")
        return
    rows = []
    for rung in rungs:
        speed, quote = rung.prediction.decode_tok_s, rung.quote
        rows.append({
            "Buy": rung.buy, "Price": rung.price_usd, "tok/s": speed.p50 if speed else None,
            "90 % range": f"{speed.p05:.0f} to {speed.p95:.0f}" if speed else "",
            "Gain": rung.gain_share * 100 or None, "Mind": rung.mind, "Condition": quote.condition,
            "Date": quote.as_of, "Age": age(quote.as_of, resources.today()) if quote.as_of else "",
            "Link": build_rows.address(quote.source), "Source": quote.source,
        })
    tables.show(rows, "Upgrades: what to buy, price with date and source, speed after it")
    note("After an upgrade the model is laid out anew. Prices are for the part alone.")
