"""The processor: its name and the cores that may be used, its caches and instruction sets, and the design of its cores.

What the system does not tell stays None or empty.
"""

import math
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from advisor.children import output_of
from advisor.detection.confinement import CPUINFO, OWN_CGROUP, cgroup_folders, processor_share
from advisor.files import text_of
from catalog.units import KIB, MIB

CPUS: Final = Path("/sys/devices/system/cpu")
NODES: Final = Path("/sys/devices/system/node")
NAME_OF_FLAG: Final[Mapping[str, str]] = {
    "ssse3": "SSSE3", "avx": "AVX", "avx2": "AVX2", "fma": "FMA", "f16c": "F16C", "bmi2": "BMI2",
    "avx_vnni": "AVX-VNNI", "avx512f": "AVX-512", "avx512_vbmi": "AVX-512 VBMI", "avx512vbmi": "AVX-512 VBMI",
    "avx512_vnni": "AVX-512 VNNI", "avx512_bf16": "AVX-512 BF16", "avx512_fp16": "AVX-512 FP16",
    "amx_tile": "AMX", "amx_int8": "AMX INT8", "amx_bf16": "AMX BF16", "amx_fp16": "AMX FP16",
    "asimd": "NEON", "asimdhp": "FP16", "asimddp": "DOTPROD", "i8mm": "I8MM", "bf16": "BF16", "sve": "SVE",
    "sve2": "SVE2", "sme": "SME",
}
"""By the kernel's word for it: flags of x86, then features of ARM, of those that ggml has kernels for."""
NAME_OF_FEATURE: Final[Mapping[str, str]] = {
    "AdvSIMD": "NEON", "FEAT_FP16": "FP16", "FEAT_DotProd": "DOTPROD", "FEAT_I8MM": "I8MM", "FEAT_BF16": "BF16",
    "FEAT_SME": "SME",
}
"""By the word of macOS, as ggml asks for it. Source: ggml/src/ggml-cpu/ggml-cpu.c of llama.cpp (read 2026-11-28)."""
INTEL: Final = "GenuineIntel"
AMD: Final = "AuthenticAMD"
INTEL_FAMILY: Final = 6
INTEL_DESIGNS: Final[Mapping[int, str]] = {
    0x3C: "Haswell", 0x3F: "Haswell", 0x45: "Haswell", 0x46: "Haswell",
    0x3D: "Broadwell", 0x47: "Broadwell", 0x4F: "Broadwell", 0x56: "Broadwell",
    0x4E: "Skylake", 0x5E: "Skylake", 0xA5: "Comet Lake", 0xA6: "Comet Lake",
    0x6A: "Ice Lake", 0x6C: "Ice Lake", 0x7D: "Ice Lake", 0x7E: "Ice Lake", 0xA7: "Rocket Lake",
    0x8C: "Tiger Lake", 0x8D: "Tiger Lake", 0x8F: "Sapphire Rapids", 0xCF: "Emerald Rapids",
    0xAD: "Granite Rapids", 0xAE: "Granite Rapids", 0x97: "Alder Lake", 0x9A: "Alder Lake",
    0xB7: "Raptor Lake", 0xBA: "Raptor Lake", 0xBF: "Raptor Lake", 0xAC: "Meteor Lake", 0xAA: "Meteor Lake",
    0xC5: "Arrow Lake", 0xC6: "Arrow Lake", 0xB5: "Arrow Lake", 0xBD: "Lunar Lake",
}
"""By model number of family 6, those of one design only: 0x55 (Skylake to Cooper Lake) and 0x8E and 0x9E (Kaby Lake to
Coffee Lake) are left out. Source: Linux, arch/x86/include/asm/intel-family.h (read 2026-11-28)."""
AMD_DESIGNS: Final = (
    (0x17, 0x00, 0x2F, "Zen or Zen+"), (0x17, 0x50, 0x5F, "Zen or Zen+"),
    (0x17, 0x30, 0x4F, "Zen 2"), (0x17, 0x60, 0x7F, "Zen 2"), (0x17, 0x90, 0x91, "Zen 2"), (0x17, 0xA0, 0xAF, "Zen 2"),
    (0x19, 0x00, 0x0F, "Zen 3"), (0x19, 0x20, 0x5F, "Zen 3"),
    (0x19, 0x10, 0x1F, "Zen 4"), (0x19, 0x60, 0xAF, "Zen 4"),
    (0x1A, 0x00, 0x0F, "Zen 5"), (0x1A, 0x20, 0x2F, "Zen 5"), (0x1A, 0x40, 0x4F, "Zen 5"), (0x1A, 0x70, 0x7F, "Zen 5"),
)
"""Family, first and last model number. Source: Linux, arch/x86/kernel/cpu/amd.c, bsp_init_amd (read 2026-11-28)."""
AMX_DESIGNS: Final = frozenset({"Sapphire Rapids", "Emerald Rapids", "Granite Rapids"})
"""Those with matrix tiles: the processors of catalog/data/cpus.csv that have AMX, and no others."""


