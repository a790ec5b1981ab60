"""What the parts of a build cost one buyer, of estimates that are made up; what is expected follows by hand."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.buying.pricing import OWNED, PriceBook, Quote, interval_of, price_of, quote_of
from advisor.market.estimate import Estimate, Part
from advisor.market.market import shipped_market

DAY = date(2026, 10, 1)
CARD = Part("gpu", "RTX 3060 12GB", None, "new")


def known(usd: float, **more: Any) -> Estimate:
    told = {"observations": 3, "sources": 2, "newest": DAY, "stale": False, "source": "https://example.org"}
    return Estimate(usd, usd * 0.8, usd * 1.25, **told | more)


def test_used_takes_used_and_says_when_there_is_none() -> None:
    found = quote_of(known(470), known(250), "used")
    assert found
    assert (found.price_usd, found.condition, found.fallback) == (250, "used", False)
    only_new = quote_of(known(470), None, "used")
    assert only_new
    assert (only_new.price_usd, only_new.condition, only_new.fallback) == (470, "new", True)


def test_any_takes_the_lower_and_new_takes_new_ones_only() -> None:
    cheap, dear = known(250), known(470)
    for new, used, price in ((dear, cheap, 250), (cheap, dear, 250), (dear, None, 470), (None, cheap, 250)):
        found = quote_of(new, used, "any")
        assert found
        assert found.price_usd == price
    assert quote_of(None, cheap, "new") is None


def test_a_quote_tells_on_what_it_rests() -> None:
    found = quote_of(known(470, sources=1, stale=True), None, "new")
    assert found
    assert (found.low_usd, found.high_usd, found.as_of) == (376, 587.5, DAY)
    assert (found.observations, found.sources, found.one_source, found.stale) == (3, 1, True, True)


def test_an_owned_part_is_free_as_often_as_it_is_owned() -> None:
    prices = PriceBook.of({CARD: known(470)}, "new", {("gpu", "RTX 3060 12GB"): 1})
    assert prices.quote("gpu", "RTX 3060 12GB") == OWNED
    pieces = prices.pieces("gpu", "RTX 3060 12GB", 2)
    assert pieces
    assert price_of(pieces) == 470


def test_a_part_without_a_price_is_left_out() -> None:
    prices = PriceBook.of({}, "new")
    assert not prices.has("gpu", "RTX 3060 12GB")
    assert prices.pieces("gpu", "RTX 3060 12GB", 1) is None


def test_sizes_of_one_machine_have_prices_of_their_own() -> None:
    boxes = {Part("unified", "Box", gib, "new"): known(gib * 30) for gib in (32.0, 64.0)}
    prices = PriceBook.of(boxes, "new")
    sizes = [prices.quote("unified", "Box", gib) for gib in (32, 64, 128)]
    assert [quote.price_usd if quote else None for quote in sizes] == [960, 1920, None]


@pytest.mark.parametrize("choice", ["new", "used", "any"])
def test_every_price_is_one_of_the_part_s_estimates(choice: Any) -> None:
    estimates = shipped_market().estimates(DAY)
    prices, known = PriceBook.of(estimates, choice), {tuple(part): found for part, found in estimates.items()}
    assert len(prices.quotes) >= 200
    for (kind, name, gib), quote in prices.quotes.items():
        found = known[kind, name, gib, quote.condition]
        assert quote.price_usd == pytest.approx(found.price_usd, abs=0.01)
        assert quote.source
        assert quote.low_usd < quote.price_usd < quote.high_usd


QUOTES = st.lists(
    st.builds(
        lambda usd, share, name: Quote(usd, usd * (1 - share), usd * (1 + share), DAY, name, "new"),
        st.floats(1, 5000), st.floats(0, 0.6), st.sampled_from("abcdef"),
    ),
    min_size=1, max_size=8,
)


@given(QUOTES)
def test_a_sum_is_known_better_than_its_parts_and_never_worse_than_all_of_them_together(quotes: list[Quote]) -> None:
    low, high = interval_of(quotes)
    total = price_of(quotes)
    assert sum(quote.low_usd for quote in quotes) - 1e-6 <= low <= total + 1e-6
    assert total - 1e-6 <= high <= sum(quote.high_usd for quote in quotes) + 1e-6
    widest = max(quote.high_usd - quote.price_usd for quote in quotes)
    assert high - total >= widest * (1 - 1e-9) - 1e-6


def test_two_pieces_of_one_part_err_together() -> None:
    one = Quote(100, 80, 120, DAY, "a", "new")
    assert interval_of([one, one]) == pytest.approx((160, 240))
