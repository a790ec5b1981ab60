"""The graphics cards of a computer, from NVIDIA's library or tool, else from the kernel's list and lspci."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from advisor.children import output_of
from advisor.detection.commands import text_of
from advisor.detection.nvml import NvidiaCard, read_nvml
from catalog.units import GIB, MIB

DRM = Path("/sys/class/drm")
VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
GENERATION_OF_GT_S = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}
"""PCIe generation by transfer rate, as the kernel writes it in max_link_speed."""
NVML_FIELDS = ("name", "total_bytes", "pcie_gen", "pcie_gen_max", "pcie_lanes", "pcie_lanes_max")


@dataclass(frozen=True, slots=True)
class Card:
    """A graphics card as the system describes it; None where it does not."""

    name: str
    vram_gib: float | None = None
    pcie_gen: int | None = None
    """The generation that it reaches under load here: idle cards run their link at a lower one, `pcie_gen_now`."""
    pcie_lanes: int | None = None
    pcie_gen_now: int | None = field(default=None, compare=False)
    pcie_lanes_max: int | None = field(default=None, compare=False)


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
    return tuple(_nvml_card(card) for card in read_nvml(NVML_FIELDS).cards if card.name)


def _nvml_card(card: NvidiaCard) -> Card:
    return Card(
        name=card.name or "",
        vram_gib=_whole_gib(card.total_bytes) if card.total_bytes else None,
        pcie_gen=card.pcie_gen_max,
        pcie_lanes=card.pcie_lanes,
        pcie_gen_now=card.pcie_gen,
        pcie_lanes_max=card.pcie_lanes_max,
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
        path = [folder for folder in (device, *device.parents) if (folder / "max_link_speed").exists()]
        found[device.name] = Card(
            name=f"{maker} {names.get(device.name, '')}".strip(),
            vram_gib=_whole_gib(int(size)) if size.isdigit() else None,
            pcie_gen=_narrowest(_generation(text_of(folder / "max_link_speed")) for folder in path),
            pcie_lanes=_narrowest(_lanes(text_of(folder / "current_link_width")) for folder in path),
            pcie_gen_now=_narrowest(_generation(text_of(folder / "current_link_speed")) for folder in path),
            pcie_lanes_max=_narrowest(_lanes(text_of(folder / "max_link_width")) for folder in path),
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


def _narrowest(links: Iterable[int | None]) -> int | None:
    """The least along the way to the processor: a card's own bridge may be faster than the slot."""
    return min((link for link in links if link), default=None)


def _generation(speed: str) -> int | None:
    return GENERATION_OF_GT_S.get(speed.split(" ")[0].strip())


def _lanes(width: str) -> int | None:
    lanes = int(width) if width.strip().isdigit() else 0
    return lanes if 1 <= lanes <= 16 else None


def _whole_gib(size_bytes: int) -> float | None:
    """Memory as it is written on the card; below half a GiB it says nothing."""
    return float(round(size_bytes / GIB)) or None
