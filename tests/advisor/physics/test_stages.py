"""Laws of the small formulas: expected values are by hand, tolerances are rounding of 64-bit floats."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.physics.stages import (
    diluted_locality,
    filled_share,
    missed_s,
    missed_share,
    overhead_s,
    pipelined_s,
    saturated,
    slower_of,
    transfer_s,
)

ROUNDING = 1e-12
sizes = st.floats(1.0, 1e13)
rates = st.floats(1e6, 1e13)
shares = st.floats(0.01, 1.0)
times = st.floats(1e-9, 1e3)
absences = st.floats(0, 1)


@given(sizes, rates, shares)
def test_twice_the_bandwidth_halves_the_time(size: float, rate: float, share: float) -> None:
    assert transfer_s(size, 2 * rate, share) == pytest.approx(transfer_s(size, rate, share) / 2, rel=ROUNDING)


def test_a_transfer_by_hand() -> None:
    # 16 GB at 80 % of 1000 GB/s: 16 / 800 s
    assert transfer_s(16e9, 1e12, 0.8) == pytest.approx(0.02, rel=ROUNDING)


@given(times, times)
def test_two_overlapping_limits_take_at_least_the_larger_and_at_most_both(first: float, second: float) -> None:
    both = slower_of(first, second)
    assert max(first, second) * (1 - ROUNDING) <= both <= (first + second) * (1 + ROUNDING)


@given(rates, rates, st.floats(1, 256), st.floats(1, 256))
def test_more_threads_are_never_slower_and_never_beat_the_limit(
    limit: float, each: float, few: float, more: float
) -> None:
    low, high = sorted((few, more))
    assert saturated(limit, each, low) <= saturated(limit, each, high) * (1 + ROUNDING)
    assert saturated(limit, each, high) <= min(limit, each * high) * (1 + ROUNDING)


def test_fixed_costs_by_hand() -> None:
    # 200 matrices of 3 us
    assert overhead_s(200.0, 3.0) == pytest.approx(600e-6, rel=ROUNDING)


@given(st.floats(0.01, 1e4), st.floats(0.1, 1e3))
def test_half_the_rows_fill_half(rows: float, half: float) -> None:
    assert filled_share(half, half) == pytest.approx(0.5, rel=ROUNDING)
    assert 0 < filled_share(rows, half) < filled_share(2 * rows, half) < 1


@given(times, st.integers(1, 8), st.integers(1, 64), st.floats(0.0, 1.0))
def test_a_pipeline_is_between_the_ideal_and_one_after_the_other(
    work: float, stages: int, batches: int, exponent: float
) -> None:
    taken = pipelined_s(work, float(stages), float(batches), exponent)
    assert work / stages * (1 - ROUNDING) <= taken <= work * (1 + ROUNDING)


def test_a_pipeline_by_hand() -> None:
    # 2 GPUs, 4 micro-batches of 1 s, half a second on each GPU: the last leaves after (4 + 1) * 0.5 s
    assert pipelined_s(4.0, 2.0, 4.0, 1.0) == pytest.approx(2.5, rel=ROUNDING)


@given(absences, absences, st.floats(1, 50))
def test_a_cache_that_lacks_more_misses_more_and_one_that_keeps_the_popular_misses_less(
    one: float, other: float, locality: float
) -> None:
    less, more = sorted((one, other))
    assert missed_share(less, locality) <= missed_share(more, locality) * (1 + ROUNDING)
    assert missed_share(one, locality) <= missed_share(one, 1.0) * (1 + ROUNDING)
    assert missed_share(one, 1.0) == pytest.approx(one, rel=ROUNDING)
    assert (missed_share(0.0, locality), missed_share(1.0, locality)) == (0.0, 1.0)


def test_what_a_cache_misses_by_hand() -> None:
    # half of the pages are absent, the odds of a miss five times lower: 1 of 6 reads; 6 GB of them from 1 GB/s twice
    assert missed_share(0.5, 5.0) == pytest.approx(1 / 6, rel=ROUNDING)
    assert missed_s(6e9 * missed_share(0.5, 5.0), 1e9, 2.0, math.inf) == pytest.approx(0.5, rel=ROUNDING)
    assert missed_s(1e9, 1e9, 2.0, 0.5e9) == pytest.approx(2.0, rel=ROUNDING)  # a disk that gives 0.5 GB/s at most


@given(absences, st.floats(1, 50), absences, absences)
def test_the_more_of_what_is_read_is_of_use_the_less_is_missed(
    absent: float, locality: float, one: float, other: float
) -> None:
    less, more = (missed_share(absent, diluted_locality(locality, use)) for use in sorted((one, other), reverse=True))
    assert missed_share(absent, locality) * (1 - ROUNDING) <= less <= more * (1 + ROUNDING)
    assert more <= absent * (1 + ROUNDING)


def test_a_diluted_cache_by_hand() -> None:
    # a quarter was read for its own sake: between even (1) and the popular kept (5), a quarter of the way
    assert diluted_locality(5.0, 0.25) == pytest.approx(2.0, rel=ROUNDING)
    assert (diluted_locality(5.0, 0.0), diluted_locality(5.0, 1.0)) == (1.0, 5.0)


@given(st.lists(st.tuples(sizes, rates, shares), min_size=1, max_size=20))
def test_arrays_give_what_single_numbers_give(rows: list[tuple[float, float, float]]) -> None:
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    assert transfer_s(*columns) == pytest.approx([transfer_s(*row) for row in rows], rel=ROUNDING)
