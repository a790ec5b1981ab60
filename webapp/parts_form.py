"""Fields for the parts of a machine, shared by the pages that ask for one."""

from collections.abc import Sequence

import streamlit as st

from advisor.scenario import RamRequest
from webapp import controls, links, resources
from webapp.described import Parts
from webapp.glossary import HINTS

NO_CARD, NO_MACHINE, UNSAID = "none", "no, it is built from parts", "not said"
MEMORIES = (
    "DDR4-3200 2x8", "DDR4-3200 2x16", "DDR4-3600 2x16", "DDR4-3200 2x32", "DDR4-3600 2x32", "DDR5-5600 2x16",
    "DDR5-6000 2x16", "DDR5-6000 2x32", "DDR5-6000 2x48", "DDR5-6400 2x64",
)  # fmt: skip
SIZES = ("16GB", "24GB", "32GB", "48GB", "64GB", "96GB", "128GB", "192GB", "256GB", "512GB")


def machine(kind: type[links.State], *, cards: bool = False) -> None:
    """Fields for a graphics card, a processor and memory, or for a whole machine."""
    first, second, third = st.columns(3)
    named = bool(st.session_state[controls.key(kind, "whole")])
    with first:
        _pick(kind, "gpu", "Graphics card", ("", *resources.part_names("gpu")), NO_CARD, disabled=named)
        whole = ("", *resources.part_names("unified"), *resources.part_names("laptop"))
        _pick(kind, "whole", "Or a whole machine", whole, NO_MACHINE)
    with second:
        _pick(kind, "cpu", "Processor", ("", *resources.part_names("cpu")), UNSAID, disabled=named)
        if cards:
            st.number_input("How many such cards", 1, 8, step=1, key=controls.key(kind, "gpus"), disabled=named)
    with third:
        _pick(kind, "ram", "Memory", ("", *(SIZES if named else MEMORIES)), UNSAID, accept_new_options=True)


def _pick(kind: type[links.State], field: str, label: str, options: Sequence[str], nothing: str, **more: bool) -> None:
    controls.choose(kind, field, label, options, format_func=lambda name: name or nothing, help=HINTS[field], **more)


def parts(kind: type[links.State]) -> Parts:
    """The parts that the fields of a page say."""
    said = {name: st.session_state.get(controls.key(kind, name)) or "" for name in ("gpu", "cpu", "ram", "whole")}
    if said["whole"]:
        return Parts(machine=said["whole"], ram=said["ram"])
    count = st.session_state.get(controls.key(kind, "gpus")) or 1
    disk = st.session_state.get(controls.key(kind, "disk")) or ""
    return Parts(gpu=said["gpu"], cpu=said["cpu"], ram=said["ram"], cards=int(count), disk=str(disk))


def text_of(ram: RamRequest) -> str:
    """Memory as the field takes it.

    >>> text_of(RamRequest(type="DDR4", mt_s=3600, gb=31.2))
    'DDR4-3600 32GB'
    """
    size = f"{round(ram.gb / 2) * 2 if ram.gb > 8 else round(ram.gb)}GB" if ram.gb else ""
    return " ".join(filter(None, (f"{ram.type}-{ram.mt_s}" if ram.type and ram.mt_s else ram.type, size)))
