"""Parts that the buyer already has: from what he writes to catalog rows, which then cost nothing."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import SequenceMatcher
from functools import cache

from advisor.errors import InputError
from advisor.machines.from_parts import COMMON_MT_S
from catalog import tables
from catalog.names.cpus import resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.index import UnknownName
from catalog.names.machines import resolve_machine
from catalog.names.ram import TYPE, parse_ram
from catalog.parts import RamKit
from catalog.rows import Row

MODULES_UNSAID = 2
"""Modules of "64GB DDR5": kits of two are what most desktop machines hold."""
NAMED_ON = date(2026, 11, 24)
"""Date that a row of owned memory carries: that of the catalog, since no clock is read here."""


@dataclass(frozen=True)
class Owned:
    """How often each part is owned, by (kind, name); memory that is owned is a kit of its own."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    ram_kits: tuple[RamKit, ...] = ()
    assumptions: tuple[str, ...] = ()

    @property
    def machines(self) -> frozenset[str]:
        """Names of whole machines that are owned."""
        return frozenset(name for kind, name in self.counts if kind in {"unified", "laptop"})


def owned_parts(texts: Sequence[str]) -> Owned:
    """The parts that texts name, such as "RTX 3060 12GB", "Ryzen 7 5800X" or "DDR4-3200 2x16".

    Raises `InputError` for a text that names no part or several.
    """
    counts: Counter[tuple[str, str]] = Counter()
    kits: dict[str, RamKit] = {}
    notes: list[str] = []
    for text in texts:
        if TYPE.search(text):
            kit, said = _memory(text)
            kits[kit.name] = kit
            counts["ram", kit.name] += 1
        else:
            kind, name, said = _part(text)
            counts[kind, name] += 1
        notes += said
    return Owned(dict(counts), tuple(kits.values()), tuple(notes))


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


def _part(text: str) -> tuple[str, str, list[str]]:
    """Kind and name of the row that a text names; graphics cards and processors are asked first."""
    nearest: list[str] = []
    for kind, find in (("gpu", resolve_gpu), ("cpu", resolve_cpu)):
        try:
            found = find(text)
        except UnknownName as error:
            if error.ambiguous:
                raise InputError(f"--own: {error}") from error
            nearest += error.nearest
            continue
        return kind, found.row.name, list(found.assumptions)
    for find_other in (_machine, _plain):
        named = find_other(text)
        if named:
            return *named, [] if _words(named[1]) <= _words(text) else [f"{text!r} taken as {named[1]}"]
    close = sorted({*nearest, *(row.name for _, row in _plain_rows())}, key=lambda name: -_likeness(text, name))[:4]
    raise InputError(f"--own: {text!r} names no part of the catalog; nearest: {', '.join(close)}")


def _machine(text: str) -> tuple[str, str] | None:
    try:
        row = resolve_machine(text, None).row
    except UnknownName:
        return None
    return row.kind, row.name


@cache
def _plain_rows() -> tuple[tuple[str, Row], ...]:
    lists: tuple[tuple[str, Callable[[], Sequence[Row]]], ...] = (
        ("board", tables.boards), ("psu", tables.psus), ("case", tables.cases), ("cooler", tables.coolers),
        ("ssd", tables.ssds),
    )  # fmt: skip
    return tuple((kind, row) for kind, read in lists for row in read())


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9+.]+", text.lower()))


def _plain(text: str) -> tuple[str, str] | None:
    """Boards, supplies, cases, coolers and disks: the row that holds all words of the text, an exact name first."""
    words = _words(text)
    rows = [(kind, row.name) for kind, row in _plain_rows() if words <= _words(row.name)]
    exact = [item for item in rows if _words(item[1]) == words]
    if len(rows) > 1 and len(exact) != 1:
        raise InputError(f"--own: {text!r} is ambiguous; nearest: {', '.join(name for _, name in rows[:4])}")
    chosen = exact or rows
    return chosen[0] if chosen else None


def _likeness(text: str, name: str) -> float:
    return SequenceMatcher(None, text.lower(), name.lower()).ratio()
