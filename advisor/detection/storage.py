"""The disk that a path lies on, through partitions, encryption and volume groups."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from advisor.files import text_of
from catalog.units import GIB

BLOCK_DEVICES: Final = Path("/sys/dev/block")
MOUNTS: Final = Path("/proc/self/mountinfo")
SECTOR_BYTES: Final = 512
"""Unit of a block device's "size", whatever its sectors are. Source: Linux, Documentation/ABI/stable/sysfs-block."""
USUAL_READ_AHEAD_KIB: Final = 128
"""Source: Linux, include/linux/pagemap.h VM_READAHEAD_PAGES."""
MOST_READ_AHEAD_KIB: Final = 512
"""About a matrix of one expert (Qwen3.6-35B-A3B at Q4_K_M: 576 KiB): beyond it, what is read around is of others.

Measured 2026-11-29 (tests/benchmarks/calibration_storage.py): with memory for 90 % of such a model decode is 4.7 times
slower where 8 MiB are read, 1.5 times where 128 KiB are.
"""


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk as the kernel describes it; `kind` is "NVMe SSD", "SSD", "hard disk" or "virtual disk"."""

    device: str
    model: str | None
    size_gib: float | None
    kind: str | None


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """How much the system reads around a page fault in files on a block device."""

    device: str
    kib: int


@dataclass(frozen=True, slots=True)
class Lodging:
    """What a path lies on: the file system and its disks, several in an array, none of a network or in memory."""

    path: Path
    file_system: str | None
    disks: tuple[Disk, ...]
    read_ahead: ReadAhead | None = None

    @property
    def name(self) -> str | None:
        """The model of its only disk."""
        return self.disks[0].model if len(self.disks) == 1 else None

    @property
    def advice(self) -> tuple[str, ...]:
        """How to lower a read-ahead that is too much for experts; nothing where it is not."""
        if self.read_ahead is None or self.read_ahead.kib <= MOST_READ_AHEAD_KIB:
            return ()
        device, kib = self.read_ahead.device, self.read_ahead.kib
        command = f"echo {USUAL_READ_AHEAD_KIB} | sudo tee /sys/block/{device}/queue/read_ahead_kb"
        why = "much of it of no use to an MoE model larger than RAM, and it drops other experts from memory"
        how = f"lower it until the next boot and calibrate anew: {command}"
        return (f"{device} reads {kib:,} KiB around a fault, {why}; {how}",)


def lodging_of(path: Path, block_devices: Path = BLOCK_DEVICES, mounts: Path = MOUNTS) -> Lodging:
    """What a file or folder lies on, or would if it were there."""
    if not hasattr(os, "major"):  # Windows numbers its disks otherwise
        return Lodging(path, None, ())
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    own = number = there.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    kind, source = _mounted(there.resolve(), text_of(mounts))
    if not (block_devices / device).exists() and source and source.startswith("/dev/") and Path(source).exists():
        number = Path(source).stat().st_rdev  # btrfs and its like have numbers of their own
        device = f"{os.major(number)}:{os.minor(number)}"
    folder = (block_devices / device).resolve()
    if not folder.exists():
        return Lodging(path, kind, ())
    disks = tuple(dict.fromkeys(map(_disk, _physical(folder))))
    return Lodging(path, kind, disks, _read_ahead(folder) if number == own else None)


def disk_name(path: Path, block_devices: Path = BLOCK_DEVICES) -> str | None:
    """Name of the disk that a path lies on; None where it is not on one disk that tells it."""
    return lodging_of(path, block_devices).name


def _mounted(path: Path, mountinfo: str) -> tuple[str | None, str | None]:
    """Type and source of the file system that a path is in, from the lines of /proc/self/mountinfo."""
    best: tuple[int, str | None, str | None] = (-1, None, None)
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        if len(fields.split()) < 5 or len(rest.split()) < 2:
            continue
        point = Path(re.sub(r"\\040", " ", fields.split()[4]))
        depth = len(point.parts)
        if (path == point or point in path.parents) and depth >= best[0]:  # a later mount hides an earlier one
            kind, source = rest.split()[:2]
            best = depth, kind, source
    return best[1], best[2]


def _physical(folder: Path) -> tuple[Path, ...]:
    """Folders of the disks under a block device."""
    if (folder / "partition").exists():
        return _physical(folder.parent)
    below = sorted((folder / "slaves").glob("*"))
    return tuple(disk for entry in below for disk in _physical(entry.resolve())) if below else (folder,)


def _read_ahead(folder: Path) -> ReadAhead | None:
    """That of a block device; partitions have it of their disk."""
    whole = folder.parent if (folder / "partition").exists() else folder
    kib = text_of(whole / "queue" / "read_ahead_kb").strip()
    return ReadAhead(whole.name, int(kib)) if kib.isdigit() else None


def _disk(folder: Path) -> Disk:
    size = text_of(folder / "size").strip()
    return Disk(
        device=folder.name,
        model=text_of(folder / "device" / "model").strip() or None,
        size_gib=int(size) * SECTOR_BYTES / GIB if size.isdigit() else None,
        kind=_kind(folder),
    )


def _kind(folder: Path) -> str | None:
    if re.match(r"vd[a-z]|xvd[a-z]", folder.name):
        return "virtual disk"  # what it says of its platters is the hypervisor's guess
    if folder.name.startswith("nvme"):
        return "NVMe SSD"
    return {"0": "SSD", "1": "hard disk"}.get(text_of(folder / "queue" / "rotational").strip())
