"""From what people write for anything that has a price to its catalog row, whatever kind of part it is.

A card and a processor are asked first, then memory, whole machines and disks, which may be written in many ways; then
all that is sold by its product name alone, of which every word must be in the row's.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from catalog import tables
from catalog.names.cpus import resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.index import Resolved, UnknownName, left_aside
from catalog.names.index import nearest as nearest_names
from catalog.names.machines import SIZE, resolve_machine
from catalog.names.ram import TYPE, parse_ram
from catalog.names.storage import CAPACITY, resolve_ssd, unread_words
from catalog.parts import Cpu, Gpu, Laptop, RamKit, UnifiedMachine
from catalog.prices import PartKind
from catalog.rows import Row

PART_TABLES: Final[Mapping[PartKind, Callable[[], Sequence[Row]]]] = {
    "gpu": tables.gpus, "cpu": tables.cpus, "ram": tables.ram_kits, "board": tables.boards, "ssd": tables.ssds,
    "psu": tables.psus, "case": tables.cases, "cooler": tables.coolers, "unified": tables.unified_machines,
    "laptop": tables.laptops, "office": tables.office_pcs, "accessory": tables.accessories,
}
"""Rows that observations of each kind name."""
LISTED: Final = 4
"""Names that a refusal lists."""


@dataclass(frozen=True, slots=True)
class NamedPart:
    """A row of the catalog with its kind; `memory_gib` where it is priced by size and the text names one."""

    kind: PartKind
    row: Row
    memory_gib: float | None = None
    assumptions: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    """Words that say nothing of the row."""

    @property
    def name(self) -> str:
        """The row's name."""
        return self.row.name


@lru_cache(maxsize=4096)
def resolve_part(text: str) -> NamedPart:
    """The row of any kind that a text names, such as "rtx 3090", "DDR5-6000 2x16" or "Mac mini M4 Pro 64GB".

    Raises `UnknownName` for a text that names none, or several.

    >>> resolve_part("Framework Desktop 128GB").memory_gib
    128.0
    """
    exact = _exact(text)
    if exact:
        return exact
    asked: tuple[tuple[PartKind, Callable[[str], Resolved[Any]]], ...] = (
        ("gpu", resolve_gpu), ("cpu", resolve_cpu), ("unified", resolve_machine), ("ssd", resolve_ssd),
    )
    if TYPE.search(text):
        asked = (("ram", _kit),)
    alone: NamedPart | None = None
    for kind, find in asked:
        try:
            found = find(text)
        except UnknownName as error:
            if error.ambiguous:
                raise
            continue
        if _soldered(found.row):
            alone = alone or NamedPart(kind, found.row, None, found.assumptions, found.unread)
            continue
        if kind == "ssd" and found.assumptions and CAPACITY.search(text):
            break  # a disk of another size has another price
        if isinstance(found.row, Laptop):
            kind = "laptop"
        said = (*found.assumptions, *_left_aside(kind, text, found.unread))
        return NamedPart(kind, found.row, _size(found.row, text), said, found.unread)
    plain = _plain(text) or alone
    if plain:
        return plain
    raise UnknownName("part", text, nearest_names(text, _names(), LISTED))


def _left_aside(kind: PartKind, text: str, unread: tuple[str, ...]) -> tuple[str, ...]:
    """What is said of words that name nothing of a card, a processor or a disk."""
    words = {"gpu": unread, "cpu": unread, "ssd": unread_words(text)}.get(kind, ())
    return left_aside(kind.upper(), text, words)


def _soldered(row: Row) -> bool:
    """Whether nobody sells it but in a machine, which is asked for first."""
    return (isinstance(row, Gpu) and row.form == "integrated") or (isinstance(row, Cpu) and row.socket == "BGA")


def sizes_of(row: Row) -> tuple[float, ...]:
    """Memory sizes (GiB) of a row that is priced by size; empty for any other."""
    if isinstance(row, UnifiedMachine):
        return row.memory_gib
    return row.ram_gib if isinstance(row, Laptop) else ()


@cache
def rows_by_name() -> Mapping[str, tuple[PartKind, Row]]:
    """Every row that can have a price, by its name in lower case; of one name the whole machine."""
    return {row.name.lower(): (kind, row) for kind, read in PART_TABLES.items() for row in read()}


@cache
def _names() -> tuple[str, ...]:
    return tuple(row.name for _, row in rows_by_name().values())


def _exact(text: str) -> NamedPart | None:
    """The row of exactly this name, with or without a memory size behind it."""
    name = " ".join(text.lower().split())
    bare = " ".join(SIZE.sub(" ", name).split())
    for written in (name, bare):
        if written in rows_by_name():
            kind, row = rows_by_name()[written]
            if (written == name and not _soldered(row)) or sizes_of(row):
                return NamedPart(kind, row, _size(row, text))
    return None


def _size(row: Row, text: str) -> float | None:
    """The size in which a row is meant: the one that the text names, or the only one there is."""
    sold = sizes_of(row)
    if len(sold) == 1:
        return float(sold[0])
    named = [float(size) for size in SIZE.findall(text.lower())]
    return next((size for size in named if size in sold), None)


def _kit(text: str) -> Resolved[RamKit]:
    """The kit of a type, data rate, number and size of modules; unbuffered desktop modules unless others are named."""
    try:
        spec = parse_ram(text)
    except ValueError as error:
        raise UnknownName("memory", f"{text} ({error})", ()) from None
    registered = bool(re.search(r"\b(?:l?r|reg)(?:egistered|dimm)?\b|\bl?rdimm\b", text, re.IGNORECASE))
    small = bool(re.search(r"\bso-?dimms?\b|\blaptop\b|\bnotebook\b", text, re.IGNORECASE))
    rows = [
        row for row in tables.ram_kits()
        if row.ram_type == spec.ram_type and row.registered == registered and ("SO" in row.form_factor) == small
        and ("LRDIMM" in row.name) == ("lrdimm" in text.lower())
        and spec.mt_s in (None, row.mt_s) and spec.modules in (None, row.modules)
        and spec.total_gib in (None, row.modules * row.module_gib)
    ]
    if len(rows) == 1 or (len(rows) > 1 and spec.mt_s and spec.total_gib):
        pair = next((row for row in rows if row.modules == 2), rows[0])
        return Resolved(pair, (f"{text!r} taken as {pair.name}",) if len(rows) > 1 else ())
    raise UnknownName("memory", text, tuple(row.name for row in rows[:LISTED]), ambiguous=bool(rows))


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9+.]+", text.lower()))


@cache
def _plain_rows() -> tuple[tuple[PartKind, Row, frozenset[str]], ...]:
    known = {"gpu", "cpu", "ram", "unified", "laptop"}
    return tuple(
        (kind, row, _words(written))
        for kind, row in rows_by_name().values() if kind not in known
        for written in (row.name, *getattr(row, "aliases", ()))
    )


def _plain(text: str) -> NamedPart | None:
    """Boards, supplies, cases, coolers, disks, office PCs: the row one of whose names holds all words of the text,
    an exact name first.
    """
    words = _words(text)
    rows = [(kind, row, held) for kind, row, held in _plain_rows() if words and words <= held]
    exact = [item for item in rows if item[2] == words]
    names = tuple(dict.fromkeys(row.name for _, row, _ in rows))
    if len(names) > 1 and len({row.name for _, row, _ in exact}) != 1:
        raise UnknownName("part", text, names[:LISTED], ambiguous=True)
    for kind, row, held in exact or rows:
        said = () if held <= words else (f"{text!r} taken as {row.name}",)
        return NamedPart(kind, row, None, said)
    return None
