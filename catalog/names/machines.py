"""From the names people write for a whole computer to its catalog row.

Macs are found by chip and GPU cores, other boxes by chip or product name, laptops by model, or by their GPU where only
one laptop of the catalog has it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, reduce

from catalog.names.gpus import resolve_gpu
from catalog.names.index import NameIndex, Resolved, Spelling, UnknownName
from catalog.parts import Laptop, UnifiedMachine
from catalog.tables import laptops, unified_machines

Machine = UnifiedMachine | Laptop

SIZE = re.compile(r"(?<![\w.])(\d{1,4})[\s-]?(?:gib|gb|g)\b(?!\s?/s)(?!\s?(?:ssd|nvme|disk|storage|flash)\b)")
DISK = re.compile(r"(?<![\w.])\d{1,4}(?:\.\d)?[\s-]?(?:tib|tb|gib|gb|g)\b(?:\s?(?:ssd|nvme|disk|storage|flash)\b)?")
HOSTS = re.compile(
    r"^\s*(?:(\d{1,3})\s?[x×]?\s+|(\d{1,3})\s?[x×]\s?|(two|dual|twin|pair of|three|four|eight)\s+)(?=[a-z])"
    r"|\s[x×]\s?(\d{1,3})\s*$|\b(cluster)\b"
)
"""How many of a machine a text speaks of: "2x DGX Spark", "two Mac Studios", "DGX Spark x2"."""
COUNTS = {"two": 2, "dual": 2, "twin": 2, "pair of": 2, "cluster": 2, "three": 3, "four": 4, "eight": 8}
BANDWIDTH = re.compile(r"(\d{2,4}(?:\.\d)?)\s?gb/s")
APPLE_CHIP = re.compile(r"\bm(\d+)(?:\s+m\1\b)?(?:[\s-]*(pro|max|ultra)\b)?")
APPLE_WORDS = re.compile(r"\bapple\b|\bi?mac(?:book)?\b|^\s*m\d")
CPU_CORES = re.compile(r"\b\d+[\s-]?cores?[\s-]cpu\b|\bcpu\s?\d+[\s-]?cores?\b")
CORES = re.compile(r"\b(\d{1,2})(?:[\s-]?cores?\b|c\b)")
WORD = re.compile(r"[a-z0-9]+")
MAKERS = frozenset({"amd", "intel", "nvidia", "hp", "asus", "dell", "lenovo", "acer", "msi", "gigabyte"})
FILLER = frozenset({"radeon", "ryzen", "ai", "core", "ultra", "arc", "jetson", "with", "pro", "3", "5", "7", "9"})
"""Words that tell nothing beside a model number."""
APPLE_SAID = frozenset(
    {"apple", "mac", "macbook", "imac", "mini", "studio", "pro", "air", "base", "core", "cores", "gpu", "cpu"}
    | {"unified", "memory", "chip", "silicon", "metal", "ram"}
)
"""Words that may stand beside a Mac's chip and say nothing more of it."""
REMARKS = frozenset(
    {"integrated", "igpu", "apu", "soc", "graphics", "processor", "series", "class", "laptop", "notebook", "mini", "pc"}
    | {"desktop", "box", "workstation", "computer", "machine", "the", "a", "my", "an", "and", "edition", "unified"}
    | {"memory", "ram", "of", "in", "w", "cpu", "gpu", "chip", "variant", "model", "version", "gen", "device"}
    | {"founders", "new", "used", "refurbished"}
)
"""Words that may stand beside a machine's name and say nothing more of it."""
INCHES = re.compile(r"(?<=\bpro )1[3-8]\b|(?<=\bair )1[3-5]\b|(?<=book )1[1-8]\b|(?<=\bg1a )14\b|\b1\d[\s-]?inch\b")
BRACKETS = re.compile(r"\([^)]*\)|\[[^\]]*\]")
CARDS = frozenset({"rtx", "gtx", "geforce", "rx"})
SLACK = 0.03
"""Relative: sizes as on the box against sizes as a system reports them."""


@dataclass(frozen=True, slots=True)
class _Box(Spelling[Machine]):
    """A spelling of a box or laptop; `memory_gib` where only that size of a box is this row."""

    alias: str = ""
    memory_gib: float | None = None


def _words(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(SIZE.sub(" ", text.lower())))


