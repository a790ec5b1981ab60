"""What this computer is, read from what systems print.

The samples follow the formats of the Linux kernel's documentation (filesystems/proc.rst, admin-guide/cgroup-v2.rst), of
dmidecode, systemd's dmi_memory_id, lspci and nvidia-smi.
"""

from pathlib import Path

import pytest

from advisor.detection import Detected, assembled, detect, graphics, memory, processor
from advisor.detection.graphics import Card, Nvml
from advisor.detection.memory import Module
from advisor.detection.other_systems import mac_in, windows_in
from advisor.detection.wording import described
from advisor.machines.from_parts import machine_of
from catalog.units import GIB, MIB

NAME = "AMD Ryzen 7 5800X 8-Core Processor"


def card(name: str, gib: int | None = None, gen: int | None = None, lanes: int | None = None) -> Card:
    return Card(name=name, total_bytes=gib * GIB if gib else None, pcie_gen_max=gen, pcie_lanes=lanes)


def cpuinfo(sockets: int, cores: int, threads: int) -> str:
    blocks = [
        f"processor\t: {(s * cores + c) * threads + t}\nmodel name\t: {NAME}\nphysical id\t: {s}\ncore id\t\t: {c}\n"
        for s in range(sockets)
        for c in range(cores)
        for t in range(threads)
    ]
    return "\n".join(blocks)


def test_threads_of_a_core_count_once() -> None:
    assert processor.cores_in_cpuinfo(cpuinfo(1, 8, 2), None) == 8
    assert processor.cores_in_cpuinfo(cpuinfo(2, 8, 2), None) == 16


def test_only_allowed_cores_count() -> None:
    # Logical processors 0 to 3 are two cores with two threads each.
    assert processor.cores_in_cpuinfo(cpuinfo(1, 8, 2), {0, 1, 2, 3}) == 2


def test_without_core_numbers_logical_processors_count() -> None:
    assert processor.cores_in_cpuinfo("processor\t: 0\n\nprocessor\t: 1\n\n", None) == 2


def test_the_name_tells_the_sockets() -> None:
    assert processor.name_in_cpuinfo(cpuinfo(1, 2, 1)) == NAME
    assert processor.name_in_cpuinfo(cpuinfo(2, 2, 1)) == f"2x {NAME}"
    assert processor.name_in_cpuinfo("processor : 0\n") is None


def test_limits_of_all_control_groups_above_hold(tmp_path: Path) -> None:
    inner = tmp_path / "machine" / "service"
    inner.mkdir(parents=True)
    (tmp_path / "machine" / "memory.max").write_text(f"{8 * GIB}\n")
    (inner / "memory.max").write_text("max\n")
    (tmp_path / "machine" / "cpu.max").write_text("250000 100000\n")
    (inner / "cpu.max").write_text("max 100000\n")
    folders = processor.cgroup_folders("0::/machine/service\n", tmp_path)
    assert folders == (inner, tmp_path / "machine", tmp_path)
    assert memory.limit_bytes(folders, tmp_path / "none") == 8 * GIB
    # 250 ms of every 100 ms are two and a half processors: three threads keep busy
    assert processor.cpu_quota(folders) == 3


