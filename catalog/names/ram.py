"""What people write for memory ("DDR4-3600 2x16", "2 sticks of 16GB", "64GB DDR5 quad channel"), taken apart into type,
data rate, modules, size and channels.

A text is read piece by piece: what one rule has understood is taken out, and a word that is left over at the end is
refused by name. Nothing that is written is dropped.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

from catalog.parts import RamType

EXAMPLE = 'write it like "DDR4-3600 2x16" or "64GB DDR5"'
TYPE = re.compile(r"(LP)?DDR(\d)([XL])?(?![a-z])", re.IGNORECASE)
RATES_MT_S = {
    "DDR2": (400, 1066),
    "DDR3": (800, 2666),
    "DDR4": (1600, 5333),
    "DDR5": (3200, 12000),
    "LPDDR4": (1600, 4267),
    "LPDDR4X": (2400, 4267),
    "LPDDR5": (4800, 6400),
    "LPDDR5X": (6400, 10667),
}
"""Data rates that memory of each type is sold with, slowest to fastest.

Source: BuildCores OpenDB 136a77ae (ODC-By 1.0) for DDR3 to DDR5; JEDEC JESD209-4-1 and JESD209-5C for the others.
"""
LARGEST_MODULE_GIB, LARGEST_GIB = 512, 24 * 1024
"""The largest registered module sold, and 24 slots of a two-socket server with 1 TiB each: more is a slip."""
STEPS_MT_S = (800, 1066, 1333, 1600, 1866, 2133, 2400, 2666, 2933, 3200, 3600, 4000, 4400, 4800, 5200, 5600, 6000, 6400)
"""Rates of JEDEC's steps: eight times each, cut to hundreds, is the MB/s on a label."""
MOST_MODULES = 64
SMALLEST_RATE = 800
"""A number without a unit is a data rate from here on, and a size below."""
SMALL_MODULES, MANY_MODULES = frozenset({1, 2, 4}), 16
"""Nobody has 16 or more modules of 1, 2 or 4 GB: "32x4" is four modules of 32 GB."""

UNIT = r"(?:gibibytes?|gigabytes?|gigs?|gib|gb|go|g|tib|tb|t|mib|mb)(?:(?!\w)|(?=x\s?\d))(?!/s|\s?hz|\s?t/s)"
SIZE = rf"(\d{{1,9}}(?:\.\d+)?)\s?-?({UNIT})"
NUMBER = rf"(\d{{1,4}}(?:\.\d+)?)\s?({UNIT})?"
END = r"(?![\w.])"
MODULE = r"(?:sticks?|modules?|s?o?-?dimms?|dimms?|rdimms?|lrdimms?|udimms?|pieces?|pcs)\b"
TIMES = r"\s?(?:[x×*]|\bby\b)\s?"
COUNTS = {
    "a": 1, "one": 1, "single": 1, "two": 2, "dual": 2, "pair of": 2, "three": 3, "triple": 3, "four": 4, "quad": 4,
    "six": 6, "hexa": 6, "eight": 8, "octa": 8, "octo": 8, "twelve": 12, "sixteen": 16,
}
CHANNELS = re.compile(rf"\b(\d{{1,2}}|{'|'.join(COUNTS)})[\s-]?(?:ch\b|chan(?:nels?)?\b)(?:\s?mode\b)?")
LABEL = re.compile(r"\bpc([345])l?-?(\d{4,5})[a-z]{0,2}\b")
"""The bandwidth class of a module, PC4-25600 (in MB/s), or in newer labels its data rate, PC4-3200AA."""
RATE = re.compile(
    r"(?<![\w.])@?\s?(\d{3,5})\s?(?:mt/?s|mts|mhz|mbps)(?![a-z])|(?<![\w.])@?\s?(\d{1,2}(?:\.\d+)?)\s?(?:ghz|gt/s)\b"
)
SILENT = re.compile(
    r"""
    \bc(?:l|as)?[\s-]?\d\d\b(?:-\d\d)* | \b\d\d(?:-\d\d){2,3}(?:-\d\d)?\b | \b1\.\d{1,3}\s?v\b
    | \b(?:[1248]rx(?:4|8|16)|(?:single|dual|quad|[1248])[\s-]?rank(?:ed)?)\b
    | \b(?:(?:non-?)?ecc|(?:un)?registered|(?:un)?buffered|reg|xmp|expo|docp|jedec|stock|oc|overclocked|tuned)\b
    | \b(?:ddr|d?ram|memory|system|main|total|kits?|set|installed|running|runs|soldered|on-?board)\b
    | \b(?:laptop|desktop|server|corsair|vengeance|dominator|lpx|g\.?\s?skill|trident|ripjaws|flare|aegis|neo|z5)\b
    | \b(?:kingston|fury|beast|renegade|hyperx|crucial|ballistix|samsung|(?:sk\s)?hynix|micron|team\s?group|t-force)\b
    | \b(?:t-create|delta|patriot|viper|adata|xpg|lexar|pny|mushkin|silicon\spower|klevv|rgb|pro|black|white|gaming)\b
    | \b(?:edition|series|of|at|in|with|and|the|is|my|for|to|as|each|per|all|configured|speed|rated|slots?|used|new)\b
    | \b(?:camm2?|so-?dimm|[rul]r?dimm)\b
    """,
    re.VERBOSE,
)
"""Words beside a memory that say nothing more of its size, speed or channels: timings, ranks, makers, small words."""
NEGATIVE = re.compile(r"(?:^|[\sx×*])-\d")


