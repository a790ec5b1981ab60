"""What NVIDIA's management library tells about its cards beyond what ggml does: link, clocks, power, temperature.

A value that may not be read is None and `unread` says why; a computer without NVML has no cards here, and `absent` why.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

_MILLIWATTS_PER_WATT: Final = 1000


class NvidiaCard(BaseModel):
    """One card as NVML describes it now. Idle cards run their link at a lower generation than the one under load."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int
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
    unread: dict[str, str] = {}


class Nvml(BaseModel):
    """All cards that NVML knows; where there are none, `absent` says why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    driver: str | None = None
    cards: tuple[NvidiaCard, ...] = ()
    absent: str | None = None


def read_nvml() -> Nvml:
    """Ask NVML about each card now; about 40 ms a card, for its counters of the link each take 20 ms."""
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return Nvml(absent="the Python package nvidia-ml-py is not installed")
    try:
        with _session(nvml):
            cards = tuple(_card(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
            absent = None if cards else "NVML knows no card"
            return Nvml(driver=_driver(nvml), cards=cards, absent=absent)
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


def _driver(nvml: ModuleType) -> str | None:
    try:
        return str(nvml.nvmlSystemGetDriverVersion())
    except nvml.NVMLError:
        return None


def _card(nvml: ModuleType, index: int) -> NvidiaCard:
    """A card with what may be read of it."""
    found: dict[str, Any] = {}
    unread: dict[str, str] = {}
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
    except nvml.NVMLError as error:
        return NvidiaCard(index=index, unread=dict.fromkeys(_questions(nvml), str(error)))
    for field, ask in _questions(nvml).items():
        try:
            found[field] = ask(handle)
        except nvml.NVMLError as error:
            unread[field] = str(error)
    return NvidiaCard(index=index, **found, unread=unread)


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
        "power_draw_w": lambda card: nvml.nvmlDeviceGetPowerUsage(card) / _MILLIWATTS_PER_WATT,
        "power_limit_w": lambda card: nvml.nvmlDeviceGetEnforcedPowerLimit(card) / _MILLIWATTS_PER_WATT,
        "temperature_c": lambda card: nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU),
        "pcie_sent_kb_s": lambda card: nvml.nvmlDeviceGetPcieThroughput(card, sent),
        "pcie_received_kb_s": lambda card: nvml.nvmlDeviceGetPcieThroughput(card, received),
        "pcie_replays": lambda card: nvml.nvmlDeviceGetPcieReplayCounter(card),
    }
