"""How far estimates of prices are from what was seen, and that the shipped tables are what the fit finds."""

from functools import cache

import numpy as np
import pytest

from advisor.market.checking import Agreement, LeftOut, agreement, left_out
from advisor.market.estimate import Basis
from advisor.market.money import shipped_rates
from calibration.prices import fitted_factors, fitted_trend
from catalog import tables
from catalog.prices import PriceTrend

BASIS = Basis.of(tables.price_factors(), tables.price_trends())


@cache
def found() -> tuple[LeftOut, ...]:
    return tuple(left_out(tables.observations(), BASIS, shipped_rates())[0])


def figures(condition: str | None = None) -> Agreement:
    rows = [row for row in found() if condition in (None, row.part.condition)]
    return agreement(rows, 0)


def test_four_of_five_observations_left_out_lie_within_the_interval() -> None:
    """Asked: 72 to 88 %."""
    assert 0.72 <= figures().inside <= 0.88


@pytest.mark.parametrize(("condition", "most"), [("new", 0.18), ("used", 0.20)])
def test_the_median_error_of_what_was_left_out(condition: str, most: float) -> None:
    done = figures(condition)
    assert done.observations >= 100
    assert done.median_error <= most


def test_errors_of_different_parts_at_one_time_hardly_go_together() -> None:
    """A build's interval adds them up in squares: a market that rose all at once would show as a correlation."""
    rows = found()
    z = np.array([row.log_error for row in rows])
    z = np.clip(z / np.median(np.abs(z)), -4, 4)
    day = np.array([row.day.toordinal() for row in rows])
    names, sources, kinds = (
        np.unique(words, return_inverse=True)[1]
        for words in ([row.part.name for row in rows], [row.source for row in rows], [row.part.kind for row in rows])
    )
    pairs = np.triu(np.abs(day[:, None] - day) <= 30, 1) & (names[:, None] != names) & (sources[:, None] != sources)
    for same in (True, False):
        among = pairs & ((kinds[:, None] == kinds) == same)
        assert among.sum() > 10_000
        assert abs((z[:, None] * z)[among].mean() / np.mean(z**2)) < 0.1


def test_estimates_are_neither_too_high_nor_too_low() -> None:
    assert abs(figures().bias) <= 0.05


def test_the_shipped_factors_are_what_the_fit_finds() -> None:
    shipped = list(tables.price_factors())
    assert fitted_factors(tables.observations(), shipped, shipped_rates()) == shipped


def test_three_cheapest_offers_are_below_what_a_trusted_seller_asks() -> None:
    """Source: design notes "What a part costs": 1.14, middle half 1.06 to 1.25."""
    row = next(row for row in tables.price_factors() if (row.kind, row.seller) == ("asking", "cheapest"))
    assert row.factor
    assert 1.06 <= row.factor <= 1.25


@pytest.mark.parametrize(("kind", "condition"), [("cpu", "new"), ("ssd", "new")])
def test_a_shipped_trend_is_what_the_fit_finds(kind: str, condition: str) -> None:
    shipped: PriceTrend = next(
        row for row in tables.price_trends() if (row.part_kind, row.condition) == (kind, condition)
    )
    assert fitted_trend(shipped, tables.observations(), BASIS, shipped_rates()) == shipped
