"""What to buy for a computer there is: every purchase helps, costs more than the one before, and needs nothing else."""

from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from advisor.buying.ownership import owned_parts
from advisor.buying.picking.practice import practice_of
from advisor.buying.stock import Stock, stock_of
from advisor.buying.upgrades import Aim, Upgrades, upgrades
from advisor.market.market import shipped_market, today
from advisor.physics.knowledge import load
from advisor.question import Scenario
from catalog.names.gpus import resolve_gpu

OWNER: dict[str, Any] = {
    "gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 5 5600",
    "ram": {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 16, "modules": 2},
}  # fmt: skip
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
)  # fmt: skip
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


def test_a_card_that_draws_more_brings_a_supply() -> None:
    for item in found("faster").purchases:
        watts = sum(resolve_gpu(gpu.name).row.power_w * gpu.count for gpu in item.prediction.scenario.hardware.gpus)
        assert watts <= 170 or "supply" in item.buy


def test_a_laptop_or_mac_is_sold_and_bought_anew() -> None:
    asked = Scenario.model_validate({"model": "gpt-oss-20b", "hardware": {"machine": "Mac mini M4 16GB"}})
    told = upgrades(asked, "larger", "chat", stock(), load())
    assert told.purchases == ()
    assert "sell it" in told.said[0]
