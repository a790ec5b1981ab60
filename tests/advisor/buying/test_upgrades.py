"""What to buy for a computer there is: every purchase helps, costs more than the one before, and needs nothing else."""

import re
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from advisor.buying.changes import single_purchases
from advisor.buying.compatibility import supply_problem
from advisor.buying.ownership import owned_parts
from advisor.buying.picking.practice import practice_of
from advisor.buying.pricing import price_of
from advisor.buying.purchases import added_memory, platform_swaps
from advisor.buying.stock import Stock, stock_of
from advisor.buying.upgrades import Aim, Upgrades, cards_of, upgrades
from advisor.choosing.quality import choice_of
from advisor.choosing.runnable import models_on
from advisor.choosing.tasks import TASKS
from advisor.market.market import shipped_market, today
from advisor.physics.knowledge import load
from advisor.prediction.own_parts import kept_parts
from advisor.question import Scenario
from catalog.names.cpus import resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.llms import resolve_llm
from catalog.tables import boards

OWNER: dict[str, Any] = {
    "gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 5 5600",
    "ram": {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 16, "modules": 2},
}
"""The owner of journey 3."""


@cache
def stock() -> Stock:
    return stock_of("any", owned_parts(()), shipped_market().estimates(today()))


@cache
def found(
    aim: Aim, budget_usd: float | None = None, model: str = "Qwen3.6-35B-A3B", card: str = "RTX 3060 12GB"
) -> Upgrades:
    asked = Scenario.model_validate(
        {"model": model, "quant": "Q4_K_M", "hardware": OWNER | {"gpus": [{"name": card}]}}
    )
    return upgrades(asked, aim, "chat", stock(), load(), budget_usd)


@pytest.mark.parametrize(
    ("aim", "card"),
    [
        ("faster", "RTX 3060 12GB"), ("larger", "RTX 2060"), ("longer", "RTX 3060 12GB"), ("people", "RTX 3060 12GB"),
    ],
)
def test_each_rung_costs_more_and_helps_more(aim: Aim, card: str) -> None:
    told = found(aim, 900.0, card=card)
    assert told.purchases, aim
    prices = [item.price_usd for item in told.purchases]
    assert prices == sorted(prices)
    assert prices[-1] <= 900
    after = [told.now, *(item.after for item in told.purchases)]
    for before, then in pairwise(after):
        assert (then < before if aim == "faster" else then > before) or before == 0
    assert told.best is not None


def test_a_first_upgrade_is_no_tinkerers_card_and_no_less_of_anything() -> None:
    for aim in ("faster", "larger"):
        for item in found(aim, 900.0).purchases:
            hardware = item.prediction.scenario.hardware
            assert all(not practice_of(resolve_gpu(gpu.name).row).tinkerers for gpu in hardware.gpus)
            assert (hardware.ram.gb or 0) >= 16
            assert sum(resolve_gpu(gpu.name).row.vram_gib * gpu.count for gpu in hardware.gpus) >= 12


def test_where_no_purchase_helps_it_is_said() -> None:
    """The journey's owner runs the best model already that a card and memory for his board could run."""
    told = found("larger", 900.0)
    assert (told.purchases, told.best) == ((), None)
    assert any("another computer would" in sentence for sentence in told.said)


def test_memory_is_a_rung_to_a_longer_context() -> None:
    assert any("DDR4" in item.buy for item in found("longer").purchases)


@pytest.mark.parametrize("ram", [{"gb": 16}, OWNER["ram"]], ids=["only its size is said", "all is said"])
def test_what_memory_alone_would_bring_is_said_with_its_price(ram: dict[str, Any]) -> None:
    """It is a rung or a sentence, and as large a kit is neither because the speed of the old one was not said."""
    for aim in ("faster", "larger", "longer"):
        told = upgrades(for_owner(ram=ram), aim, "chat", stock(), load())
        bought = [item for item in told.purchases
                  if item.prediction.scenario.hardware.gpus == for_owner().hardware.gpus and "board" not in item.buy]
        said = [line for line in told.said if re.match(r"memory alone \(\d+ GB DDR4-\d+ .*, \$\d+\) ", line)]
        assert bool(bought) != bool(said)
        assert all((item.prediction.scenario.hardware.ram.gb or 0) > 16 for item in bought)


def test_the_best_model_of_today_is_none_worse_than_one_that_runs() -> None:
    """Else a purchase is credited with what the computer can do already."""
    asked = TASKS["agent"].question("gpt-oss-20b", "MXFP4").model_copy(update={"hardware": for_owner().hardware})
    found = models_on(asked, "agent", load())
    best = max(row.choice.cautious for row in found if row.serves and row.choice)
    told = upgrades(for_owner(), "larger", "agent", stock(), load())
    assert told.prediction is not None
    now = choice_of(resolve_llm(told.now_model).row.llm, told.prediction.quant, TASKS["agent"])
    assert now is not None
    assert now.cautious >= 0.95 * best  # quantisations between those that are tried


def test_a_card_that_draws_more_brings_a_supply() -> None:
    for item in found("faster").purchases:
        watts = sum(resolve_gpu(gpu.name).row.power_w * gpu.count for gpu in item.prediction.scenario.hardware.gpus)
        assert watts <= 170 or "supply" in item.buy


