"""For every $100 from $400 to $10,000 there is a whole compatible computer for the main models, or it is known from
which price on there is one. Whether the parts go together is checked by the tables, not by the code under test.
"""

from datetime import date
from functools import cache

import numpy as np
import pytest

from advisor.buying.ownership import owned_parts
from advisor.buying.recommendation import RankedBuild, ranked_build
from advisor.buying.search import Search
from advisor.buying.stock import stock_of
from advisor.buying.wish import READING_TOK_S, Wish
from advisor.market.market import shipped_market
from advisor.physics.knowledge import load
from tests.advisor.buying.test_builds import (
    check_cards,
    check_memory,
    check_power,
    check_shell,
    is_assembled,
    parts,
    row,
    table,
)

DAY = date(2026, 11, 29)
BUDGETS = tuple(range(400, 10_001, 100))
MODELS = {
    "gpt-oss-20b": ("MXFP4", 400),
    "Llama-3.1-8B": ("Q4_K_M", 400),
    "Qwen3.6-35B-A3B": ("Q4_K_M", 400),
    "gpt-oss-120b": ("MXFP4", 400),
    "Qwen3.6-27B": ("Q4_K_M", 700),
    "Qwen3-32B": ("Q4_K_M", 800),
    "Llama-3.3-70B": ("Q4_K_M", 1_200),
}
"""Each with its quantisation, and the budget from which on it is to be written as fast as people read: a dense model
reads all its bytes for every token, which only the memory of cards does in time."""


@cache
def _search(model: str) -> Search:
    stock = stock_of("any", owned_parts(()), shipped_market().estimates(DAY))
    return Search(Wish(model=model, condition="any"), MODELS[model][0], stock, load())


@cache
def _ladder(model: str, least_tok_s: float) -> dict[int, RankedBuild]:
    """The build of the most tokens per dollar within each budget that has one."""
    search = _search(model)
    price, speed = search.candidates.price_usd, search.decode_tok_s
    rows = np.flatnonzero((speed >= least_tok_s) & (price <= BUDGETS[-1]))
    rows = rows[np.argsort(price[rows], kind="stable")]
    value = speed[rows] / price[rows]
    best = np.flatnonzero(value > np.concatenate([[0.0], np.maximum.accumulate(value)[:-1]]))
    ends = np.searchsorted(price[rows], BUDGETS, side="right")
    places = {budget: best[best < end][-1] for budget, end in zip(BUDGETS, ends.tolist(), strict=True) if end}
    offers = {place: search.offers(rows[[place]])[0] for place in dict.fromkeys(places.values())}
    return {
        budget: ranked_build(1, offers[place], None, efficient=True, context=None) for budget, place in places.items()
    }


@pytest.mark.parametrize("model", MODELS)
def test_every_budget_buys_a_whole_computer(model: str) -> None:
    ladder = _ladder(model, 0.0)
    assert list(ladder) == list(BUDGETS)
    for budget, build in ladder.items():
        assert build.price_usd <= budget
        assert build.prediction.fits
        if is_assembled(build):
            cpu, board = row(build, "cpu", "cpus"), row(build, "board", "boards")
            assert cpu["socket"] == board["socket"]
            check_memory(build, cpu, board)
            check_shell(build, cpu, board)
            check_cards(build, board)
            check_power(build, cpu)
        elif parts(build, "office"):
            office = row(build, "office", "office_pcs")
            assert office["ram_gib"] or parts(build, "ram")
            assert office["storage_gb"] or parts(build, "ssd")
        else:
            assert len(build.parts) == 1
            assert build.kind in {"unified", "laptop"}


@pytest.mark.parametrize("model", MODELS)
def test_every_budget_from_a_known_one_on_buys_reading_speed(model: str) -> None:
    ladder, least = _ladder(model, READING_TOK_S), MODELS[model][1]
    assert list(ladder) == [budget for budget in BUDGETS if budget >= least]
    # Where it buys none, the nearest price at which there is one is known.
    search = _search(model)
    cheapest = search.candidates.price_usd[search.decode_tok_s >= READING_TOK_S].min()
    assert cheapest <= least
    assert least == BUDGETS[0] or cheapest > least - 100


@pytest.mark.parametrize("model", MODELS)
def test_more_money_buys_a_faster_computer(model: str) -> None:
    search = _search(model)
    price, speed = search.candidates.price_usd, search.decode_tok_s
    fastest = [float(speed[price <= budget].max()) for budget in (400, 1_000, 2_500, 10_000)]
    assert fastest == sorted(set(fastest))


def test_the_tables_name_every_part_of_every_step() -> None:
    tables = {"gpu": "gpus", "cpu": "cpus", "ram": "ram_kits", "office": "office_pcs", "psu": "psus", "ssd": "ssds"}
    for model in MODELS:
        for build in _ladder(model, 0.0).values():
            assert all(part.name in table(tables[part.kind]) for part in build.parts if part.kind in tables)
