"""Median and spread of repeats."""

import pytest

from calibration.probes.sample import Sample


def test_the_spread_is_the_deviation_over_the_median() -> None:
    # Mean 10, deviations -2, 0, 0, 2: the variance is 8/3, its root 1.63299.
    assert Sample.of([8.0, 10.0, 10.0, 12.0]).spread == pytest.approx(0.163299, rel=1e-5)
    assert Sample.of([4.0]) == Sample(4.0, 0.0, 1)


def test_a_spread_that_says_nothing_is_still_a_row_of_a_profile() -> None:
    wild = Sample.of([1e-9, 1e-9, 1.0])  # a deviation of 0.58 over a median of 1e-9
    assert wild.result("any", "GB/s").spread == 100.0


@pytest.mark.parametrize("values", [[], [0.0], [1.0, -1.0], [float("nan")], [float("inf")]])
def test_what_is_no_measurement_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="positive numbers"):
        Sample.of(values)


def test_a_sample_is_a_row_of_a_profile() -> None:
    row = Sample(12.5, 0.02, 7).result("ram_read_gb_s threads=2", "GB/s")
    assert (row.name, row.unit) == ("ram_read_gb_s threads=2", "GB/s")
    assert (row.value, row.spread, row.repeats) == (12.5, 0.02, 7)


def test_what_disturbs_some_of_the_repeats_does_not_lower_a_rate() -> None:
    calm = Sample.undisturbed([10.0, 10.1, 9.9, 10.0])
    disturbed = Sample.undisturbed([10.0, 0.6, 10.1, 3.0, 9.9, 10.0])
    assert disturbed.value == pytest.approx(calm.value, rel=0.01)
    assert disturbed.spread > 10 * calm.spread  # which it is still told by
    assert (calm.repeats, disturbed.repeats) == (4, 6)
