"""The processor of a machine: a product of the catalog, the typical one of a family, as described, or the common one.

A name that is no product's is answered by its own maker's or family's typical processor, never by another's: that is
listed as an assumption, widens the interval, and gives a measured run less weight.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import median

from advisor.errors import InputError
from advisor.machines.machine import CpuSide, GpuDevice
from advisor.question import CustomCpu, DescribedCpu
from catalog.names.cpus import OTHER_KINDS, family_of, is_server, is_unsaid, resolve_cpu, socket_count
from catalog.names.index import UnknownName, left_aside
from catalog.names.machines import resolve_machine
from catalog.parts import Cpu, Gpu
from catalog.tables import cpus

NEWEST_ARCHITECTURES = frozenset({"ada", "blackwell", "rdna3", "rdna4", "battlemage", "hopper"})
SERVER_FORMS = frozenset({"datacentre"})
COMMON_CPUS = {"DDR2": "Core 2 Quad Q8400", "DDR3": "Core i7-4790", "DDR4": "Ryzen 7 5800X", "DDR5": "Ryzen 7 7700X"}
COMMON_SERVERS = {"DDR4": "EPYC 7543", "DDR5": "EPYC 9355"}
"""What stands for a processor that is not named: the common choice of the platform."""
BESIDE = {"LPDDR5X": "DDR5", "LPDDR5": "DDR5", "LPDDR4X": "DDR4", "LPDDR4": "DDR4"}
"""The modules of the years of each soldered memory."""
FEATURES = ("avx2", "avx512", "avx_vnni", "amx")
VECTOR_BYTES = {"avx512": 64, "avx2": 32}
"""Width of the registers that llama.cpp's kernels use; 16 with older instructions, NEON, SVE at 128 bits and RVV."""
IMPLIED = {"amx": ("avx512", "avx2"), "avx512": ("avx2",), "avx_vnni": ("avx2",)}
NARROW = frozenset({"sse", "sse2", "sse3", "ssse3", "sse4", "sse4.1", "sse4.2", "avx", "f16c", "fma", "bmi2", "none"})
OTHER_KINDS_HAVE = frozenset({"neon", "dotprod", "i8mm", "sve", "sve2", "sme", "fp16", "rvv"})
_CORES = re.compile(r"(\d+)[- ]?(?:[pe][- ]?)?(cores?|threads?|vcpus?)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Processor:
    """What is taken for the processor of a machine, and what is to be said of it."""

    side: CpuSide
    platform: Cpu | None
    """The row that tells of memory and links; None where no more than a common desktop is known."""
    code: str = ""
    """Why it widens the interval: "cpu", "cpu_variant", or nothing."""
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    """What is to be said of words that name nothing."""


def processor_of(asked: str | DescribedCpu | None, ram_type: str | None, gpus: Sequence[Gpu | GpuDevice]) -> Processor:
    """The processor that a question names.

    Raises `UnknownName` for a text that names neither a product nor a family and does not say that it is not known.
    """
    if isinstance(asked, DescribedCpu):
        return described(asked.custom)
    if asked is None:
        row = common_cpu(ram_type, gpus)
        return _standing_in(row, f"no CPU given: taken as {row.name}", None)
    try:
        found = resolve_cpu(asked)
    except UnknownName as error:
        return _unnamed(asked, ram_type, gpus, error)
    code = "cpu_variant" if found.assumptions else ""
    unread = left_aside("CPU", asked, found.unread)
    return Processor(cpu_side(found.row, socket_count(asked)), found.row, code, found.assumptions, unread)


def product_of(asked: str | DescribedCpu | None) -> Cpu | None:
    """The product that a question names, if it names one."""
    try:
        return resolve_cpu(asked).row if isinstance(asked, str) else None
    except UnknownName:
        return None


def _unnamed(text: str, ram_type: str | None, gpus: Sequence[Gpu | GpuDevice], error: UnknownName) -> Processor:
    """What stands for a text that names no product: of its family, or the common one where it is not known."""
    family = () if error.ambiguous else family_of(text)
    if family:
        row = typical(family, ram_type or common_ram_type(gpus))
        return _standing_in(row, f"CPU {text!r} names no product of the catalog: taken as {row.name}, typical", text)
    if is_unsaid(text) and not OTHER_KINDS.search(text.lower()):
        row = common_cpu(ram_type, gpus, is_server(text))
        return _standing_in(row, f"CPU {text!r} is not known: taken as {row.name}", text)
    try:
        machine = resolve_machine(text).row.name
    except UnknownName:
        raise error from None
    raise UnknownName("CPU", text, (), way_out=f"it is that of a whole machine: name {machine} as the machine")


def _standing_in(row: Cpu, said: str, text: str | None) -> Processor:
    side = cpu_side(row, socket_count(text) if text else 1)
    side = replace(side, cores=_cores_said(text or "") or side.cores)
    return Processor(side, row if row.segment in {"server", "hedt"} else None, "cpu", (said,))


def _cores_said(text: str) -> int | None:
    """Cores that a text states of a CPU that it does not name; threads count as half a core."""
    found = _CORES.search(text)
    return int(found[1]) if found and "core" in found[2].lower() else max(1, int(found[1]) // 2) if found else None


def typical(rows: Iterable[Cpu], ram_type: str) -> Cpu:
    """The common processor of a memory if it is among the rows, else the one in the middle by cores of those that take
    that memory, or of all where none does.
    """
    rows, kind = list(rows), BESIDE.get(ram_type, ram_type)
    peers = [row for row in rows if {kind, ram_type} & set(row.memory_types)] or rows
    for row in peers:
        if row.name in (COMMON_CPUS.get(kind), COMMON_SERVERS.get(kind)):
            return row
    return sorted(peers, key=lambda row: row.cores)[len(peers) // 2]


@cache
def _by_name(name: str) -> Cpu | None:
    return next((row for row in cpus() if row.name == name), None)


def common_ram_type(gpus: Sequence[Gpu | GpuDevice]) -> str:
    """DDR5 beside a GPU of 2022 or later, else DDR4."""
    return "DDR5" if any(gpu.architecture in NEWEST_ARCHITECTURES for gpu in gpus) else "DDR4"


def common_cpu(ram_type: str | None, gpus: Sequence[Gpu | GpuDevice], server: bool = False) -> Cpu:
    """A common CPU of the memory that is said, else of the GPU's years.

    Raises `LookupError` when the catalog has no CPU for the memory type.
    """
    kind = ram_type or common_ram_type(gpus)
    kind = BESIDE.get(kind, kind)
    server = server or (bool(gpus) and all(gpu.form in SERVER_FORMS for gpu in gpus))
    name = (COMMON_SERVERS if server else COMMON_CPUS).get(kind, COMMON_CPUS["DDR4"])
    row = _by_name(name) or next((row for row in cpus() if kind in row.memory_types), None)
    if row is None:
        raise LookupError(f"no CPU of the catalog takes {kind}")
    return row


ARM_MAKERS = frozenset(
    {"amazon", "ampere", "apple", "broadcom", "cix", "nvidia", "qualcomm", "rockchip"}
)
"""Makers whose processors have Arm's vector instructions."""


I8MM = frozenset(
    {"AmpereOne", "Apple M2", "Apple M3", "Apple M4", "Apple M5", "Cortex-A720", "Cortex-X925/A725", "Neoverse V1"}
    | {"Neoverse V2", "Oryon"}
)
"""Arm cores with instructions for products of 8-bit matrices, which llama.cpp's repacked kernels use. Source:
developer.arm.com; ggml/src/ggml-cpu/arch/arm/repack.cpp.
"""
WITHOUT_VNNI = frozenset({"Skylake-SP", "Skylake-X"})
"""AVX-512 without its integer dot products runs llama.cpp's kernels at the width of AVX2. Source: ark.intel.com,
ggml/src/ggml-cpu/ggml-cpu-quants.c.
"""
DESKTOP_CLOCK = 0.88
"""All cores of a desktop processor run at about this part of the boost clock, whatever its base clock: 5.0 of 5.7 GHz
on a Ryzen 9 7950X (amd.com: boost 5.7, base 4.5). Errors on machines left out fell with it (2026-11-29).
"""


def cpu_side(row: Cpu, sockets: int = 1) -> CpuSide:
    """What the physics needs of a CPU row; efficiency cores count half (narrower vectors, lower clocks)."""
    small = row.cores - row.performance_cores
    wide = row.microarchitecture not in WITHOUT_VNNI
    features = frozenset(name for name in FEATURES if getattr(row, name) and (wide or name != "avx512"))
    if row.maker in ARM_MAKERS:
        features |= {"arm", "i8mm"} if row.microarchitecture in I8MM else {"arm"}
    ghz = (row.base_ghz * row.boost_ghz) ** 0.5
    return CpuSide(
        name=row.name if sockets == 1 else f"{sockets} x {row.name}",
        microarchitecture=row.microarchitecture,
        cores=max(1, round((row.performance_cores + small / 2) * sockets)),
        vector_bytes=row.vector_bytes or _vector_bytes(features),
        ghz=max(ghz, DESKTOP_CLOCK * row.boost_ghz) if row.segment == "desktop" else ghz,
        sockets=sockets,
        features=features,
        segment=row.segment,
    )


def _vector_bytes(features: frozenset[str]) -> int:
    return max([VECTOR_BYTES.get(name, 16) for name in features], default=16)


def described(asked: CustomCpu) -> Processor:
    """A processor by its figures. Raises `InputError` for instructions that are none."""
    notes = []
    words = set(re.split(r"[\s,;/+]+", (asked.instructions or "avx2").lower().replace("-", "_"))) - {""}
    words = {"avx512" if word.startswith(("avx512", "avx_512")) else word for word in words}
    for word in sorted(words - {*FEATURES, *NARROW, *OTHER_KINDS_HAVE}):
        known = f"avx, {', '.join(FEATURES)}, neon or sve"
        raise InputError(f"hardware.cpu.custom.instructions {word!r} is not known; give {known}")
    features = frozenset(name for word in words for name in (word, *IMPLIED.get(word, ())) if name in FEATURES)
    if not asked.instructions:
        notes.append("the CPU's instructions not given: taken as avx2")
    ghz = asked.ghz
    if ghz is None:
        ghz = round(_usual_ghz(_vector_bytes(features)), 1)
        notes.append(f"the CPU's clock not given: taken as {ghz:g} GHz, the middle of its kind")
    channels = f"{asked.channels} channels" if asked.channels else ""
    told = [f"{asked.cores} cores", *sorted(words), asked.memory or "", channels]
    side = CpuSide(
        name=f"CPU as described ({', '.join(filter(None, told))})", microarchitecture="described",
        cores=asked.cores, vector_bytes=_vector_bytes(features), ghz=ghz, sockets=1, features=features,
    )
    return Processor(side, None, "cpu_variant" if notes else "", tuple(notes))


@cache
def _usual_ghz(vector_bytes: int) -> float:
    """Median clock of the processors of the catalog with such vectors, else of all."""
    sides = [cpu_side(row) for row in cpus()]
    return median([side.ghz for side in sides if side.vector_bytes == vector_bytes] or [side.ghz for side in sides])