def cpu_name() -> str | None:
    """The processor as it names itself."""
    found = re.search(r"^Model name:\s*(\S.*)$", output_of("lscpu"), re.MULTILINE)
    return name_in_cpuinfo(text_of(CPUINFO)) or (found[1].strip() if found else None)


def name_in_cpuinfo(text: str) -> str | None:
    """The first "model name" of /proc/cpuinfo, with the number of sockets in front where there are several."""
    found = re.search(r"^model name\s*:\s*(\S.*)$", text, re.MULTILINE)
    if not found:
        return None
    sockets = len(set(re.findall(r"^physical id\s*:\s*(\d+)", text, re.MULTILINE)))
    name = re.sub(r"\s+", " ", found[1]).strip()
    return f"{sockets}x {name}" if sockets > 1 else name


def usable_cores() -> int | None:
    """Physical cores that this process may use: its affinity and its container's quota count."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    cores = cores_in_cpuinfo(text_of(CPUINFO), allowed)
    quota = cpu_quota(cgroup_folders(text_of(OWN_CGROUP)))
    known = [number for number in (cores, quota) if number]
    return min(known) if known else None


def cpu_quota(folders: Sequence[Path]) -> int | None:
    """Whole processors that the tightest quota of control groups allows; None without one."""
    share = processor_share(folders)
    return max(1, math.ceil(share)) if share else None


def cores_in_cpuinfo(text: str, allowed: set[int] | None) -> int | None:
    """Distinct physical cores among the allowed logical ones, which count where none are named (ARM)."""
    found = set()
    for block in text.split("\n\n"):
        entry = dict(re.findall(r"^(processor|physical id|core id)\s*:\s*(\d+)", block, re.MULTILINE))
        if "processor" in entry and (allowed is None or int(entry["processor"]) in allowed):
            found.add((entry.get("physical id"), entry.get("core id", f"logical {entry['processor']}")))
    return len(found) or None


@dataclass(frozen=True, slots=True)
class Topology:
    """Counts of the whole computer, None where it does not tell; a NUMA node is memory with processors of its own."""

    sockets: int | None
    cores: int | None
    threads: int | None
    numa_nodes: int | None


def read_topology(cpuinfo: Path = CPUINFO, nodes: Path = NODES) -> Topology:
    """Those of this computer."""
    text = text_of(cpuinfo)
    sockets = len(set(re.findall(r"^physical id\s*:\s*(\d+)", text, re.MULTILINE)))
    threads = len(re.findall(r"^processor\s*:", text, re.MULTILINE))
    with_processors = [node for node in nodes.glob("node[0-9]*") if text_of(node / "cpulist").strip()]
    return Topology(sockets or None, cores_in_cpuinfo(text, None), threads or None, len(with_processors) or None)


@dataclass(frozen=True, slots=True)
class Caches:
    """Bytes of all data caches of a level together, None where the system does not tell; `l3_count` is how many L3."""

    l1_bytes: int | None = None
    l2_bytes: int | None = None
    l3_bytes: int | None = None
    l3_count: int | None = None

    @property
    def last_level_bytes(self) -> int | None:
        """Those of the last level that there is."""
        return self.l3_bytes or self.l2_bytes


def read_caches() -> Caches:
    """The caches of this computer."""
    if platform.system() == "Darwin":
        return caches_in_sysctl(output_of("sysctl", "hw.l1dcachesize", "hw.l2cachesize", "hw.l3cachesize"))
    return caches_in(CPUS)


def caches_in(cpus: Path) -> Caches:
    """Caches in the kernel's folders cpu<n>/cache/index<n>; those that several processors share count once."""
    found: dict[tuple[str, str], int] = {}
    for entry in cpus.glob("cpu[0-9]*/cache/index[0-9]*"):
        if text_of(entry / "type").strip() in {"Data", "Unified"}:
            place = text_of(entry / "level").strip(), text_of(entry / "shared_cpu_list").strip()
            size = re.fullmatch(r"(\d+)([KM]?)", text_of(entry / "size").strip())
            found[place] = int(size[1]) * {"": 1, "K": KIB, "M": MIB}[size[2]] if size else 0

    def total(level: str) -> int | None:
        return sum(size for (at, _), size in found.items() if at == level) or None

    count = sum(1 for at, _ in found if at == "3")
    return Caches(total("1"), total("2"), total("3"), count or None)


