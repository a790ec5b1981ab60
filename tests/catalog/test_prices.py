"""Every price names a part, with a sane date, judgement and source."""

from datetime import UTC, date, datetime

import pytest

from catalog import tables
from catalog.prices import Price

ROWS = tables.prices()
PARTS = {
    "gpu": tables.gpus,
    "cpu": tables.cpus,
    "ram": tables.ram_kits,
    "board": tables.boards,
    "ssd": tables.ssds,
    "psu": tables.psus,
    "case": tables.cases,
    "cooler": tables.coolers,
    "unified": tables.unified_machines,
    "laptop": tables.laptops,
}


@pytest.mark.parametrize("kind", PARTS)
def test_every_price_names_a_part(kind: str) -> None:
    names = {row.name for row in PARTS[kind]()}
    assert {row.part for row in ROWS if row.part_kind == kind} <= names


@pytest.mark.parametrize("kind", ["gpu", "cpu", "ram", "board", "ssd", "psu", "case", "cooler", "unified"])
def test_there_are_prices_of_each_kind(kind: str) -> None:
    assert len({row.part for row in ROWS if row.part_kind == kind}) >= 6


def test_no_price_is_of_tomorrow_or_from_before_the_shortage_s_first_archive() -> None:
    today = datetime.now(UTC).date()
    assert [row for row in ROWS if not date(2025, 7, 1) <= row.as_of <= today] == []


def test_no_quote_stands_twice() -> None:
    keys = [(r.part_kind, r.part, r.memory_gib, r.condition, r.price_usd, r.as_of, r.source) for r in ROWS]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if "pc-part-dataset" in row.source][:1]
    + [row for row in ROWS if row.as_of < date(2026, 1, 1)][:1],
    ids=lambda row: row.part,
)
def test_the_old_snapshot_is_marked(row: Price) -> None:
    assert row.judgement == "pre_shortage"


def test_only_the_old_snapshot_is_marked() -> None:
    assert {row.judgement == "pre_shortage" for row in ROWS if "pc-part-dataset" in row.source} == {True}
    assert {row.judgement == "pre_shortage" for row in ROWS if "pc-part-dataset" not in row.source} == {False}


def test_ranges_come_in_pairs() -> None:
    def ends(judgement: str) -> set[tuple[str, str, date, str]]:
        return {(r.part, r.condition, r.as_of, r.source) for r in ROWS if r.judgement == judgement}

    assert ends("range_low") == ends("range_high")


@pytest.mark.parametrize(
    ("part", "low", "high"),
    [("RTX 3090", 700, 1750), ("DDR4-3600 2x16GB", 200, 250), ("Ryzen 7 5800X", 150, 200), ("Tesla P40", 200, 350)],
)
def test_prices_of_known_parts(part: str, low: float, high: float) -> None:
    """Bounds: the lowest and highest quotes of the snapshot's own sources, rounded outwards."""
    quotes = [row.price_usd for row in ROWS if row.part == part]
    assert quotes
    assert all(low <= quote <= high for quote in quotes)
