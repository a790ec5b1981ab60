"""From the hardware of a scenario to a `Machine`: names become catalog rows, and what was not said is filled in and
noted.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from advisor.errors import InputError
from advisor.kept import kept
from advisor.machines.cards import AskedCard, card_of, default_backend
from advisor.machines.machine import CpuSide, GpuDevice, Machine, Ram, Storage, dram_gb_s
from advisor.question import GpuRequest, Hardware, RamRequest, StorageRequest
from catalog.names.cpus import platform_hint, resolve_cpu, socket_count
from catalog.names.index import UnknownName
from catalog.names.machines import resolve_machine
from catalog.names.storage import storage_read_gb_s
from catalog.parts import Cpu, Gpu, Laptop, UnifiedMachine
from catalog.tables import cpus
from catalog.units import GIB

# What to take for a CPU, a RAM speed or a backend that a question does not name: the common choice of the platform.
#
# Each choice is listed as an assumption of the prediction, widens its interval, and gives a measured run less weight.

Graphics = Gpu | GpuDevice
NEWEST_ARCHITECTURES = frozenset({"ada", "blackwell", "rdna3", "rdna4", "battlemage", "hopper"})
SERVER_FORMS = frozenset({"datacentre"})
COMMON_MT_S = {
    "DDR2": 800.0, "DDR3": 1600.0, "DDR4": 3200.0, "DDR5": 5600.0,
    "LPDDR4": 3200.0, "LPDDR4X": 4266.0, "LPDDR5": 6400.0, "LPDDR5X": 7500.0,
}  # fmt: skip
"""Median data rate of the kits and soldered memories on sale per type. Source: BuildCores OpenDB, 2026-08-17."""
COMMON_CPUS = {"DDR2": "Core 2 Quad Q8400", "DDR3": "Core i7-4790", "DDR4": "Ryzen 7 5800X", "DDR5": "Ryzen 7 7700X"}
COMMON_SERVERS = {"DDR4": "EPYC 7543", "DDR5": "EPYC 9355"}


@cache
def _by_name(name: str) -> Cpu | None:
    return next((row for row in cpus() if row.name == name), None)


def common_ram_type(gpus: Sequence[Graphics]) -> str:
    """DDR5 beside a GPU of 2022 or later, else DDR4."""
    return "DDR5" if any(gpu.architecture in NEWEST_ARCHITECTURES for gpu in gpus) else "DDR4"


def cpu_by_platform(hint: str | None, ram_type: str | None, gpus: Sequence[Graphics], is_server: bool = False) -> Cpu:
    """A common CPU of the platform that the words hint at (a microarchitecture), else of the GPU's years.

    Raises `LookupError` when the catalog has no CPU for the memory type.
    """
    if hint:
        peers = sorted(
            (row for row in cpus() if row.microarchitecture == hint and (row.segment == "server") == is_server),
            key=lambda row: row.cores,
        )
        if peers:
            return peers[len(peers) // 2]
    kind = (
        (ram_type or common_ram_type(gpus))
        .replace("LPDDR5X", "DDR5")
        .replace("LPDDR5", "DDR5")
        .replace("LPDDR4X", "DDR4")
        .replace("LPDDR4", "DDR4")
    )
    server = is_server or (bool(gpus) and all(gpu.form in SERVER_FORMS for gpu in gpus))
    name = (COMMON_SERVERS if server else COMMON_CPUS).get(kind, COMMON_CPUS["DDR4"])
    row = _by_name(name) or next((row for row in cpus() if kind in row.memory_types), None)
    if row is None:
        raise LookupError(f"no CPU of the catalog takes {kind}")
    return row


def ram_by_platform(row: Cpu | None, ram_type: str | None, gpus: Sequence[Graphics]) -> tuple[str, float, int]:
    """RAM type, data rate in MT/s and channels per socket for a CPU row (None: unknown CPU)."""
    if row is None:
        kind = ram_type or common_ram_type(gpus)
        return kind, COMMON_MT_S[kind], 2
    kind = ram_type or row.memory_types[-1]
    rated = row.mt_s_1dpc[row.memory_types.index(kind)]
    tuned = row.segment == "desktop" and not row.registered_memory
    return kind, max(rated, COMMON_MT_S[kind]) if tuned else rated, row.memory_channels


_SERVER_WORDS = re.compile(r"\b(xeon|epyc|server|dual[- ]socket)\b", re.IGNORECASE)
_CORES = re.compile(r"(\d+)[- ]?(cores?|threads?)\b")
NVME_GB_S = (3.5, 0.06)
"""Sequential and QD1 random read of a common PCIe 3.0 NVMe disk (WD Blue SN550 / Samsung 970 EVO class data sheets)."""
TYPICAL_UNIFIED_GIB = 32.0
KEPT_BYTES = 64 * 2**20
"""Machines kept by what was said of them: some 15,000 usual ones."""
SOLD_SLACK = 0.03
"""Relative: sizes as on the box against sizes as a system reports them."""
UNIFIED_GHZ = 3.5
"""Clock between the base and boost of Apple M1 to M5 and Ryzen AI Max chips: a yardstick, the fit takes up the rest."""


@dataclass(frozen=True, slots=True)
class _Noted:
    """Assumptions gathered on the way, as sentences and as codes."""

    sentences: tuple[str, ...] = ()
    codes: frozenset[str] = frozenset()

    def and_(self, code: str, *sentences: str) -> "_Noted":
        return _Noted(self.sentences + sentences, self.codes | {code}) if sentences else self


@kept(KEPT_BYTES)
def machine_of(hardware: Hardware, backend: str | None = None) -> Machine:
    """The machine that a scenario's hardware describes.

    Raises `UnknownName` for a GPU or machine that the catalog lacks and `InputError` for parts that do not go together.
    An unknown CPU, RAM speed or RAM size is filled in from the platform and listed in `assumptions` and `unknown`.
    """
    if hardware.machine is None:
        if hardware.unified_gpu_gb:
            raise InputError("unified_gpu_gb is said of a machine with one memory: name it as machine")
        return _from_parts(hardware, backend, _Noted())
    found = resolve_machine(hardware.machine, hardware.ram.gb)
    noted = _Noted().and_("variant", *found.assumptions)
    if isinstance(found.row, Laptop):
        return _laptop(found.row, hardware, backend, noted)
    if hardware.gpus:
        return _box_with_cards(found.row, hardware, backend, noted)
    return _unified(found.row, hardware, backend, noted)


def _from_parts(hardware: Hardware, backend: str | None, noted: _Noted) -> Machine:
    cpu_row, noted = _find_cpu(hardware.cpu, noted)
    cards, devices, noted = _cards(hardware.gpus, cpu_row, noted)
    taken, said = (cpu_row, None) if cpu_row else _common_cpu(hardware, devices)
    cpu, noted = _cpu_side(taken, hardware, said), noted.and_("cpu", *filter(None, [said]))
    ram, noted = _ram(cpu_row or (taken if taken.segment == "server" else None), cpu, hardware, devices, noted)
    noted = noted.and_("disk", *_disk_notes(hardware.storage))
    return Machine(
        name=" | ".join(filter(None, [_label(hardware.gpus, cards), cpu.name])),
        gpus=devices,
        cpu=cpu,
        ram=ram,
        storage=_storage(hardware.storage),
        backend=backend or _backend(cards, devices),
        assumptions=noted.sentences,
        unknown=noted.codes,
    )


def _cards(
    requests: Sequence[GpuRequest], cpu: Cpu | None, noted: _Noted
) -> tuple[list[AskedCard], tuple[GpuDevice, ...], _Noted]:
    """The cards of a question, kind by kind, and all devices."""
    cards = [card_of(request, cpu) for request in requests]
    devices = tuple(
        card.device for card, request in zip(cards, requests, strict=True) for _ in range(request.count)
    )  # fmt: skip
    return cards, devices, noted.and_("vram", *(note for card in cards for note in card.notes))


def _label(requests: Sequence[GpuRequest], cards: Sequence[AskedCard]) -> str:
    counted = zip(requests, cards, strict=True)
    return " + ".join(f"{kind.count} x {card.label}" if kind.count > 1 else card.label for kind, card in counted)


def _backend(cards: Sequence[AskedCard], devices: Sequence[GpuDevice]) -> str:
    """The backend that a description names, else the usual one."""
    return next((card.backend for card in cards if card.backend), None) or default_backend(devices)


def _find_cpu(text: str | None, noted: _Noted) -> tuple[Cpu | None, _Noted]:
    if text is None:
        return None, noted
    try:
        found = resolve_cpu(text)
    except UnknownName:
        return None, noted
    return found.row, noted.and_("cpu_variant", *found.assumptions)


def _common_cpu(hardware: Hardware, gpus: Sequence[Graphics]) -> tuple[Cpu, str]:
    """A CPU for a machine that names none, and the sentence that says so."""
    text = hardware.cpu or ""
    hint = platform_hint(text) if text else None
    row = cpu_by_platform(hint, hardware.ram.type, gpus, bool(_SERVER_WORDS.search(text)))
    said = f"CPU {text!r} names no CPU of the catalog" if text else "no CPU given"
    return row, f"{said}: taken as {row.name}"


def _cpu_side(row: Cpu, hardware: Hardware, guessed: str | None) -> CpuSide:
    sockets = socket_count(hardware.cpu) if hardware.cpu else 1
    side = cpu_side(row, sockets)
    cores = _cores_said(hardware.cpu or "") if guessed else None
    return replace(side, cores=cores or side.cores)


def _cores_said(text: str) -> int | None:
    """Cores that a text states of a CPU that it does not name; threads count as half a core."""
    found = _CORES.search(text)
    return int(found[1]) if found and "core" in found[0] else max(1, int(found[1]) // 2) if found else None


def cpu_side(row: Cpu, sockets: int = 1) -> CpuSide:
    """What the physics needs of a CPU row; efficiency cores count half (narrower vectors, lower clocks)."""
    small = row.cores - row.performance_cores
    names = ("avx2", "avx512", "avx_vnni", "amx")
    features = frozenset(name for name in names if getattr(row, name))
    return CpuSide(
        name=row.name if sockets == 1 else f"{sockets} x {row.name}",
        microarchitecture=row.microarchitecture,
        cores=max(1, round((row.performance_cores + small / 2) * sockets)),
        vector_bytes=row.vector_bytes or (64 if row.avx512 else 32 if row.avx2 else 16),
        ghz=(row.base_ghz * row.boost_ghz) ** 0.5,
        sockets=sockets,
        features=features,
    )


def _ram(
    row: Cpu | None, cpu: CpuSide, hardware: Hardware, gpus: Sequence[Graphics], noted: _Noted
) -> tuple[Ram, _Noted]:
    asked = hardware.ram
    kind = _ram_type(asked, row)
    guess_type, guess_mt_s, guess_channels = ram_by_platform(row, kind, gpus)
    channels = asked.channels or guess_channels * cpu.sockets
    mt_s = asked.mt_s or guess_mt_s
    if asked.mt_s is None:
        noted = noted.and_("ram_speed", f"RAM speed not given: taken as {guess_type}-{guess_mt_s:.0f}")
    if asked.channels is None:
        noted = noted.and_("ram_channels", f"RAM channels not given: taken as {channels}")
    peak = dram_gb_s(mt_s, channels) * (row.channel_bits / 64 if row else 1)
    fabric = row.fabric_read_gb_s * cpu.sockets if row and row.fabric_read_gb_s else peak
    if asked.gb is None:
        noted = noted.and_("ram_size", "RAM size not given: taken as large enough")
    return Ram(guess_type, min(peak, fabric), asked.gb * GIB if asked.gb else None), noted


def _ram_type(asked: RamRequest, row: Cpu | None) -> str | None:
    if asked.type is None:
        return None
    kind = next((word for word in sorted(COMMON_MT_S, key=len, reverse=True) if word in asked.type.upper()), None)
    if kind is None:
        raise InputError(f"RAM type {asked.type!r} is not known; give {', '.join(COMMON_MT_S)}")
    if row and kind not in row.memory_types:
        raise InputError(
            f"{row.name} ({row.socket}) takes {' or '.join(row.memory_types)}, not {kind}: change ram.type or the CPU"
        )
    return kind


def _disk_notes(asked: StorageRequest) -> tuple[str, ...]:
    said = asked.read_gb_s or (asked.name and storage_read_gb_s(asked.name))
    return () if said else (f"disk not given: taken as an NVMe disk of {NVME_GB_S[0]:g} GB/s",)


def _storage(asked: StorageRequest) -> Storage:
    named = storage_read_gb_s(asked.name) if asked.name else None
    sequential, random = named or NVME_GB_S
    if asked.read_gb_s:
        sequential, random = asked.read_gb_s, min(random, asked.read_gb_s)
    return Storage(sequential, random)


def _unified(row: UnifiedMachine, hardware: Hardware, backend: str | None, noted: _Noted) -> Machine:
    gib, noted = _memory_gib(row, hardware, noted)
    storage, noted = _disk_of(row, hardware, noted)
    cpu, cpu_reads_gb_s = _unified_cpu(row)
    return Machine(
        name=row.name,
        gpus=(_unified_gpu(row, hardware.unified_gpu_gb or gib * row.gpu_memory_share),),
        cpu=cpu,
        ram=Ram(row.memory_type, min(row.bandwidth_gb_s, cpu_reads_gb_s), gib * GIB),
        storage=storage,
        unified=True,
        backend=backend or row.backend,
        assumptions=noted.sentences,
        unknown=noted.codes,
    )


def _memory_gib(row: UnifiedMachine, hardware: Hardware, noted: _Noted) -> tuple[float, _Noted]:
    """Memory of a box in GiB. A system shows what the firmware leaves beside a part that it sets aside for the GPU."""
    said, for_gpu = hardware.ram.gb, hardware.unified_gpu_gb or 0.0
    if said is None:
        gib = max(row.memory_gib) if row.memory_gib else TYPICAL_UNIFIED_GIB
        noted = noted.and_("ram_size", f"memory size not given: taken as {gib:.0f} GiB")
    elif for_gpu and (for_gpu >= said or not _sold(row, said)) and (whole := _sold(row, said + for_gpu)):
        gib = whole
        noted = noted.and_("variant", f"{said:g} GiB beside {for_gpu:g} for the GPU: taken as {gib:g} GiB in all")
    else:
        gib = said
    if for_gpu > gib:
        said_of = f"unified_gpu_gb {for_gpu:g} is more than the {gib:g} GiB of {row.name}"
        raise InputError(f"{said_of}: give the machine's size in ram.gb")
    return gib, noted


def _sold(row: UnifiedMachine, gib: float) -> float | None:
    """The size that a box is sold in and that a system may show as `gib`."""
    return next((size for size in row.memory_gib if abs(gib / size - 1) <= SOLD_SLACK), None)


def _disk_of(row: UnifiedMachine, hardware: Hardware, noted: _Noted) -> tuple[Storage, _Noted]:
    storage = _storage(hardware.storage)
    if row.storage_read_gb_s and not hardware.storage.name and not hardware.storage.read_gb_s:
        return replace(storage, sequential_gb_s=row.storage_read_gb_s), noted
    return storage, noted.and_("disk", *_disk_notes(hardware.storage))


def _box_with_cards(row: UnifiedMachine, hardware: Hardware, backend: str | None, noted: _Noted) -> Machine:
    """A box with cards beside it: they compute, and its processor what finds no room on them."""
    if row.maker == "apple":
        raise InputError(f"{row.name} takes no graphics card: leave out gpus")
    cpu, cpu_reads_gb_s = _unified_cpu(row)
    cards, devices, noted = _cards(hardware.gpus, None, noted)
    gib, noted = _memory_gib(row, hardware, noted)
    storage, noted = _disk_of(row, hardware, noted)
    said = f"the graphics of {row.name} are left aside beside {_label(hardware.gpus, cards)}"
    return Machine(
        name=f"{_label(hardware.gpus, cards)} | {row.name}",
        gpus=devices,
        cpu=cpu,
        ram=Ram(row.memory_type, min(row.bandwidth_gb_s, cpu_reads_gb_s), gib * GIB),
        storage=storage,
        backend=backend or _backend(cards, devices),
        assumptions=(*noted.sentences, said),
        unknown=noted.codes,
    )


def _unified_gpu(row: UnifiedMachine, gpu_gib: float) -> GpuDevice:
    return GpuDevice(
        name=row.name,
        maker=row.maker.lower(),
        architecture=row.architecture,
        form="integrated",
        vram_bytes=gpu_gib * GIB,
        bandwidth_gb_s=row.bandwidth_gb_s,
        fp16_tflops=row.fp16_tflops,
        link_gb_s=row.bandwidth_gb_s,
    )


def _unified_cpu(row: UnifiedMachine) -> tuple[CpuSide, float]:
    """The processor, and what it reads of the one memory at most, in GB/s."""
    found, _ = _find_cpu(row.chip, _Noted())
    if found:
        few = replace(cpu_side(found), cores=min(cpu_side(found).cores, row.cpu_cores))
        return few, found.fabric_read_gb_s or math.inf
    side = CpuSide(
        name=row.chip,
        microarchitecture=row.cpu_microarchitecture,
        cores=row.cpu_cores,
        vector_bytes=16,
        ghz=UNIFIED_GHZ,
        sockets=1,
        features=frozenset({"unified"}),
    )
    return side, math.inf


def _laptop(row: Laptop, hardware: Hardware, backend: str | None, noted: _Noted) -> Machine:
    gib = hardware.ram.gb or max(row.ram_gib)
    ram = RamRequest(type=row.ram_type, mt_s=row.ram_mt_s, channels=row.ram_channels, gb=gib)
    storage = hardware.storage if hardware.storage.read_gb_s else StorageRequest(read_gb_s=row.storage_read_gb_s)
    parts = Hardware(gpus=(*hardware.gpus, GpuRequest(name=row.gpu)), cpu=row.cpu, ram=ram, storage=storage)
    beside = [request.name for request in hardware.gpus]
    return replace(_from_parts(parts, backend, noted), name=" + ".join([*beside, row.name]))
