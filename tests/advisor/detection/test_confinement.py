"""Virtual machines, containers and control groups, in made-up file systems."""

from pathlib import Path

import pytest

from advisor.detection.confinement import Confinement, read_confinement
from catalog.units import GIB


def put(root: Path, name: str, text: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


X86 = "processor\t: 0\nflags\t\t: fpu avx2{}\n"


def test_a_computer_of_its_own(tmp_path: Path) -> None:
    put(tmp_path, "proc/cpuinfo", X86.format(""))
    put(tmp_path, "sys/class/dmi/id/sys_vendor", "Microsoft Corporation\n")  # a Surface
    put(tmp_path, "proc/1/cgroup", "0::/init.scope\n")
    assert read_confinement(tmp_path) == Confinement()


@pytest.mark.parametrize(
    ("key", "text", "name"),
    [
        ("sys_vendor", "QEMU", "QEMU"),
        ("product_name", "KVM", "KVM"),
        ("sys_vendor", "VMware, Inc.", "VMware"),
        ("sys_vendor", "innotek GmbH", "VirtualBox"),
        ("sys_vendor", "Microsoft Corporation", "Hyper-V"),
        ("sys_vendor", "Amazon EC2", "Amazon EC2"),
        ("product_name", "Google Compute Engine", "Google Compute Engine"),
        ("sys_vendor", "Someone new", "of an unknown kind"),
    ],
)
def test_a_virtual_machine_is_named_by_its_firmware(tmp_path: Path, key: str, text: str, name: str) -> None:
    put(tmp_path, "proc/cpuinfo", X86.format(" hypervisor"))
    put(tmp_path, f"sys/class/dmi/id/{key}", f"{text}\n")
    assert read_confinement(tmp_path).virtual_machine == name


def test_on_arm_the_firmware_alone_decides(tmp_path: Path) -> None:
    put(tmp_path, "proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd\n")
    put(tmp_path, "sys/class/dmi/id/sys_vendor", "Amazon EC2\n")
    put(tmp_path, "sys/class/dmi/id/product_name", "m7g.large\n")
    assert read_confinement(tmp_path).virtual_machine == "Amazon EC2"
    put(tmp_path, "sys/class/dmi/id/product_name", "m7g.metal\n")
    assert read_confinement(tmp_path).virtual_machine is None


def test_windows_subsystem_and_xen_tell_themselves(tmp_path: Path) -> None:
    put(tmp_path, "proc/version", "Linux version 5.15.90.1-microsoft-standard-WSL2\n")
    assert read_confinement(tmp_path).virtual_machine == "WSL"
    put(tmp_path, "proc/version", "Linux version 6.1\n")
    put(tmp_path, "sys/hypervisor/type", "xen\n")
    assert read_confinement(tmp_path).virtual_machine == "Xen"


@pytest.mark.parametrize(
    ("sign", "text", "name"),
    [
        (".dockerenv", "", "Docker"),
        ("run/.containerenv", "", "Podman"),
        ("run/systemd/container", "systemd-nspawn\n", "systemd-nspawn"),
        ("proc/1/cgroup", "4:memory:/kubepods/burstable/pod1\n", "kubepods"),
        ("proc/1/cgroup", "0::/lxc/101/init.scope\n", "lxc"),
    ],
)
def test_a_container_shows_itself(tmp_path: Path, sign: str, text: str, name: str) -> None:
    put(tmp_path, sign, text)
    assert read_confinement(tmp_path).container == name


def test_limits_of_the_second_kind_of_control_groups(tmp_path: Path) -> None:
    put(tmp_path, "proc/self/cgroup", "0::/work/job\n")
    put(tmp_path, "sys/fs/cgroup/work/memory.max", f"{8 * GIB}\n")
    put(tmp_path, "sys/fs/cgroup/work/job/memory.max", "max\n")
    put(tmp_path, "sys/fs/cgroup/work/job/cpu.max", "150000 100000\n")
    assert read_confinement(tmp_path) == Confinement(memory_bytes=8 * GIB, processors=1.5)


def test_limits_of_the_first_kind_hold_in_the_groups_above_too(tmp_path: Path) -> None:
    put(tmp_path, "proc/self/cgroup", "4:memory:/jobs/one\n3:cpu,cpuacct:/jobs\n2:devices:/jobs\n0::/\n")
    put(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    put(tmp_path, "sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", f"{4 * GIB}\n")
    put(tmp_path, "sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", f"{6 * GIB}\n")
    put(tmp_path, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
    put(tmp_path, "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "250000\n")
    put(tmp_path, "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us", "100000\n")
    assert read_confinement(tmp_path) == Confinement(memory_bytes=4 * GIB, processors=2.5)


def test_a_container_sees_the_first_kind_from_its_own_root(tmp_path: Path) -> None:
    # Its path is the host's, and what is mounted is its own group: the path is not there.
    put(tmp_path, "proc/self/cgroup", "4:memory:/docker/abc\n")
    put(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", f"{2 * GIB}\n")
    assert read_confinement(tmp_path).memory_bytes == 2 * GIB
