"""A Mac as its own programs describe it, and a Windows computer as its management interface (CIM) does."""

import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from advisor.children import output_of
from advisor.detection.graphics import Card
from advisor.detection.memory import KINDS, Module
from advisor.question import Hardware, RamRequest
from catalog.units import GIB

SCRIPT: Final = (
    "@{cpu=@(Get-CimInstance Win32_Processor|Select-Object Name,NumberOfCores);"
    "ram=@(Get-CimInstance Win32_PhysicalMemory|"
    "Select-Object Capacity,SMBIOSMemoryType,ConfiguredClockSpeed,DeviceLocator,BankLabel);"
    "gpu=@(Get-CimInstance Win32_VideoController|Select-Object Name)}|ConvertTo-Json -Depth 3"
)
KIND_OF_CODE: Final[Mapping[int, str]] = {24: "DDR3", 26: "DDR4", 30: "LPDDR4", 34: "DDR5", 35: "LPDDR5"}
"""Source: DMTF DSP0134 (SMBIOS 3.7), table 76 "Memory Device: Type"."""


def mac() -> tuple[Hardware, int | None]:
    """This Mac's parts and its physical cores."""
    sysctl = output_of("sysctl", "machdep.cpu.brand_string", "hw.memsize", "hw.physicalcpu")
    cores = re.search(r"^hw\.physicalcpu: (\d+)", sysctl, re.MULTILINE)
    return mac_in(sysctl, output_of("ioreg", "-rc", "AGXAccelerator", "-d1")), int(cores[1]) if cores else None


def mac_in(sysctl: str, ioreg: str) -> Hardware:
    """Parts from the output of sysctl and of ioreg (its "gpu-core-count").

    An Apple chip is a whole machine, an Intel Mac a processor and its memory.
    """
    brand = re.search(r"^machdep\.cpu\.brand_string: (.+)$", sysctl, re.MULTILINE)
    size = re.search(r"^hw\.memsize: (\d+)", sysctl, re.MULTILINE)
    gpu_cores = re.search(r'"gpu-core-count"\s*=\s*(\d+)', ioreg)
    name = brand[1].strip() if brand else None
    ram = RamRequest(gb=int(size[1]) / GIB) if size else RamRequest()
    if name and name.startswith("Apple"):
        return Hardware(machine=f"{name} ({gpu_cores[1]}-core GPU)" if gpu_cores else name, ram=ram)
    return Hardware(cpu=name, ram=ram)


class WindowsParts(NamedTuple):
    """A computer's parts; None where they are not told."""

    cpu: str | None
    """The processor, with the number of sockets in front where there are several."""
    memory_gib: float | None
    modules: tuple[Module, ...]
    cards: tuple[Card, ...]
    """Display adapters by name; their memory is not told (the interface reports at most 4 GiB)."""
    cores: int | None
    """Physical cores of all sockets."""


def windows() -> WindowsParts:
    """This computer's parts; none where PowerShell gives no answer."""
    return windows_in(output_of("powershell", "-NoProfile", "-NonInteractive", "-Command", SCRIPT))


def windows_in(text: str) -> WindowsParts:
    """Parts in the script's JSON."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    found = value if isinstance(value, dict) else {}
    processors, memory = found.get("cpu", ()), found.get("ram", ())
    names = [str(item["Name"]).strip() for item in processors]
    modules = []
    for item in memory:
        kind = KIND_OF_CODE.get(int(item.get("SMBIOSMemoryType") or 0), "")
        rate = int(item["ConfiguredClockSpeed"]) if item.get("ConfiguredClockSpeed") else None
        place = f"{item.get('DeviceLocator') or ''} {item.get('BankLabel') or ''}"
        modules.append(Module(kind if kind in KINDS else "", rate, place))
    return WindowsParts(
        cpu=(f"{len(names)}x {names[0]}" if len(names) > 1 else names[0]) if names else None,
        memory_gib=sum(int(item["Capacity"]) for item in memory) / GIB or None,
        modules=tuple(modules),
        cards=tuple(Card(name=str(item["Name"])) for item in found.get("gpu", ()) if item.get("Name")),
        cores=sum(int(item["NumberOfCores"]) for item in processors) or None,
    )
