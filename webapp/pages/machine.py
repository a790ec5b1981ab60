"""My computer: what it does with every model, by its owner's own measurements where there are any, and what to buy."""

import streamlit as st

from advisor.answer import Prediction
from advisor.choosing.runnable import Runnable
from advisor.choosing.tasks import TASK_NAMES
from advisor.engine.library import installed_version
from advisor.errors import InputError
from advisor.physics.knowledge import Knowledge
from advisor.profiles.own_machine import remark_on
from advisor.question import Hardware
from catalog import tables as catalog_tables
from catalog.names.index import UnknownName
from catalog.profiles import Profile
from webapp import controls, explorer, resources, tables
from webapp.described import hardware_of
from webapp.links import MachineState
from webapp.pages import build, measuring, upgrading
from webapp.visitor import cpu_named, seen_in, stored
from webapp.words import HINTS, age, note, plain, sentence, thousands
from webapp.words import TASKS as TO_DO

KINDS = {"pc": "A PC", "laptop": "A laptop", "mac": "A Mac or mini PC"}
MEANT = {
    "pc": "your graphics card and the size of the memory above", "laptop": "its graphics or its name above",
    "mac": "which one it is above",
}
"""What is asked first of each kind."""
KIND = "kind of computer"
SIZES = ("8GB", "16GB", "32GB", "64GB", "128GB")
RENDERER = """export default function ({ setStateValue, parentElement }) {
  if (parentElement.asked) return;
  parentElement.asked = true;
  let name = "";
  try {
    const gl = document.createElement("canvas").getContext("webgl");
    const info = gl && gl.getExtension("WEBGL_debug_renderer_info");
    name = gl ? String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER)) : "";
  } catch (error) { name = ""; }
  setStateValue("name", name);
}"""
"""Asks the browser for the name of its graphics; it goes to this page's server and nowhere else."""
LOCAL = (None, "", "127.0.0.1", "::1")
ABOUT_PROFILES = """A calibration measures this very machine and makes its ranges narrower. Make one in a terminal with
`advisor calibrate`: this page finds it. One of another computer is written to a file there, with `advisor calibrate
export`: give it here. It stays on this computer."""


def page() -> None:
    """Draw the page."""
    controls.opened(MachineState, "My computer")
    _parts()
    state = controls.published(MachineState)
    with st.container():
        hardware = _hardware()
        if hardware is None:
            return
        hardware, known = _profile(hardware)
    try:
        runs = measuring.runs_on(hardware)
        if runs:
            known = resources.by_runs(hardware, runs, known)
        _answers(hardware, state, known)
    except (InputError, UnknownName, ValueError) as error:
        st.warning(plain(sentence(str(error))), icon=":material/search_off:")


def _answers(hardware: Hardware, state: MachineState, known: Knowledge) -> None:
    found = resources.models_on(hardware, state.task, state.context or None, known)
    with st.container():
        _best(hardware, state, known)
    if not found:
        st.info("No model of the catalog runs on it with that much context: choose a shorter one, or more memory.")
        return
    names = [row.llm.name for row in found]
    chosen = next((row for row in found if row.llm.name == state.model), found[0])
    asked = chosen.answer.scenario.model_copy(update={"measured": ()})
    answer = resources.prediction(asked, known)
    measuring.box(answer)
    with st.container():
        _every(found, state)
    with st.container():
        _upgrades(answer, known)
    st.subheader("One model closely", anchor=False)
    controls.choose(
        MachineState, "model", "Model", ("", *names), format_func=lambda name: name or f"the best: {names[0]}"
    )
    st.subheader(plain(f"{answer.model} {answer.quant}"), anchor=False)
    build.detailed(answer, None, known)
    with st.expander("How to run it, and why the number", key="closely", on_change="rerun") as fold:
        if fold.open:
            build.commands(answer, "", known)
            build.why(answer, None)


