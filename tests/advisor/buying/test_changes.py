"""What another part changes: purchases for a machine, changes worth a look, and how a swap is said."""

import pytest

from advisor.buying.changes import OTHER_CARD, Change, gain_share, ladder, speed_tok_s, usual_changes
from advisor.buying.ownership import owned_parts
from advisor.buying.stock import COOLING, stock_of
from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Engine, GpuRequest, Hardware, RamRequest, Scenario, Workload
from catalog.names.gpus import resolve_gpu
from catalog.tables import laptops, psus

ANY = stock_of("any", owned_parts(()))
BOX = Hardware(
    gpus=(GpuRequest(name="RTX 3060 12GB"),), cpu="Ryzen 7 5800X",
    ram=RamRequest(type="DDR4", mt_s=3600, channels=2, gb=32),
)


def asked(hardware: Hardware, model: str = "Qwen3.6-35B-A3B") -> Scenario:
    load_ = Workload(context_depth=7552, prompt_tokens=512, gen_tokens=128)
    return Scenario(model=model, hardware=hardware, engine=Engine(n_ctx=8192), workload=load_)


def test_the_ladder_climbs_and_each_rung_is_the_purchase_it_says() -> None:
    rungs = ladder(asked(BOX), ANY, load())
    now = predict(asked(BOX), load())
    speeds = [rung.prediction.decode_tok_s.p50 for rung in rungs if rung.prediction.decode_tok_s]
    assert now.decode_tok_s is not None
    assert len(speeds) == len(rungs) > 2
    assert all(later > 1.1 * earlier for earlier, later in zip([now.decode_tok_s.p50, *speeds], speeds, strict=False))
    assert [rung.price_usd for rung in rungs] == sorted(rung.price_usd for rung in rungs)
    assert all(rung.gain_share == pytest.approx(speed / now.decode_tok_s.p50 - 1, rel=1e-9)
               for rung, speed in zip(rungs, speeds, strict=True))
    for rung in rungs:
        bought = rung.prediction.scenario.hardware
        name, _, instead = rung.buy.partition(" for ")
        if instead:
            assert (bought.gpus[0].name, instead, bought.ram) == (name, "RTX 3060 12GB", BOX.ram)
        elif name.startswith("another"):
            assert (bought.gpus[0].count, bought.ram) == (2, BOX.ram)
        else:
            assert bought.gpus == BOX.gpus
            assert name.startswith(f"{bought.ram.gb:g} GB DDR4-{bought.ram.mt_s}")


def test_a_ladder_begins_at_nothing_where_the_model_does_not_fit() -> None:
    small = BOX.model_copy(update={"gpus": (), "ram": RamRequest(type="DDR4", mt_s=3200, channels=1, gb=8)})
    rungs = ladder(asked(small), ANY, load())
    assert speed_tok_s(predict(asked(small), load())) is None
    assert rungs
    assert {rung.gain_share for rung in rungs} == {0.0}


@pytest.mark.parametrize(
    ("name", "dock", "link", "port"),
    [
        ("Strix Halo", "OCuLink dock (PCIe 4.0 x4)", "oculink", "an OCuLink port"),
        ("GMKtec EVO-X2", "USB4 dock (TH3P4G3)", "usb4", "its USB4 port"),
        (laptops()[0].name, "USB4 dock (TH3P4G3)", "usb4", "a Thunderbolt or USB4 port"),
    ],
)
def test_a_whole_machine_takes_a_card_in_a_dock(name: str, dock: str, link: str, port: str) -> None:
    """At the port that is known of it, or one that is assumed and said; a dense model that fits on the card is read at
    the card's rate.
    """
    machine = Hardware(machine=name, ram=RamRequest(gb=32))
    rungs = ladder(asked(machine, "Qwen3-32B"), ANY, load())
    assert rungs
    for rung in rungs:
        (card,) = rung.prediction.scenario.hardware.gpus
        row = resolve_gpu(card.name).row
        assert rung.prediction.scenario.hardware.machine == name
        assert card.link == link
        assert rung.buy.startswith(f"{card.name} in a")
        dearest = max(ANY.usd("psu", psu) for psu in (row.name for row in psus()))
        alone = ANY.usd("gpu", row.name) + ANY.usd("accessory", dock)
        assert alone < rung.price_usd <= alone + dearest + sum(ANY.usd("accessory", part) for part in COOLING)
        assert port in rung.mind


def test_a_machine_that_takes_no_card_has_no_ladder() -> None:
    with pytest.raises(InputError, match="takes no graphics card"):
        ladder(asked(Hardware(machine="Mac Studio M2 Ultra", ram=RamRequest(gb=64)), "gpt-oss-20b"), ANY, load())
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
