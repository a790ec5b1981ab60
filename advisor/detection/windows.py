"""A Windows computer as its management interface (CIM) describes it."""

import json
from collections.abc import Mapping
from typing import Any

from advisor.children import output_of
from advisor.detection.graphics import Card
from advisor.detection.memory import KINDS, Module
from catalog.units import GIB

SCRIPT = (
    "@{cpu=@(Get-CimInstance Win32_Processor|Select-Object Name,NumberOfCores);"
    "ram=@(Get-CimInstance Win32_PhysicalMemory|"
    "Select-Object Capacity,SMBIOSMemoryType,ConfiguredClockSpeed,DeviceLocator,BankLabel);"
    "gpu=@(Get-CimInstance Win32_VideoController|Select-Object Name)}|ConvertTo-Json -Depth 3"
)
KIND_OF_CODE: Mapping[int, str] = {24: "DDR3", 26: "DDR4", 30: "LPDDR4", 34: "DDR5", 35: "LPDDR5"}
"""Source: DMTF DSP0134 (SMBIOS 3.7), table 76 "Memory Device: Type"."""


def described() -> Mapping[str, Any]:
    """Processors, memory modules and display adapters; empty where PowerShell gives no answer."""
    return parsed(output_of("powershell", "-NoProfile", "-NonInteractive", "-Command", SCRIPT))


def parsed(text: str) -> Mapping[str, Any]:
    """The script's JSON."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def cpu_name(found: Mapping[str, Any]) -> str | None:
    """The processor, with the number of sockets in front where there are several."""
    names = [str(item["Name"]).strip() for item in found.get("cpu", ())]
    if not names:
        return None
    return f"{len(names)}x {names[0]}" if len(names) > 1 else names[0]


def cores(found: Mapping[str, Any]) -> int | None:
    """Physical cores of all sockets."""
    return sum(int(item["NumberOfCores"]) for item in found.get("cpu", ())) or None


def memory_gib(found: Mapping[str, Any]) -> float | None:
    """Memory of all modules, GiB."""
    return sum(int(item["Capacity"]) for item in found.get("ram", ())) / GIB or None


def modules(found: Mapping[str, Any]) -> tuple[Module, ...]:
    """The memory modules."""
    return tuple(
        Module(kind if (kind := KIND_OF_CODE.get(int(item.get("SMBIOSMemoryType") or 0), "")) in KINDS else "",
               int(item["ConfiguredClockSpeed"]) if item.get("ConfiguredClockSpeed") else None,
               f"{item.get('DeviceLocator') or ''} {item.get('BankLabel') or ''}")
        for item in found.get("ram", ())
    )  # fmt: skip


def cards(found: Mapping[str, Any]) -> tuple[Card, ...]:
    """Display adapters by name; their memory is not told (the interface reports at most 4 GiB)."""
    return tuple(Card(str(item["Name"])) for item in found.get("gpu", ()) if item.get("Name"))
