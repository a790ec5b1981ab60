"""The graphics cards of a computer, from NVIDIA's library or tool, else from the kernel's list and lspci.

A value that is not told is None; where NVIDIA's management library (NVML) may not read one, `unread` says why.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from advisor.children import output_of
from advisor.files import text_of
from catalog.units import GIB, MIB

DRM: Final = Path("/sys/class/drm")
VENDORS: Final = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
GENERATION_OF_GT_S: Final = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}
"""PCIe generation by transfer rate, as the kernel writes it in max_link_speed."""
PARTS: Final = ("name", "total_bytes", "pcie_gen", "pcie_gen_max", "pcie_lanes", "pcie_lanes_max")
"""What of a card makes it a part of a computer: the rest is its state."""
MILLIWATTS_PER_WATT: Final = 1000
SLOW_DOWNS: Final = {0x4: "power limit", 0x8: "hardware slowdown", 0x20: "heat", 0x40: "heat", 0x80: "power brake"}
"""Source: NVML API reference, nvmlClocksEventReasons (https://docs.nvidia.com/deploy/nvml-api/, read 2026-11-28)."""


class Card(BaseModel):
    """A graphics card as the system describes it now; `index` is NVML's.

    An idle card runs its link at a lower generation (`pcie_gen`) than the one that it reaches under load here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int | None = None
    name: str | None = None
    pci_id: str | None = None
    total_bytes: int | None = None
    free_bytes: int | None = None
    pcie_gen: int | None = None
    pcie_gen_max: int | None = None
    pcie_lanes: int | None = None
    pcie_lanes_max: int | None = None
    graphics_clock_mhz: int | None = None
    graphics_clock_max_mhz: int | None = None
    memory_clock_mhz: int | None = None
    memory_clock_max_mhz: int | None = None
    power_draw_w: float | None = None
    power_limit_w: float | None = None
    temperature_c: int | None = None
    pcie_sent_kb_s: int | None = None
    pcie_received_kb_s: int | None = None
    pcie_replays: int | None = None
    slowed_by: tuple[str, ...] | None = None
    """What holds its clocks below what it could run at under load; empty when nothing does."""
    unread: dict[str, str] = {}

    @property
    def vram_gib(self) -> float | None:
        """Memory as it is written on the card, GiB; below half a GiB it says nothing."""
        return float(round((self.total_bytes or 0) / GIB)) or None


def cards() -> tuple[Card, ...]:
    """All graphics cards of makers whose cards run models."""
    nvidia = tuple(card for card in read_nvml(PARTS).cards if card.name) or cards_in_nvidia_smi(
        output_of(
            "nvidia-smi",
            "--query-gpu=name,memory.total,pcie.link.gen.max,pcie.link.width.current",
            "--format=csv,noheader,nounits",
        )
    )
    others = cards_in_sysfs(DRM, output_of("lspci", "-mm", "-D"))
    return nvidia + tuple(card for card in others if not nvidia or not (card.name or "").startswith("NVIDIA"))


def cards_in_nvidia_smi(text: str) -> tuple[Card, ...]:
    """Cards in the lines "name, MiB, PCIe generation, PCIe lanes" of nvidia-smi."""
    found = []
    for line in text.splitlines():
        name, *numbers = (cell.strip() for cell in line.split(","))
        size, generation, lanes = (int(cell) if cell.isdigit() else None for cell in (*numbers, "", "", "")[:3])
        if name and numbers:
            total = size * MIB if size else None
            found.append(Card(name=name, total_bytes=total, pcie_gen_max=generation, pcie_lanes=lanes))
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
            total_bytes=int(size) if size.isdigit() else None,
            pcie_gen=_narrowest(_generation(text_of(folder / "current_link_speed")) for folder in path),
            pcie_gen_max=_narrowest(_generation(text_of(folder / "max_link_speed")) for folder in path),
            pcie_lanes=_narrowest(_lanes(text_of(folder / "current_link_width")) for folder in path),
            pcie_lanes_max=_narrowest(_lanes(text_of(folder / "max_link_width")) for folder in path),
        )
    return tuple(found.values()) or tuple(Card(name=name) for name in names.values())


def names_in_lspci(text: str) -> dict[str, str]:
    """Names of the display devices by slot: the marketing name in brackets where there is one."""
    found = {}
    for line in text.splitlines():
        kind, maker, name = (*re.findall(r'"([^"]*)"', line), "", "", "")[:3]
        if re.match(r"VGA|3D|Display", kind) and re.search(r"NVIDIA|AMD|ATI|Intel", maker) and line.count('"') > 5:
            bracketed = re.findall(r"\[([^\]]+)\]", name)
            found[line.split(" ", 1)[0]] = bracketed[-1] if bracketed else name
    return found


def _narrowest(links: Iterable[int | None]) -> int | None:
    """The least along the way to the processor: a card's own bridge may be faster than the slot."""
    return min((link for link in links if link), default=None)


def _generation(speed: str) -> int | None:
    return GENERATION_OF_GT_S.get(speed.split(" ")[0].strip())


def _lanes(width: str) -> int | None:
    lanes = int(width) if width.strip().isdigit() else 0
    return lanes if 1 <= lanes <= 16 else None


class Nvml(BaseModel):
    """All cards that NVML knows; where there are none, `absent` says why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    driver: str | None = None
    cards: tuple[Card, ...] = ()
    absent: str | None = None


def read_nvml(only: Collection[str] | None = None) -> Nvml:
    """Ask NVML about each card now, `only` about some fields of Card.

    All take about 40 ms a card, for its counters of the link take 20 ms each.
    """
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return Nvml(absent="the Python package nvidia-ml-py is not installed")
    try:
        with _session(nvml):
            asked = {field: ask for field, ask in _questions(nvml).items() if only is None or field in only}
            found = tuple(_card(nvml, index, asked) for index in range(nvml.nvmlDeviceGetCount()))
            try:
                driver = str(nvml.nvmlSystemGetDriverVersion())
            except nvml.NVMLError:
                driver = None
            return Nvml(driver=driver, cards=found, absent=None if found else "NVML knows no card")
    except nvml.NVMLError as error:
        return Nvml(absent=str(error))


def normal_pci_id(text: str) -> str:
    """A PCI address as ggml writes it: four digits of domain, lower case.

    >>> normal_pci_id("00000000:0A:00.0")
    '0000:0a:00.0'
    """
    domain, _, place = text.strip().lower().partition(":")
    return f"{int(domain, 16):04x}:{place}"


@contextmanager
def _session(nvml: ModuleType) -> Iterator[None]:
    nvml.nvmlInit()
    try:
        yield
    finally:
        nvml.nvmlShutdown()


def _card(nvml: ModuleType, index: int, asked: Mapping[str, Callable[[Any], Any]]) -> Card:
    """A card with what may be read of it."""
    found: dict[str, Any] = {}
    unread: dict[str, str] = {}
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
    except nvml.NVMLError as error:
        return Card(index=index, unread=dict.fromkeys(asked, str(error)))
    for field, ask in asked.items():
        try:
            found[field] = ask(handle)
        except nvml.NVMLError as error:
            unread[field] = str(error)
    return Card(index=index, **found, unread=unread)


def _questions(nvml: ModuleType) -> dict[str, Callable[[Any], Any]]:
    """How each field of a card is asked for. Source: NVML API reference, device queries
    (https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html, read 2026-11-25).
    """
    graphics, memory = nvml.NVML_CLOCK_GRAPHICS, nvml.NVML_CLOCK_MEM
    sent, received = nvml.NVML_PCIE_UTIL_TX_BYTES, nvml.NVML_PCIE_UTIL_RX_BYTES
    return {
        "name": lambda card: nvml.nvmlDeviceGetName(card),
        "pci_id": lambda card: normal_pci_id(str(nvml.nvmlDeviceGetPciInfo(card).busId)),
        "total_bytes": lambda card: nvml.nvmlDeviceGetMemoryInfo(card).total,
        "free_bytes": lambda card: nvml.nvmlDeviceGetMemoryInfo(card).free,
        "pcie_gen": lambda card: nvml.nvmlDeviceGetCurrPcieLinkGeneration(card),
        "pcie_gen_max": lambda card: nvml.nvmlDeviceGetMaxPcieLinkGeneration(card),
        "pcie_lanes": lambda card: nvml.nvmlDeviceGetCurrPcieLinkWidth(card),
        "pcie_lanes_max": lambda card: nvml.nvmlDeviceGetMaxPcieLinkWidth(card),
        "graphics_clock_mhz": lambda card: nvml.nvmlDeviceGetClockInfo(card, graphics),
        "graphics_clock_max_mhz": lambda card: nvml.nvmlDeviceGetMaxClockInfo(card, graphics),
        "memory_clock_mhz": lambda card: nvml.nvmlDeviceGetClockInfo(card, memory),
        "memory_clock_max_mhz": lambda card: nvml.nvmlDeviceGetMaxClockInfo(card, memory),
        "power_draw_w": lambda card: nvml.nvmlDeviceGetPowerUsage(card) / MILLIWATTS_PER_WATT,
        "power_limit_w": lambda card: nvml.nvmlDeviceGetEnforcedPowerLimit(card) / MILLIWATTS_PER_WATT,
        "temperature_c": lambda card: nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU),
        "pcie_sent_kb_s": lambda card: nvml.nvmlDeviceGetPcieThroughput(card, sent),
        "pcie_received_kb_s": lambda card: nvml.nvmlDeviceGetPcieThroughput(card, received),
        "pcie_replays": lambda card: nvml.nvmlDeviceGetPcieReplayCounter(card),
        "slowed_by": lambda card: slow_downs(_clock_reasons(nvml, card)),
    }


def slow_downs(reasons: int) -> tuple[str, ...]:
    """The reasons among NVML's bits that take speed away; an idle card's low clock and a set one are none.

    >>> slow_downs(0x1 | 0x4 | 0x40)
    ('power limit', 'heat')
    """
    return tuple(dict.fromkeys(word for bit, word in SLOW_DOWNS.items() if reasons & bit))


def _clock_reasons(nvml: ModuleType, card: Any) -> int:
    """Why the clocks are as they are, as bits."""
    try:
        return int(nvml.nvmlDeviceGetCurrentClocksEventReasons(card))
    except nvml.NVMLError_FunctionNotFound:  # drivers before 535 have it by its older name
        return int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(card))
