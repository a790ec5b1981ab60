"""The graphics cards of a computer, from NVIDIA's library or tool, else from the kernel's list and lspci."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from advisor.detection.commands import output_of, text_of
from catalog.units import GIB, MIB

DRM = Path("/sys/class/drm")
VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
GENERATION_OF_GT_S = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}
"""PCIe generation by transfer rate, as the kernel writes it in max_link_speed."""


@dataclass(frozen=True, slots=True)
class Card:
    """A graphics card as the system describes it; None where it does not."""

    name: str
    vram_gib: float | None = None
    pcie_gen: int | None = None
    pcie_lanes: int | None = None


def cards() -> tuple[Card, ...]:
    """All graphics cards of makers whose cards run models."""
    nvidia = _by_nvml() or cards_in_nvidia_smi(
        output_of(
            "nvidia-smi",
            "--query-gpu=name,memory.total,pcie.link.gen.max,pcie.link.width.current",
            "--format=csv,noheader,nounits",
        )
    )
    others = cards_in_sysfs(DRM, output_of("lspci", "-mm", "-D"))
    return nvidia + tuple(card for card in others if not nvidia or not card.name.startswith("NVIDIA"))


def _by_nvml() -> tuple[Card, ...]:
    try:
        import pynvml
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return tuple(_nvml_card(pynvml, handle) for handle in handles)
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def _nvml_card(pynvml: ModuleType, handle: object) -> Card:
    def asked(name: str) -> object:
        try:
            return getattr(pynvml, name)(handle)
        except pynvml.NVMLError:
            return None

    name, memory = asked("nvmlDeviceGetName"), asked("nvmlDeviceGetMemoryInfo")
    generation, lanes = asked("nvmlDeviceGetMaxPcieLinkGeneration"), asked("nvmlDeviceGetCurrPcieLinkWidth")
    total = getattr(memory, "total", None)
    return Card(
        name=name.decode() if isinstance(name, bytes) else str(name),
        vram_gib=_whole_gib(total) if total else None,
        pcie_gen=generation if isinstance(generation, int) else None,
        pcie_lanes=lanes if isinstance(lanes, int) else None,
    )


def cards_in_nvidia_smi(text: str) -> tuple[Card, ...]:
    """Cards in the lines "name, MiB, PCIe generation, PCIe lanes" of nvidia-smi."""
    found = []
    for line in text.splitlines():
        name, *numbers = (cell.strip() for cell in line.split(","))
        size, generation, lanes = (int(cell) if cell.isdigit() else None for cell in (*numbers, "", "", "")[:3])
        if name and numbers:
            found.append(Card(name, _whole_gib(size * MIB) if size else None, generation, lanes))
    return tuple(found)


def cards_in_sysfs(drm: Path, lspci: str) -> tuple[Card, ...]:
    """Cards among the kernel's display devices, named by lspci -mm -D."""
    names = names_in_lspci(lspci)
    found: dict[str, Card] = {}
    for entry in sorted(drm.glob("card[0-9]*")):
        device = (entry / "device").resolve()
        maker = VENDORS.get(text_of(device / "vendor").strip())
        if maker is None or "-" in entry.name:
            continue
        size = text_of(device / "mem_info_vram_total").strip()
        found[device.name] = Card(
            name=f"{maker} {names.get(device.name, '')}".strip(),
            vram_gib=_whole_gib(int(size)) if size.isdigit() else None,
            pcie_gen=_generation(text_of(device / "max_link_speed")),
            pcie_lanes=_lanes(text_of(device / "current_link_width")),
        )
    return tuple(found.values()) or tuple(map(Card, names.values()))


def names_in_lspci(text: str) -> dict[str, str]:
    """Names of the display devices by slot: the marketing name in brackets where there is one."""
    found = {}
    for line in text.splitlines():
        cells = re.findall(r'"([^"]*)"', line)
        if (
            len(cells) < 3
            or not re.match(r"VGA|3D|Display", cells[0])
            or not re.search(r"NVIDIA|AMD|ATI|Intel", cells[1])
        ):
            continue
        bracketed = re.findall(r"\[([^\]]+)\]", cells[2])
        found[line.split(" ", 1)[0]] = bracketed[-1] if bracketed else cells[2]
    return found


def _generation(speed: str) -> int | None:
    return GENERATION_OF_GT_S.get(speed.split(" ")[0].strip())


def _lanes(width: str) -> int | None:
    lanes = int(width) if width.strip().isdigit() else 0
    return lanes if 1 <= lanes <= 16 else None


def _whole_gib(size_bytes: int) -> float | None:
    """Memory as it is written on the card; below half a GiB it says nothing."""
    return float(round(size_bytes / GIB)) or None
