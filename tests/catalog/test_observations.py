"""What was seen names parts of the catalog, at a price of one piece, and enough parts have one of 2026."""

from datetime import UTC, date, datetime

import pytest

from catalog import tables
from catalog.names.parts import PART_TABLES, rows_by_name, sizes_of
from catalog.prices import Observation, PartKind

SEEN = tables.observations()
LAUNCH = frozenset({"pre_shortage", "pre_shortage_leftover"})
USD_PER_GIB = {"DDR3": (0.5, 10), "DDR4": (1, 16), "DDR5": (3, 60)}
"""Memory of 2026: used DDR4 modules from 1.6 $/GiB up to 64 GiB modules at 14, registered DDR5 up to 47.
Source: design notes "What a part costs"; the observations themselves."""


def is_of_2026(item: Observation) -> bool:
    """Neither of before the shortage nor a launch price; a maker's own shop counts for what makers sell themselves."""
    own_shop = item.kind != "list" or (item.seller == "maker" and item.part_kind not in ("gpu", "cpu"))
    return item.as_of >= date(2026, 1, 1) and item.kind not in LAUNCH and own_shop


@pytest.mark.parametrize("kind", PART_TABLES)
def test_every_observation_names_a_row_of_its_kind(kind: PartKind) -> None:
    names = {row.name for row in PART_TABLES[kind]()}
    assert {item.part for item in SEEN if item.part_kind == kind} <= names


def test_sizes_that_are_seen_are_sizes_that_are_sold() -> None:
    for item in SEEN:
        sold = sizes_of(rows_by_name()[item.part.lower()][1])
        assert item.memory_gib is None or item.memory_gib in sold, item


def test_no_observation_is_of_tomorrow_or_stands_twice() -> None:
    assert max(item.as_of for item in SEEN) <= datetime.now(UTC).date()
    assert len(set(SEEN)) == len(SEEN)


def test_memory_is_priced_by_the_kit_not_by_the_lot() -> None:
    kits = {kit.name: kit for kit in tables.ram_kits()}
    for item in SEEN:
        if item.part_kind == "ram" and item.currency == "USD" and is_of_2026(item):
            kit = kits[item.part]
            low, high = USD_PER_GIB[kit.ram_type]
            assert low <= item.price / (kit.modules * kit.module_gib) <= high, item


@pytest.mark.parametrize(
    ("kind", "least"),
    # issue "The market", must hold: what a buyer finds with a price of this year
    [("gpu", 95), ("cpu", 35), ("ram", 40), ("laptop", 20), ("office", 15)],
)
def test_parts_with_a_price_of_2026(kind: str, least: int) -> None:
    assert len({item.part for item in SEEN if item.part_kind == kind and is_of_2026(item)}) >= least


def test_unified_machines_with_a_price_of_2026() -> None:
    """Counted by size, since each size has a price of its own."""
    seen = {(item.part, item.memory_gib) for item in SEEN if item.part_kind == "unified" and is_of_2026(item)}
    assert len(seen) >= 25


def test_offices_say_what_a_card_needs_or_nothing() -> None:
    cpus = {row.name for row in tables.cpus()}
    for row in tables.office_pcs():
        assert not row.cpu or row.cpu in cpus, row.name
        if row.card_power_w:
            assert all((row.slot_pcie_lanes, row.card_height, row.psu_w)), row.name
            assert row.card_power_w < (row.psu_w or 0), row.name
