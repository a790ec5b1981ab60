"""The processor of a Linux computer: its name and the physical cores that this process may use."""

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

from advisor.children import output_of
from advisor.detection.commands import text_of

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
    """The folders of this process's control groups and of those above them, innermost first.

    Those of cgroup v2, then those of v1's controllers of memory and processors where they are mounted.
    """
    found = re.search(r"^0::(/\S*)", own, re.MULTILINE)
    folders = _with_parents(root / found[1].strip("/") if found else root, root)
    for names, inner in re.findall(r"^[1-9]\d*:([\w,=-]+):(/\S*)", own, re.MULTILINE):
        mounted = root / names
        if {"memory", "cpu"} & set(names.split(",")) and mounted.is_dir():
            folders += _with_parents(mounted / inner.strip("/"), mounted)
    return folders


def _with_parents(inner: Path, top: Path) -> tuple[Path, ...]:
    return tuple(path for path in (inner, *inner.parents) if path == top or top in path.parents)


def cpu_quota(folders: tuple[Path, ...]) -> int | None:
    """Whole processors that the tightest quota allows."""
    share = processor_share(folders)
    return max(1, math.ceil(share)) if share else None


def processor_share(folders: Sequence[Path]) -> float | None:
    """Processors' worth of time that the tightest quota allows; None without one (v1 writes -1 then)."""
    v2 = (text_of(folder / "cpu.max").split() for folder in folders)
    v1 = ([text_of(folder / f"cpu.cfs_{key}_us").strip() for key in ("quota", "period")] for folder in folders)
    shares = [pair for pair in (*v2, *v1) if len(pair) == 2 and pair[0].isdigit() and pair[1].isdigit()]
    return min((int(quota) / int(period) for quota, period in shares), default=None)
