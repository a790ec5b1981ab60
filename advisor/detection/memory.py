"""The memory of a Linux computer: how much a process may use, and its modules where the firmware's table is readable.

What cannot be read stays None; nothing is guessed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from advisor.children import output_of
from advisor.detection.confinement import OWN_CGROUP, cgroup_folders, limit_bytes
from advisor.files import text_of
from catalog.units import GIB, KIB

MEMINFO: Final = Path("/proc/meminfo")
KINDS: Final = frozenset({"DDR3", "DDR4", "DDR5", "LPDDR4", "LPDDR4X", "LPDDR5", "LPDDR5X"})


@dataclass(frozen=True, slots=True)
class Module:
    """One memory device of the firmware's table (SMBIOS type 17)."""

    kind: str
    mt_s: int | None
    locator: str


def memory_gib() -> float | None:
    """Memory that this process may use, GiB: the computer's, or its container's limit where that is lower."""
    limits = (total_bytes(text_of(MEMINFO)), limit_bytes(cgroup_folders(text_of(OWN_CGROUP))))
    known = [size for size in limits if size]
    return round(min(known) / GIB, 1) if known else None


def total_bytes(meminfo: str) -> int | None:
    """MemTotal of /proc/meminfo."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", meminfo, re.MULTILINE)
    return int(found[1]) * KIB if found else None


def modules() -> tuple[Module, ...]:
    """The memory modules, from udev's copy of the firmware's table (open to all), else from dmidecode (root only)."""
    found = modules_in_udev(output_of("udevadm", "info", "-q", "property", "-p", "/sys/devices/virtual/dmi/id"))
    return found or modules_in_dmidecode(output_of("dmidecode", "-t", "17"))


def modules_in_udev(text: str) -> tuple[Module, ...]:
    """Modules among udev's properties MEMORY_DEVICE_<n>_<key>."""
    devices: dict[str, dict[str, str]] = {}
    for index, key, value in re.findall(r"^MEMORY_DEVICE_(\d+)_(\w+)=(.*)$", text, re.MULTILINE):
        devices.setdefault(index, {})[key] = value
    return tuple(
        _module(entry.get("TYPE", ""), entry.get("CONFIGURED_SPEED_MTS") or entry.get("SPEED_MTS", ""),
                (entry.get("LOCATOR", ""), entry.get("BANK_LOCATOR", "")))
        for entry in devices.values() if entry.get("PRESENT") != "0" and entry.get("SIZE", "0") != "0"
    )


def modules_in_dmidecode(text: str) -> tuple[Module, ...]:
    """Modules among dmidecode's "Memory Device" blocks."""
    blocks = [dict(re.findall(r"^\s+([^:\n]+): (.*)$", part, re.MULTILINE)) for part in text.split("Memory Device")[1:]]
    return tuple(
        _module(entry.get("Type", ""), entry.get("Configured Memory Speed") or entry.get("Speed", ""),
                (entry.get("Locator", ""), entry.get("Bank Locator", "")))
        for entry in blocks if re.match(r"\d+ [KMGT]i?B", entry.get("Size", ""))
    )


def _module(kind: str, speed: str, locators: tuple[str, str]) -> Module:
    rate = re.match(r"\d+", speed)
    return Module(kind.strip(), int(rate[0]) if rate and int(rate[0]) else None, " ".join(locators))


def described(found: tuple[Module, ...]) -> Mapping[str, str | int | None]:
    """Type, slowest data rate and 64-bit channels of the modules, each None where the table does not say.

    Channels are counted for DIMMs only, by the places that they name: soldered memory comes in channels of 16 or 32
    bits. One module is one channel.
    """
    kinds, rates = {module.kind for module in found}, {module.mt_s for module in found}
    kind = next(iter(kinds)) if len(kinds) == 1 and kinds <= KINDS else None
    known = [rate for rate in rates if rate is not None]
    channels = None
    if kind and not kind.startswith("LP"):
        names = {_channel(module.locator) for module in found}
        channels = 1 if len(found) == 1 else len(names) if None not in names else None
    return {"type": kind, "mt_s": min(known) if known and len(known) == len(rates) else None, "channels": channels}


def _channel(locator: str) -> str | None:
    """The channel in a place such as "DIMM_A2", "ChannelB-DIMM0", "DIMM 0 P0 CHANNEL A" or "CPU1_DIMM_C1".

    >>> _channel("ChannelB-DIMM0 BANK 2"), _channel("DIMM 0 P0 CHANNEL A"), _channel("CPU1_DIMM_C1")
    ('B', 'P0 A', 'CPU1 C')
    """
    text = locator.upper()
    socket = re.search(r"\b(P\d|CPU\d+)(?![A-Z0-9])|(?<![A-Z])(P\d|CPU\d+)(?=[_ -])", text)
    letter = re.search(r"CHANNEL[ _-]?([A-L])(?![A-Z])", text) or re.search(r"DIMM[ _-]?([A-L])\d?(?![A-Z0-9])", text)
    if not letter:
        return None
    return f"{socket[0]} {letter[1]}" if socket else letter[1]