def test_no_limit_is_none(tmp_path: Path) -> None:
    (tmp_path / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert memory.limit_bytes((), tmp_path / "memory.limit_in_bytes") is None
    assert processor.cpu_quota((tmp_path,)) is None


def test_memory_size_in_gib() -> None:
    assert memory.total_bytes("MemTotal:       32768000 kB\nMemFree: 1 kB\n") == 32768000 * 1024
    assert memory.total_bytes("") is None


DMIDECODE = """Handle 0x0011, DMI type 17, 92 bytes
Memory Device
	Size: 16 GB
	Locator: DIMM_A2
	Bank Locator: BANK 1
	Type: DDR4
	Speed: 3600 MT/s
	Configured Memory Speed: 3200 MT/s

Handle 0x0012, DMI type 17, 92 bytes
Memory Device
	Size: No Module Installed
	Locator: DIMM_B1
	Type: Unknown

Handle 0x0013, DMI type 17, 92 bytes
Memory Device
	Size: 16 GB
	Locator: DIMM_B2
	Bank Locator: BANK 3
	Type: DDR4
	Speed: 3600 MT/s
	Configured Memory Speed: 3200 MT/s
"""
UDEV = """P: /devices/virtual/dmi/id
MEMORY_DEVICE_0_SIZE=34359738368
MEMORY_DEVICE_0_LOCATOR=DIMM 0
MEMORY_DEVICE_0_BANK_LOCATOR=P0 CHANNEL A
MEMORY_DEVICE_0_TYPE=DDR5
MEMORY_DEVICE_0_SPEED_MTS=6000
MEMORY_DEVICE_0_CONFIGURED_SPEED_MTS=5600
MEMORY_DEVICE_1_PRESENT=0
MEMORY_DEVICE_1_LOCATOR=DIMM 1
MEMORY_DEVICE_2_SIZE=34359738368
MEMORY_DEVICE_2_LOCATOR=DIMM 0
MEMORY_DEVICE_2_BANK_LOCATOR=P0 CHANNEL B
MEMORY_DEVICE_2_TYPE=DDR5
MEMORY_DEVICE_2_CONFIGURED_SPEED_MTS=5600
"""


def test_modules_of_the_firmware_table() -> None:
    by_dmidecode, by_udev = memory.modules_in_dmidecode(DMIDECODE), memory.modules_in_udev(UDEV)
    assert memory.described(by_dmidecode) == {"type": "DDR4", "mt_s": 3200, "channels": 2}
    assert memory.described(by_udev) == {"type": "DDR5", "mt_s": 5600, "channels": 2}


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        ((), {"type": None, "mt_s": None, "channels": None}),
        ((Module("RAM", None, "DIMM 0"),), {"type": None, "mt_s": None, "channels": None}),
        ((Module("DDR4", 3200, "slot one"),), {"type": "DDR4", "mt_s": 3200, "channels": 1}),
        (
            (Module("DDR4", 3200, "slot 1"), Module("DDR4", 2666, "slot 2")),
            {"type": "DDR4", "mt_s": 2666, "channels": None},
        ),
        ((Module("LPDDR5", 6400, "Channel A"),) * 4, {"type": "LPDDR5", "mt_s": 6400, "channels": None}),
        (
            (Module("DDR4", 3200, "ChannelA-DIMM0"), Module("DDR4", None, "ChannelB-DIMM0")),
            {"type": "DDR4", "mt_s": None, "channels": 2},
        ),
        (
            tuple(Module("DDR4", 2400, f"CPU{s}_DIMM_{c}1") for s in (1, 2) for c in "ABCD"),
            {"type": "DDR4", "mt_s": 2400, "channels": 8},
        ),
    ],
)
def test_what_the_table_does_not_say_stays_open(modules: tuple[Module, ...], expected: dict[str, object]) -> None:
    assert memory.described(modules) == expected


def test_cards_of_nvidia_smi() -> None:
    found = graphics.cards_in_nvidia_smi("NVIDIA GeForce RTX 3060, 12288, 4, 8\nNVIDIA GB10, [N/A], [N/A], [N/A]\n")
    assert found == (card("NVIDIA GeForce RTX 3060", 12, 4, 8), card("NVIDIA GB10"),
    )
    assert graphics.cards_in_nvidia_smi("") == ()


LSPCI = (
    '0000:03:00.0 "VGA compatible controller" "Advanced Micro Devices [AMD/ATI]" "Navi 31 [Radeon RX 7900 XTX]" -rc8\n'
    '0000:00:1f.3 "Audio device" "Intel Corporation" "HD Audio"\n'
    '0000:05:00.0 "VGA compatible controller" "ASPEED Technology, Inc." "ASPEED Graphics Family"\n'
)


