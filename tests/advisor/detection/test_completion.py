"""What the user tells put over what the system told, and how it is said."""

from dataclasses import replace
from pathlib import Path

import pytest

from advisor.detection import Detected, assembled
from advisor.detection.computer import Facts, completed, excess
from advisor.detection.confinement import Confinement
from advisor.detection.graphics import Card
from advisor.detection.processor import Caches, CoreDesign, Topology
from advisor.detection.storage import Disk, Lodging, ReadAhead
from advisor.detection.wording import described
from advisor.question import GpuRequest, Hardware, RamRequest, StorageRequest
from catalog.units import GIB, MIB

FOUND = Hardware(cpu="Some CPU", ram=RamRequest(gb=31.3), storage=StorageRequest(name="CT1000MX500"))


def test_nothing_given_changes_nothing() -> None:
    assert completed(FOUND, Hardware()) == FOUND


def test_memory_is_completed_property_by_property() -> None:
    ram = completed(FOUND, Hardware(ram=RamRequest(type="DDR5", mt_s=4800))).ram
    assert ram == RamRequest(type="DDR5", mt_s=4800, gb=31.3)
    whole = RamRequest(type="DDR5", mt_s=4800, channels=12, gb=384)
    assert completed(FOUND, Hardware(ram=whole)).ram == whole


def test_a_part_that_is_given_stands_for_the_one_found() -> None:
    card = GpuRequest(name="RTX 3090", count=2)
    found = completed(FOUND, Hardware(gpus=(card,), storage=StorageRequest(read_gb_s=3.5)))
    assert (found.gpus, found.cpu, found.storage) == ((card,), "Some CPU", StorageRequest(read_gb_s=3.5))


def test_a_machine_stands_for_all_parts_and_parts_for_the_machine() -> None:
    machine = completed(FOUND, Hardware(machine="DGX Spark"))
    assert (machine.machine, machine.cpu, machine.ram.gb) == ("DGX Spark", None, 31.3)
    assert completed(machine, Hardware(cpu="EPYC 9354")).machine is None


def test_more_memory_than_may_be_used_is_remarked() -> None:
    remark = excess(FOUND, Hardware(ram=RamRequest(gb=384)))
    assert remark is not None
    assert remark.startswith("--ram names 384 GiB, of which this system may use 31.3 GiB")
    assert excess(FOUND, Hardware(ram=RamRequest(gb=32))) is None  # what the firmware keeps is no limit
    assert excess(FOUND, Hardware()) is None


FACTS = Facts(
    design=CoreDesign("Zen 3"),
    topology=Topology(1, 8, 16, 1),
    caches=Caches(256 * 1024, 4 * MIB, 32 * MIB, 1),
    instructions=("AVX2", "FMA"),
    storage=Lodging(Path("/models"), "ext4", (Disk("nvme0n1", "Samsung SSD 980 1TB", 931.5, "NVMe SSD"),)),
    confinement=Confinement("KVM", "Docker", 8 * GIB, 1.5),
)


def card(name: str, gib: int, gen: int, lanes: int, now: int, widest: int) -> Card:
    return Card(
        name=name, total_bytes=gib * GIB, pcie_gen=now, pcie_gen_max=gen, pcie_lanes=lanes, pcie_lanes_max=widest
    )


def test_each_fact_is_one_aligned_line() -> None:
    found_card = card("NVIDIA GeForce RTX 3060", 12, 4, 8, now=1, widest=16)
    found = assembled("AMD Ryzen 7 5800X", 31.3, (), (found_card,), 8, None)
    lines = list(described(found, FACTS, ["CUDA0: RTX 3060 (CUDA), 12.0 GiB"]))
    assert lines[:12] == [
        "gpu           RTX 3060 12GB, 12 GiB, PCIe 4.0 x8",
        "PCIe          NVIDIA GeForce RTX 3060: now 1.0 x8, at most 4.0 x16",
        "cpu           AMD Ryzen 7 5800X",
        "core design   Zen 3",
        "caches        L1 256 KiB, L2 4 MiB, L3 32 MiB",
        "instructions  AVX2, FMA",
        "cores         8 usable of 8 cores, 16 threads, 1 socket, 1 NUMA node",
        "ram           31.3 GiB",
        "storage       /models is on Samsung SSD 980 1TB, 932 GiB NVMe SSD (ext4)",
        "llama.cpp     CUDA0: RTX 3060 (CUDA), 12.0 GiB",
        "runs in       a virtual machine (KVM), a container (Docker)",
        "limits        8.0 GiB of memory, 1.5 processors' time",
    ]


def test_the_gaps_are_named_with_the_option_that_fills_them() -> None:
    def notes(ram: RamRequest, storage: StorageRequest) -> list[str]:
        found = Detected(Hardware(cpu="Some CPU", ram=ram, storage=storage), 8, ())
        return [line for line in described(found) if line.startswith("note: ")]

    whole = RamRequest(type="DDR5", mt_s=4800, channels=2, gb=32)
    assert notes(whole, FOUND.storage) == []
    speed, disk = notes(RamRequest(gb=32), StorageRequest())
    assert ("--ram" in speed, "--storage" in disk) == (True, True)
    (channels,) = notes(whole.model_copy(update={"channels": None}), FOUND.storage)
    assert "RAM channels" in channels


@pytest.mark.parametrize(("kib", "notes"), [(128, 0), (8192, 1)])
def test_a_large_read_ahead_is_noted(kib: int, notes: int) -> None:
    whole = RamRequest(type="DDR5", mt_s=4800, channels=2, gb=32)
    found = Detected(Hardware(cpu="Some CPU", ram=whole, storage=FOUND.storage), 8, ())
    facts = replace(FACTS, storage=replace(FACTS.storage, read_ahead=ReadAhead("nvme0n1", kib)))
    said = [line for line in described(found, facts) if line.startswith("note: nvme0n1 reads")]
    assert len(said) == notes


def test_cards_alike_but_for_what_they_do_now_are_one_kind() -> None:
    busy = card("NVIDIA GeForce RTX 3090", 24, 4, 16, now=4, widest=16)
    idle = card("NVIDIA GeForce RTX 3090", 24, 4, 16, now=1, widest=16)
    (gpu,) = assembled(None, 32, (), (busy, idle), 8, None).hardware.gpus
    assert gpu.count == 2
