"""Cards in docks beside machines that are owned: the dock goes to the port, and its price is in the sum."""

from dataclasses import replace
from functools import cache

import pytest

from advisor.buying.docks import docked_builds, docked_cards, ports_of, unpriced_dock
from advisor.buying.ownership import owned_parts
from advisor.buying.search import Search
from advisor.buying.stock import Stock, stock_of
from advisor.buying.wish import Wish
from advisor.machines.from_parts import machine_of
from advisor.physics.knowledge import load
from advisor.question import Hardware, RamRequest
from catalog import tables
from catalog.names.gpus import resolve_gpu

LAPTOP = "Lenovo Legion 5 Pro 16ACH6H 32GB"
DOCKS = {row.name: row.link for row in tables.accessories() if row.use == "dock"}


@cache
def stock(*own: str) -> Stock:
    return stock_of("any", owned_parts(own))


@pytest.mark.parametrize(
    ("machine", "link"), [("GMKtec EVO-X2 128GB", "usb4"), (LAPTOP, "usb4"), ("Strix Halo", "oculink")]
)
def test_an_owner_is_offered_each_card_with_dock_and_supply(machine: str, link: str) -> None:
    found = list(docked_builds(stock(machine)))
    assert len({build.parts[0].name for build in found}) > 50
    psus = {row.name: row for row in tables.psus()}
    for build in found:
        kinds = [part.kind for part in build.parts]
        assert kinds[0] == "gpu"
        assert kinds.count("psu") == 1
        (dock,) = [part for part in build.parts if part.name in DOCKS]
        (owned,) = [part for part in build.parts if part.kind in {"unified", "laptop"}]
        assert owned.quote.condition == "owned"
        assert dock.quote.price_usd > 0
        assert build.price_usd == pytest.approx(sum(part.quote.price_usd for part in build.parts), abs=0.01)
        watts = next(psus[part.name].watts for part in build.parts if part.kind == "psu")
        assert watts >= 1.3 * resolve_gpu(build.parts[0].name).row.power_w
        (card,) = build.hardware.gpus
        assert card.link == link
        machine_of(build.hardware)
        assert any(note.code == "dock" for note in build.notes)


def test_what_is_not_owned_gets_no_dock() -> None:
    assert list(docked_builds(stock())) == []


@pytest.mark.parametrize("machine", ["Mac mini M4 16GB", "DGX Spark"])
def test_a_machine_that_takes_no_card_gets_none(machine: str) -> None:
    assert list(docked_builds(stock(machine))) == []
    assert unpriced_dock(Hardware(machine=machine), stock()) is None


def test_docks_without_a_price_are_told_not_guessed() -> None:
    quotes = {key: quote for key, quote in stock().prices.quotes.items() if key[1] not in DOCKS}
    bare = replace(stock(), prices=replace(stock().prices, quotes=quotes))
    hardware = Hardware(machine="GMKtec EVO-X2", ram=RamRequest(gb=128))
    assert list(docked_cards(hardware, bare)) == []
    said = unpriced_dock(hardware, bare)
    assert said is not None
    assert "USB4" in said
    assert "no such dock has a price" in said
    assert unpriced_dock(hardware, stock()) is None


def test_ports_that_a_source_tells_are_known_by_the_longest_name() -> None:
    assert ports_of("gmktec evo-x2 128 GB") == ("usb4",)
    assert ports_of("Peladn HO5") == ("oculink", "usb4")
    assert ports_of(LAPTOP) == ()


def test_of_two_ports_each_gets_its_docks_at_the_slower_link() -> None:
    both = Hardware(machine="Strix Halo", ram=RamRequest(gb=128))
    links = {item.hardware.gpus[0].link for item in docked_cards(both, stock(), "Peladn HO5")}
    assert links == {"oculink", "usb4"}
    fast = {item.hardware.gpus[0].link for item in docked_cards(both, stock(), "Minisforum MS-S1 MAX")}
    assert fast == {"usb4v2", "thunderbolt4"}  # in a Thunderbolt 5 enclosure, in a dock of Thunderbolt 4


def test_an_owner_of_a_laptop_finds_a_docked_card_in_the_ranking() -> None:
    search = Search(Wish(model="Qwen3-32B", condition="any", own=(LAPTOP,)), "Q4_K_M", stock(LAPTOP), load())
    rows = search.ranked(1500.0, 10.0)
    labels = [offer.build.label for offer in search.offers(search.first_of_each(rows)[:20])]
    assert any("in a USB4 dock beside Lenovo Legion 5 Pro" in label for label in labels)
