"""From a scenario and its placement to the labels that pick its coefficients."""

import re

from advisor.coefficients import Setting
from advisor.machine import Machine
from advisor.placement import Placement
from advisor.scenario import Scenario

BUILD_ERAS = ((4000, "2024"), (6000, "2025a"), (7500, "2025b"), (8250, "2026a"))
"""First build number after each era: b4000 is of November 2024, b6000 of July 2025, b7500 of December 2025, b8250 of
March 2026, when Gated DeltaNet became one operation (llama.cpp tags; pull 19504).
"""
YEAR_ERAS = (("2024-11", "2024"), ("2025-07", "2025a"), ("2025-13", "2025b"), ("2026-03", "2026a"))
AUTO_FLASH_ERAS = frozenset({"2025b", "2026a", "current"})
"""llama.cpp chooses flash attention by itself since b6325 (August 2025, pull 15434)."""
_BUILD = re.compile(r"(?<![0-9a-f])b?(\d{4,5})(?![0-9a-f])")


def era_of(version: str | None, released: str | None) -> str:
    """Age class of an engine build, from its number or else its date; "current" when neither tells.

    >>> era_of("4426e298 (2824)", None), era_of(None, "2025-03-14"), era_of("b10481", "2026-08-25"), era_of(None, None)
    ('2024', '2025a', 'current', 'current')
    """
    found = _BUILD.search(version.lower()) if version else None
    if found and int(found[1]) > 1000 and not found[1].startswith("20"):
        return next((era for bound, era in BUILD_ERAS if int(found[1]) < bound), "current")
    return next((era for bound, era in YEAR_ERAS if released and released[:7] < bound), "current")


def flash_of(scenario: Scenario) -> bool:
    """Whether flash attention runs: as said, else as the build chooses by itself."""
    said = scenario.engine.flash_attn
    if said is not None:
        return said
    era = era_of(scenario.engine.version, scenario.engine.released)
    return era in AUTO_FLASH_ERAS or scenario.engine.name == "ik_llama.cpp"


def simd_of(machine: Machine) -> str:
    """Widest instruction set of the CPU that llama.cpp's kernels use."""
    names = ("amx", "avx512", "avx_vnni", "avx2", "unified")
    return next((name for name in names if name in machine.cpu.features), "none")


def setting_of(scenario: Scenario, machine: Machine, placement: Placement) -> Setting:
    """The labels of a scenario. Several kinds of GPU take the labels of the one that holds most."""
    engine = scenario.engine
    main = machine.gpus[max(range(len(machine.gpus)), key=placement.vram_bytes.__getitem__)] if machine.gpus else None
    used = sum(need > 0 for need in placement.vram_bytes)
    unknown = [code for code in ("cpu", "ram_speed") if code in machine.unknown]
    return Setting(
        backend=machine.backend,
        maker=main.maker if main else "none",
        architecture=main.architecture if main else "none",
        chip=main.name if main else "none",
        form=main.form if main else "none",
        engine=engine.name,
        era=era_of(engine.version, engine.released),
        stated="unstated" if engine.released and not engine.version else "stated",
        flash="fa" if flash_of(scenario) else "nofa",
        microarchitecture=machine.cpu.microarchitecture,
        cpu="none" if "cpu" in machine.unknown else machine.cpu.name,
        simd=simd_of(machine),
        sockets="sockets" if machine.cpu.sockets > 1 else "socket",
        role="beside" if used else "alone",
        known="unknown " + " ".join(unknown) if unknown else "known",
        layout="unified" if machine.unified else "several" if used > 1 else "one",
    )
