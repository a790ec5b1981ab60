"""Parts that the buyer already has: from what he writes to catalog rows, which then cost nothing; and what he measured.

Runs told with a wish are of the computer that its owned parts make, those of a stored profile of the machine of that.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from advisor.answer import Prediction
from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.machines.memory import COMMON_MT_S
from advisor.physics.coefficients import Part
from advisor.physics.knowledge import Knowledge
from advisor.prediction.own_parts import EVERY, with_own_parts
from advisor.question import GpuRequest, Hardware, OwnRun, RamRequest, Scenario
from catalog import tables
from catalog.names.cpus import resolve_cpu
from catalog.names.index import UnknownName, counted
from catalog.names.parts import NamedPart, resolve_part
from catalog.names.ram import TYPE, parse_ram
from catalog.parts import Cpu, OfficePc, RamKit
from catalog.units import GIB

MODULES_UNSAID = 2
"""Modules of "64GB DDR5": kits of two are what most desktop machines hold."""
NAMED_ON = date(2026, 11, 24)
"""Date that a row of owned memory carries: that of the catalog, since no clock is read here."""
COMPUTER = re.compile(r"\s*computer:\s*", re.IGNORECASE)
"""Before the name of a whole computer that no row of the catalog describes."""
MODULES = '--own "DDR4-2400 2x8"'
INSIDE = f'--own "Core i5-7500" {MODULES}'
"""How what is in a computer is said."""


@dataclass(frozen=True)
class Owned:
    """How often each part is owned, by (kind, name); memory that is owned is a kit of its own."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    ram_kits: tuple[RamKit, ...] = ()
    assumptions: tuple[str, ...] = ()
    memory_gib: dict[str, float] = field(default_factory=dict)
    """Sizes of the memory of the machines that are owned, by name."""
    offices: tuple[OfficePc, ...] = ()
    """Computers that no row of the catalog describes."""
    written: dict[str, str] = field(default_factory=dict)
    """How whole machines were named, by the name of their row."""

    @property
    def machines(self) -> frozenset[str]:
        """Names of whole machines that are owned."""
        return frozenset(name for kind, name in self.counts if kind in {"unified", "laptop"})


def owned_parts(texts: Sequence[str]) -> Owned:
    """The parts that texts name, such as "RTX 3060 12GB", "Ryzen 7 5800X" or "DDR4-3200 2x16"; "computer: NAME" is a
    whole computer that the catalog does not have, with the processor and the memory among the other texts.

    Raises `InputError` for a text that names no part or several, and for a computer of which more has to be said.
    """
    counts: Counter[tuple[str, str]] = Counter()
    kits: dict[str, RamKit] = {}
    notes: list[str] = []
    sizes: dict[str, float] = {}
    written: dict[str, str] = {}
    named: list[NamedPart] = []
    unknown = [COMPUTER.sub("", text, count=1).strip() for text in texts if COMPUTER.match(text)]
    for text in (text for text in texts if not COMPUTER.match(text)):
        if TYPE.search(text):
            kit, said = _memory(text)
            kits[kit.name] = kit
            counts["ram", kit.name] += 1
            notes += said
            continue
        number, one = counted(text)
        try:
            part = resolve_part(one)
        except UnknownName as error:
            raise InputError(f"--own: {error}") from error
        said = list(part.assumptions)
        named.append(part)
        if part.kind in {"unified", "laptop"}:
            written[part.name] = text
            sizes[part.name], more = _size(text)
            said += more
        counts[part.kind, part.name] += number
        notes += said
    cpus = [part.row for part in named if isinstance(part.row, Cpu)]
    offices = tuple(_described(name, cpus, [*kits.values()]) for name in unknown)
    counts.update(("office", row.name) for row in offices)
    notes += [f"of {row.name} only processor and memory are known: no card is put into it" for row in offices]
    notes += _kept([part.row for part in named if isinstance(part.row, OfficePc)], cpus, [*kits.values()])
    return Owned(dict(counts), tuple(kits.values()), tuple(notes), sizes, offices, written)


def _kept(rows: Sequence[OfficePc], cpus: Sequence[Cpu], kits: Sequence[RamKit]) -> Iterator[str]:
    """What is assumed of owned office PCs. Raises `InputError` that asks for what is in them, where it is not known."""
    for row in rows:
        if not (row.cpu or cpus):
            raise InputError(f"--own: {row.name} came with several processors: say what is in yours, such as {INSIDE}")
        if not (row.ram_gib or kits):
            raise InputError(f"--own: how much memory is in {row.name} is not known: say it, such as {MODULES}")
        if row.storage_gb is None:
            yield f"{row.name} is taken to have a disk with room for the model"


def _described(name: str, cpus: Sequence[Cpu], kits: Sequence[RamKit]) -> OfficePc:
    """A computer that only its owner knows, by its processor and memory. Raises `InputError` without them."""
    if not cpus or not kits:
        raise InputError(f"--own: {name} is not among the computers here: say what is in it, such as {INSIDE}")
    return OfficePc(name=name, source="owned", as_of=NAMED_ON, maker="", ram_type=kits[0].ram_type)


def _size(text: str) -> tuple[float, list[str]]:
    """Memory of a machine that is owned, in GiB, and what was assumed of it."""
    try:
        machine = machine_of(Hardware(machine=text))
    except (InputError, UnknownName) as error:
        raise InputError(f"--own: {error}") from error
    return machine.ram.capacity_bytes / GIB, [said for said in machine.assumptions if said.startswith("memory size")]


