"""What is taken for a processor: a product, a typical one of its family, as described, or the common one; never one
of another family.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.machines.processor import processor_of
from advisor.question import Hardware
from catalog.names.cpus import family_of, is_unsaid
from catalog.names.index import UnknownName
from catalog.tables import cpus

BY_NAME = {row.name: row for row in cpus()}


def taken(text: str) -> str:
    return processor_of(text, None, ()).side.name.partition(" x ")[2] or processor_of(text, None, ()).side.name


@pytest.mark.parametrize(
    ("text", "maker", "words"),
    [
        ("Intel, 6 P-cores given to the VM (model not stated; MSI board)", "intel", "Core"),
        ("dual-socket Xeon (48 threads, numactl interleave)", "intel", "Xeon"),
        ("Ryzen", "amd", "Ryzen"),
        ("AMD Ryzen (CachyOS)", "amd", "Ryzen"),
        ("EPYC 7002 server", "amd", "EPYC"),
        ("Core i9 laptop", "intel", "Core i9"),
        ("12th gen i7", "intel", "Core i7"),
        ("Intel(R) Xeon(R) Processor @ 2.20GHz", "intel", "Xeon"),
        ("Threadripper", "amd", "Threadripper"),
    ],
)
def test_a_family_is_answered_by_one_of_its_own_and_that_is_said(text: str, maker: str, words: str) -> None:
    found = processor_of(text, None, ())
    row = BY_NAME[taken(text)]
    assert (row.maker, row.name.startswith(words)) == (maker, True)
    assert found.code == "cpu"
    assert row.name in found.notes[0]


@pytest.mark.parametrize(
    ("text", "generation"),
    [("AMD Ryzen 9 8945HS", "Zen 4"), ("AMD Ryzen 9 9850X3D", "Zen 5"), ("Core i7-9750H", "Coffee Lake"),
     ("2x Intel Xeon E5-2697A v4 (16 cores each)", "Broadwell"), ("8x Intel Xeon E7-8880 v3", "Haswell")],
)
def test_a_product_that_the_catalog_lacks_is_one_of_its_generation(text: str, generation: str) -> None:
    # Generations: amd.com and ark.intel.com product pages
    assert {row.microarchitecture for row in family_of(text)} == {generation}


@pytest.mark.parametrize(
    "text", ["model not stated", "N/A", "unknown", "?", "16 threads (model not stated)", "6 cores without SMT",
             "QEMU Virtual CPU version 2.5+", "Common KVM processor", "20 threads, 5.2 GHz turbo"],
)
def test_what_says_that_it_is_not_known_counts_as_not_said(text: str) -> None:
    assert is_unsaid(text)
    assert taken(text) == processor_of(None, None, ()).side.name


@pytest.mark.parametrize(
    "text",
    ["banana", "Exynos 2400", "Android phone, armv8.2 dotprod (SoC not named)", "Loongson 3A5000", "POWER9",
     "Pentium 4", "8 bananas, 4 cores"],
)
def test_what_is_like_nothing_in_the_catalog_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(UnknownName, match=r'describe it: \{"custom"') as refusal:
        processor_of(text, None, ())
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "text", ["Raspberry Pi 5", "Intel N150", "Snapdragon X Elite", "2x Xeon E5-2690 v2", "Apple M2"]
)
def test_none_of_these_ever_becomes_a_common_desktop(text: str) -> None:
    try:
        found = taken(text)
    except UnknownName:
        return
    assert found not in {"Ryzen 7 5800X", "Ryzen 7 7700X"}


def test_a_processor_of_a_whole_machine_is_refused_with_its_name() -> None:
    with pytest.raises(UnknownName, match=r"name Strix Halo .* as the machine"):
        processor_of("GMKtec EVO-X2", None, ())


@given(text=st.text(st.characters(codec="ascii", categories=["Lu", "Ll", "Nd", "Zs", "Po"]), max_size=30))
def test_any_text_is_a_processor_or_refused(text: str) -> None:
    try:
        found = processor_of(text, None, ())
    except UnknownName:
        return
    assert found.side.cores >= 1
    assert found.code or found.platform


# Described by its figures.


def described(**figures: object) -> Machine:
    asked = {"cpu": {"custom": {"cores": 10, **figures}}, "ram": {"gb": 64}, "storage": {"read_gb_s": 3}}
    return machine_of(Hardware.model_validate(asked))


def test_a_described_processor_is_as_described() -> None:
    # Xeon E5-2690 v2 (ark.intel.com): 10 cores, 3.0 GHz, AVX, four channels of DDR3-1866: 4 x 8 B x 1.866 GT/s
    found = described(threads=20, memory="DDR3-1866", channels=4, instructions="avx", ghz=3.0)
    assert (found.cpu.cores, found.cpu.vector_bytes, found.cpu.ghz, found.ram.type) == (10, 16, 3.0, "DDR3")
    assert found.ram.bandwidth_gb_s == pytest.approx(59.712, rel=1e-9)
    assert (found.assumptions, found.unknown) == ((), frozenset())


@pytest.mark.parametrize(
    ("instructions", "width"), [("avx2", 32), ("AVX-512", 64), ("avx2, avx512, amx", 64), ("neon", 16), ("sse4.2", 16)]
)
def test_the_width_of_vectors_follows_the_instructions(instructions: str, width: int) -> None:
    assert described(memory="DDR4-2133", channels=2, instructions=instructions, ghz=3).cpu.vector_bytes == width


def test_what_a_description_leaves_open_is_assumed_and_said() -> None:
    found = described()
    assert len([said for said in found.assumptions if "the CPU's" in said]) == 2
    assert {"cpu_variant", "ram_speed", "ram_channels"} <= found.unknown


@pytest.mark.parametrize(
    ("figures", "words"),
    [({"instructions": "banana"}, "'banana' is not known"), ({"memory": "DDR9"}, "DDR9 is none of")],
)
def test_figures_that_are_none_are_refused_by_name(figures: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        described(**figures)


def test_memory_said_beside_wins_over_the_description() -> None:
    asked = {
        "cpu": {"custom": {"cores": 8, "memory": "DDR4-2133", "channels": 2}},
        "ram": {"type": "DDR4", "mt_s": 3200, "channels": 4, "gb": 32},
    }
    assert machine_of(Hardware.model_validate(asked)).ram.bandwidth_gb_s == pytest.approx(102.4, rel=1e-9)
