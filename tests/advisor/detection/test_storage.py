"""The disk that a path lies on, in made-up trees of block devices."""

import os
from pathlib import Path

import pytest

from advisor.detection.storage import Disk, Lodging, ReadAhead, disk_name, lodging_of


class Blocks:
    """A /sys/dev/block whose entry for the test's own file system is as the test says."""

    def __init__(self, root: Path) -> None:
        self.devices, self.numbers = root / "devices", root / "block"
        self.numbers.mkdir()
        number = root.stat().st_dev
        self.here = self.numbers / f"{os.major(number)}:{os.minor(number)}"

    def disk(self, name: str, model: str | None, rotational: str = "0") -> Path:
        folder = self.devices / name
        (folder / "queue").mkdir(parents=True)
        (folder / "queue" / "rotational").write_text(f"{rotational}\n")
        (folder / "size").write_text("2097152\n")  # sectors of 512 bytes: 1 GiB
        if model:
            (folder / "device").mkdir()
            (folder / "device" / "model").write_text(f"{model}  \n")
        return folder

    def partition(self, disk: Path, name: str) -> Path:
        folder = disk / name
        folder.mkdir()
        (folder / "partition").write_text("1\n")
        return folder

    def over(self, name: str, *below: Path) -> Path:
        folder = self.devices / name
        (folder / "slaves").mkdir(parents=True)
        for part in below:
            (folder / "slaves" / part.name).symlink_to(part)
        return folder


@pytest.fixture
def blocks(tmp_path: Path) -> Blocks:
    return Blocks(tmp_path)


def looked(blocks: Blocks, path: Path, mounts: Path = Path("none")) -> Lodging:
    return lodging_of(path, blocks.numbers, mounts)


def test_a_partition_is_part_of_its_disk(tmp_path: Path, blocks: Blocks) -> None:
    disk = blocks.disk("nvme0n1", "Samsung SSD 980 1TB")
    blocks.here.symlink_to(blocks.partition(disk, "nvme0n1p2"))
    found = looked(blocks, tmp_path)
    assert found.disks == (Disk("nvme0n1", "Samsung SSD 980 1TB", 1.0, "NVMe SSD"),)
    assert found.name == disk_name(tmp_path, blocks.numbers) == "Samsung SSD 980 1TB"


def test_encryption_and_volumes_lie_on_disks(tmp_path: Path, blocks: Blocks) -> None:
    part = blocks.partition(blocks.disk("sda", "WDC WD40EFRX", "1"), "sda1")
    blocks.here.symlink_to(blocks.over("dm-1", blocks.over("dm-0", part)))
    assert looked(blocks, tmp_path).disks == (Disk("sda", "WDC WD40EFRX", 1.0, "hard disk"),)


def test_an_array_has_several_disks_and_no_one_name(tmp_path: Path, blocks: Blocks) -> None:
    members = [blocks.disk(f"nvme{number}n1", "CT2000P5") for number in (0, 1)]
    blocks.here.symlink_to(blocks.over("md0", *members))
    found = looked(blocks, tmp_path)
    assert [disk.device for disk in found.disks] == ["nvme0n1", "nvme1n1"]
    assert found.name is None


def test_a_virtual_disk_tells_no_model(tmp_path: Path, blocks: Blocks) -> None:
    blocks.here.symlink_to(blocks.disk("vda", None, "1"))
    assert looked(blocks, tmp_path).disks == (Disk("vda", None, 1.0, "virtual disk"),)


def test_the_read_ahead_of_a_partition_is_that_of_its_disk(tmp_path: Path, blocks: Blocks) -> None:
    disk = blocks.disk("sda", "CT1000MX500")
    (disk / "queue" / "read_ahead_kb").write_text("4096\n")
    blocks.here.symlink_to(blocks.partition(disk, "sda1"))
    assert looked(blocks, tmp_path).read_ahead == ReadAhead("sda", 4096)


def test_only_a_read_ahead_beyond_an_expert_is_advised_against(tmp_path: Path, blocks: Blocks) -> None:
    blocks.here.symlink_to(blocks.disk("sda", "CT1000MX500"))
    assert looked(blocks, tmp_path).read_ahead is None  # the system does not tell it
    assert Lodging(tmp_path, None, (), ReadAhead("sda", 128)).advice == ()
    [advice] = Lodging(tmp_path, None, (), ReadAhead("md0", 8192)).advice
    assert advice.endswith("echo 128 | sudo tee /sys/block/md0/queue/read_ahead_kb")


def test_a_file_system_over_disks_has_a_read_ahead_of_its_own(tmp_path: Path, blocks: Blocks) -> None:
    """As btrfs has, which is not that of the disk: none is told."""
    disk = blocks.disk("sda", "CT1000MX500")
    (disk / "queue" / "read_ahead_kb").write_text("4096\n")
    source = Path("/dev/null").stat().st_rdev  # any device file will do
    (blocks.numbers / f"{os.major(source)}:{os.minor(source)}").symlink_to(disk)
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"23 22 0:40 / {tmp_path} rw - btrfs /dev/null rw\n")
    found = looked(blocks, tmp_path, mounts)
    assert (found.name, found.read_ahead) == ("CT1000MX500", None)


def test_what_is_not_on_a_disk_has_none(tmp_path: Path, blocks: Blocks) -> None:
    assert looked(blocks, tmp_path) == Lodging(tmp_path, None, ())


def test_a_file_that_is_not_there_yet_would_lie_where_its_folder_does(tmp_path: Path, blocks: Blocks) -> None:
    blocks.here.symlink_to(blocks.disk("sda", "CT1000MX500"))
    assert looked(blocks, tmp_path / "models" / "new.gguf").name == "CT1000MX500"


def test_the_file_system_is_that_of_the_innermost_mount(tmp_path: Path, blocks: Blocks) -> None:
    mounts = tmp_path / "mountinfo"
    inner = tmp_path / "data"
    inner.mkdir()
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"23 22 0:40 / {tmp_path} rw - btrfs /dev/sdb1 rw\n"
        f"24 23 0:41 / {inner} rw - nfs4 server:/models rw\n"
        "25 22 0:42 / /else rw - tmpfs tmpfs rw\n"
        "broken\n"
    )
    assert looked(blocks, tmp_path, mounts).file_system == "btrfs"
    assert looked(blocks, inner / "a.gguf", mounts).file_system == "nfs4"
