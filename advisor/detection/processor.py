"""The processor of a Linux computer: its name and the physical cores that this process may use."""

import math
import os
import re
from pathlib import Path

from advisor.detection.commands import output_of, text_of

CPUINFO = Path("/proc/cpuinfo")
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def cpu_name() -> str | None:
    """The processor as it names itself."""
    return name_in_cpuinfo(text_of(CPUINFO)) or _name_in_lscpu(output_of("lscpu"))


def name_in_cpuinfo(text: str) -> str | None:
    """The first "model name" of /proc/cpuinfo, with the number of sockets in front where there are several."""
    found = re.search(r"^model name\s*:\s*(\S.*)$", text, re.MULTILINE)
    if not found:
        return None
    sockets = len(set(re.findall(r"^physical id\s*:\s*(\d+)", text, re.MULTILINE)))
    name = re.sub(r"\s+", " ", found[1]).strip()
    return f"{sockets}x {name}" if sockets > 1 else name


def _name_in_lscpu(text: str) -> str | None:
    found = re.search(r"^Model name:\s*(\S.*)$", text, re.MULTILINE)
    return found[1].strip() if found else None


def usable_cores() -> int | None:
    """Physical cores that this process may use: its affinity and its container's quota count."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    cores = cores_in_cpuinfo(text_of(CPUINFO), allowed)
    quota = cpu_quota(cgroup_folders(text_of(OWN_CGROUP)))
    known = [number for number in (cores, quota) if number]
    return min(known) if known else None


def cores_in_cpuinfo(text: str, allowed: set[int] | None) -> int | None:
    """Distinct physical cores among the allowed logical ones, which count where none are named (ARM)."""
    found = set()
    for block in text.split("\n\n"):
        entry = dict(re.findall(r"^(processor|physical id|core id)\s*:\s*(\d+)", block, re.MULTILINE))
        if "processor" in entry and (allowed is None or int(entry["processor"]) in allowed):
            found.add((entry.get("physical id"), entry.get("core id", f"logical {entry['processor']}")))
    return len(found) or None


def cgroup_folders(own: str, root: Path = CGROUPS) -> tuple[Path, ...]:
    """The folders of this process's control group and of those above it (cgroup v2), innermost first."""
    found = re.search(r"^0::(/\S*)", own, re.MULTILINE)
    inner = root / found[1].strip("/") if found else root
    return tuple(path for path in (inner, *inner.parents) if path == root or root in path.parents)


def cpu_quota(folders: tuple[Path, ...]) -> int | None:
    """Whole processors that the tightest quota allows."""
    shares = [text_of(folder / "cpu.max").split() for folder in folders]
    quotas = [int(share[0]) / int(share[1]) for share in shares if len(share) == 2 and share[0].isdigit()]
    return max(1, math.ceil(min(quotas))) if quotas else None
