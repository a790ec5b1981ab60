"""Whether this is a virtual machine or a container, and how much of the computer it may use."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from advisor.detection.commands import text_of
from advisor.detection.memory import limit_bytes
from advisor.detection.processor import CPUINFO, OWN_CGROUP, cgroup_folders, processor_share

ROOT: Final = Path("/")
HYPERVISORS: Final = (
    ("KVM", "KVM"), ("OpenStack", "KVM"), ("KubeVirt", "KVM"), ("Amazon EC2", "Amazon EC2"), ("QEMU", "QEMU"),
    ("VMware", "VMware"), ("VMW", "VMware"), ("innotek GmbH", "VirtualBox"), ("VirtualBox", "VirtualBox"),
    ("Xen", "Xen"), ("Parallels", "Parallels"), ("BHYVE", "bhyve"), ("Hyper-V", "Hyper-V"),
    ("Microsoft Corporation", "Hyper-V"), ("Apple Virtualization", "Apple Virtualization"),
    ("Google Compute Engine", "Google Compute Engine"),
)  # fmt: skip
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
