"""Names of graphics cards as people write them."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.names.gpus import resolve_gpu
from catalog.names.index import UnknownName
from catalog.tables import cells, gpus

EVIDENCE = [
    row for row in cells(Path(__file__).parent.parent / "data" / "evidence_gpu_names.csv") if row["kind"] == "gpu"
]


def size(row: dict[str, str]) -> float | None:
    return float(row["gib"]) if "gib" in row else None


def found(text: str, vram_gib: float | None = None) -> str | None:
    try:
        return resolve_gpu(text, vram_gib).row.name
    except UnknownName:
        return None


@pytest.mark.parametrize("row", EVIDENCE, ids=lambda row: f"{row['text']} {row.get('gib', '')}")
def test_evidence_name_means_the_row_a_reader_chose(row: dict[str, str]) -> None:
    """Expected rows: judged by reading each name, with the reason beside it in the file."""
    assert found(row["text"], size(row)) == row.get("row")


def test_nearly_all_names_of_scored_runs_that_name_a_card_resolve() -> None:
    naming = [row for row in EVIDENCE if "names no" not in row["reason"]]
    assert len(naming) >= 120
    assert sum(found(row["text"], size(row)) is not None for row in naming) / len(naming) >= 0.98
    assert len(EVIDENCE) - len(naming) <= 4


@pytest.mark.parametrize("row", gpus(), ids=lambda row: row.name)
def test_each_row_answers_to_its_own_name_in_other_spellings(row) -> None:
    own = resolve_gpu(row.name)
    assert (own.row, own.assumptions) == (row, ())
    assert found(f"{row.maker.upper()} {row.name}".replace(" ", "  ")) == row.name
    assert found(row.name.lower().replace(" ", "-")) == row.name
    assert found(f"{row.name} ({row.vram_gib:g}GB)") == row.name
    assert resolve_gpu(row.name, row.vram_gib).row == resolve_gpu(row.name, row.usable_vram_gib).row == row
    for alias in row.aliases:
        assert found(alias, row.vram_gib) == row.name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("NVIDIA GeForce RTX 3060 (12GB)", "RTX 3060 12GB"), ("GeForce RTX™ 3060 12 GB", "RTX 3060 12GB"),
        ("RTX3060-12G", "RTX 3060 12GB"), ("MSI GeForce RTX 3060 Ventus 2X 12G OC", "RTX 3060 12GB"),
        ("GTX 1060 6GB", "GTX 1060 6GB"), ("rtx 4090 24GiB", "RTX 4090"), ("4090", "RTX 4090"),
        ("RTX 4090D", "RTX 4090 D"), ("RTX 3070 Max-Q", "RTX 3070 Laptop GPU"), ("NVIDIA Quadro GV100", "Quadro GV100"),
        ("RTX 4070 Laptop GPU", "RTX 4070 Laptop GPU"), ("RTX 3070 Mobile 8GB", "RTX 3070 Laptop GPU"),
        ("NVIDIA RTX 5000 Ada Generation Laptop GPU", "RTX 5000 Ada Laptop GPU"),
        ("RTX 4070S", "RTX 4070 SUPER"), ("rtx4070tisuper", "RTX 4070 Ti SUPER"), ("4070 TiS", "RTX 4070 Ti SUPER"),
        ("MSI GeForce RTX 3080 Gaming X Trio 10G", "RTX 3080 10GB"), ("RTX 5070 SFF-Ready", "RTX 5070"),
        ("RX 7900XTX", "RX 7900 XTX"), ("7900 XT", "RX 7900 XT"), ("AMD Radeon(TM) RX 7800 XT", "RX 7800 XT"),
        ("XFX Speedster MERC 310 Radeon RX 7900 XT 20GB", "RX 7900 XT"), ("RX 6800M", "RX 6800M"),
        ("Radeon Instinct MI50 (32GB)", "Instinct MI50 32GB"), ("MI 50 16GB", "Instinct MI50 16GB"),
        ("AMD Ryzen 7 8840U w/ Radeon 780M Graphics", "Radeon 780M"), ("Radeon RX Vega 56 8GB", "RX Vega 56"),
        ("Tesla V100-SXM2-32GB", "Tesla V100 SXM2 32GB"), ("A100-PCIE-40GB", "A100 PCIe 40GB"), ("P40", "Tesla P40"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM5 80GB"), ("Quadro RTX 6000", "Quadro RTX 6000"), ("L40S", "NVIDIA L40S"),
        ("RTX PRO 6000 Blackwell Max-Q", "RTX PRO 6000 Blackwell Max-Q"), ("RTX 6000 Ada", "RTX 6000 Ada"),
        ("RTX PRO 6000", "RTX PRO 6000 Blackwell"), ("NVIDIA TITAN RTX", "TITAN RTX"), ("A6000", "RTX A6000"),
        ("AMD Radeon RX 6900 XT (RADV NAVI21)", "RX 6900 XT"), ("Intel(R) Arc(tm) B580 Graphics (BMG G21)", "Arc B580"),
        ("AMD Radeon 8060S Graphics (gfx1151)", "Radeon 8060S"), ("AMD Radeon 8060S (RADV STRIX_HALO)", "Radeon 8060S"),
        ("Snapdragon X Elite (Adreno X1-85)", "Adreno X1-85"), ("Instinct MI25 (Vega 10)", "Instinct MI25"),
        ("Tesla M10", "Tesla M10"), ("NVIDIA GeForce GTX 970", "GTX 970"), ("GTX 980 Ti", "GTX 980 Ti"),
        ("GeForce GTX 750 Ti", "GTX 750 Ti"), ("Intel(R) UHD Graphics 630", "UHD Graphics 630"),
        ("AMD Radeon RX 550", "RX 550 2GB"), ("GTX 970M", "GTX 970M 3GB"),
        ("Intel(R) Arc(TM) B580 Graphics", "Arc B580"), ("Intel Arc A770 16 GB", "Arc A770 16GB"),
    ],
)
def test_spellings(text: str, name: str) -> None:
    assert found(text) == name


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("RTX 3090 12GB", "RTX 3090"), ("RTX 5060 Ti 24GB", "RTX 5060 Ti 16GB"), ("4090 Ti", "RTX 4090"),
        ("GTX 3060", "RTX 3060 12GB"), ("RTX 30", None), ("RTX 9090", None), ("RTX 3060 Ti SUPER", "RTX 3060 Ti"),
        ("2x RTX 3090", "RTX 3090"), ("RTX 3090 + RTX 4090", "RTX 3090"), ("RX 580 2048SP", "RX 580 8GB"),
        ("Ryzen 5 7600", None), ("AMD Radeon Graphics", None), ("RTX 3090 Pro", "RTX 3090"), ("", None), ("GPU", None),
    ],
)
def test_what_is_no_card_is_refused_with_the_nearest(text: str, nearest: str | None) -> None:
    with pytest.raises(UnknownName) as refusal:
        resolve_gpu(text)
    assert not refusal.value.ambiguous
    assert nearest is None or nearest in refusal.value.nearest


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("RTX 6000", {"Quadro RTX 6000", "RTX 6000 Ada", "RTX PRO 6000 Blackwell"}),
        ("RTX 4000", {"Quadro RTX 4000", "RTX 4000 Ada", "RTX 4000 SFF Ada"}),
        ("7600", {"RX 7600", "RX 7600 XT"}),
    ],
)
def test_a_name_of_several_cards_is_ambiguous(text: str, candidates: set[str]) -> None:
    with pytest.raises(UnknownName, match="is ambiguous") as refusal:
        resolve_gpu(text)
    assert candidates <= set(refusal.value.nearest)


@pytest.mark.parametrize(
    ("text", "vram_gib", "name"),
    [
        ("RTX 3060", None, "RTX 3060 12GB"), ("RTX 3060", 8, "RTX 3060 8GB"), ("RTX 4060 Ti", 15.6, "RTX 4060 Ti 16GB"),
        ("RX 9060 XT", None, "RX 9060 XT 16GB"), ("H100", 94, "H100 NVL 94GB"), ("Tesla T4", 14.6, "Tesla T4"),
        ("RTX A1000 Laptop GPU", 6, "RTX A1000 Laptop GPU 6GB"), ("AMD Instinct MI60 / MI50", 16, "Instinct MI50 16GB"),
    ],
)
def test_the_size_tells_variants_apart_and_its_lack_is_said(text: str, vram_gib: float | None, name: str) -> None:
    resolved = resolve_gpu(text, vram_gib)
    assert resolved.row.name == name
    assert bool(resolved.assumptions) == (vram_gib is None)
    assert all(name in sentence for sentence in resolved.assumptions)


def test_a_size_that_contradicts_the_name_is_refused() -> None:
    assert found("RTX 3060 12GB", 8) is None
    assert found("RTX 3060 12GB", 24) is None
    assert found("RTX 4090 24GB", 48) is None


@pytest.mark.parametrize(
    ("text", "vram_gib", "name", "gib", "bandwidth_gb_s"),
    [  # ggml-org/llama.cpp issue 22319: "NVIDIA GeForce RTX 4090, VRAM: 49139 MiB"; facts of 2026-11-29 for the others
        ("RTX 4090", 48, "RTX 4090", 48, 1008), ("RTX 4090", 49139 / 1024, "RTX 4090", 47.99, 1008),
        ("RTX 4090 48GB", None, "RTX 4090", 48, 1008), ("2080 Ti 22GB", None, "RTX 2080 Ti", 22, 616),
        ("RTX 3080 20GB", None, "RTX 3080 10GB", 20, 760), ("RTX 3070 16G", None, "RTX 3070", 16, 448),
        ("RTX 4080 SUPER 32GB", None, "RTX 4080 SUPER", 32, 736), ("P104-100 8GB", None, "P104-100", 8, 320.3),
        ("P102-100", 10, "P102-100", 10, 440.3),
    ],
)
def test_a_modified_card_keeps_its_rate_and_says_so(
    text: str, vram_gib: float | None, name: str, gib: float, bandwidth_gb_s: float
) -> None:
    card = resolve_gpu(text, vram_gib)
    assert (card.row.name, card.row.bandwidth_gb_s) == (name, bandwidth_gb_s)
    assert card.row.vram_gib == pytest.approx(gib, rel=1e-3)
    assert 0.9 * gib < card.row.usable_vram_gib <= gib
    assert f"{card.row.vram_gib:g} GiB" in card.assumptions[0]


@given(st.sampled_from(gpus()), st.sampled_from((2, 3, 4, 6, 8, 10, 11, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96)))
def test_a_stated_size_is_never_overruled(row, gib: int) -> None:
    """It is the size of the row found, or that of a card changed to have it."""
    if row.form != "integrated" and (name := found(row.name, gib)):
        card = resolve_gpu(row.name, gib).row
        # As it is sold, or as the driver shows it (11.25 of a Tesla M40's 12 GiB where ECC is on).
        assert gib in (pytest.approx(card.vram_gib, rel=0.05), pytest.approx(card.usable_vram_gib, rel=0.05))
        assert name.partition(" GB")[0].split(" ")[:2] == row.name.split(" ")[:2]


@given(st.text(max_size=40) | st.text(alphabet="RTXGadeonicM 0123456789-()", max_size=20))
def test_any_text_gives_a_row_or_a_named_refusal(text: str) -> None:
    with suppress(UnknownName):
        assert resolve_gpu(text).row.name in {row.name for row in gpus()}
