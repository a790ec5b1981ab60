"""Every observed price names a part, with a sane date, kind and source."""

from datetime import UTC, date, datetime

import pytest

from catalog import tables
from catalog.names.parts import PART_TABLES, rows_by_name, sizes_of
from catalog.prices import PartKind

ROWS = tables.observations()


@pytest.mark.parametrize("kind", PART_TABLES)
def test_every_observation_names_a_part(kind: PartKind) -> None:
    names = {row.name for row in PART_TABLES[kind]()}
    assert {row.part for row in ROWS if row.part_kind == kind} <= names


@pytest.mark.parametrize("kind", ["gpu", "cpu", "ram", "board", "ssd", "psu", "case", "cooler", "unified"])
def test_there_are_observations_of_each_kind(kind: str) -> None:
    assert len({row.part for row in ROWS if row.part_kind == kind}) >= 6


def test_a_size_is_one_that_the_part_is_sold_in() -> None:
    sized = [row for row in ROWS if row.memory_gib is not None]
    assert len(sized) >= 50
    wrong = [row for row in sized if row.memory_gib not in sizes_of(rows_by_name()[row.part.lower()][1])]
    assert wrong == []


def test_no_observation_is_of_tomorrow_or_from_before_the_first_archive() -> None:
    today = datetime.now(UTC).date()
    assert [row for row in ROWS if not date(2015, 1, 1) <= row.as_of <= today] == []
    street = [row for row in ROWS if row.kind not in ("list", "sold")]
    assert [row for row in street if row.as_of < date(2024, 6, 1)] == []


def test_no_observation_stands_twice() -> None:
    assert len(ROWS) == len(set(ROWS))


def test_the_old_snapshot_is_marked_and_nothing_else_is() -> None:
    old = {row.kind for row in ROWS if "pc-part-dataset" in row.source}
    assert old <= {"pre_shortage", "pre_shortage_leftover"}
    assert {row.as_of.year for row in ROWS if row.kind.startswith("pre_shortage")} == {2025}


def test_ranges_come_in_pairs() -> None:
    def ends(kind: str) -> set[tuple[object, ...]]:
        return {(r.part, r.memory_gib, r.condition, r.as_of, r.source, r.note) for r in ROWS if r.kind == kind}

    assert ends("range_low") == ends("range_high")


def test_one_mean_of_cheapest_offers_is_not_told_as_a_shelf_price_too() -> None:
    """GPUPoet's figures are means of the three cheapest listings of a month."""
    assert {(row.kind, row.seller) for row in ROWS if "gpupoet" in row.source and row.kind in ("street", "asking")} == {
        ("asking", "cheapest")
    }


@pytest.mark.parametrize(
    ("part", "low", "high"),
    [("RTX 3090", 550, 1750), ("DDR4-3600 2x16GB", 100, 320), ("Ryzen 7 5800X", 125, 260), ("Tesla P40", 150, 400)],
)
def test_prices_of_known_parts(part: str, low: float, high: float) -> None:
    """Bounds: the lowest and highest figures of the sources of 2026, rounded outwards, launch prices left out."""
    seen = [row for row in ROWS if row.part == part and row.as_of.year == 2026 and row.kind != "list"]
    prices = [row.price for row in seen if row.currency == "USD"]
    assert prices
    assert [price for price in prices if not low <= price <= high] == []
