"""Names of processors as people write them."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.names.cpus import platform_hint, resolve_cpu, socket_count
from catalog.names.index import UnknownName
from catalog.tables import cells, cpus

EVIDENCE = list(cells(Path(__file__).parent.parent / "data" / "evidence_cpu_names.csv"))


@pytest.mark.parametrize("row", EVIDENCE, ids=lambda row: row["text"])
def test_evidence_name_means_the_row_a_reader_chose(row: dict[str, str]) -> None:
    """Expected rows: judged by reading each name, with the reason beside it in the file."""
    if "row" in row:
        assert resolve_cpu(row["text"]).row.name == row["row"]
    else:
        with pytest.raises(UnknownName):
            resolve_cpu(row["text"])


def test_nearly_all_names_of_scored_runs_that_name_a_processor_resolve() -> None:
    names = [row["text"] for row in EVIDENCE if row["scored"] == "yes" and "row" in row]
    resolved = [name for name in names if _resolves(name)]
    assert len(names) >= 40
    assert len(resolved) / len(names) >= 0.95


def _resolves(text: str) -> bool:
    try:
        resolve_cpu(text)
    except UnknownName:
        return False
    return True


@pytest.mark.parametrize("row", cpus(), ids=lambda row: row.name)
def test_each_row_answers_to_its_own_name_and_aliases(row) -> None:
    own = resolve_cpu(row.name)
    assert (own.row, own.assumptions) == (row, ())
    assert resolve_cpu(f"{row.maker.upper()} {row.name} {row.cores}-Core Processor").row == row
    for alias in row.aliases:
        assert resolve_cpu(alias).row == row
        if set(alias.split()) < set(re.split(r"[\s()]+", row.name)):  # a shorter spelling of the same part
            assert resolve_cpu(alias).assumptions == ()
        else:
            assert row.name in resolve_cpu(alias).assumptions[0]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("R7 5800X", "Ryzen 7 5800X"),
        ("ryzen 5800x", "Ryzen 7 5800X"),
        ("i7-12700H", "Core i7-12700H"),
        ("12th Gen Intel(R) Core(TM) i7-12700H", "Core i7-12700H"),
        ("2x EPYC 9355", "EPYC 9355"),
        ("Dual Xeon E5-2690 v4", "Xeon E5-2690 v4"),
        ("E5-2690v4", "Xeon E5-2690 v4"),
        ("AMD EPYC 7V13", "EPYC 7763"),
        ("Threadripper Pro 5955WX", "Threadripper PRO 5955WX"),
        ("Xeon 6980P", "Xeon 6980P"),
        ("Ryzen 5 5600 with DDR4-3600", "Ryzen 5 5600"),
        ("Ryzen 5900X, 64GB 3600", "Ryzen 9 5900X"),
        ("Ryzen 7 5800 X3D", "Ryzen 7 5800X3D"),
        ("Ryzen 5800X + RX 7900 XT", "Ryzen 7 5800X"),
        ("Ryzen AI 9 HX 370 w/ Radeon 890M", "Ryzen AI 9 HX 370"),
        ("Intel(R) Xeon(R) Gold 6138 CPU @ 2.00GHz", "Xeon Gold 6138"),
        ("ULTRA 9 285K", "Core Ultra 9 285K"),
        ("M2 Max", "Apple M2 Max"),
        ("Raspberry Pi 5 16GB", "Raspberry Pi 5"),
        ("Core i5-8500T CPU @ 2.10GHz", "Core i5-8500T"),
        ("2x Xeon E5-2690 v2", "Xeon E5-2690 v2"),
        ("Xeon E5-2687W v4", "Xeon E5-2687W v4"),
        ("Snapdragon(R) X Elite - X1E78100", "Snapdragon X Elite X1E-80-100"),
        ("FX-8350 Eight-Core Processor", "FX-8350"),
    ],
)
def test_tolerant_spellings(text: str, name: str) -> None:
    assert resolve_cpu(text).row.name == name


@pytest.mark.parametrize(
    "text",
    [
        "laptop",
        "8-core",
        "Zen 4 server",
        "DDR5",
        "",
        "3600",
        "Ryzen DDR4 3600",
        "RTX 5090",
        "RX 7900 XT",
        "Core i9-12700K",
        "Intel Ryzen 7 5800X",
        "Core i5-9501T",
        "Snapdragon X2 Elite",
        "Raspberry Pi Zero",
        "E5-2651",
        "Ryzen 7 4090",
    ],
)
def test_what_names_no_processor_is_refused(text: str) -> None:
    with pytest.raises(UnknownName):
        resolve_cpu(text)


def test_a_refusal_tells_the_nearest_and_ambiguity() -> None:
    with pytest.raises(UnknownName, match=r"nearest: .*Core i7-12700K"):
        resolve_cpu("Core i9-12700K")
    with pytest.raises(UnknownName, match="ambiguous") as refusal:
        resolve_cpu("7900X")
    assert set(refusal.value.nearest) == {"Ryzen 9 7900X", "Core i9-7900X"}


@pytest.mark.parametrize(
    ("text", "sockets"),
    [
        ("2x EPYC 9355", 2),
        ("2 x EPYC 9355", 2),
        ("Dual Xeon E5-2690 v4", 2),
        ("dual-socket Xeon", 2),
        ("2S EPYC 7742", 2),
        ("EPYC 7742", 1),
        ("Ryzen 5 3600, dual channel", 1),
        ("Core i7-12700H 2x32GB", 1),
    ],
)
def test_sockets_are_counted(text: str, sockets: int) -> None:
    assert socket_count(text) == sockets


@pytest.mark.parametrize(
    ("text", "microarchitecture"),
    [
        ("Zen 4 server", "Zen 4"),
        ("AM5", "Zen 4"),
        ("LGA1700", "Alder Lake"),
        ("EPYC Genoa", "Zen 4"),
        ("12th gen", "Alder Lake"),
        ("64-core EPYC Rome (NPS1)", "Zen 2"),
        ("dual Xeon X99 (31 threads)", "Haswell"),
        ("Xeon Gold 6248R", "Cascade Lake"),
        ("i5-13500HX", "Raptor Lake"),
        ("i9-7960X", "Skylake-X"),
        ("laptop", None),
        ("8-core", None),
        ("16 threads (model not stated)", None),
    ],
)
def test_platform_hints(text: str, microarchitecture: str | None) -> None:
    assert platform_hint(text) == microarchitecture
    assert microarchitecture is None or microarchitecture in {row.microarchitecture for row in cpus()}


@given(text=st.text(max_size=40))
def test_any_text_is_a_row_or_a_refusal(text: str) -> None:
    assert socket_count(text) in (1, 2, 4, 8)
    platform_hint(text)
    with suppress(UnknownName):
        assert resolve_cpu(text).row in cpus()


@given(row=st.sampled_from(cpus()), upper=st.booleans(), spaces=st.integers(1, 3))
def test_case_and_spacing_do_not_matter(row, upper: bool, spaces: int) -> None:
    text = (" " * spaces).join((row.name.upper() if upper else row.name.lower()).split())
    assert resolve_cpu(f"  {text} ").row == row
