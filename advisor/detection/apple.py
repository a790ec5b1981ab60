"""A Mac as its own programs describe it."""

import re

from advisor.children import output_of
from advisor.question import Hardware, RamRequest
from catalog.units import GIB


def hardware() -> Hardware:
    """This Mac's parts: an Apple chip is a whole machine, an Intel Mac a processor and its memory."""
    return hardware_in(
        output_of("sysctl", "machdep.cpu.brand_string", "hw.memsize"),
        output_of("ioreg", "-rc", "AGXAccelerator", "-d1"),
    )


def cores() -> int | None:
    """Physical cores."""
    found = re.search(r"^hw\.physicalcpu: (\d+)", output_of("sysctl", "hw.physicalcpu"), re.MULTILINE)
    return int(found[1]) if found else None


def hardware_in(sysctl: str, ioreg: str) -> Hardware:
    """Parts from the output of sysctl and of ioreg (its "gpu-core-count")."""
    brand = re.search(r"^machdep\.cpu\.brand_string: (.+)$", sysctl, re.MULTILINE)
    size = re.search(r"^hw\.memsize: (\d+)", sysctl, re.MULTILINE)
    gpu_cores = re.search(r'"gpu-core-count"\s*=\s*(\d+)', ioreg)
    name = brand[1].strip() if brand else None
    ram = RamRequest(gb=int(size[1]) / GIB) if size else RamRequest()
    if name and name.startswith("Apple"):
        return Hardware(machine=f"{name} ({gpu_cores[1]}-core GPU)" if gpu_cores else name, ram=ram)
    return Hardware(cpu=name, ram=ram)
