"""What another part changes: purchases for a machine, changes worth a look, and how a swap is said."""

import pytest

from advisor.buying.changes import OTHER_CARD, Change, gain_share, single_purchases, usual_changes
from advisor.buying.ownership import owned_parts
from advisor.buying.pricing import price_of
from advisor.buying.stock import COOLING, stock_of
from advisor.machines.from_parts import machine_of
from advisor.question import GpuRequest, Hardware, RamRequest
from catalog.names.gpus import resolve_gpu
from catalog.tables import laptops, psus

ANY = stock_of("any", owned_parts(()))
BOX = Hardware(
    gpus=(GpuRequest(name="RTX 3060 12GB"),), cpu="Ryzen 7 5800X",
    ram=RamRequest(type="DDR4", mt_s=3600, channels=2, gb=32),
)


def test_each_single_purchase_is_what_it_says() -> None:
    changes = list(single_purchases(BOX, ANY))
    assert {len(change.hardware.gpus) for change in changes} == {1}
    kinds = set()
    for change in changes:
        bought = change.hardware
        if change.instead:
            assert (bought.gpus[0].name, change.instead, bought.ram) == (change.buy, "RTX 3060 12GB", BOX.ram)
        elif change.buy == "another RTX 3060 12GB":
            assert (bought.gpus[0].count, bought.ram) == (2, BOX.ram)
        else:
            assert bought.gpus == BOX.gpus
            assert change.buy.startswith(f"{bought.ram.gb:g} GB DDR4-{bought.ram.mt_s}")
        assert price_of(change.quotes) > 0
        kinds.add("card" if change.instead else change.buy.split()[0] == "another")
    assert kinds == {"card", True, False}


@pytest.mark.parametrize(
    ("name", "dock", "link", "port"),
    [
        ("Strix Halo", "OCuLink dock (PCIe 4.0 x4)", "oculink", "an OCuLink port"),
        ("GMKtec EVO-X2", "USB4 dock (TH3P4G3)", "usb4", "its USB4 port"),
        (laptops()[0].name, "USB4 dock (TH3P4G3)", "usb4", "a Thunderbolt or USB4 port"),
    ],
)
def test_a_whole_machine_takes_a_card_in_a_dock(name: str, dock: str, link: str, port: str) -> None:
    """At the port that is known of it, or one that is assumed and said."""
    changes = list(single_purchases(Hardware(machine=name, ram=RamRequest(gb=32)), ANY))
    assert changes
    dearest = max(ANY.usd("psu", psu.name) for psu in psus())
    for change in changes:
        (card,) = change.hardware.gpus
        row = resolve_gpu(card.name).row
        assert change.hardware.machine == name
        assert card.link == link
        assert change.buy.startswith(f"{card.name} in a")
        alone = ANY.usd("gpu", row.name) + ANY.usd("accessory", dock)
        assert alone < price_of(change.quotes) <= alone + dearest + sum(ANY.usd("accessory", part) for part in COOLING)
        assert port in change.mind


def test_a_machine_sold_whole_has_no_usual_changes_and_some_take_no_card() -> None:
    assert list(single_purchases(Hardware(machine="Mac Studio M2 Ultra", ram=RamRequest(gb=64)), ANY)) == []
    assert usual_changes(Hardware(machine="Strix Halo"))[0] == []


def test_each_usual_change_changes_one_thing_and_can_be_built() -> None:
    changes, gaps = usual_changes(BOX)
    assert gaps == ()
    assert len({change.said("instead of") for change in changes}) == len(changes) > 3
    for change in changes:
        machine_of(change.hardware)
        left = change.hardware.model_copy(update={"gpus": BOX.gpus, "ram": BOX.ram})
        assert left == BOX
        assert (change.hardware.gpus == BOX.gpus) != (change.hardware.ram == BOX.ram)
        assert (change.mind == OTHER_CARD) == change.other_card
        if change.other_card:
            before, after = (machine_of(each).gpus[0].bandwidth_gb_s for each in (BOX, change.hardware))
            assert after > before


def test_a_gain_is_told_where_there_are_two_speeds() -> None:
    assert gain_share(10.0, 12.5) == pytest.approx(0.25, rel=1e-12)
    assert gain_share(None, 12.5) is gain_share(10.0, None) is None


def test_a_change_is_said_with_what_goes_out() -> None:
    assert Change(BOX, "RTX 3090", "RTX 3060 12GB").said("for") == "RTX 3090 for RTX 3060 12GB"
    assert Change(BOX, "a second RAM channel").said("instead of") == "a second RAM channel"