def _parts() -> None:
    """What the computer is made of: what can be seen, else a few questions."""
    state = controls.current(MachineState)
    whole = state.whole in resources.part_names("unified")
    laptop = state.whole in resources.part_names("laptop") or state.gpu in _cards(laptop=True)
    kind = "mac" if whole else "laptop" if laptop else st.session_state.get(KIND, "pc")
    st.session_state[KIND] = kind
    with st.container():
        _seen(state)
    with st.container(border=True):
        top = st.container(horizontal=True, vertical_alignment="bottom")
        top.segmented_control(
            "What is it?", list(KINDS), key=KIND, format_func=KINDS.__getitem__, required=True, on_change=_other_kind
        )
        if here():
            top.button(
                "Look at this computer", icon=":material/memory:", on_click=_detected,
                help="Looks at the computer that serves this page, which is yours.",
            )
        with st.container():
            {"pc": _pc, "laptop": _laptop, "mac": _mac}[kind]()
        left, right = st.columns(2)
        with left:
            controls.choose(MachineState, "task", "What for?", TASK_NAMES, format_func=TO_DO.__getitem__)
        with right:
            controls.choose(
                MachineState, "context", "Context", (0, *controls.CONTEXTS),
                format_func=lambda count: f"{thousands(count)} tokens" if count else "what the task needs",
            )
        for line in st.session_state.get("detection notes", ()):
            note(sentence(line))


def _seen(state: MachineState) -> None:
    """Ask the browser for its graphics, and whether that is the computer meant."""
    if state.gpu or state.whole or state.cpu or state.ram:
        return
    ask = st.components.v2.component("advisor_renderer", js=RENDERER)
    told = ask(key="renderer", on_name_change=lambda: None, height=1)
    fields = seen_in(str(told.name or ""))
    if not fields:
        return
    name = next(iter(fields.values()))
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**We see: {plain(name)}. Right?**", width="content")
        st.button("Yes, this one", type="primary", on_click=controls.go, args=(state.model_copy(update=fields),))


def here() -> bool:
    """Whether the visitor sits at the computer that serves the page."""
    return st.context.ip_address in LOCAL


def _cards(*, laptop: bool) -> tuple[str, ...]:
    rows = catalog_tables.gpus()
    return tuple(dict.fromkeys(
        row.name for row in rows if row.form != "integrated" and (row.form == "laptop") == laptop
    ))


def _other_kind() -> None:
    """Another kind of computer begins without parts."""
    empty = {"gpu": "", "gpus": 1, "cpu": "", "ram": "", "whole": "", "disk": ""}
    controls.go(controls.current(MachineState).model_copy(update=empty))


def _pc() -> None:
    first, second = st.columns(2)
    with first:
        controls.choose(MachineState, "gpu", "Graphics card", ("", *_cards(laptop=False)),
                        format_func=lambda name: name or controls.NO_CARD)
    with second:
        controls.choose(MachineState, "cpu", "Processor (if you know it)", ("", *resources.part_names("cpu")),
                        format_func=lambda name: name or controls.UNSAID)
    _size(SIZES)
    st.session_state.setdefault("more parts", False)
    fold = st.expander("More: exact memory, several cards", key="more parts", on_change="rerun")
    if fold.open:
        with fold:
            first, second = st.columns(2)
            with first:
                controls.choose(MachineState, "ram", "Exact memory", ("", *SIZES, *controls.MEMORIES),
                                format_func=lambda name: name or controls.UNSAID, accept_new_options=True)
            second.number_input("How many such cards", 1, 8, step=1, key=controls.key(MachineState, "gpus"))


def _laptop() -> None:
    first, second = st.columns(2)
    named = bool(st.session_state[controls.key(MachineState, "whole")])
    with first:
        controls.choose(MachineState, "gpu", "Graphics in it", ("", *_cards(laptop=True)), disabled=named,
                        format_func=lambda name: name or controls.NO_CARD)
    with second:
        controls.choose(MachineState, "whole", "Or its name", ("", *resources.part_names("laptop")),
                        format_func=lambda name: name or controls.UNSAID, help=HINTS["whole"])
    _size(SIZES)