def test_cards_of_the_kernel(tmp_path: Path) -> None:
    device = tmp_path / "pci" / "0000:03:00.0"
    device.mkdir(parents=True)
    for name, text in (
        ("vendor", "0x1002"), ("mem_info_vram_total", str(24560 * MIB)),
        ("max_link_speed", "16.0 GT/s PCIe"), ("current_link_width", "16"),
    ):
        (device / name).write_text(f"{text}\n")
    drm = tmp_path / "drm"
    for entry in ("card0", "card0-DP-1"):
        (drm / entry).mkdir(parents=True)
        (drm / entry / "device").symlink_to(device)
    (found,) = graphics.cards_in_sysfs(drm, LSPCI)
    known = Card(name="AMD Radeon RX 7900 XTX", total_bytes=24560 * MIB, pcie_gen_max=4, pcie_lanes=16)
    assert (found, found.vram_gib) == (known, 24.0)
    assert graphics.cards_in_sysfs(tmp_path / "none", LSPCI) == (card("Radeon RX 7900 XTX"),)


def test_the_slowest_link_on_the_way_to_a_card_counts(tmp_path: Path) -> None:
    # A card's own switch runs at 5.0 x16 behind a slot of 4.0 x8 that is now at 1.0.
    slot = tmp_path / "devices" / "0000:00:01.0"
    device = slot / "0000:01:00.0" / "0000:02:00.0" / "0000:03:00.0"
    device.mkdir(parents=True)
    for folder, speed, now, width, lanes in (
        (slot, "16.0 GT/s PCIe", "2.5 GT/s PCIe", "16", "8"),
        (device, "32.0 GT/s PCIe", "32.0 GT/s PCIe", "16", "16"),
    ):
        for name, text in (
            ("max_link_speed", speed), ("current_link_speed", now),
            ("max_link_width", width), ("current_link_width", lanes),
        ):
            (folder / name).write_text(f"{text}\n")
    (device / "vendor").write_text("0x1002\n")
    (tmp_path / "drm" / "card0").mkdir(parents=True)
    (tmp_path / "drm" / "card0" / "device").symlink_to(device)
    (found,) = graphics.cards_in_sysfs(tmp_path / "drm", LSPCI)
    assert (found.pcie_gen_max, found.pcie_lanes, found.pcie_gen, found.pcie_lanes_max) == (4, 8, 1, 16)


def test_cards_that_nvml_hides_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Card(
        index=0, name="NVIDIA GeForce RTX 3090", total_bytes=24 * GIB, pcie_gen=1, pcie_gen_max=4, pcie_lanes=8,
        pcie_lanes_max=16,
    )
    hidden = Card(index=1, unread={"name": "Insufficient Permissions"})
    monkeypatch.setattr(graphics, "read_nvml", lambda only: Nvml(cards=(shown, hidden)))
    (found,) = (item for item in graphics.cards() if item.name and item.name.startswith("NVIDIA"))
    assert (found, found.vram_gib) == (shown, 24.0)


def test_cards_that_something_else_told_of_count_where_the_system_lists_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics, "cards", lambda: ())
    assert [gpu.name for gpu in detect((card("NVIDIA GeForce RTX 3090", 24),)).hardware.gpus] == ["RTX 3090"]


def test_parts_become_the_hardware_of_a_scenario() -> None:
    cards = (card("NVIDIA GeForce RTX 3090", 24, 4, 8),) * 2 + (
        card("AMD Radeon RX 9999 XT", 24),
        card("Virtual Display"),
    )
    found = assembled(NAME, 31.3, memory.modules_in_dmidecode(DMIDECODE), cards, 8, "Samsung SSD 980 1TB")
    parts = found.hardware
    told = [(gpu.name, gpu.count, gpu.vram_gb, gpu.pcie_gen, gpu.pcie_lanes) for gpu in parts.gpus]
    assert told == [("RTX 3090", 2, 24, 4, 8)]
    assert (parts.cpu, parts.ram.type, parts.ram.mt_s, parts.ram.channels, parts.ram.gb) == (
        NAME,
        "DDR4",
        3200,
        2,
        31.3,
    )
    assert parts.storage.name == "Samsung SSD 980 1TB"
    assert [note.split(" is not")[0] for note in found.notes] == ["AMD Radeon RX 9999 XT"]
    assert machine_of(parts).name == "2 x RTX 3090 | Ryzen 7 5800X"


