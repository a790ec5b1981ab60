"""What the search leaves untried would not have won: compared with trying everything, on a small stock."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.buying.ownership import owned_parts
from advisor.buying.platforms import front, platforms_of
from advisor.buying.search import Offer, Search
from advisor.buying.stock import Stock, stock_of
from advisor.buying.wish import Wish
from advisor.physics.knowledge import load

CPUS = {"Ryzen 5 5500", "Core i5-12400", "Ryzen 5 7600X", "Threadripper 1920X"}
CARDS = {"RTX 3060 12GB", "RX 7900 XT"}


def small_stock() -> Stock:
    stock = stock_of("any", owned_parts(()))
    return replace(
        stock, gpus=tuple(row for row in stock.gpus if row.name in CARDS), machines=(),
        cpus=tuple(row for row in stock.cpus if row.name in CPUS),
    )  # fmt: skip


def search(**wish: Any) -> Search:
    asked = Wish.model_validate({"model": "Qwen3.6-35B-A3B", "condition": "any"} | wish)
    return Search(asked, "Q4_K_M", small_stock(), load())


@pytest.fixture(scope="module")
def brute_force() -> list[Offer]:
    """Offers of every platform with every card."""
    found = search()
    cards = [cards for cards, _ in found.cards]
    pairs = product(cards, platforms_of(found.stock))
    return found.predicted([build for pair in pairs if (build := found.assembler.complete(*pair))])


def test_the_best_of_each_card_is_found(brute_force: list[Offer]) -> None:
    tried = search().offers(None)
    assert len(tried) < len(brute_force)
    for label in {offer.build.label for offer in brute_force}:
        best = min(offer.usd_per_tok_s for offer in brute_force if offer.build.label == label)
        found = min(offer.usd_per_tok_s for offer in tried if offer.build.label == label)
        # Platforms within 5 % of each other's speed count as equal.
        assert best * (1 - 1e-9) <= found <= best * 1.06


@pytest.mark.parametrize("budget", [700, 900, 1300, 2000])
def test_the_fastest_within_a_budget_is_found(brute_force: list[Offer], budget: float) -> None:
    fastest = max((o.decode_tok_s for o in brute_force if o.build.price_usd <= budget), default=0.0)
    found = search()
    assert found.reaches(budget, fastest * 0.9) == (fastest > 0)
    assert not found.reaches(budget, fastest * 1.001 + 1e-9)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=40))
def test_the_front_by_brute_force(points: list[tuple[int, int, int]]) -> None:
    prices, merits = np.array([p[0] for p in points], dtype=float), np.array([p[1:] for p in points], dtype=float)
    kept = set(front(prices, merits).tolist())
    for index, (price, *merit) in enumerate(points):
        at_least = [
            (p, *m) for other, (p, *m) in enumerate(points)
            if other != index and p <= price and all(a >= b for a, b in zip(m, merit, strict=True))
        ]  # fmt: skip
        if index in kept:
            assert all(found == (price, *merit) for found in at_least)
        else:
            assert at_least
