"""Used office PCs: what goes into them is stated, and a small budget gets a computer."""

import pytest

from advisor.buying.offices import card_problem, office_builds
from advisor.buying.ownership import Owned
from advisor.buying.stock import Stock, stock_of
from catalog import tables
from catalog.parts import Gpu, OfficePc

OFFICES = {row.name: row for row in tables.office_pcs()}
SMALL = OFFICES["Dell OptiPlex 3060 SFF (Core i5-8500, 16 GB, 256 GB)"]
BARE = OFFICES["Dell OptiPlex 7070 SFF (Core i7-9700)"]


@pytest.fixture(scope="module")
def stock() -> Stock:
    return stock_of("used", Owned())


def card(name: str) -> Gpu:
    return next(row for row in tables.gpus() if row.name == name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Tesla T4", None), ("NVIDIA T1000 8GB", None),
        ("RTX 3050 6GB", "too high"),  # 70 W, but the card that makers sell is a full-height one
        ("RTX A2000 12GB", "wider"),  # low, 70 W, two slots: Dell's guide of the 7060 SFF has one
        ("RTX 3060 12GB", "draws 170 W"),
    ],
)  # fmt: skip
def test_a_card_needs_height_width_and_power(name: str, why: str | None) -> None:
    said = card_problem(SMALL, card(name))
    assert (said is None) if why is None else (said is not None and why in said)


def test_what_is_not_stated_does_not_fit() -> None:
    for row in OFFICES.values():
        if row.form in ("mini", "rack") or row.card_power_w is None:
            assert card_problem(row, card("Tesla T4")) is not None


def test_a_tower_with_an_ordinary_supply_takes_what_its_cables_feed() -> None:
    told = {"name": "A tower", "maker": "x", "ram_type": "DDR4", "form": "tower", "slot_pcie_gen": 3,
            "slot_pcie_lanes": 16, "card_height": "full", "card_slots": 2, "card_power_w": 225, "psu_w": 650,
            "pcie_8pin": 1, "source": "made up", "as_of": "2026-11-29"}  # fmt: skip
    tower = OfficePc.model_validate(told)
    assert card_problem(tower, card("RTX 3060 12GB")) is None
    assert card_problem(tower, card("RTX 3090")) is not None
    assert card_problem(tower.model_copy(update={"card_length_mm": 150.0}), card("RTX 3060 12GB")) is not None


def test_a_computer_is_had_for_400_dollars_and_one_with_a_card_for_700(stock: Stock) -> None:
    builds = list(office_builds(stock, 5.0))
    assert min(build.price_usd for build in builds) <= 400
    assert min(build.price_usd for build in builds if build.hardware.gpus) <= 700
    assert all(build.hardware.cpu and build.hardware.ram.gb for build in builds)


def test_memory_and_disk_are_bought_where_they_are_not_sold_with_it(stock: Stock) -> None:
    for build in office_builds(stock, 5.0):
        kinds = {part.kind for part in build.parts}
        row = next(OFFICES[part.name] for part in build.parts if part.kind == "office")
        assert ("ram" in kinds) == (row.ram_gib is None)
        assert ("ssd" in kinds) == (row.storage_gb is None or row.storage_gb < 65)
    sizes = {build.hardware.ram.gb for build in office_builds(stock, 5.0) if build.parts[0].name == BARE.name}
    assert len(sizes) >= 2
    assert max(size or 0 for size in sizes) <= (BARE.max_ram_gib or 0)