def _mac() -> None:
    controls.choose(MachineState, "whole", "Which one?", ("", *resources.part_names("unified")),
                    format_func=lambda name: name or "choose", help=HINTS["whole"])
    name = st.session_state[controls.key(MachineState, "whole")]
    row = next((row for row in catalog_tables.unified_machines() if row.name == name), None)
    if row:
        _size(tuple(f"{gib:g}GB" for gib in row.memory_gib))
        note(f"Its GPU may use {row.gpu_memory_share:.0%} of the memory unless you allow it more.")


def _size(sizes: tuple[str, ...]) -> None:
    """The size of the memory as buttons."""
    field = controls.key(MachineState, "ram")
    now = st.session_state[field].strip()
    now = f"{now}GB" if now.isdigit() else now  # as the fields take it too
    st.session_state["memory size"] = now if now in sizes else None
    st.pills("Memory", sizes, key="memory size", on_change=_sized, help=HINTS["ram"])
    if now and now not in sizes:
        note(f"Memory: {now}.")


def _sized() -> None:
    st.session_state[controls.key(MachineState, "ram")] = st.session_state["memory size"] or ""


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
        "gpu": gpu.name if gpu else "", "gpus": gpu.count if gpu else 1, "cpu": cpu_named(parts.cpu_name or ""),
        "ram": controls.text_of(parts.ram), "whole": parts.machine or "", "disk": parts.storage.name or "",
    }
    controls.go(state.model_copy(update=seen))


def _hardware() -> Hardware | None:
    """The machine that the fields describe; None, once said, where they describe none."""
    parts = controls.parts(MachineState)
    if not (parts.gpu or parts.cpu or parts.machine or parts.ram):
        st.info(f"Choose {MEANT[st.session_state[KIND]]}{', or let this computer be looked at' if here() else ''}.")
        return None
    if not parts.ram:
        st.info("Press the size of its memory above: what does not fit on the graphics card lies there.")
        return None
    try:
        return hardware_of(parts)
    except InputError as error:
        st.warning(plain(sentence(str(error))))
        return None


def _profile(hardware: Hardware) -> tuple[Hardware, Knowledge]:
    """The machine, and the knowledge to predict with: a profile's where one is given or stored, and is its own."""
    fold = st.expander("A calibration profile of this machine", key="profiles", on_change="rerun")
    given = st.session_state.get("profile")
    if fold.open:
        with fold:
            st.markdown(ABOUT_PROFILES)
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


def _best(hardware: Hardware, state: MachineState, known: Knowledge) -> None:
    """The best model for each task: that of the task asked first, the others once they are asked for."""
    st.subheader("Best for you", anchor=False)
    fold = st.toggle("For every task", key="every task", help="Works out the best model of each task.")
    tasks = [state.task, *(task for task in TASK_NAMES if task != state.task and fold)]
    rows = []
    with st.spinner("Trying every model", show_time=True):
        for task in tasks:
            found = resources.models_on(hardware, task, (state.context or None) if task == state.task else None, known)
            rows.append(explorer.best_of(found, task, TO_DO[task], controls.units()))
    st.html(tables.table(rows, {}, "The best model for each task"))


def _every(found: tuple[Runnable, ...], state: MachineState) -> None:
    st.subheader("Every model that runs", anchor=False)
    rows = [explorer.shown(row, state.task) for row in found]
    total = len(resources.model_names())
    good = sum(row.serves for row in found)
    enough = f"{good or 'none'} of them fast enough to {TO_DO[state.task]}"
    note(f"{len(found)} of {total} models run, {enough}; the best stands first.")
    tables.show(rows, "Every model that runs, best for the task first: grade, quality, speed with range")
    controls.share_rows("What this machine does with every model", rows, state, "advisor-machine")


def _upgrades(answer: Prediction, known: Knowledge) -> None:
    st.subheader("What to buy next", anchor=False, help="Cheapest first, each a tenth better than the one before.")
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        controls.condition(MachineState)
    right.toggle("Server cards without fans too", key=controls.key(MachineState, "tinkerer"), help=HINTS["tinkerer"])
    state = controls.current(MachineState)
    upgrading.box(MachineState, answer, state.task, state.condition, known, tinkerer=state.tinkerer)
    upgrading.caution()
