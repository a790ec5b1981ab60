"""How to say what this computer is."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from advisor.detection.computer import Detected, Facts
from advisor.detection.processor import Caches, Topology
from advisor.detection.storage import Disk, Lodging
from advisor.question import StorageRequest
from catalog.units import GIB, KIB, MIB

UNTOLD: Final = "not told by the system"
LABEL: Final = 14


def described(found: Detected, facts: Facts | None = None, devices: Iterable[str] = ()) -> Iterator[str]:
    """Lines of text, one per part, then what to do about the gaps; `devices` are llama.cpp's, a line each."""
    for label, text in (*_parts(found, facts), *(_surroundings(facts, devices) if facts else ())):
        yield f"{label:{LABEL}}{text}"
    for note in (*found.notes, *_gaps(found), *(facts.storage.advice if facts else ())):
        yield f"note: {note}"


def _parts(found: Detected, facts: Facts | None) -> Iterator[tuple[str, str]]:
    """What a question about this computer says of it, the processor and the disk in more words where `facts` are."""
    parts = found.hardware
    if parts.machine:
        yield "machine", parts.machine
    else:
        for gpu in parts.gpus:
            times = f"{gpu.count}x " if gpu.count > 1 else ""
            size = f", {gpu.vram_gb:.0f} GiB" if gpu.vram_gb else ""
            link = f", PCIe {gpu.pcie_gen}.0 x{gpu.pcie_lanes}" if gpu.pcie_gen and gpu.pcie_lanes else ""
            yield "gpu", f"{times}{gpu.name}{size}{link}"
        if not parts.gpus:
            yield "gpu", "none found that runs models"
        for card in found.cards:
            now, most = _wire(card.pcie_gen, card.pcie_lanes), _wire(card.pcie_gen_max, card.pcie_lanes_max)
            if now or most:
                yield "PCIe", f"{card.name}: now {now or 'not told'}, at most {most or 'not told'}"
        yield "cpu", parts.cpu_name or UNTOLD

    if facts:
        yield "core design", facts.design.name or f"unknown: {facts.design.why}"
        yield "caches", _caches(facts.caches)
        yield "instructions", ", ".join(facts.instructions) or UNTOLD
    if found.cores:
        yield "cores", f"{found.cores} usable{_topology(facts.topology) if facts else ''}"

    ram = parts.ram
    kind = f"{ram.type or ''}{f'-{ram.mt_s}' if ram.mt_s else ''}"
    channels = f"{ram.channels} channel{'s' if ram.channels and ram.channels > 1 else ''}" if ram.channels else ""
    yield "ram", ", ".join(filter(None, (f"{ram.gb:.1f} GiB" if ram.gb else "", kind, channels))) or UNTOLD
    yield "storage", _storage(parts.storage, facts.storage if facts else None)


def _surroundings(facts: Facts, devices: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What models run on, and within which limits."""
    around = facts.confinement
    yield from (("llama.cpp", line) for line in devices)
    machine = f"a virtual machine ({around.virtual_machine})" if around.virtual_machine else "no virtual machine"
    yield "runs in", f"{machine}, {f'a container ({around.container})' if around.container else 'no container'}"
    memory = f"{around.memory_bytes / GIB:.1f} GiB of memory" if around.memory_bytes else ""
    share = f"{around.processors:g} processors' time" if around.processors else ""
    yield "limits", ", ".join(filter(None, (memory, share))) or "none by control groups"


def _gaps(found: Detected) -> Iterator[str]:
    parts = found.hardware
    if not parts.machine and (parts.ram.type is None or parts.ram.mt_s is None):
        yield 'the system does not tell RAM type and speed: give them, for example --ram "DDR5-6000 2x32"'
    elif not parts.machine and parts.ram.channels is None:
        yield "how many RAM channels are filled is not told: give the modules in --ram, and the processor with --cpu"
    if parts.storage == StorageRequest():
        yield "the system does not tell the disk's model: give it or its speed, for example --storage 3.5"


def _wire(generation: int | None, lanes: int | None) -> str | None:
    return f"{generation}.0 x{lanes}" if generation and lanes else None


def _caches(caches: Caches) -> str:
    sizes = (("L1", caches.l1_bytes), ("L2", caches.l2_bytes), ("L3", caches.l3_bytes))
    known = [
        f"{level} {f'{size / MIB:g} MiB' if size >= MIB else f'{size / KIB:g} KiB'}" for level, size in sizes if size
    ]
    parts = f" in {caches.l3_count} parts" if (caches.l3_count or 0) > 1 else ""
    return ", ".join(known) + parts if known else UNTOLD


def _topology(found: Topology) -> str:
    words = ("core", "thread", "socket", "NUMA node")
    counts = zip((found.cores, found.threads, found.sockets, found.numa_nodes), words, strict=True)
    known = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count]
    return f" of {', '.join(known)}" if known else ""


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
