"""Parts that the buyer already has: from what he writes to catalog rows, which then cost nothing."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.machines.memory import COMMON_MT_S
from advisor.question import Hardware
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
