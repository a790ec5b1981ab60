"""Core design, instruction sets, caches and topology, read from what kernels print."""

from pathlib import Path

import pytest

from advisor.detection.processor import (
    AMX_DESIGNS,
    Caches,
    CoreDesign,
    Topology,
    caches_in,
    caches_in_sysctl,
    design_in_cpuinfo,
    read_topology,
    sets_in_cpuinfo,
    sets_in_sysctl,
)
from catalog.tables import cpus
from catalog.units import KIB, MIB


def cpuinfo(maker: str, family: int, model: int, flags: str = "fpu avx2") -> str:
    numbers = f"vendor_id\t: {maker}\ncpu family\t: {family}\nmodel\t\t: {model}\n"
    block = f"{numbers}model name\t: Some CPU\nflags\t\t: {flags}\n"
    return "\n".join(f"processor\t: {number}\n{block}" for number in range(2))


@pytest.mark.parametrize(
    ("maker", "family", "model", "name"),
    [
        ("GenuineIntel", 6, 143, "Sapphire Rapids"),
        ("GenuineIntel", 6, 207, "Emerald Rapids"),
        ("GenuineIntel", 6, 167, "Rocket Lake"),
        ("GenuineIntel", 6, 183, "Raptor Lake"),
        ("AuthenticAMD", 25, 33, "Zen 3"),  # Ryzen 7 5800X: family 19h, model 21h
        ("AuthenticAMD", 25, 97, "Zen 4"),  # Ryzen 9 7950X: family 19h, model 61h
        ("AuthenticAMD", 25, 17, "Zen 4"),  # EPYC 9354: family 19h, model 11h
        ("AuthenticAMD", 26, 68, "Zen 5"),  # Ryzen 9 9950X: family 1Ah, model 44h
    ],
)
def test_the_numbers_name_the_design(maker: str, family: int, model: int, name: str) -> None:
    assert design_in_cpuinfo(cpuinfo(maker, family, model)) == CoreDesign(name)


@pytest.mark.parametrize(
    ("maker", "family", "model"),
    [
        ("GenuineIntel", 6, 85),
        ("GenuineIntel", 6, 158),
        ("AuthenticAMD", 25, 255),
        ("GenuineIntel", 15, 6),
        ("New", 6, 143),
    ],
)
def test_numbers_of_several_designs_or_none_name_nothing(maker: str, family: int, model: int) -> None:
    found = design_in_cpuinfo(cpuinfo(maker, family, model))
    assert found.name is None
    assert found.why == f"family {family} model {model} is no number of one known design"


def test_a_number_that_the_instructions_deny_names_nothing() -> None:
    hidden = design_in_cpuinfo(cpuinfo("GenuineIntel", 6, 167, "hypervisor avx512f amx_tile amx_int8"))
    assert hidden.name is None
    assert hidden.why == "family 6 model 167 is Rocket Lake's, which has no AMX: the real number is hidden"
    assert design_in_cpuinfo(cpuinfo("GenuineIntel", 6, 143, "hypervisor amx_tile")).name == "Sapphire Rapids"


def test_a_processor_without_numbers_names_nothing() -> None:
    assert design_in_cpuinfo("processor\t: 0\nBogoMIPS\t: 243.75\n").name is None
    assert design_in_cpuinfo("").why == "the system does not tell its family and model numbers"


def test_the_designs_with_tiles_are_those_of_the_catalog() -> None:
    assert {cpu.microarchitecture for cpu in cpus() if cpu.amx} == AMX_DESIGNS


def test_instruction_sets_are_named_as_people_know_them() -> None:
    x86 = cpuinfo("GenuineIntel", 6, 143, "fpu avx avx2 fma f16c avx512f avx512_vnni amx_tile amx_int8 hypervisor")
    assert sets_in_cpuinfo(x86) == ("AVX", "AVX2", "FMA", "F16C", "AVX-512", "AVX-512 VNNI", "AMX", "AMX INT8")
    arm = "processor\t: 0\nFeatures\t: fp asimd aes asimdhp asimddp sve i8mm bf16\n"
    assert sets_in_cpuinfo(arm) == ("NEON", "FP16", "DOTPROD", "I8MM", "BF16", "SVE")
    assert sets_in_cpuinfo("") == ()


def test_a_mac_tells_its_instruction_sets() -> None:
    told = "hw.optional.AdvSIMD: 1\nhw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_I8MM: 0\n"
    assert sets_in_sysctl(told) == ("NEON", "DOTPROD")


def cache(folder_of_all: Path, cpu: int, index: int, level: str, kind: str, size: str, shared: str) -> None:
    folder = folder_of_all / f"cpu{cpu}" / "cache" / f"index{index}"
    folder.mkdir(parents=True)
    for name, text in (("level", level), ("type", kind), ("size", size), ("shared_cpu_list", shared)):
        (folder / name).write_text(f"{text}\n")


def test_a_cache_that_processors_share_counts_once(tmp_path: Path) -> None:
    for cpu in range(4):  # four cores, two and two with an L3
        cache(tmp_path, cpu, 0, "1", "Data", "48K", str(cpu))
        cache(tmp_path, cpu, 1, "1", "Instruction", "32K", str(cpu))
        cache(tmp_path, cpu, 2, "2", "Unified", "2048K", str(cpu))
        cache(tmp_path, cpu, 3, "3", "Unified", "32M", "0-1" if cpu < 2 else "2-3")
    found = caches_in(tmp_path)
    assert found == Caches(4 * 48 * KIB, 8 * MIB, 64 * MIB, 2)
    assert found.last_level_bytes == 64 * MIB


def test_caches_that_are_not_told_are_open(tmp_path: Path) -> None:
    assert caches_in(tmp_path) == Caches()
    assert caches_in(tmp_path).last_level_bytes is None


def test_a_macs_caches() -> None:
    apple = caches_in_sysctl("hw.l1dcachesize: 65536\nhw.l2cachesize: 4194304\n")
    assert apple == Caches(64 * KIB, 4 * MIB, None, None)
    assert apple.last_level_bytes == 4 * MIB
    intel = caches_in_sysctl("hw.l1dcachesize: 32768\nhw.l2cachesize: 262144\nhw.l3cachesize: 12582912\n")
    assert (intel.l3_bytes, intel.l3_count) == (12 * MIB, 1)


def test_sockets_cores_threads_and_nodes_are_counted(tmp_path: Path) -> None:
    blocks = [
        f"processor\t: {2 * (2 * socket + core) + thread}\nphysical id\t: {socket}\ncore id\t\t: {core}\n"
        for socket in range(2)
        for core in range(2)
        for thread in range(2)
    ]
    (tmp_path / "cpuinfo").write_text("\n".join(blocks))
    for node, processors in ((0, "0-3"), (1, "4-7"), (2, "")):  # the third is memory alone, as of CXL
        (tmp_path / f"node{node}").mkdir()
        (tmp_path / f"node{node}" / "cpulist").write_text(f"{processors}\n")
    assert read_topology(tmp_path / "cpuinfo", tmp_path) == Topology(sockets=2, cores=4, threads=8, numa_nodes=2)
    assert read_topology(tmp_path / "none", tmp_path / "none") == Topology(None, None, None, None)
