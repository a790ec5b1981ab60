"""What NVIDIA's management library tells about its cards beyond what ggml does: link, clocks, power, temperature.

A value that may not be read is None and `unread` says why; a computer without NVML has no cards here, and `absent` why.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

_MILLIWATTS_PER_WATT: Final = 1000
_SLOW_DOWNS: Final = {0x4: "power limit", 0x8: "hardware slowdown", 0x20: "heat", 0x40: "heat", 0x80: "power brake"}
"""Source: NVML API reference, nvmlClocksEventReasons (https://docs.nvidia.com/deploy/nvml-api/, read 2026-11-28)."""


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
    slowed_by: tuple[str, ...] | None = None
    """What holds its clocks below what it could run at under load; empty when nothing does."""
    unread: dict[str, str] = {}


class Nvml(BaseModel):
    """All cards that NVML knows; where there are none, `absent` says why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    driver: str | None = None
    cards: tuple[NvidiaCard, ...] = ()
    absent: str | None = None


def read_nvml(only: Collection[str] | None = None) -> Nvml:
    """Ask NVML about each card now, `only` about some fields of NvidiaCard.

    All take about 40 ms a card, for its counters of the link take 20 ms each.
    """
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return Nvml(absent="the Python package nvidia-ml-py is not installed")
    try:
        with _session(nvml):
            asked = {field: ask for field, ask in _questions(nvml).items() if only is None or field in only}
            cards = tuple(_card(nvml, index, asked) for index in range(nvml.nvmlDeviceGetCount()))
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


def _card(nvml: ModuleType, index: int, asked: Mapping[str, Callable[[Any], Any]]) -> NvidiaCard:
    """A card with what may be read of it."""
    found: dict[str, Any] = {}
    unread: dict[str, str] = {}
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
    except nvml.NVMLError as error:
        return NvidiaCard(index=index, unread=dict.fromkeys(asked, str(error)))
    for field, ask in asked.items():
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
        "slowed_by": lambda card: slow_downs(_clock_reasons(nvml, card)),
    }


def slow_downs(reasons: int) -> tuple[str, ...]:
    """The reasons among NVML's bits that take speed away; an idle card's low clock and a set one are none.

    >>> slow_downs(0x1 | 0x4 | 0x40)
    ('power limit', 'heat')
    """
    return tuple(dict.fromkeys(word for bit, word in _SLOW_DOWNS.items() if reasons & bit))


def _clock_reasons(nvml: ModuleType, card: Any) -> int:
    """Why the clocks are as they are, as bits."""
    try:
        return int(nvml.nvmlDeviceGetCurrentClocksEventReasons(card))
    except nvml.NVMLError_FunctionNotFound:  # drivers before 535 have it by its older name
        return int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(card))
