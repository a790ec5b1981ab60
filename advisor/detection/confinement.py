"""Whether this is a virtual machine or a container, and how much of the computer its control groups leave to it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from advisor.files import text_of

ROOT: Final = Path("/")
CPUINFO: Final = Path("/proc/cpuinfo")
CGROUPS: Final = Path("/sys/fs/cgroup")
OWN_CGROUP: Final = Path("/proc/self/cgroup")
CGROUP_V1_LIMIT: Final = Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")
HYPERVISORS: Final = (
    ("KVM", "KVM"), ("OpenStack", "KVM"), ("KubeVirt", "KVM"), ("Amazon EC2", "Amazon EC2"), ("QEMU", "QEMU"),
    ("VMware", "VMware"), ("VMW", "VMware"), ("innotek GmbH", "VirtualBox"), ("VirtualBox", "VirtualBox"),
    ("Xen", "Xen"), ("Parallels", "Parallels"), ("BHYVE", "bhyve"), ("Hyper-V", "Hyper-V"),
    ("Microsoft Corporation", "Hyper-V"), ("Apple Virtualization", "Apple Virtualization"),
    ("Google Compute Engine", "Google Compute Engine"),
)
"""How the firmware of a virtual machine begins its names. Source: systemd, src/basic/virt.c, dmi_vendor_table (read
2026-11-28), but for Microsoft's, which is a Surface's too: it counts only beside the processor's flag."""
CONTAINERS: Final = re.compile(r"docker|kubepods|containerd|libpod|lxc|garden|machine\.slice")


@dataclass(frozen=True, slots=True)
class Confinement:
    """Names of the hypervisor and of the container, None without; limits of the control groups, None without."""

    virtual_machine: str | None = None
    container: str | None = None
    memory_bytes: int | None = None
    processors: float | None = None


def read_confinement(root: Path = ROOT) -> Confinement:
    """What confines this process; `root` stands for the file system's."""
    folders = cgroup_folders(text_of(_at(root, OWN_CGROUP)), _at(root, Path("/sys/fs/cgroup")))
    none = root / "none"
    return Confinement(_virtual_machine(root), _container(root), limit_bytes(folders, none), processor_share(folders))


def _virtual_machine(root: Path) -> str | None:
    if "microsoft" in text_of(root / "proc/version").lower():
        return "WSL"
    kind = text_of(root / "sys/hypervisor/type").strip()
    if kind:
        return kind.capitalize()
    flags = text_of(_at(root, CPUINFO))
    x86, flagged = "\nflags" in flags, re.search(r"^flags\s*:.*\bhypervisor\b", flags, re.MULTILINE)
    if x86 and not flagged:
        return None
    words = [text_of(root / f"sys/class/dmi/id/{key}") for key in ("product_name", "sys_vendor", "product_version")]
    if not x86 and (".metal" in words[0] or words[1].startswith("Microsoft")):  # the whole computer, rented or bought
        return None
    named = (name for word in words for mark, name in HYPERVISORS if word.startswith(mark))
    return next(named, "of an unknown kind" if flagged else None)


def _container(root: Path) -> str | None:
    told = text_of(root / "run/systemd/container").strip()
    if told:
        return told
    for sign, name in ((".dockerenv", "Docker"), ("run/.containerenv", "Podman")):
        if (root / sign).exists():
            return name
    found = CONTAINERS.search(text_of(root / "proc/1/cgroup"))
    return found[0] if found else None


def _at(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


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


def processor_share(folders: Sequence[Path]) -> float | None:
    """Processors' worth of time that the tightest quota allows; None without one (v1 writes -1 then)."""
    v2 = (text_of(folder / "cpu.max").split() for folder in folders)
    v1 = ([text_of(folder / f"cpu.cfs_{key}_us").strip() for key in ("quota", "period")] for folder in folders)
    shares = [pair for pair in (*v2, *v1) if len(pair) == 2 and pair[0].isdigit() and pair[1].isdigit()]
    return min((int(quota) / int(period) for quota, period in shares), default=None)


def limit_bytes(folders: Iterable[Path], v1_limit: Path = CGROUP_V1_LIMIT) -> int | None:
    """The tightest memory limit of the control groups; None without one (v1 writes nearly 2^63 then)."""
    files = [folder / name for folder in folders for name in ("memory.max", "memory.limit_in_bytes")]
    texts = [text_of(file).strip() for file in (*files, v1_limit)]
    limits = [int(text) for text in texts if text.isdigit() and int(text) < 2**60]
    return min(limits, default=None)