def _memory(text: str) -> tuple[RamKit, list[str]]:
    try:
        spec = parse_ram(text)
    except ValueError as error:
        raise InputError(f"--own: {error}") from error
    if spec.ram_type is None or spec.total_gib is None:
        raise InputError(f'--own {text!r}: give type, speed and modules, for example "DDR4-3200 2x16"')
    modules = spec.modules or MODULES_UNSAID
    mt_s = spec.mt_s or int(COMMON_MT_S[spec.ram_type])
    size = spec.module_gib or spec.total_gib / modules
    name = f"{spec.ram_type}-{mt_s} {modules}x{size:g} GB (owned)"
    kit = RamKit(
        name=name,
        source="owned",
        as_of=NAMED_ON,
        ram_type=spec.ram_type,
        mt_s=mt_s,
        modules=modules,
        module_gib=size,
        form_factor="DIMM",
        registered=bool(re.search(r"\br(?:eg(?:istered)?|dimm)\b", text, re.IGNORECASE)),
    )
    return kit, [] if spec.mt_s and spec.modules else [f"{text!r} taken as {kit.name}"]


# What the owner of parts measured with them holds on in builds that keep these parts.

ANY_MODEL: Final = "any model"
"""What is measured of a machine tells of all models."""


def owned_hardware(owned: Owned) -> Hardware | None:
    """The computer that owned parts make, as far as they tell; None where none of them decides a speed."""
    whole = next((text for name, text in owned.written.items() if name in owned.machines), None)
    gpus = tuple(GpuRequest(name=name, count=count) for (kind, name), count in owned.counts.items() if kind == "gpu")
    if whole is not None:
        size = next((gib for name, gib in owned.memory_gib.items() if name in owned.machines), None)
        return Hardware(machine=whole, ram=RamRequest(gb=size), gpus=gpus)
    office, cpu = _office(owned), _processor(owned)
    kits = [kit for kit in owned.ram_kits for _ in range(owned.counts.get(("ram", kit.name), 0))]
    if not (gpus or cpu or kits):
        return None
    sockets = office.cpu_count if office else 1
    named = f"{sockets}x {cpu}" if cpu and sockets > 1 else cpu
    return Hardware(gpus=gpus, cpu=named, ram=_owned_memory(kits, office, cpu) if kits or office else RamRequest())


def _office(owned: Owned) -> OfficePc | None:
    rows = (*owned.offices, *tables.office_pcs())
    return next((row for row in rows if ("office", row.name) in owned.counts), None)


def _processor(owned: Owned) -> str | None:
    """That of the office PC, or the one that is named."""
    office = _office(owned)
    return (office.cpu if office else "") or next((name for kind, name in owned.counts if kind == "cpu"), None)


def _owned_memory(kits: Sequence[RamKit], office: OfficePc | None, cpu: str | None) -> RamRequest:
    """Modules as they are owned; those of an office PC at the processor's official rate."""
    row = resolve_cpu(cpu).row if cpu else None
    ram_type = office.ram_type if office else kits[0].ram_type
    gib = office.ram_gib if office and office.ram_gib else sum(kit.modules * kit.module_gib for kit in kits) or None
    if office and row:
        official = row.mt_s_1dpc[min(row.memory_types.index(ram_type), len(row.mt_s_1dpc) - 1)]
        return RamRequest(type=ram_type, mt_s=int(official), gb=gib)
    modules = sum(kit.modules for kit in kits)
    channels = min(modules, row.memory_channels if row else modules) or None
    return RamRequest(type=ram_type, mt_s=min((kit.mt_s for kit in kits), default=None), channels=channels, gb=gib)


def knowing_owned(runs: Sequence[OwnRun], owned: Owned, knowledge: Knowledge) -> Knowledge:
    """The knowledge with what was measured with owned parts: by runs told with a wish, and by stored profiles of
    machines whose cards or processor are owned.

    Raises `InputError` for runs of which nothing tells what they were measured on, and as `with_own_parts`.
    """
    found, hardware = knowledge, owned_hardware(owned)
    if runs and hardware is None:
        raise InputError(
            "measured: nothing tells what the runs were measured on: name the card, the processor or the computer that "
            'is yours, as in --own "RTX 3060 12GB"'
        )
    if runs and hardware:
        asked = Scenario(model=ANY_MODEL, hardware=hardware, measured=tuple(runs))
        found = with_own_parts(asked, found, _owned_among(hardware, owned))
    for machine in knowledge.own:
        among = _owned_among(machine.hardware, owned)
        if among:
            found = with_own_parts(Scenario(model=ANY_MODEL, hardware=machine.hardware), found, among)
    return found


def _owned_among(hardware: Hardware, owned: Owned) -> frozenset[Part]:
    """Which parts of a machine are the buyer's own: the same part bought anew is another piece."""
    machine = machine_of(hardware)
    if hardware.machine:
        return EVERY if machine.name in owned.machines else frozenset()
    names = [gpu.name for gpu in machine.gpus]
    card = bool(names) and all(owned.counts.get(("gpu", name), 0) >= names.count(name) for name in names)
    processor = machine.cpu.name == _processor(owned)
    kept: dict[Part, bool] = {"card": card, "processor": processor, "links": card and processor}
    return frozenset(part for part, stays in kept.items() if stays)


def runs_unused(runs: Sequence[OwnRun], answers: Iterable[Prediction]) -> tuple[str, ...]:
    """In a sentence that runs told count for none of the answers, where that is so."""
    if not runs or any(note.code == "by_own_runs" for answer in answers for note in answer.warnings):
        return ()
    count = "your run counts" if len(runs) == 1 else f"your {len(runs)} runs count"
    return (f"{count} for none of these builds: none keeps a part that was measured",)
