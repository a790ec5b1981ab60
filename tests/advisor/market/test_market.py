"""All that is known of prices on a day."""

from datetime import date, timedelta

from advisor.market.estimate import Part
from advisor.market.market import DAYS_KEPT, chosen, market_of, shipped_market
from catalog import tables
from catalog.prices import Observation

DAY = date(2026, 10, 15)
CARD = Part("gpu", "RTX 3090", None, "used")


def test_a_person_s_observations_stand_beside_the_shipped_ones() -> None:
    told = {"part_kind": "gpu", "part": "RTX 3090", "condition": "used", "kind": "sold", "price": 1100.0}
    mine = Observation.model_validate(told | {"as_of": DAY, "source": "https://mine.example"})
    market, shipped = market_of([mine]), shipped_market()
    assert len(market.observations) == len(tables.observations()) + 1
    with_mine, without = market.estimates(DAY)[CARD], shipped.estimates(DAY)[CARD]
    assert (with_mine.observations, with_mine.sources) == (without.observations + 1, without.sources + 1)
    assert mine in market.seen("gpu", "RTX 3090", None, DAY)
    assert mine not in market.seen("gpu", "RTX 3090", None, DAY - timedelta(days=1))


def test_days_that_are_asked_for_take_no_more_memory_than_a_few() -> None:
    market = market_of([tables.observations()[0]])
    first = market.estimates(DAY)
    for days in range(3 * DAYS_KEPT):
        market.estimates(DAY - timedelta(days=days))
    assert len(market._known) <= DAYS_KEPT
    assert market.estimates(DAY) == first


def test_the_condition_that_counts() -> None:
    known = shipped_market().estimates(DAY)
    used, new = known[CARD], known[Part("gpu", "RTX 5090", None, "new")]
    assert used.price_usd < new.price_usd
    assert chosen(new, used, "new") == (new, "new")
    assert chosen(new, used, "used") == (used, "used")
    assert chosen(new, used, "any") == (used, "used")
    assert chosen(new, None, "used") == (new, "new")
    assert chosen(None, used, "new") is None
    assert chosen(None, None, "any") is None
