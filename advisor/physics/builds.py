"""What the age of an engine's build says: the kernels of its time, and what it chooses by itself."""

import re
from functools import lru_cache

from advisor.question import Scenario

BUILD_ERAS = ((4000, "2024"), (6000, "2025a"), (7500, "2025b"), (8250, "2026a"))
"""First build number after each era: b4000 is of November 2024, b6000 of July 2025, b7500 of December 2025, b8250 of
March 2026, when Gated DeltaNet became one operation (llama.cpp tags; pull 19504).
"""
YEAR_ERAS = (("2024-11", "2024"), ("2025-07", "2025a"), ("2025-13", "2025b"), ("2026-03", "2026a"))
IK_BUILD_ERAS = ((3770, "2025a"),)
"""ik_llama.cpp counts its own builds: 3639 is of April and 3772 of July 2025 (calibration/evidence)."""
WINDOWS_FROM_BUILD, WINDOWS_FROM = 5427, "2025-05-20"
AUTO_FLASH_ERAS = frozenset({"2025b", "2026a", "current"})
"""llama.cpp chooses flash attention by itself since b6325 (August 2025, pull 15434)."""
_BUILD_NUMBER = re.compile(r"(?<![0-9a-f])b?(\d{4,5})(?![0-9a-f])")


def _number_of(version: str | None) -> int | None:
    """Build number in a version, which is neither a commit nor a year."""
    found = _BUILD_NUMBER.search(version.lower()) if version else None
    return int(found[1]) if found and int(found[1]) > 1000 and not found[1].startswith("20") else None


@lru_cache(maxsize=1024)
def era_of(version: str | None, released: str | None, engine: str = "llama.cpp") -> str:
    """Age class of an engine build, from its number or else its date; "current" when neither tells. The numbers of
    ik_llama.cpp, which are told to few, count after the date.

    >>> era_of("4426e298 (2824)", None), era_of(None, "2025-03-14"), era_of("b10481", "2026-08-25"), era_of(None, None)
    ('2024', '2025a', 'current', 'current')
    """
    number, own = _number_of(version), engine == "ik_llama.cpp"
    if number and not (own and released):
        return next((era for bound, era in (IK_BUILD_ERAS if own else BUILD_ERAS) if number < bound), "current")
    return next((era for bound, era in YEAR_ERAS if released and released[:7] < bound), "current")


def windowed(version: str | None, released: str | None, engine: str) -> bool:
    """Whether a build has a layer with a window read that alone: llama.cpp since b5427 (pull 13194, May 2025)."""
    number = _number_of(version)
    if number and engine != "ik_llama.cpp":
        return number >= WINDOWS_FROM_BUILD
    return released is None or released >= WINDOWS_FROM


def flash_of(scenario: Scenario) -> bool:
    """Whether flash attention runs: as said, else as the build chooses by itself."""
    said = scenario.engine.flash_attn
    if said is not None:
        return said
    era = era_of(scenario.engine.version, scenario.engine.released, scenario.engine.name)
    return era in AUTO_FLASH_ERAS or scenario.engine.name == "ik_llama.cpp"