@dataclass(frozen=True, slots=True)
class RamSpec:
    """Memory as far as a text says; sizes in GiB, the data rate in MT/s, None for what it leaves open."""

    ram_type: RamType | None = None
    mt_s: int | None = None
    modules: int | None = None
    module_gib: float | None = None
    """Of each module; None where they are not alike."""
    total_gib: float | None = None
    channels: int | None = None
    """As written ("quad channel"), which may differ from what the modules fill."""


class _Reading:
    """A text in lower case, what is left of it, and what was found in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.rest = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.lower())
        self.modules: list[tuple[int, float]] = []
        """Count and GiB of each kind of module."""
        self.count: int | None = None
        self.sizes: list[float] = []
        self.rates: list[int] = []

    def take(self, pattern: str | re.Pattern[str], use: Callable[[re.Match[str]], None] = lambda _: None) -> None:
        """Take out what fits a pattern, each handed to `use`."""

        def taken(found: re.Match[str]) -> str:
            use(found)
            return " , "

        self.rest = re.sub(pattern, taken, self.rest)

    def wrong(self, why: str) -> ValueError:
        return ValueError(f"memory {self.text!r}: {why}; {EXAMPLE}")


@lru_cache(maxsize=1024)
def parse_ram(text: str) -> RamSpec:
    """Type, data rate, modules, size and channels that a text says.

    Raises `ValueError` when it says none of them, says what no memory is, or has a word that is not understood.

    >>> parse_ram("DDR4-3600 2x16").total_gib, parse_ram("2 sticks of 16GB").modules
    (32.0, 2)
    """
    reading = _Reading(text)
    kind = _type(reading)
    if NEGATIVE.search(reading.rest):
        raise reading.wrong("a size is never negative")
    channels: list[int] = []
    reading.take(CHANNELS, lambda found: channels.append(_count(found[1])))
    reading.take(RATE, lambda found: reading.rates.append(int(found[1]) if found[1] else round(float(found[2]) * 1000)))
    _modules(reading)
    reading.take(SIZE, lambda found: reading.sizes.append(_gib(found[1], found[2])))
    reading.take(SILENT)
    _bare_numbers(reading)
    left = re.findall(r"[^\s,;:()\[\]/@.+&-][^\s,;()\[\]]*", reading.rest)
    if left:
        raise reading.wrong(f"{left[0]!r} is not understood")
    spec = _spec(reading, kind, channels)
    _check(reading, spec)
    return spec


def _type(reading: _Reading) -> RamType | None:
    """The memory type; it and a label such as PC4-25600 are taken out."""
    kinds: list[str] = []

    def label(found: re.Match[str]) -> None:
        kinds.append(f"DDR{found[1]}")
        number, high = int(found[2]), RATES_MT_S[kinds[-1]][1]
        mb_s = number > high
        reading.rates.append(min(STEPS_MT_S, key=lambda rate: abs(rate * 8 - number)) if mb_s else number)

    reading.take(LABEL, label)
    found = TYPE.search(reading.rest)
    while found:
        name = found.group().upper()
        kinds.append(name.removesuffix("L") if name == "DDR3L" else name)
        after = reading.rest[found.end() :]
        if rate := re.match(r"-(\d{3,5})(?![\w.])(?!\s?[x×*])", after):
            reading.rates.append(int(rate[1]))
            after = after[rate.end() :]
        after = re.sub(r"^\s*-?(?=\d{3})", " ", after)
        reading.rest = f"{reading.rest[: found.start()]} {after}"
        found = TYPE.search(reading.rest)
    known = {kind for kind in get_args(RamType) if kind in kinds}
    for kind in kinds:
        if kind not in known:
            raise reading.wrong(f"{kind} is none of {', '.join(get_args(RamType))}")
    if len(known) > 1:
        raise reading.wrong(f"it is either {' or '.join(sorted(known))}")
    result: RamType | None = next(iter(known), None)
    return result


def _modules(reading: _Reading) -> None:
    """Counts and sizes of modules, in all the ways that they are written."""

    def each(found: re.Match[str]) -> None:
        reading.modules.append((_count(found["count"]), _gib(found["size"], found["unit"])))

    def product(found: re.Match[str]) -> None:
        """Which of two numbers is the size: the one with a unit, else the second, but for "32x4"."""
        (left, left_unit), (right, right_unit) = (found[1], found[2]), (found[3], found[4])
        turned = float(left) >= MANY_MODULES and float(right) in SMALL_MODULES and not right_unit
        if (left_unit and not right_unit) or (turned and not left_unit):
            left, right, right_unit = right, left, left_unit
        if not left.isdigit():
            raise reading.wrong(f"{left} is no number of modules")
        reading.modules.append((int(left), _gib(right, right_unit)))

    def added(found: re.Match[str]) -> None:
        parts = re.findall(NUMBER, found[0])
        unit = next((unit for _, unit in reversed(parts) if unit), "")
        reading.modules.extend((1, _gib(size, own or unit)) for size, own in parts)

    words = rf"(?<![\w.])(?P<count>\d{{1,2}}|{'|'.join(COUNTS)})"
    size = rf"(?P<size>\d{{1,4}}(?:\.\d+)?)\s?-?(?P<unit>{UNIT})?"
    reading.take(rf"(?<![\w.]){NUMBER}{TIMES}{NUMBER}{END}(?:\s?{MODULE})?", product)
    reading.take(rf"{words}\s?x?\s?{MODULE}\s?(?:of\s)\s?{size}(?![\w.])(?:\seach\b)?", each)
    reading.take(rf"{words}\s?x?\s?{MODULE}[\s,]*{size}\s?each\b", each)
    reading.take(rf"(?P<size>\d{{1,4}})\s?(?P<unit>{UNIT})\s?each[\s,]*(?P<count>\d{{1,2}})\s?{MODULE}", each)
    reading.take(rf"{words}\s(?:x\s)?{size}\s?{MODULE}", each)
    reading.take(rf"(?<![\w.]){NUMBER}(?:\s?[+&]\s?{NUMBER}{END})+", added)
    reading.take(rf"[+&]\s?{SIZE}", lambda found: reading.modules.append((1, _gib(found[1], found[2]))))

    def counted(found: re.Match[str]) -> None:
        reading.count = _count(found["count"])

    reading.take(rf"{words}\s?x?\s?{MODULE}", counted)
    reading.take(MODULE)


def _count(word: str) -> int:
    return int(word) if word.isdigit() else COUNTS[word]


def _gib(number: str, unit: str | None) -> float:
    first = (unit or "g")[0]
    return float(number) * {"t": 1024.0, "m": 1 / 1024}.get(first, 1.0)


def _bare_numbers(reading: _Reading) -> None:
    """Numbers without a unit: data rates from `SMALLEST_RATE` on, and one size below."""

    def number(found: re.Match[str]) -> None:
        value = int(found[1])
        if value < SMALLEST_RATE and (len(found[1]) < 3 or not value % 16):
            reading.sizes.append(float(value))
        else:
            reading.rates.append(value)

    reading.take(r"(?<![\w.-])@?(\d{1,5})(?![\w.])", number)


def _spec(reading: _Reading, kind: RamType | None, channels: list[int]) -> RamSpec:
    """What was found put together; what contradicts itself is refused."""
    for said, what in ((reading.rates, "speeds"), (channels, "numbers of channels")):
        if len(set(said)) > 1:
            raise reading.wrong(f"it says {len(set(said))} {what}: {' and '.join(map(str, sorted(set(said))))}")
    sizes = sorted(set(reading.sizes))
    total = float(sum(count * gib for count, gib in reading.modules)) if reading.modules else None
    alike = {gib for _, gib in reading.modules}
    modules = sum(count for count, _ in reading.modules) if reading.modules else reading.count
    module_gib = next(iter(alike)) if len(alike) == 1 else None
    if total is None:
        if len(sizes) > 1:
            raise reading.wrong(f"it says {len(sizes)} sizes: {' and '.join(f'{size:g} GB' for size in sizes)}")
        total = sizes[0] if sizes else None
        module_gib = total / modules if total and modules else None
    elif reading.count not in (None, modules):
        raise reading.wrong(f"it says {modules} and {reading.count} modules")
    for size in sizes:
        if reading.modules and size not in (total, module_gib):
            parts = " + ".join(f"{count} x {gib:g} GB" for count, gib in reading.modules)
            raise reading.wrong(f"{parts} are not {size:g} GB")
    return RamSpec(
        kind, reading.rates[0] if reading.rates else None, modules, module_gib, total, channels[0] if channels else None
    )


def _check(reading: _Reading, spec: RamSpec) -> None:
    """Refuse what no memory is, in one sentence."""
    low, high = RATES_MT_S[spec.ram_type] if spec.ram_type else (SMALLEST_RATE, 12000)
    largest = max([gib for _, gib in reading.modules], default=spec.module_gib or 0)
    wrong = None
    if spec == RamSpec():
        wrong = "no type, speed or size found"
    elif spec.mt_s and not low <= spec.mt_s <= high:
        wrong = f"{spec.ram_type or 'memory'} runs at {low} to {high} MT/s, not {spec.mt_s}"
    elif 0 in (spec.total_gib, spec.modules, spec.channels) or largest > LARGEST_MODULE_GIB:
        wrong = "there is no such module"
    elif (spec.modules or 0) > MOST_MODULES or (spec.channels or 0) > MOST_MODULES:
        wrong = f"no machine takes more than {MOST_MODULES} modules"
    elif (spec.total_gib or 0) > LARGEST_GIB:
        wrong = f"{spec.total_gib:g} GB is more than any machine takes"
    if wrong:
        raise reading.wrong(wrong)
