"""Which quote counts. The quotes are made up; what is expected follows from the policy by hand."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.buying.pricing import OWNED, STEADY_KINDS, PriceBook, best_quote
from catalog import tables
from catalog.prices import Price


def price(usd: float, judgement: str = "street", on: str = "2026-09-01", **more: Any) -> Price:
    fields = {"part_kind": "gpu", "part": "RTX 3060 12GB", "condition": "new", "source": "https://example.org/list"}
    return Price.model_validate(fields | {"price_usd": usd, "judgement": judgement, "as_of": on} | more)


def usd(quotes: list[Price], choice: Any = "new") -> float | None:
    found = best_quote(quotes, choice)
    return found.price_usd if found else None


def test_street_goes_before_a_cheaper_and_newer_deal() -> None:
    assert usd([price(470), price(330, "deal", "2026-10-01")]) == 470


def test_the_newest_of_equal_trust_counts() -> None:
    assert usd([price(330, on="2026-07-11"), price(470, on="2026-09-29")]) == 470


def test_a_range_is_its_middle_and_half_a_range_is_nothing() -> None:
    low, high = price(280, "range_low"), price(320, "range_high")
    assert usd([low, high]) == pytest.approx((280 + 320) / 2)
    assert usd([low]) is None


def test_asking_prices_come_last() -> None:
    assert usd([price(200, "asking", "2026-10-01"), price(300, "deal", "2026-01-01")]) == 300


@pytest.mark.parametrize("kind", ["gpu", "ram", "ssd", "unified", "laptop"])
def test_prices_from_before_the_shortage_do_not_count_where_prices_rose(kind: str) -> None:
    assert usd([price(100, "pre_shortage", "2025-07-23", part_kind=kind)]) is None


@pytest.mark.parametrize("kind", sorted(STEADY_KINDS))
def test_prices_from_before_the_shortage_count_where_they_are_steady_and_are_marked(kind: str) -> None:
    found = best_quote([price(100, "pre_shortage", "2025-07-23", part_kind=kind)], "new")
    assert found is not None
    assert (found.price_usd, found.judgement) == (100, "pre_shortage")


def test_used_takes_used_and_says_when_there_is_none() -> None:
    new, used = price(470), price(250, condition="used")
    assert usd([new, used], "used") == 250
    only_new = best_quote([new], "used")
    assert only_new is not None
    assert (only_new.price_usd, only_new.condition, only_new.fallback) == (470, "new", True)


def test_new_never_takes_a_used_quote() -> None:
    assert usd([price(250, condition="used")]) is None


QUOTES = st.lists(
    st.builds(
        price, st.floats(1, 5000),
        st.sampled_from(["street", "deal", "asking", "range_low", "range_high", "pre_shortage"]),
        st.dates(date(2025, 7, 1), date(2026, 11, 24)).map(str), condition=st.sampled_from(["new", "used"]),
    ), max_size=6,
)  # fmt: skip


@given(QUOTES)
def test_any_is_the_cheaper_of_new_and_used(quotes: list[Price]) -> None:
    used_only = [quote for quote in quotes if quote.condition == "used"]
    both = [found for found in (usd(quotes, "new"), usd(used_only, "used")) if found is not None]
    assert usd(quotes, "any") == (min(both) if both else None)


@given(QUOTES)
def test_the_price_is_within_the_quotes(quotes: list[Price]) -> None:
    for choice in ("new", "used", "any"):
        found = usd(quotes, choice)
        if found is not None:
            seen = [quote.price_usd for quote in quotes]
            assert min(seen) * (1 - 1e-12) <= found <= max(seen) * (1 + 1e-12)


def test_owned_pieces_cost_nothing_and_further_ones_their_price() -> None:
    prices = PriceBook.of([price(470)], "new", {("gpu", "RTX 3060 12GB"): 1})
    assert prices.quote("gpu", "RTX 3060 12GB") == OWNED
    pieces = prices.pieces("gpu", "RTX 3060 12GB", 2)
    assert pieces is not None
    assert [piece.price_usd for piece in pieces] == [0, 470]


def test_a_part_without_a_quote_cannot_be_had() -> None:
    prices = PriceBook.of([], "new")
    assert not prices.has("gpu", "RTX 3060 12GB")
    assert prices.pieces("gpu", "RTX 3060 12GB", 1) is None


def test_sizes_of_one_machine_have_their_own_prices() -> None:
    quotes = [price(1000 * gib / 32, part_kind="unified", part="Box", memory_gib=gib) for gib in (32, 64)]
    prices = PriceBook.of(quotes, "new")
    sizes = [prices.quote("unified", "Box", gib) for gib in (32, 64, 128)]
    assert [found.price_usd if found else None for found in sizes] == [1000, 2000, None]


def test_every_shipped_price_that_counts_is_a_quote_of_the_table() -> None:
    known = {(row.part_kind, row.part, row.source) for row in tables.prices()}
    for choice in ("new", "used", "any"):
        for (kind, part, _), quote in PriceBook.of(tables.prices(), choice).quotes.items():
            assert (kind, part, quote.source) in known
