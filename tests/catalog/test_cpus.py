"""Identities of the table of processors."""

from datetime import date

import pytest

from catalog.names.cpus import PLATFORMS, X86_MAKERS
from catalog.parts import Cpu
from catalog.tables import boards, cpus

ROWS = cpus()
BY_NAME = {row.name: row for row in ROWS}
AMD_INDEX = "https://www.amd.com/en/products/specifications/processors.html"
BANDWIDTH_TOLERANCE = 1e-9  # products of short decimals, computed the same way on both sides


def peak_gb_s(row: Cpu) -> float:
    """DRAM peak: channels x 8 bytes x MT/s."""
    return row.memory_channels * 8 * max(row.mt_s_1dpc) / 1000


def test_every_platform_that_a_name_hints_at_has_a_processor() -> None:
    """Arm, Apple's and RISC-V processors go by product; of x86 only the oldest has no words of its own.

    Nothing of the catalog stands for a K10 or an Atom, so they are refused; the N series of Gracemont cores is filed
    under Alder Lake, as Intel has it.
    """
    hinted, there = {platform for _, platform in PLATFORMS}, {row.microarchitecture for row in ROWS}
    x86 = {row.microarchitecture for row in ROWS if row.maker in X86_MAKERS}
    assert hinted - there == {"K10", "Atom", "Gracemont"}
    assert x86 - hinted == {"Core"}


def test_a_source_is_a_page_that_has_the_figures() -> None:
    """Rows since 2026-11-29 name no maker's index, and what their sources do not state by its column."""
    for row in ROWS:
        named, _, columns = row.source.partition("; not confirmed: ")
        assert set(columns.split()) <= Cpu.model_fields.keys() - {"name", "source", "as_of"}, row.name
        if row.as_of >= date(2026, 11, 29):
            assert not {"https://ark.intel.com", AMD_INDEX} & set(named.split("; ")), row.name


def test_names_are_unique() -> None:
    names = [name for row in ROWS for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_agrees_with_itself(row: Cpu) -> None:
    assert len(row.mt_s_1dpc) == len(row.memory_types)
    assert len(row.mt_s_2dpc) in (0, len(row.memory_types))
    assert all(two <= one for two, one in zip(row.mt_s_2dpc, row.mt_s_1dpc, strict=False))
    assert row.performance_cores <= row.cores <= row.threads
    assert row.base_ghz <= row.boost_ghz < 6.5
    assert row.pcie_gen in (2, 3, 4, 5)
    assert (1 if row.segment == "embedded" else 4) <= row.pcie_lanes <= 128
    assert row.ccds == 1 or row.maker == "amd"
    assert row.fabric_read_gb_s is None or row.maker in {"amd", "apple"} or row.socket == "LGA775"
    assert row.vector_bytes in (None, 1, 4, 8, 16, 32)
    assert (row.vector_bytes is None) == (row.maker in X86_MAKERS and row.socket not in {"LGA775", "LGA1366"})
    assert row.channel_bits in (32, 64)
    assert not row.avx512 or row.avx2
    assert not row.amx or (row.avx512 and row.avx_vnni)


@pytest.mark.parametrize(
    ("microarchitecture", "avx512"),
    [
        ("Zen 2", False),
        ("Zen 3", False),
        ("Zen 4", True),
        ("Zen 5", True),
        ("Alder Lake", False),
        ("Raptor Lake", False),
        ("Arrow Lake", False),
        ("Rocket Lake", True),
        ("Cascade Lake", True),
        ("Sapphire Rapids", True),
        ("Haswell", False),
    ],
)
def test_avx512_follows_the_microarchitecture(microarchitecture: str, avx512: bool) -> None:
    """Published: https://en.wikipedia.org/wiki/AVX-512#CPUs_with_AVX-512, read 2026-11-24."""
    assert {row.avx512 for row in ROWS if row.microarchitecture == microarchitecture} == {avx512}


@pytest.mark.parametrize(
    ("name", "gb_s"),
    [
        ("Ryzen 7 5800X", 57.6),  # one CCD: 32 B x 1.8 GHz, the fabric of DDR4-3600
        ("Ryzen 7 7700X", 64.0),  # one CCD: 32 B x 2.0 GHz
        ("EPYC 7302", 187.776),  # four CCDs: 4 x 32 B x 1.467 GHz
        ("Threadripper PRO 5955WX", 102.4),  # two CCDs: 2 x 32 B x 1.6 GHz
        ("EPYC 9135", 256.0),  # two CCDs with two links each: 2 x 64 B x 2.0 GHz
        ("Ryzen 9 7950X", None),  # two CCDs: 128 GB/s, above the 83 GB/s of DDR5-5200
        ("EPYC 7543", None),  # eight CCDs: 410 GB/s, above the 205 GB/s of eight DDR4-3200 channels
        ("Core i7-12700K", None),  # one die, no link in between
    ],
)
def test_fabric_limit_by_hand(name: str, gb_s: float | None) -> None:
    expected = gb_s if gb_s is None else pytest.approx(gb_s, rel=2e-3)  # the table rounds to 0.1 GB/s
    assert BY_NAME[name].fabric_read_gb_s == expected


@pytest.mark.parametrize(
    ("name", "gb_s"),
    [("EPYC 9354", 460.8), ("Xeon E5-2690 v4", 76.8), ("Threadripper 3970X", 102.4), ("Xeon 6980P", 614.4)],
)
def test_published_memory_bandwidth(name: str, gb_s: float) -> None:
    """Published "per socket memory bandwidth" on amd.com (EPYC 9354: 460.8) and ark.intel.com (E5-2690 v4: 76.8)."""
    assert peak_gb_s(BY_NAME[name]) == pytest.approx(gb_s, rel=BANDWIDTH_TOLERANCE)


@pytest.mark.parametrize(
    ("name", "gb_s", "tolerance"),
    [
        ("Raspberry Pi 5", 17.1, 0.01),  # 32 bit x 4267 MT/s; https://www.raspberrypi.com/products/raspberry-pi-5/
        ("SpacemiT K1", 10.66, 0.01),  # https://book.j4orz.ai/assets/rooflinejupiter.html
        ("AWS Graviton4", 536.7, 0.01),  # anandtech.com/show/21172: 536.7 GB/s
        ("Apple M2 Max", 409.6, 0.001),  # Apple: 400 GB/s, 512 bit x 6400 MT/s
        ("Apple M3 Pro", 153.6, 0.001),
        ("NVIDIA GB10", 273.1, 0.001),  # NVIDIA: 273 GB/s
        ("Snapdragon X Elite X1E-80-100", 135, 0.01),  # Qualcomm: 135 GB/s
        ("Xeon E5-2690 v2", 59.7, 0.001),  # ark.intel.com
    ],
)
def test_published_bandwidth_of_others_than_desktops(name: str, gb_s: float, tolerance: float) -> None:
    row = BY_NAME[name]
    assert peak_gb_s(row) * row.channel_bits / 64 == pytest.approx(gb_s, rel=tolerance)


def test_every_socket_people_build_on_has_a_board() -> None:
    """Sockets no longer sold, LGA2066 C422 and the newer Xeon sockets have none: see the table's README."""
    without = {"LGA775", "AM3+", "LGA1155", "LGA1150", "LGA2066 C422", "LGA4677 W790"}
    sockets = {row.socket for row in ROWS if row.segment in ("desktop", "hedt")} - without - {"LGA4189"}
    assert sockets <= {board.socket for board in boards()}


def test_laptop_processors_have_no_socket() -> None:
    assert {row.socket for row in ROWS if row.segment == "laptop"} == {"BGA"}
