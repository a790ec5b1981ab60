"""Rankings that several tests look at; each is made once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import pytest

from advisor.buying.ownership import Owned, owned_parts
from advisor.buying.recommendation import RankedBuild, Recommendation, recommend, recommend_from
from advisor.buying.stock import Stock, stock_of
from advisor.buying.wish import Wish
from advisor.market.market import shipped_market, today
from advisor.physics.knowledge import load

QUESTION = {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M"}
FEW = {
    "gpus": {"RTX 3060 12GB", "Arc B580", "RX 7900 XT", "RTX 3090", "GTX 1080"},
    "cpus": {
        "Ryzen 5 5500",
        "Ryzen 7 5800X",
        "Core i5-12400",
        "Ryzen 5 7600X",
        "Core Ultra 5 250K Plus",
        "Threadripper 1920X",
    },
    "machines": {"Strix Halo (Ryzen AI Max+ 395)", "DGX Spark"},
}


def small_stock(choice: Any, owned: Owned, as_of: date | None = None) -> Stock:
    """The catalog's stock with a few cards, processors and machines, for laws that need many rankings."""
    stock = stock_of(choice, owned, shipped_market().estimates(as_of or today()))
    return replace(
        stock, gpus=tuple(row for row in stock.gpus if row.name in FEW["gpus"]),
        cpus=tuple(row for row in stock.cpus if row.name in FEW["cpus"]),
        machines=tuple((row, gib) for row, gib in stock.machines if row.name in FEW["machines"]),
    )


@cache
def _few(**wish: Any) -> Recommendation:
    asked = Wish.model_validate(QUESTION | wish)
    owned = owned_parts(asked.own)
    return recommend_from(small_stock(asked.condition, owned, asked.as_of), owned, asked, load())


@cache
def _everything(condition: str) -> tuple[RankedBuild, ...]:
    wish = {"condition": condition, "every": True, "limit": 100_000}
    if condition == "any":
        return recommend(Wish.model_validate(QUESTION | wish), load()).builds
    return _few(**wish).builds


@pytest.fixture
def few() -> Callable[..., Recommendation]:
    """The ranking of a small stock for a wish."""
    return _few


@pytest.fixture
def everything() -> Callable[[str], tuple[RankedBuild, ...]]:
    """All builds: of the whole catalog at any condition, of the small stock at others."""
    return _everything
