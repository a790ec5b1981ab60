"""What this computer is, as the hardware of a scenario. What the system does not tell stays None, never guessed."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.detection import apple, graphics, memory, processor, windows
from advisor.detection.graphics import Card
from advisor.detection.memory import Module
from advisor.detection.storage import disk_name
from advisor.question import GpuRequest, Hardware, RamRequest, StorageRequest
from catalog.names.cpus import resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.index import UnknownName
from catalog.names.machines import resolve_machine
from catalog.parts import Gpu

UNIFIED_MARKS = ("ryzen ai max", "gb10", "orin", "thor")
"""Words in a processor's or card's name that mean a whole unified-memory machine."""
RUNNABLE = ("nvidia", "geforce", "rtx", "gtx", "tesla", "quadro", "amd", "radeon", "intel", "arc")
"""Makers and families of cards worth a remark when the catalog lacks them; virtual displays are passed over."""


@dataclass(frozen=True, slots=True)
class Detected:
    """This computer: its parts, the physical cores that may be used, remarks on the finding, and all its cards."""

    hardware: Hardware
    cores: int | None
    notes: tuple[str, ...]
    cards: tuple[Card, ...] = ()


def detect(others: Sequence[Card] = ()) -> Detected:
    """Look at this computer; `others` are cards that something else told of, taken where the system lists none."""
    system = platform.system()
    if system == "Darwin":
        return Detected(apple.hardware(), apple.cores(), ())
    if system == "Windows":
        found = windows.described()
        name, gib, modules = windows.cpu_name(found), windows.memory_gib(found), windows.modules(found)
        cards = graphics.cards() or tuple(others) or windows.cards(found)
        return assembled(name, gib, modules, cards, windows.cores(found), None)
    return assembled(
        processor.cpu_name(),
        memory.memory_gib(),
        memory.modules(),
        graphics.cards() or tuple(others),
        processor.usable_cores(),
        disk_name(Path.home()),
    )


def assembled(
    cpu: str | None,
    gib: float | None,
    modules: tuple[Module, ...],
    cards: Sequence[Card],
    cores: int | None,
    disk: str | None,
) -> Detected:
    """The scenario's hardware from what was found of each part."""
    storage = StorageRequest(name=disk)
    machine = _unified(cpu, cards)
    if machine:
        return Detected(Hardware(machine=machine, ram=RamRequest(gb=gib), storage=storage), cores, (), tuple(cards))
    gpus, notes = _known(cards)
    ram = RamRequest.model_validate({**memory.described(modules), "gb": gib})
    hardware = Hardware(gpus=gpus, cpu=_with_cores(cpu, cores), ram=ram, storage=storage)
    return Detected(hardware, cores, notes, tuple(cards))


def _with_cores(cpu: str | None, cores: int | None) -> str | None:
    """A processor that the catalog lacks, as a virtual machine hides its own, with the cores that it has here."""
    if cpu is None or cores is None:
        return cpu
    try:
        resolve_cpu(cpu)
    except UnknownName:
        return f"{cpu}, {cores} core{'s' * (cores != 1)}"
    return cpu


def _unified(cpu: str | None, cards: Sequence[Card]) -> str | None:
    for name in filter(None, (cpu, *(card.name for card in cards))):
        if any(mark in name.lower() for mark in UNIFIED_MARKS):
            try:
                return resolve_machine(name, None).row.name
            except UnknownName:
                continue
    return None


def _known(cards: Sequence[Card]) -> tuple[tuple[GpuRequest, ...], tuple[str, ...]]:
    """The cards that the catalog knows, alike ones together; one inside the processor only where there is no other."""
    found = [(card, _row(card)) for card in cards]
    separate = [card for card, row in found if row and row.form != "integrated"]
    inside = [Card(card.name) for card, row in found if row and row.form == "integrated"]
    chosen = separate or inside
    notes = tuple(
        f"{card.name} is not in the catalog and left out: name a like card with --gpu"
        for card, row in found if row is None and any(word in card.name.lower() for word in RUNNABLE)
    )  # fmt: skip
    return tuple(_request(card, chosen.count(card)) for card in dict.fromkeys(chosen)), notes


def _row(card: Card) -> Gpu | None:
    for size in (card.vram_gib, None):
        try:
            return resolve_gpu(card.name, size).row
        except UnknownName:
            continue
    return None


def _request(card: Card, count: int) -> GpuRequest:
    row = _row(card)
    return GpuRequest(
        name=row.name if row else card.name,
        count=count,
        vram_gb=row.vram_gib if row and card.vram_gib else None,
        pcie_gen=card.pcie_gen,
        pcie_lanes=card.pcie_lanes,
    )
