"""Names of whole computers as people write them."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.names.index import UnknownName
from catalog.names.machines import host_count, memory_said, not_understood, resolve_machine
from catalog.tables import cells, laptops, unified_machines

EVIDENCE = [
    row for row in cells(Path(__file__).parent.parent / "data" / "evidence_gpu_names.csv") if row["kind"] == "machine"
]
ROWS = (*unified_machines(), *laptops())
STRIX_HALO = "Strix Halo (Ryzen AI Max+ 395)"
LEGION_5_PRO = "Lenovo Legion 5 Pro 16ACH6H (RTX 3070, Ryzen 7 5800H)"


def size(row: dict[str, str]) -> float | None:
    return float(row["gib"]) if "gib" in row else None


def found(text: str, memory_gib: float | None = None) -> str | None:
    try:
        return resolve_machine(text, memory_gib).row.name
    except UnknownName:
        return None


@pytest.mark.parametrize("row", EVIDENCE, ids=lambda row: f"{row['text']} {row.get('gib', '')}")
def test_evidence_name_means_the_row_a_reader_chose(row: dict[str, str]) -> None:
    """Expected rows: judged by reading each name, with the reason beside it in the file."""
    assert found(row["text"], size(row)) == row.get("row")


def test_nearly_all_names_of_scored_runs_resolve() -> None:
    assert len(EVIDENCE) >= 50
    assert sum(found(row["text"], size(row)) is not None for row in EVIDENCE) / len(EVIDENCE) >= 0.98


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row_answers_to_its_own_name_and_aliases(row) -> None:
    own = resolve_machine(row.name)
    assert (own.row, own.assumptions) == (row, ())
    assert found(row.name.upper()) == row.name
    for alias in row.aliases:
        assert found(alias) == row.name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("M4 Max 64GB", "Apple M4 Max (40-core GPU)"), ("M4 Max 36GB", "Apple M4 Max (32-core GPU)"),
        ("Mac Studio M2 Ultra 76-core 192GB", "Apple M2 Ultra (76-core GPU)"),
        ("Apple M1 Max 32c", "Apple M1 Max (32-core GPU)"), ("Mac mini M4 10-core GPU", "Apple M4 (10-core GPU)"),
        ("MacBook Air M2 8-core CPU 10-core GPU 16GB", "Apple M2 (10-core GPU)"),
        ("MacBook Pro 16 M3 Max 16-core CPU 40-core GPU 128GB", "Apple M3 Max (40-core GPU)"),
        ("Apple M3 Max (300 GB/s)", "Apple M3 Max (30-core GPU)"),
        ("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", STRIX_HALO), ("Framework Desktop Strix Halo 128GB", STRIX_HALO),
        ("Framework Desktop 32GB (Strix Halo)", "Strix Halo (Ryzen AI Max 385)"),
        ("Strix Halo (Ryzen AI Max 390, Radeon 8050S)", "Strix Halo (Ryzen AI Max 390)"),
        ("Bosgame M5 128GB (Strix Halo)", STRIX_HALO), ("Beelink GTR9 Pro 128GB+2TB", STRIX_HALO),
        ("HP ZBook Ultra G1a 14", STRIX_HALO), ("GMKtec EVO-X2 96GB", STRIX_HALO),
        ("NVIDIA GB10", "DGX Spark"), ("Dell Pro Max with GB10", "DGX Spark"), ("ASUS GX10 128GB", "DGX Spark"),
        ("Jetson AGX Orin 32GB", "Jetson AGX Orin 32GB"),
        ("Ryzen AI 9 HX 370", "Strix Point (Ryzen AI 9 HX 370, Radeon 890M)"),
        ("Lenovo Legion 5 Pro 16ACH6H", LEGION_5_PRO), ("16ach6h 32GB", LEGION_5_PRO),
    ],
)
def test_spellings_that_say_all(text: str, name: str) -> None:
    resolved = resolve_machine(text)
    assert (resolved.row.name, resolved.assumptions) == (name, ())


@pytest.mark.parametrize(
    ("text", "memory_gib", "name"),
    [
        ("Apple M1 Pro", None, "Apple M1 Pro (16-core GPU)"), ("m2 ultra", 128, "Apple M2 Ultra (76-core GPU)"),
        ("Mac Studio M4 Max (base)", None, "Apple M4 Max (32-core GPU)"), ("Strix Halo", 96, STRIX_HALO),
        ("Apple M5 Pro (307 GB/s)", None, "Apple M5 Pro (20-core GPU)"), ("RTX 3070 laptop", 32, LEGION_5_PRO),
    ],
)
def test_what_a_name_leaves_open_is_filled_in_and_said(text: str, memory_gib: float | None, name: str) -> None:
    resolved = resolve_machine(text, memory_gib)
    assert resolved.row.name == name
    assert name in resolved.assumptions[0]


@pytest.mark.parametrize(
    ("text", "memory_gib"),
    [
        ("Apple M9 Max", None), ("Apple M7 Ultra", None), ("Apple M4 Max 38-core", None), ("Apple M1 64GB", None),
        ("Apple M1", 64), ("Apple M3 Max (800 GB/s)", None), ("Mac Studio", None), ("MacBook Pro (base)", None),
        ("DGX Spark", 256), ("Steam Machine", None), ("Tesla M4", None), ("RTX 4090", None),
        ("Ryzen AI Max 999", None), ("", None),
    ],
)
def test_what_is_no_machine_or_contradicts_itself_is_refused(text: str, memory_gib: float | None) -> None:
    assert found(text, memory_gib) is None


def test_a_refusal_names_the_variants() -> None:
    with pytest.raises(UnknownName) as refusal:
        resolve_machine("Apple M4 Max 38-core GPU")
    assert refusal.value.nearest == ("Apple M4 Max (32-core GPU)", "Apple M4 Max (40-core GPU)")


@given(st.text(max_size=40) | st.text(alphabet="AppleMacxStrioHGB 0123456789-()", max_size=20))
def test_any_text_gives_a_row_or_a_named_refusal(text: str) -> None:
    with suppress(UnknownName):
        assert resolve_machine(text).row in ROWS


@pytest.mark.parametrize(
    ("text", "gib"),
    [
        ("Mac mini M4 16GB", 16), ("Mac mini M4 24 GB 512GB SSD", 24), ("MacBook Pro M1 Max 64GB/1TB", 64),
        ("Strix Halo 64GB", 64), ("Framework Desktop 128GB", 128), ("Mac Studio M3 Ultra 256GB 2TB", 256),
        ("Mac mini M4", None), ("Lenovo Legion 5 Pro 16ACH6H 8GB RTX 3070", None),
    ],
)
def test_the_memory_that_a_name_says(text: str, gib: float | None) -> None:
    assert memory_said(text, resolve_machine(text).row) == gib


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2x DGX Spark", 2), ("2 DGX Spark", 2), ("two DGX Sparks", 2), ("DGX Spark x2", 2), ("4 x Mac Studio", 4),
        ("DGX Spark", 1), ("Mac mini M4 16GB", 1), ("Strix Halo", 1), ("HP ZBook Ultra G1a 14", 1), ("EVO-X2", 1),
    ],
)
def test_how_many_machines_a_name_speaks_of(text: str, count: int) -> None:
    assert host_count(text) == count


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Mac mini M4 banana", "banana"), ("Mac mini M4 16", "16"), ("Strix Halo workbench", "workbench"),
        ("MacBook Pro 16 M3 Max 16-core CPU 40-core GPU 128GB", None), ("Mac Studio M2 Ultra", None),
        ("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", None), ("HP ZBook Ultra G1a 14", None),
        ("Radeon 8060S (Strix Halo, Flow Z13)", None), ("DGX Spark", None), ("MacBook Pro M1 Max 64GB/1TB", None),
    ],
)
def test_words_that_are_not_understood_beside_a_machine(text: str, word: str | None) -> None:
    assert not_understood(text, resolve_machine(text)) == word


@given(size=st.sampled_from([16, 24, 32]), form=st.sampled_from(["{}GB", "{} GB", "{}gb RAM", "({}GB)", "{} GiB"]))
def test_any_way_to_write_the_size_is_read(size: int, form: str) -> None:
    said = form.format(size)
    for text in (f"Mac mini M4 {said}", f"{said} Mac mini M4", f"Apple M4, {said} unified memory"):
        found = resolve_machine(text)
        assert memory_said(text, found.row) == size, text
        assert not_understood(text, found) is None, text
