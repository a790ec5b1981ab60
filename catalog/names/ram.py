"""What people write for memory ("DDR4-3600 2x16", "64GB DDR5"), taken apart into type, data rate and modules."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

from catalog.parts import RamType

EXAMPLE = 'write it like "DDR4-3600 2x16" or "64GB DDR5"'
TYPE = re.compile(r"(LP)?DDR(\d)(X)?(?![a-z])", re.IGNORECASE)
MODULES = re.compile(r"\b(\d{1,2})\s?[x×*]\s?(\d{1,4})\s?(?:GB|GiB|G)?(?![\w.])", re.IGNORECASE)
TOTAL = re.compile(r"(?<![\w.x×*-])(\d{1,9}(?:\.\d+)?)\s?(GB|GiB|G|TB|TiB|T)\b(?!/s)", re.IGNORECASE)
RATE = re.compile(r"(?<![\w.])(\d{3,5})(?:\s?(?:MT/?s|MHz|Mbps))?(?![\w.])", re.IGNORECASE)
NEGATIVE = re.compile(r"(?:^|[\sx×*])-\d")
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


@dataclass(frozen=True, slots=True)
class RamSpec:
    """Memory as far as a text says; sizes in GiB, the data rate in MT/s, None for what it leaves open."""

    ram_type: RamType | None = None
    mt_s: int | None = None
    modules: int | None = None
    module_gib: float | None = None
    total_gib: float | None = None


@lru_cache(maxsize=1024)
def parse_ram(text: str) -> RamSpec:
    """Type, data rate, modules and size that a text says.

    Raises `ValueError` when it says none of them, or says what no memory is.

    >>> parse_ram("DDR4-3600 2x16").total_gib
    32.0
    """
    kind, rest = _type(text)
    if NEGATIVE.search(rest):
        raise ValueError(f"memory {text!r} has a negative number; {EXAMPLE}")
    modules = MODULES.search(rest)
    rest = MODULES.sub(" ", rest)
    total = TOTAL.search(rest)
    rate = RATE.search(TOTAL.sub(" ", rest))
    spec = RamSpec(
        ram_type=kind,
        mt_s=int(rate.group(1)) if rate else None,
        modules=int(modules.group(1)) if modules else None,
        module_gib=float(modules.group(2)) if modules else None,
        total_gib=_total(modules, total),
    )
    _check(text, spec, total)
    return spec


def _type(text: str) -> tuple[RamType | None, str]:
    """The memory type and the text without it."""
    found = TYPE.search(text)
    if not found:
        return None, text
    name = found.group().upper()
    kind: RamType | None = next((known for known in get_args(RamType) if known == name), None)
    if kind is None:
        raise ValueError(f"memory {text!r}: {name} is none of {', '.join(get_args(RamType))}; {EXAMPLE}")
    after = re.sub(r"^\s*-?(?=\d{3})", " ", text[found.end() :])
    return kind, f"{text[: found.start()]} {after}"


def _total(modules: re.Match[str] | None, total: re.Match[str] | None) -> float | None:
    if modules:
        return float(int(modules.group(1)) * int(modules.group(2)))
    if total:
        return float(total.group(1)) * (1024 if total.group(2).upper().startswith("T") else 1)
    return None


def _check(text: str, spec: RamSpec, total: re.Match[str] | None) -> None:
    """Refuse what contradicts itself or what no memory is, in one sentence."""
    low, high = RATES_MT_S[spec.ram_type] if spec.ram_type else (800, 12000)
    stated = _total(None, total)
    wrong = None
    if spec == RamSpec():
        wrong = "no type, speed or size found"
    elif spec.mt_s and not low <= spec.mt_s <= high:
        wrong = f"{spec.ram_type or 'memory'} runs at {low} to {high} MT/s, not {spec.mt_s}"
    elif 0 in (spec.total_gib, spec.modules) or (spec.module_gib or 0) > LARGEST_MODULE_GIB:
        wrong = "there is no such module"
    elif (spec.total_gib or 0) > LARGEST_GIB:
        wrong = f"{spec.total_gib:g} GB is more than any machine takes"
    elif spec.modules and stated and stated not in (spec.total_gib, spec.module_gib):
        wrong = f"{spec.modules} x {spec.module_gib:g} GB are not {stated:g} GB"
    if wrong:
        raise ValueError(f"memory {text!r}: {wrong}; {EXAMPLE}")
