"""The columns of a search are the builds made one by one: compared with making and predicting every one."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from advisor.buying.builds import Cards
from advisor.buying.changes import next_dollars
from advisor.buying.ownership import owned_parts
from advisor.buying.platforms import platforms_of
from advisor.buying.search import Offer, Search
from advisor.buying.stock import Stock, stock_of
from advisor.buying.wish import Wish
from advisor.physics.knowledge import load

CPUS = {"Ryzen 5 5500", "Core i5-12400", "Ryzen 5 7600X", "Threadripper 1920X"}
CARDS = {"RTX 3060 12GB", "RX 7900 XT"}


def small_stock() -> Stock:
    stock = stock_of("any", owned_parts(()))
    return replace(
        stock, gpus=tuple(row for row in stock.gpus if row.name in CARDS), machines=(), offices=(),
        cpus=tuple(row for row in stock.cpus if row.name in CPUS),
    )  # fmt: skip


def search(**wish: Any) -> Search:
    asked = Wish.model_validate({"model": "Qwen3.6-35B-A3B", "condition": "any"} | wish)
    return Search(asked, "Q4_K_M", small_stock(), load())


@pytest.fixture(scope="module")
def brute_force() -> list[Offer]:
    """Offers of every platform with every card, each completed and predicted by itself."""
    found = search()
    cards = [Cards(None, 0), *(Cards(gpu, count) for gpu in found.stock.gpus for count in range(1, 5))]
    pairs = product(cards, platforms_of(found.stock))
    return found.predicted([build for pair in pairs if (build := found.assembler.complete(*pair))])


def test_every_build_is_there_with_its_price_and_speed(brute_force: list[Offer]) -> None:
    found = search()
    rows = found.ranked(None, 0.0)
    table = zip(found.candidates.price_usd[rows].tolist(), found.decode_tok_s[rows].tolist(), strict=True)
    alone = [(offer.build.price_usd, offer.decode_tok_s) for offer in brute_force]
    assert len(rows) == len(brute_force) > 800
    np.testing.assert_allclose(sorted(table), sorted(alone), rtol=1e-9)


def test_the_ranking_is_that_of_all_builds(brute_force: list[Offer]) -> None:
    found = search()
    rows = found.first_of_each(found.ranked(None, 0.0))
    labels = list(dict.fromkeys(offer.build.label for offer in brute_force))
    best = [min(o.usd_per_tok_s for o in brute_force if o.build.label == label) for label in labels]
    offers = found.offers(rows)
    assert sorted(offer.build.label for offer in offers) == sorted(labels)
    assert [offer.usd_per_tok_s for offer in offers] == pytest.approx(sorted(best), rel=1e-9)


def test_the_front_is_what_no_other_beats(brute_force: list[Offer]) -> None:
    found = search()
    rows = found.ranked(None, 0.0)
    points = sorted({(o.build.price_usd, -round(o.decode_tok_s, 9)) for o in brute_force})
    front = {(p, -s) for place, (p, s) in enumerate(points) if all(s < other for _, other in points[:place])}
    kept = rows[found.efficient(rows)]
    pairs = zip(found.candidates.price_usd[kept].tolist(), found.decode_tok_s[kept].tolist(), strict=True)
    assert {(price, round(speed, 9)) for price, speed in pairs} == front


def test_of_each_card_what_no_cheaper_one_beats_is_kept() -> None:
    found = search()
    rows = found.ranked(None, 0.0)
    kept = set(found.best_of_each(rows).tolist())
    for label in np.unique(found.candidates.label_at):
        own = rows[found.candidates.label_at[rows] == label]
        assert set(own[found.efficient(own)].tolist()) == kept & set(own.tolist())


@pytest.mark.parametrize("budget", [700, 900, 1300, 2000])
def test_the_fastest_within_a_budget_is_found(brute_force: list[Offer], budget: float) -> None:
    fastest = max((o.decode_tok_s for o in brute_force if o.build.price_usd <= budget), default=0.0)
    found = search()
    assert found.reaches(budget, fastest * (1 - 1e-9)) == (fastest > 0)
    assert not found.reaches(budget, fastest * (1 + 1e-9) + 1e-9)


@pytest.mark.parametrize("model", ["gpt-oss-120b", "Llama-3.3-70B"])
def test_a_random_thousand_of_the_whole_stock_is_as_each_by_itself(model: str) -> None:
    """Among them two cards with unlike links, cards in part, and machines sold whole."""
    stock = stock_of("any", owned_parts(()))
    found = Search(Wish(model=model, condition="any"), "Q4_K_M", stock, load())
    rows = found.ranked(None, 0.0)
    assert len(rows) > 20_000
    some = np.random.default_rng(7).choice(rows, 1000, replace=False)
    offers = found.offers(some)
    assert len(offers) == len(some)
    assert [offer.decode_tok_s for offer in offers] == pytest.approx(found.decode_tok_s[some].tolist(), rel=1e-9)
    assert [offer.build.price_usd for offer in offers] == found.candidates.price_usd[some].tolist()


def _sockets(offer: Offer) -> list[tuple[str, str]]:
    return [(part.kind, part.name) for part in offer.build.parts if part.kind in ("cpu", "board", "ram")]


def test_the_next_dollar_is_the_best_of_all_swaps(brute_force: list[Offer]) -> None:
    found = search()
    offers = found.offers(found.first_of_each(found.ranked(None, 0.0)))
    for offer, swap in zip(offers, next_dollars(offers, found), strict=True):
        price, speed = offer.build.price_usd, offer.decode_tok_s
        near = [
            other for other in brute_force
            if (_sockets(other) == _sockets(offer)) != (other.build.label == offer.build.label)
            and price < other.build.price_usd <= 2 * price and other.decode_tok_s >= 1.1 * speed
        ]  # fmt: skip
        gains = [(other.decode_tok_s / speed - 1) / (other.build.price_usd - price) for other in near]
        assert (swap is None) == (not gains)
        if swap:
            assert swap.gain_share / swap.extra_usd == pytest.approx(max(gains), rel=1e-6)