def _sizes(text: str, memory_gib: float | None) -> tuple[float, ...]:
    return (memory_gib,) if memory_gib else tuple(float(size) for size in SIZE.findall(text.lower()))


def _sold(row: Machine) -> tuple[float, ...]:
    return row.memory_gib if isinstance(row, UnifiedMachine) else row.ram_gib


def _near(size: float, sizes: Sequence[float]) -> bool:
    return any(abs(size / sold - 1) <= SLACK for sold in sizes)


def _telling(words: frozenset[str]) -> frozenset[str]:
    """The words of a row's name that another spelling of it must have too."""
    numbered = words - MAKERS - FILLER
    return numbered if any(not word.isalpha() for word in numbered) else words - MAKERS


def _specificity(key: _Box) -> tuple[int, int, bool]:
    return sum(not word.isalpha() for word in key.words), len(key.words), key.memory_gib is not None


@cache
def _keys() -> tuple[_Box, ...]:
    found = []
    boxes: list[Machine] = [row for row in unified_machines() if row.maker != "apple"]
    for row in (*boxes, *laptops()):
        for alias in (row.name, *row.aliases):
            sizes = SIZE.findall(alias.lower())
            written = frozenset(_words(alias))
            words, besides = _telling(written), written | MAKERS | FILLER
            found.append(_Box(row, words, besides, alias, float(sizes[0]) if sizes else None))
            codes = frozenset(word for word in words if len(word) > 4 and not word.isalpha() and not word.isdigit())
            if isinstance(row, Laptop) and codes:
                found.append(_Box(row, codes, besides, alias))
    return tuple(found)


@cache
def _index() -> NameIndex[Machine, _Box]:
    return NameIndex("machine", (*unified_machines(), *laptops()), _keys)


@cache
def _apple_rows() -> Mapping[str, tuple[UnifiedMachine, ...]]:
    rows: dict[str, list[UnifiedMachine]] = {}
    for row in unified_machines():
        if row.maker == "apple":
            rows.setdefault(row.chip.lower(), []).append(row)
    return {chip: tuple(sorted(found, key=lambda row: row.gpu_cores)) for chip, found in rows.items()}


def _fitting(text: str, sizes: Sequence[float]) -> list[_Box]:
    """The most specific keys that fit a name."""
    words = _words(text.lower().replace("130v/140v", "140v"))
    keys = [key for key in _index().fitting(words) if key.memory_gib is None or _near(key.memory_gib, sizes)]
    if CARDS.intersection(words):
        keys = [key for key in keys if isinstance(key.row, Laptop)]
    most = max(map(_specificity, keys), default=None)
    return [key for key in keys if _specificity(key) == most]


def _with_memory(text: str, rows: Sequence[Machine], sizes: Sequence[float]) -> list[Machine]:
    """The rows sold in a stated size, else those that reach it (part of the memory may be hidden from the system)."""
    exact = [row for row in rows if any(_near(size, _sold(row)) for size in sizes)]
    if exact or not sizes:
        return exact or list(rows)
    large = [row for row in rows if min(sizes) <= _largest(row) * (1 + SLACK)]
    if not large:
        raise _index().unknown(text, rows)
    return large


def _largest(row: Machine) -> float:
    return max(_sold(row)) if isinstance(row, UnifiedMachine) else row.max_ram_gib or max(row.ram_gib)


def _apple(text: str, sizes: Sequence[float]) -> Resolved[Machine] | None:
    """The Mac that a text names by its chip, or None when it names none."""
    lowered = text.lower()
    chip = APPLE_CHIP.search(lowered) if APPLE_WORDS.search(lowered) else None
    rows = _apple_rows().get(" ".join(filter(None, ("apple", f"m{chip[1]}", chip[2])))) if chip else None
    if chip is None or rows is None:
        return None
    counts = {int(count) for count in CORES.findall(CPU_CORES.sub(" ", lowered))}
    rates = [float(rate) for rate in BANDWIDTH.findall(lowered)]
    left: Sequence[Machine] = [
        row for row in rows
        if (not counts or row.gpu_cores in counts) and all(abs(rate / row.bandwidth_gb_s - 1) < 0.05 for rate in rates)
    ]
    if not left:
        raise _index().unknown(text, rows)
    left = _with_memory(text, left, sizes)
    chosen = left[0] if re.search(r"\bbase\b", lowered) else left[-1]
    notes = (f"GPU cores of {text!r} not given: taken as {chosen.name}",) if len(left) > 1 else ()
    parts = (SIZE, BANDWIDTH, CPU_CORES, CORES, APPLE_CHIP)
    rest = reduce(lambda words, part: part.sub(" ", words), parts, lowered)
    return Resolved(chosen, notes, tuple(word for word in WORD.findall(rest) if word not in APPLE_SAID))


