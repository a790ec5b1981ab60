"""How to say what this computer is."""

from collections.abc import Iterator

from advisor.detection import Detected
from advisor.scenario import GpuRequest, RamRequest

UNTOLD = "not told by the system"


def described(found: Detected) -> Iterator[str]:
    """Lines of text, one per part, then what to do about the gaps."""
    parts = found.hardware
    if parts.machine:
        yield f"machine  {parts.machine}"
    else:
        for gpu in parts.gpus:
            yield f"gpu      {_gpu(gpu)}"
        if not parts.gpus:
            yield "gpu      none found that runs models"
        yield f"cpu      {parts.cpu or UNTOLD}"
    if found.cores:
        yield f"cores    {found.cores} usable"
    yield f"ram      {_ram(parts.ram)}"
    yield f"storage  {parts.storage.name or UNTOLD}"
    for note in found.notes:
        yield f"note: {note}"
    if not parts.machine and parts.ram.mt_s is None:
        yield 'note: the system does not tell RAM type and speed: give them, for example --ram "DDR5-6000 2x32"'


def _gpu(gpu: GpuRequest) -> str:
    times = f"{gpu.count}x " if gpu.count > 1 else ""
    size = f", {gpu.vram_gb:.0f} GiB" if gpu.vram_gb else ""
    link = f", PCIe {gpu.pcie_gen}.0 x{gpu.pcie_lanes}" if gpu.pcie_gen and gpu.pcie_lanes else ""
    return f"{times}{gpu.name}{size}{link}"


def _ram(ram: RamRequest) -> str:
    kind = f"{ram.type or ''}{f'-{ram.mt_s}' if ram.mt_s else ''}"
    channels = f"{ram.channels} channel{'s' if ram.channels and ram.channels > 1 else ''}" if ram.channels else ""
    size = f"{ram.gb:.1f} GiB" if ram.gb else ""
    return ", ".join(filter(None, (size, kind, channels))) or UNTOLD
