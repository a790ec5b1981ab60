"""The whole computer: its parts put together as a scenario's hardware, and what else is worth knowing of it."""

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from advisor.detection import graphics, memory, processor
from advisor.detection.confinement import CPUINFO, Confinement, read_confinement
from advisor.detection.graphics import Card
from advisor.detection.memory import Module
from advisor.detection.other_systems import mac, windows
from advisor.detection.processor import Caches, CoreDesign, Topology, design_in_cpuinfo, read_caches, read_topology
from advisor.detection.storage import Lodging, disk_name, lodging_of
from advisor.files import text_of
from advisor.question import GpuRequest, Hardware, RamRequest, StorageRequest
from catalog.names.cpus import family_of, is_unsaid, resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.index import UnknownName
from catalog.names.machines import resolve_machine
from catalog.parts import Gpu

UNIFIED_MARKS: Final = ("ryzen ai max", "gb10", "orin", "thor")
"""Words in a processor's or card's name that mean a whole unified-memory machine."""
RUNNABLE: Final = ("nvidia", "geforce", "rtx", "gtx", "tesla", "quadro", "amd", "radeon", "intel", "arc")
"""Makers and families of cards worth a remark when the catalog lacks them; virtual displays are passed over."""
ROUNDED: Final = 1.1
"""A computer keeps some of its memory to itself: 31.3 of 32 GiB are told."""


@dataclass(frozen=True, slots=True)
class Detected:
    """This computer: its parts, the physical cores that may be used, remarks on the finding, and all its cards."""

    hardware: Hardware
    cores: int | None
    notes: tuple[str, ...]
    cards: tuple[Card, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What else is worth knowing; `storage` is what the model, or else the user's folder, lies on."""

    design: CoreDesign
    topology: Topology
    caches: Caches
    instructions: tuple[str, ...]
    storage: Lodging
    confinement: Confinement


def detect(others: Sequence[Card] = ()) -> Detected:
    """Look at this computer; `others` are cards that something else told of, taken where the system lists none."""
    system = platform.system()
    if system == "Darwin":
        hardware, cores = mac()
        return Detected(hardware, cores, ())
    if system == "Windows":
        found = windows()
        cards = graphics.cards() or tuple(others) or found.cards
        return assembled(found.cpu, found.memory_gib, found.modules, cards, found.cores, None)
    return assembled(
        processor.cpu_name(),
        memory.memory_gib(),
        memory.modules(),
        graphics.cards() or tuple(others),
        processor.usable_cores(),
        disk_name(Path.home()),
    )


def read_facts(lodged: Path | None = None) -> Facts:
    """Look at this computer; `lodged` is a model's file or folder."""
    apple = platform.system() == "Darwin"
    return Facts(
        design=CoreDesign(None, "a Mac's is in its name") if apple else design_in_cpuinfo(text_of(CPUINFO)),
        topology=read_topology(),
        caches=read_caches(),
        instructions=processor.instruction_sets(),
        storage=lodging_of(lodged or Path.home()),
        confinement=read_confinement(),
    )


def assembled(
    cpu: str | None, gib: float | None, modules: tuple[Module, ...], cards: Sequence[Card], cores: int | None,
    disk: str | None,
) -> Detected:
    """The scenario's hardware from what was found of each part."""
    storage = StorageRequest(name=disk)
    for name in filter(None, (cpu, *(card.name for card in cards))):
        if any(mark in name.lower() for mark in UNIFIED_MARKS):
            try:
                machine = resolve_machine(name, None).row.name
            except UnknownName:
                continue
            return Detected(Hardware(machine=machine, ram=RamRequest(gb=gib), storage=storage), cores, (), tuple(cards))
    if cpu is not None and cores is not None:
        try:
            resolve_cpu(cpu)
        except UnknownName:  # as a virtual machine hides its processor: with the cores that it has here
            unsaid = "" if is_unsaid(cpu) or family_of(cpu) else " (not in the catalog)"
            cpu = f"{cpu}{unsaid}, {cores} core{'s' * (cores != 1)}"
    gpus, notes = _known(cards)
    ram = RamRequest.model_validate({**memory.described(modules), "gb": gib})
    return Detected(Hardware(gpus=gpus, cpu=cpu, ram=ram, storage=storage), cores, notes, tuple(cards))


def _known(cards: Sequence[Card]) -> tuple[tuple[GpuRequest, ...], tuple[str, ...]]:
    """The cards that the catalog knows, alike ones together; one inside the processor only where there is no other."""
    separate, inside, notes = [], [], []
    for card in cards:
        row = _row(card.name, card.vram_gib)
        if row is None:
            if any(word in (card.name or "").lower() for word in RUNNABLE):
                notes.append(f"{card.name} is not in the catalog and left out: name a like card with --gpu")
        elif row.form == "integrated":
            inside.append(GpuRequest(name=(_row(card.name) or row).name))
        else:
            separate.append(GpuRequest(
                name=row.name, vram_gb=row.vram_gib if card.vram_gib else None, pcie_gen=card.pcie_gen_max,
                pcie_lanes=card.pcie_lanes,
            ))
    alike = Counter(separate or inside)
    return tuple(request.model_copy(update={"count": count}) for request, count in alike.items()), tuple(notes)


def _row(name: str | None, vram_gib: float | None = None) -> Gpu | None:
    for size in dict.fromkeys((vram_gib, None)):
        try:
            return resolve_gpu(name or "", size).row
        except UnknownName:
            continue
    return None


def completed(found: Hardware, given: Hardware) -> Hardware:
    """The hardware with each part that the user gives put over what was found; of memory and storage each property.

    A whole machine that is given stands for all parts but the sizes found.
    """
    ram = RamRequest(**(found.ram.model_dump() | given.ram.model_dump(exclude_none=True)))
    storage = given.storage if given.storage != StorageRequest() else found.storage
    if given.machine:
        return Hardware(machine=given.machine, ram=RamRequest(gb=ram.gb), storage=storage)
    return Hardware(
        gpus=given.gpus or found.gpus,
        cpu=given.cpu or found.cpu,
        ram=ram,
        storage=storage,
        machine=None if given.gpus or given.cpu else found.machine,
    )


def excess(found: Hardware, given: Hardware) -> str | None:
    """A remark where more memory is given than this system may use."""
    if given.ram.gb and found.ram.gb and given.ram.gb > found.ram.gb * ROUNDED:
        return (
            f"--ram names {given.ram.gb:.0f} GiB, of which this system may use {found.ram.gb:.1f} GiB: "
            "what does not fit into these cannot run here"
        )
    return None