def _box(text: str, sizes: Sequence[float]) -> Resolved[Machine] | None:
    """The box or laptop that a text names by chip or product, or None when it names none."""
    keys = _fitting(text, sizes)
    rows = list({key.row.name: key.row for key in keys}.values())
    if not rows:
        return None
    left = _with_memory(text, rows, sizes)
    if len(left) > 1:
        raise _index().ambiguous(text, left)
    family = left[0].name.partition(" (")[0]
    siblings = sum(name.startswith(f"{family} (") for name in _index().names)
    vague = siblings > 1 and all(key.alias == family for key in keys)
    notes = (f"{text!r} taken as {left[0].name}",) if vague else ()
    return Resolved(left[0], notes, min((key.unread(_words(text)) for key in keys), key=len))


def _by_gpu(text: str, memory_gib: float | None) -> Resolved[Machine] | None:
    """The one laptop of the catalog with the GPU that a text names, if so."""
    try:
        gpu = resolve_gpu(SIZE.sub(" ", text.lower()))
    except UnknownName:
        return None
    rows: list[Machine] = [row for row in laptops() if row.gpu == gpu.row.name]
    if len(rows) != 1:
        return None
    chosen = _with_memory(text, rows, (memory_gib,) if memory_gib else ())[0]
    return Resolved(chosen, (f"{text!r} taken as {chosen.name}",), gpu.unread)


@lru_cache(maxsize=4096)
def resolve_machine(text: str, memory_gib: float | None = None) -> Resolved[Machine]:
    """The catalog row of a unified-memory box or laptop; `memory_gib` tells variants apart where the name does not.

    Raises `UnknownName` with the nearest rows for a name that is none, or a core count, bandwidth or memory size that
    the machine was never sold with. GPU cores left open are the full chip's ("base": the smallest), and that is said.

    >>> resolve_machine("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S").row.name
    'Strix Halo (Ryzen AI Max+ 395)'
    >>> resolve_machine("M4 Max 64GB").row.name
    'Apple M4 Max (40-core GPU)'
    """
    sizes = _sizes(text, memory_gib)
    found = _box(text, sizes) or _apple(text, sizes) or _by_gpu(text, memory_gib)
    if found is None:
        raise _index().unknown(text)
    return found


def not_understood(text: str, found: Resolved[Machine]) -> str | None:
    """A word beside the name that no spelling of the machine has; what stands in brackets is a remark.

    >>> not_understood("Mac mini M4 16", resolve_machine("Mac mini M4 16"))
    '16'
    """
    silent = (BRACKETS, INCHES, BANDWIDTH, DISK, CPU_CORES, CORES)
    plain = _words(reduce(lambda words, part: part.sub(" ", words), silent, text.lower()))
    known = REMARKS | MAKERS | FILLER | APPLE_SAID
    known = known.union(*(_words(name) for name in (found.row.name, *found.row.aliases)))
    unread = (word for word in found.unread if word in plain and word not in known)
    return next((word for word in unread if not re.fullmatch(r"gfx\d+\w?", word)), None)


def host_count(text: str) -> int:
    """How many machines a text speaks of.

    >>> host_count("2x DGX Spark"), host_count("Mac mini M4 16GB")
    (2, 1)
    """
    found = HOSTS.search(text.lower())
    word = next(filter(None, found.groups()), "1") if found else "1"
    return COUNTS[word] if word in COUNTS else int(word)


def memory_said(text: str, row: Machine) -> float | None:
    """The size of the memory in GiB that a machine's name says; of several the one that it is sold with.

    >>> memory_said("Mac mini M4 16GB", resolve_machine("Mac mini M4 16GB").row)
    16.0
    """
    sizes = [float(size) for size in dict.fromkeys(SIZE.findall(text.lower()))]
    if isinstance(row, Laptop):
        card = resolve_gpu(row.gpu).row.vram_gib
        sizes = [size for size in sizes if size != card or size in row.ram_gib]
    sold = [size for size in sizes if _near(size, _sold(row))]
    return min(sold or sizes, default=None)
