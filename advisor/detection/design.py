"""Which design of core a processor has, where its numbers say so for certain."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

INTEL: Final = "GenuineIntel"
AMD: Final = "AuthenticAMD"
_FAMILY: Final = 6
INTEL_DESIGNS: Final[Mapping[int, str]] = {
    0x3C: "Haswell", 0x3F: "Haswell", 0x45: "Haswell", 0x46: "Haswell",
    0x3D: "Broadwell", 0x47: "Broadwell", 0x4F: "Broadwell", 0x56: "Broadwell",
    0x4E: "Skylake", 0x5E: "Skylake", 0xA5: "Comet Lake", 0xA6: "Comet Lake",
    0x6A: "Ice Lake", 0x6C: "Ice Lake", 0x7D: "Ice Lake", 0x7E: "Ice Lake", 0xA7: "Rocket Lake",
    0x8C: "Tiger Lake", 0x8D: "Tiger Lake", 0x8F: "Sapphire Rapids", 0xCF: "Emerald Rapids",
    0xAD: "Granite Rapids", 0xAE: "Granite Rapids", 0x97: "Alder Lake", 0x9A: "Alder Lake",
    0xB7: "Raptor Lake", 0xBA: "Raptor Lake", 0xBF: "Raptor Lake", 0xAC: "Meteor Lake", 0xAA: "Meteor Lake",
    0xC5: "Arrow Lake", 0xC6: "Arrow Lake", 0xB5: "Arrow Lake", 0xBD: "Lunar Lake",
}  # fmt: skip
"""By model number of family 6, those of one design only: 0x55 (Skylake to Cooper Lake) and 0x8E and 0x9E (Kaby Lake to
Coffee Lake) are left out. Source: Linux, arch/x86/include/asm/intel-family.h (read 2026-11-28)."""
AMD_DESIGNS: Final = (
    (0x17, 0x00, 0x2F, "Zen or Zen+"), (0x17, 0x50, 0x5F, "Zen or Zen+"),
    (0x17, 0x30, 0x4F, "Zen 2"), (0x17, 0x60, 0x7F, "Zen 2"), (0x17, 0x90, 0x91, "Zen 2"), (0x17, 0xA0, 0xAF, "Zen 2"),
    (0x19, 0x00, 0x0F, "Zen 3"), (0x19, 0x20, 0x5F, "Zen 3"),
    (0x19, 0x10, 0x1F, "Zen 4"), (0x19, 0x60, 0xAF, "Zen 4"),
    (0x1A, 0x00, 0x0F, "Zen 5"), (0x1A, 0x20, 0x2F, "Zen 5"), (0x1A, 0x40, 0x4F, "Zen 5"), (0x1A, 0x70, 0x7F, "Zen 5"),
)  # fmt: skip
"""Family, first and last model number. Source: Linux, arch/x86/kernel/cpu/amd.c, bsp_init_amd (read 2026-11-28)."""
AMX_DESIGNS: Final = frozenset({"Sapphire Rapids", "Emerald Rapids", "Granite Rapids"})
"""Those with matrix tiles: the processors of catalog/data/cpus.csv that have AMX, and no others."""


@dataclass(frozen=True, slots=True)
class Design:
    """The name of a design; None with `why` where the numbers do not settle it."""

    name: str | None
    why: str | None = None


def design_in_cpuinfo(text: str) -> Design:
    """The design of the first processor in /proc/cpuinfo.

    A virtual machine may tell another number than its processor has: where the instructions deny the number, the design
    is unknown.
    """
    block = text.split("\n\n", 1)[0]
    entry = dict(re.findall(r"^(vendor_id|cpu family|model|flags)\s*:\s*(.*)$", block, re.MULTILINE))
    maker, flags = entry.get("vendor_id"), frozenset(entry.get("flags", "").split())
    family, model = (int(text) if (text := entry.get(key, "")).isdigit() else None for key in ("cpu family", "model"))
    if family is None or model is None:
        return Design(None, "the system does not tell its family and model numbers")
    name = _named(maker, family, model)
    if name is None:
        return Design(None, f"family {family} model {model} is no number of one known design")
    if maker == INTEL and ("amx_tile" in flags) and name not in AMX_DESIGNS:
        return Design(None, f"family {family} model {model} is {name}'s, which has no AMX: the real number is hidden")
    return Design(name)


def _named(maker: str | None, family: int, model: int) -> str | None:
    if maker == INTEL and family == _FAMILY:
        return INTEL_DESIGNS.get(model)
    if maker == AMD:
        return next((name for at, low, high, name in AMD_DESIGNS if family == at and low <= model <= high), None)
    return None
