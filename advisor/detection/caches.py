"""The caches of the processor, as the kernel lists them."""

import platform
import re
from dataclasses import dataclass
from pathlib import Path

from advisor.children import output_of
from advisor.detection.commands import text_of
from catalog.units import KIB, MIB

CPUS = Path("/sys/devices/system/cpu")
_UNITS = {"": 1, "K": KIB, "M": MIB}


@dataclass(frozen=True, slots=True)
class Caches:
    """Bytes of all data caches of a level together, None where the system does not tell; `l3_count` is how many L3."""

    l1_bytes: int | None = None
    l2_bytes: int | None = None
    l3_bytes: int | None = None
    l3_count: int | None = None

    @property
    def last_level_bytes(self) -> int | None:
        """Those of the last level that there is."""
        return self.l3_bytes or self.l2_bytes


def read_caches() -> Caches:
    """The caches of this computer."""
    if platform.system() == "Darwin":
        return caches_in_sysctl(output_of("sysctl", "hw.l1dcachesize", "hw.l2cachesize", "hw.l3cachesize"))
    return caches_in(CPUS)


def caches_in(cpus: Path) -> Caches:
    """Caches in the kernel's folders cpu<n>/cache/index<n>; those that several processors share count once."""
    found: dict[tuple[str, str], int] = {}
    for entry in cpus.glob("cpu[0-9]*/cache/index[0-9]*"):
        if text_of(entry / "type").strip() in {"Data", "Unified"}:
            place = text_of(entry / "level").strip(), text_of(entry / "shared_cpu_list").strip()
            found[place] = _bytes(text_of(entry / "size"))

    def total(level: str) -> int | None:
        return sum(size for (at, _), size in found.items() if at == level) or None

    count = sum(1 for at, _ in found if at == "3")
    return Caches(total("1"), total("2"), total("3"), count or None)


def caches_in_sysctl(text: str) -> Caches:
    """Caches in what a Mac's sysctl prints: of one cluster of cores; an Apple chip has no L3."""
    listed = re.findall(r"^hw\.(l\d)d?cachesize: (\d+)$", text, re.MULTILINE)
    found = {level: int(size) or None for level, size in listed}
    return Caches(found.get("l1"), found.get("l2"), found.get("l3"), 1 if found.get("l3") else None)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KM]?)", text.strip())
    return int(found[1]) * _UNITS[found[2]] if found else 0