def test_a_second_card_of_another_kind_brings_a_supply_for_both_and_not_for_two_of_the_larger() -> None:
    """The owner's RTX 3060 draws 170 W, his processor 65 W: with a card of 285 W both draw 455 W (makers' figures)."""
    asked = for_owner()
    told = upgrades(asked, "faster", "chat", stock(), load())
    beside = [item for item in told.purchases if "beside the RTX 3060 12GB" in item.buy]
    assert beside
    processor = resolve_cpu(asked.hardware.cpu_name or "").row
    for item in beside:
        watts = float(re.findall(r"supply of (\d+) W", item.buy)[0])
        rows = cards_of(item.prediction.scenario.hardware)
        fitting = [psu for psu in stock().psus if supply_problem(psu, rows, processor) is None]
        assert watts == min(fitting, key=lambda psu: stock().usd("psu", psu.name)).watts
        assert watts >= 1.3 * sum(row.power_w for row in rows)


def test_a_laptop_or_mac_is_sold_and_bought_anew() -> None:
    asked = Scenario.model_validate({"model": "gpt-oss-20b", "hardware": {"machine": "Mac mini M4 16GB"}})
    told = upgrades(asked, "larger", "chat", stock(), load())
    assert told.purchases == ()
    assert "sell it" in told.said[0]


def test_nothing_in_a_laptop_is_exchanged_where_only_its_graphics_are_named() -> None:
    """No slot for a second card, no other board: a card can stand beside it in a dock."""
    laptop = {"gpus": [{"name": "RTX 4060 Laptop GPU"}], "ram": {"gb": 32}}
    asked = Scenario.model_validate({"model": "Qwen3.6-35B-A3B", "hardware": laptop})
    told = upgrades(asked, "faster", "chat", stock(), load())
    assert told.purchases
    assert all("dock" in item.buy for item in told.purchases)


def for_owner(**parts: Any) -> Scenario:
    return Scenario.model_validate(
        {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M", "hardware": OWNER | parts}
    )


def test_a_card_of_another_kind_is_counted_in_a_slot_of_few_lanes_beside_the_first() -> None:
    told = upgrades(for_owner(), "faster", "chat", stock(), load(), 300.0)
    beside = [item for item in told.purchases if "beside the RTX 3060 12GB" in item.buy]
    assert beside
    for item in beside:
        first, second = item.prediction.scenario.hardware.gpus
        assert (first.name, second.pcie_lanes) == ("RTX 3060 12GB", 4)
        assert resolve_gpu(second.name).row.maker == "nvidia"
        assert "second long slot" in item.mind


def test_memory_is_added_before_it_is_replaced() -> None:
    """Two of four slots are filled: modules beside them cost less than as much memory anew."""
    parts = list(added_memory(for_owner().hardware, stock()))
    assert parts
    for change in parts:
        ram = change.hardware.ram
        assert "beside the 16 GB there are" in change.buy
        assert (ram.modules, ram.channels, ram.type) == (4, 2, "DDR4")
        assert (ram.gb or 0) > 16
        assert (ram.mt_s or 0) <= 3200
    by_size = {change.hardware.ram.gb: price_of(change.quotes) for change in parts}
    anew = [change for change in single_purchases(for_owner().hardware, stock())
            if change.hardware.gpus == for_owner().hardware.gpus and (change.hardware.ram.gb or 0) >= 32]
    assert min(by_size.values()) < min(price_of(change.quotes) for change in anew)
    full = OWNER["ram"] | {"modules": 4}
    unsaid = OWNER["ram"] | {"modules": None}
    for ram in (full, unsaid):
        assert list(added_memory(for_owner(ram=ram).hardware, stock())) == []


def test_another_platform_goes_together_and_keeps_the_cards() -> None:
    swaps = list(platform_swaps(for_owner().hardware, stock()))
    assert len({change.hardware.model_dump_json() for change in swaps}) == len(swaps) > 3
    for change in swaps:
        cpu = resolve_cpu(change.hardware.cpu_name or "").row
        board = next(row for row in boards() if f", {row.name} and " in change.buy)
        assert change.platform
        assert cpu.socket == board.socket
        assert change.hardware.gpus == for_owner().hardware.gpus
        assert (change.hardware.ram.gb or 0) >= 16
        assert len(change.quotes) >= 4  # processor, board, memory, cooler


def test_where_nothing_but_another_platform_helps_it_is_said() -> None:
    old = {"cpu": "Core i7-4770", "ram": {"type": "DDR3", "mt_s": 1600, "channels": 2, "gb": 32, "modules": 4}}
    asked = for_owner(**old).model_copy(update={"model": "gpt-oss-120b", "quant": "MXFP4"})
    told = upgrades(asked, "faster", "chat", stock(), load(), 900.0)
    assert told.now == 0
    assert told.purchases
    assert all("in place of board, processor and memory" in item.buy for item in told.purchases)
    assert "nothing but another platform" in told.said[0]
    assert not any("another platform" in line for line in found("faster", 900.0).said)


def test_what_was_measured_holds_on_for_purchases_that_leave_the_part() -> None:
    """A card that was measured slower than usual: with more memory it stays so, in place of it comes a usual one."""
    usual = upgrades(for_owner(), "faster", "chat", stock(), load())
    assert usual.prediction
    assert usual.prediction.decode_tok_s
    run = {"model": "Qwen3-8B", "quant": "Q4_K_M", "decode_tok_s": 30.0, "prefill_tok_s": 900.0}
    asked = Scenario.model_validate(
        {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M", "hardware": OWNER, "measured": [run]}
    )
    told = upgrades(asked, "faster", "chat", stock(), load())
    assert told.now > usual.now
    assert any("what you measured counts for" in sentence for sentence in told.said)
    for item in told.purchases:
        left = kept_parts(asked.hardware, item.prediction.scenario.hardware)
        assert bool(left) == any(note.code == "by_own_runs" for note in item.prediction.warnings)
        assert item.prediction.scenario.measured == ()