def test_graphics_inside_the_processor_stand_back_behind_a_card() -> None:
    inside, other = card("AMD Radeon 780M", 1), card("NVIDIA GeForce RTX 4060", 8)
    assert [gpu.name for gpu in assembled(None, 32, (), (inside, other), 8, None).hardware.gpus] == ["RTX 4060"]
    alone = assembled(None, 32, (), (inside,), 8, None).hardware.gpus
    assert [(gpu.name, gpu.vram_gb) for gpu in alone] == [("Radeon 780M", None)]


def test_a_box_of_one_memory_is_a_machine() -> None:
    found = assembled(
        "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", 125.1, (), (card("AMD Radeon 8060S", 1),), 16, None
    ).hardware
    assert found.machine is not None
    assert "395" in found.machine
    assert (found.gpus, found.ram.gb) == ((), 125.1)
    assert machine_of(found).unified


def test_a_mac() -> None:
    sysctl = "machdep.cpu.brand_string: Apple M4 Max\nhw.memsize: 68719476736\n"
    found = mac_in(sysctl, '  "gpu-core-count" = 40\n')
    assert (found.machine, found.ram.gb) == ("Apple M4 Max (40-core GPU)", 64)
    intel = mac_in("machdep.cpu.brand_string: Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz\n", "")
    assert (intel.machine, intel.cpu) == (None, "Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz")


def test_windows() -> None:
    found = windows_in(
        '{"cpu":[{"Name":"AMD Ryzen 7 5800X 8-Core Processor   ","NumberOfCores":8}],'
        '"gpu":[{"Name":"NVIDIA GeForce RTX 3060"}],'
        '"ram":[{"Capacity":17179869184,"SMBIOSMemoryType":26,"ConfiguredClockSpeed":3600,'
        '"DeviceLocator":"DIMM_A2","BankLabel":null},'
        '{"Capacity":17179869184,"SMBIOSMemoryType":26,"ConfiguredClockSpeed":3600,'
        '"DeviceLocator":"DIMM_B2","BankLabel":"B"}]}'
    )
    assert (found.cpu, found.cores, found.memory_gib) == (NAME, 8, 32)
    assert memory.described(found.modules) == {"type": "DDR4", "mt_s": 3600, "channels": 2}
    assert found.cards == (card("NVIDIA GeForce RTX 3060"),)
    assert windows_in("not JSON").cards == ()


def test_the_words_say_what_is_missing() -> None:
    bare = Detected(assembled(NAME, 16.0, (), (), 8, None).hardware, 8, ())
    lines = list(described(bare))
    assert lines[0] == "gpu           none found that runs models"
    assert lines[-2].startswith("note: the system does not tell RAM type and speed")
    full = assembled(NAME, 31.3, memory.modules_in_udev(UDEV), (card("NVIDIA GeForce RTX 3060", 12, 4, 16),), 8, None)
    assert next(described(full)) == "gpu           RTX 3060 12GB, 12 GiB, PCIe 4.0 x16"
    assert "ram           31.3 GiB, DDR5-5600, 2 channels" in list(described(full))


def test_this_computer_can_be_asked() -> None:
    found = detect()
    assert found.hardware.machine or found.hardware.cpu
    assert found.hardware.ram.gb is None or found.hardware.ram.gb > 0.1
    assert machine_of(found.hardware).ram.bandwidth_gb_s > 0