def caches_in_sysctl(text: str) -> Caches:
    """Caches in what a Mac's sysctl prints: of one cluster of cores; an Apple chip has no L3."""
    listed = re.findall(r"^hw\.(l\d)d?cachesize: (\d+)$", text, re.MULTILINE)
    found = {level: int(size) or None for level, size in listed}
    return Caches(found.get("l1"), found.get("l2"), found.get("l3"), 1 if found.get("l3") else None)


def instruction_sets() -> tuple[str, ...]:
    """Those of this computer, the plain ones first; empty where the system does not tell."""
    if platform.system() == "Darwin":
        return sets_in_sysctl(output_of("sysctl", "hw.optional"))
    return sets_in_cpuinfo(text_of(CPUINFO))


def sets_in_cpuinfo(text: str) -> tuple[str, ...]:
    """Those among the "flags" (x86) or "Features" (ARM) of /proc/cpuinfo."""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE)
    flags = frozenset(found[1].split()) if found else frozenset()
    return tuple(dict.fromkeys(name for flag, name in NAME_OF_FLAG.items() if flag in flags))


def sets_in_sysctl(text: str) -> tuple[str, ...]:
    """Those that a Mac's sysctl prints as 1."""
    there = frozenset(re.findall(r"^hw\.optional\.(?:arm\.)?(\w+): 1$", text, re.MULTILINE))
    return tuple(name for feature, name in NAME_OF_FEATURE.items() if feature in there)


@dataclass(frozen=True, slots=True)
class CoreDesign:
    """The name of a design; None with `why` where the numbers do not settle it."""

    name: str | None
    why: str | None = None


def design_in_cpuinfo(text: str) -> CoreDesign:
    """The design of the first processor in /proc/cpuinfo, where its numbers say so for certain.

    A virtual machine may tell another number than its processor has: where the instructions deny the number, the design
    is unknown.
    """
    block = text.split("\n\n", 1)[0]
    entry = dict(re.findall(r"^(vendor_id|cpu family|model|flags)\s*:\s*(.*)$", block, re.MULTILINE))
    maker, flags = entry.get("vendor_id"), frozenset(entry.get("flags", "").split())
    family, model = (int(text) if (text := entry.get(key, "")).isdigit() else None for key in ("cpu family", "model"))
    if family is None or model is None:
        return CoreDesign(None, "the system does not tell its family and model numbers")
    name = None
    if maker == INTEL and family == INTEL_FAMILY:
        name = INTEL_DESIGNS.get(model)
    elif maker == AMD:
        name = next((name for at, low, high, name in AMD_DESIGNS if family == at and low <= model <= high), None)
    if name is None:
        return CoreDesign(None, f"family {family} model {model} is no number of one known design")
    if maker == INTEL and ("amx_tile" in flags) and name not in AMX_DESIGNS:
        told = f"family {family} model {model} is {name}'s"
        return CoreDesign(None, f"{told}, which has no AMX: the real number is hidden")
    return CoreDesign(name)
