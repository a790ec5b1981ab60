"""Used office PCs: what goes into them is stated, and a small budget gets a computer."""

from dataclasses import replace

import pytest

from advisor.buying.offices import card_problem, office_builds, power_words
from advisor.buying.ownership import Owned, owned_parts
from advisor.buying.stock import COOLING, Stock, stock_of
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
)
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
            "pcie_8pin": 1, "source": "made up", "as_of": "2026-11-29"}
    tower = OfficePc.model_validate(told)
    assert card_problem(tower, card("RTX 3060 12GB")) is None
    assert card_problem(tower, card("RTX 3090")) is not None
    assert card_problem(tower.model_copy(update={"card_length_mm": 150.0}), card("RTX 3060 12GB")) is not None


def test_where_an_ordinary_supply_fits_one_is_bought_for_a_card_that_needs_it(stock: Stock) -> None:
    told = {"name": "A tower with an ordinary supply", "maker": "x", "ram_type": "DDR4", "form": "tower",
            "cpu": "Core i5-8500", "ram_gib": 16, "storage_gb": 512, "slot_pcie_gen": 3, "slot_pcie_lanes": 16,
            "card_height": "full", "card_slots": 3, "card_power_w": 75, "psu_w": 300, "pcie_8pin": 0,
            "standard_psu": True, "source": "made up", "as_of": "2026-11-29"}
    tower = OfficePc.model_validate(told)
    row = OFFICES["Dell OptiPlex 3060 SFF (Core i5-8500, 16 GB, 256 GB)"]
    quotes = dict(stock.prices.quotes) | {("office", tower.name, None): stock.prices.quotes["office", row.name, None]}
    few = tuple(gpu for gpu in stock.gpus if gpu.name in ("RTX 3060 12GB", "RTX 3090", "NVIDIA T1000 8GB"))
    there = replace(stock, prices=replace(stock.prices, quotes=quotes), offices=(tower,), gpus=few)
    psus = {row.name: row for row in tables.psus()}
    found = {build.label: build for build in office_builds(there, 5.0)}
    assert len(found) == 1 + len(few)
    for label, build in found.items():
        supplies = [psus[part.name] for part in build.parts if part.kind == "psu"]
        if label.startswith(("RTX 3060", "RTX 3090")):
            (psu,) = supplies
            least, plugs = (550, 1) if label.startswith("RTX 3060") else (750, 2)  # NVIDIA's pages of both cards
            assert psu.watts >= least
            assert psu.pcie_8pin + 2 * psu.pcie_16pin >= plugs
            assert build.price_usd == pytest.approx(sum(part.quote.price_usd for part in build.parts))
        else:
            assert supplies == []
    own = tower.model_copy(update={"standard_psu": False})
    assert "draws 170 W" in (card_problem(own, card("RTX 3060 12GB")) or "")


def test_a_passive_card_carries_shroud_and_fan(stock: Stock) -> None:
    passive = [build for build in office_builds(stock, 5.0) if any(part.name == "Tesla T4" for part in build.parts)]
    assert passive
    for build in passive:
        assert [part.name for part in build.parts if part.kind == "accessory"] == [*COOLING]
        assert [note.code for note in build.notes] == ["no_fan", "own_supply"]


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


def test_why_a_machine_takes_no_other_card_is_said_of_each() -> None:
    """None of the catalog is known to take an ordinary supply: each says so, or that it has no slot, or that it is not
    known.
    """
    for row in OFFICES.values():
        assert row.standard_psu is not True
        assert row.name in power_words(row)
    assert "draw more than 75 W" in power_words(SMALL)
    assert "no slot" in power_words(OFFICES["Dell OptiPlex 7050 Micro"])
    ordinary = SMALL.model_copy(update={"standard_psu": True, "card_power_w": 75.0})
    assert power_words(ordinary) == ""


@pytest.mark.parametrize(
    "texts",
    [
        ("OptiPlex 7050 SFF", "Core i7-7700", "DDR4-2400 2x16"),
        ("computer: HP Elite 9999", "Core i7-7700", "DDR4-2400 2x16"),
    ],
)
def test_an_owned_computer_costs_nothing_for_what_is_in_it(texts: tuple[str, ...]) -> None:
    own = owned_parts(texts)
    name = next(name for kind, name in own.counts if kind == "office")
    built = [item for item in office_builds(stock_of("any", own), 5.0) if item.parts[0].name == name]
    as_it_is = next(item for item in built if item.hardware.ram.gb == 32)
    assert as_it_is.price_usd == 0
    assert (as_it_is.hardware.cpu_name, as_it_is.hardware.gpus) == ("Core i7-7700", ())
    assert {part.kind for part in as_it_is.parts} == {"office", "cpu", "ram"}
    assert {part.quote.condition for part in as_it_is.parts} == {"owned"}
