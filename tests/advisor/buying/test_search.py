"""The columns of a search are the builds made one by one: compared with making and predicting every one."""

from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from advisor.buying.builds import Cards
from advisor.buying.changes import next_dollars
from advisor.buying.ownership import owned_parts
from advisor.buying.platforms import platforms_of
from advisor.buying.recommendation import NothingServes, recommend_from
from advisor.buying.search import Offer, Search
from advisor.buying.stock import Stock, stock_of
from advisor.buying.wish import Wish
from advisor.machines.fingerprint import same_machine
from advisor.physics.knowledge import Knowledge, load
from advisor.question import Hardware, Scenario

CPUS = {"Ryzen 5 5500", "Core i5-12400", "Ryzen 5 7600X", "Threadripper 1920X"}
CARDS = {"RTX 3060 12GB", "RX 7900 XT"}


class Own(NamedTuple):
    """A machine with numbers of its own."""

    hardware: Hardware
    knowledge: Knowledge

    def covers(self, scenario: Scenario) -> bool:
        return same_machine(scenario.hardware, self.hardware)


def small_stock() -> Stock:
    stock = stock_of("any", owned_parts(()))
    return replace(
        stock, gpus=tuple(row for row in stock.gpus if row.name in CARDS), machines=(), offices=(),
        cpus=tuple(row for row in stock.cpus if row.name in CPUS),
    )


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
    table = zip(found.every.price_usd.tolist(), found.every.decode_tok_s.tolist(), strict=True)
    alone = [(offer.build.price_usd, offer.decode_tok_s) for offer in brute_force]
    assert len(found.every) == found.count(None, 0.0) == len(brute_force) > 800
    np.testing.assert_allclose(sorted(table), sorted(alone), rtol=1e-9)


@pytest.mark.parametrize(("budget", "tok_s"), [(None, 20.0), (900, 0.0), (1300, 30.0), (400, 5.0)])
def test_all_builds_within_the_limits_are_counted(brute_force: list[Offer], budget: float | None, tok_s: float) -> None:
    within = [o for o in brute_force if o.build.price_usd <= (budget or np.inf) and o.decode_tok_s >= tok_s]
    assert search().count(budget, tok_s) == len(within)


class Unpruned(Search):
    """A search whose answers may hold every build."""

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        return np.ones(len(self.every), dtype=bool)


@pytest.mark.parametrize(
    "wish",
    [
        {"model": "Qwen3.6-35B-A3B", "condition": "new", "every": True, "limit": 300},
        {"model": "gpt-oss-120b", "condition": "used", "budget_usd": 4000},
        {"model": "Qwen3-8B", "condition": "new", "own": ("RTX 3060 12GB", "DDR4-3200 2x16")},
        {"model": "Qwen3-32B", "condition": "any", "quant": "best", "budget_usd": 2500, "min_tok_s": 8},
    ],
)
def test_what_is_left_out_of_the_candidates_changes_no_answer(wish: dict[str, Any]) -> None:
    """The whole stock, ranked with every build and without those that another of the same speed undercuts."""
    asked = Wish.model_validate(wish)
    owned = owned_parts(asked.own)
    stock = stock_of(asked.condition, owned)
    pruned, whole = (recommend_from(stock, owned, asked, load(), kind) for kind in (Search, Unpruned))
    assert pruned == whole
    assert len(pruned.builds) > 5


def test_a_machine_with_numbers_of_its_own_keeps_all_its_builds() -> None:
    """Its profile may hold for one of two builds that are one machine to the physics."""
    plain = search()
    hardware = plain.offers(plain.ranked(None, 0.0)[:1])[0].build.hardware
    own = Own(hardware, replace(load(), calibration="profile:mine"))
    found = Search(plain.wish, "Q4_K_M", plain.stock, replace(load(), own=(own,)))
    assert len(plain.candidates) < len(found.candidates) < len(found.every)
    labels = [item.label for item in found.combinations.cards]
    (card,) = {labels[at] for at in found.candidates.label_at[np.isin(found.candidates.desktop_at,
               np.setdiff1d(found.candidates.desktop_at, plain.candidates.desktop_at))]}
    assert card in {f"{hardware.gpus[0].name}", f"2 x {hardware.gpus[0].name}"}
    assert found.count(None, 0.0) == len(found.every)


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
    found = Unpruned(Wish(model=model, condition="any"), "Q4_K_M", stock, load())
    assert len(found.candidates) > 20_000
    some = np.random.default_rng(7).choice(len(found.candidates), 1000, replace=False)
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
        ]
        gains = [(other.decode_tok_s / speed - 1) / (other.build.price_usd - price) for other in near]
        assert (swap is None) == (not gains)
        if swap:
            assert swap.gain_share / swap.extra_usd == pytest.approx(max(gains), rel=1e-6)


@pytest.mark.parametrize("budget_usd", [600.0, 1100.0, 2500.0, None])
def test_a_search_within_a_budget_leaves_aside_only_what_costs_more(budget_usd: float | None) -> None:
    """What it answers is the same to the last figure, the purchases beyond the budget among it."""
    stock, owned = small_stock(), owned_parts(())
    wish = Wish(model="Qwen3.6-35B-A3B", condition="any", budget_usd=budget_usd, limit=50, every=True)
    few, all_of_them = (
        recommend_from(stock, owned, wish, load(), search_of) for search_of in (Search.within_budget, Search)
    )
    assert few == all_of_them
    assert any(build.next_dollar for build in few.builds)


def test_where_nothing_serves_the_way_out_is_sought_beyond_the_budget() -> None:
    wish = Wish(model="Qwen3.6-35B-A3B", condition="any", budget_usd=200.0)
    with pytest.raises(NothingServes, match=r"the cheapest that does costs \$\d"):
        recommend_from(small_stock(), owned_parts(()), wish, load())
