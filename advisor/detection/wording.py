"""How to say what this computer is."""

from collections.abc import Iterator
from dataclasses import replace

from advisor.detection import Detected
from advisor.detection.caches import Caches
from advisor.detection.confinement import Confinement
from advisor.detection.facts import Facts
from advisor.detection.graphics import Card
from advisor.detection.storage import Disk, Lodging
from advisor.detection.topology import Topology
from advisor.engine.ggml import Ggml
from advisor.question import GpuRequest, RamRequest, StorageRequest
from catalog.units import GIB, KIB, MIB

UNTOLD = "not told by the system"
LABEL = 14


def described(found: Detected, facts: Facts | None = None) -> Iterator[str]:
    """Lines of text, one per part, then what to do about the gaps."""
    for label, text in _lines(found, facts):
        yield f"{label:{LABEL}}{text}"
    for note in (*found.notes, *_gaps(found), *(facts.storage.advice if facts else ())):
        yield f"note: {note}"


def _lines(found: Detected, facts: Facts | None) -> Iterator[tuple[str, str]]:
    parts = found.hardware
    if parts.machine:
        yield "machine", parts.machine
    else:
        yield from (("gpu", _gpu(gpu)) for gpu in parts.gpus)
        if not parts.gpus:
            yield "gpu", "none found that runs models"
        yield from (("PCIe", link) for card in found.cards if (link := _link(card)))
        yield "cpu", parts.cpu or UNTOLD
    if facts:
        yield from _of_processor(facts)
    if found.cores:
        yield "cores", f"{found.cores} usable{_topology(facts.topology) if facts else ''}"
    yield "ram", _ram(parts.ram)
    yield "storage", _storage(parts.storage, facts.storage if facts else None)
    if facts:
        yield from _of_surroundings(facts)


def _of_processor(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "core design", facts.design.name or f"unknown: {facts.design.why}"
    yield "caches", _caches(facts.caches)
    yield "instructions", ", ".join(facts.instructions) or UNTOLD


def _of_surroundings(facts: Facts) -> Iterator[tuple[str, str]]:
    yield from (("llama.cpp", line) for line in _devices(facts.ggml))
    yield "runs in", _surroundings(facts.confinement)
    yield "limits", _limits(facts.confinement)


def _gaps(found: Detected) -> Iterator[str]:
    parts = found.hardware
    if not parts.machine and (parts.ram.type is None or parts.ram.mt_s is None):
        yield 'the system does not tell RAM type and speed: give them, for example --ram "DDR5-6000 2x32"'
    elif not parts.machine and parts.ram.channels is None:
        yield "how many RAM channels are filled is not told: give the modules in --ram, and the processor with --cpu"
    if parts.storage == StorageRequest():
        yield "the system does not tell the disk's model: give it or its speed, for example --storage 3.5"


def _gpu(gpu: GpuRequest) -> str:
    times = f"{gpu.count}x " if gpu.count > 1 else ""
    size = f", {gpu.vram_gb:.0f} GiB" if gpu.vram_gb else ""
    link = f", PCIe {gpu.pcie_gen}.0 x{gpu.pcie_lanes}" if gpu.pcie_gen and gpu.pcie_lanes else ""
    return f"{times}{gpu.name}{size}{link}"


def _link(card: Card) -> str | None:
    now = _wire(card.pcie_gen_now, card.pcie_lanes)
    most = _wire(card.pcie_gen, card.pcie_lanes_max)
    return f"{card.name}: now {now or 'not told'}, at most {most or 'not told'}" if now or most else None


def _wire(generation: int | None, lanes: int | None) -> str | None:
    return f"{generation}.0 x{lanes}" if generation and lanes else None


def _caches(caches: Caches) -> str:
    sizes = (("L1", caches.l1_bytes), ("L2", caches.l2_bytes), ("L3", caches.l3_bytes))
    known = [f"{level} {_size(size)}" for level, size in sizes if size]
    parts = f" in {caches.l3_count} parts" if (caches.l3_count or 0) > 1 else ""
    return ", ".join(known) + parts if known else UNTOLD


def _size(size_bytes: int) -> str:
    return f"{size_bytes / MIB:g} MiB" if size_bytes >= MIB else f"{size_bytes / KIB:g} KiB"


def _topology(found: Topology) -> str:
    counts = (
        (found.cores, "core"), (found.threads, "thread"), (found.sockets, "socket"), (found.numa_nodes, "NUMA node"),
    )  # fmt: skip
    known = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count]
    return f" of {', '.join(known)}" if known else ""


def _ram(ram: RamRequest) -> str:
    kind = f"{ram.type or ''}{f'-{ram.mt_s}' if ram.mt_s else ''}"
    channels = f"{ram.channels} channel{'s' if ram.channels and ram.channels > 1 else ''}" if ram.channels else ""
    size = f"{ram.gb:.1f} GiB" if ram.gb else ""
    return ", ".join(filter(None, (size, kind, channels))) or UNTOLD


def _storage(asked: StorageRequest, lodging: Lodging | None) -> str:
    named = asked.name or (f"{asked.read_gb_s:g} GB/s" if asked.read_gb_s else None)
    if lodging is None:
        return named or UNTOLD
    disks = ", ".join(_disk(replace(disk, model=disk.model or named)) for disk in lodging.disks)
    files = f" ({lodging.file_system})" if lodging.file_system else ""
    return f"{lodging.path} is on {disks or named or 'no disk that the system tells of'}{files}"


def _disk(disk: Disk) -> str:
    size = f"{disk.size_gib:.0f} GiB" if disk.size_gib else ""
    kind = " ".join(filter(None, (size, disk.kind)))
    return ", ".join(filter(None, (disk.model or f"{disk.device} (model not told)", kind)))


def _devices(found: Ggml) -> Iterator[str]:
    for device in found.devices:
        yield f"{device.name}: {device.description} ({device.backend}), {device.total_bytes / GIB:.1f} GiB"
    if found.absent:
        yield found.absent


def _surroundings(found: Confinement) -> str:
    machine = f"a virtual machine ({found.virtual_machine})" if found.virtual_machine else "no virtual machine"
    return f"{machine}, {f'a container ({found.container})' if found.container else 'no container'}"


def _limits(found: Confinement) -> str:
    memory = f"{found.memory_bytes / GIB:.1f} GiB of memory" if found.memory_bytes else ""
    share = f"{found.processors:g} processors' time" if found.processors else ""
    return ", ".join(filter(None, (memory, share))) or "none by control groups"
