"""What runs tell of a machine's levels: laws of the posterior, and one by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.physics.rigs import FAR, LEVELS, NOISE, Seen, levels_of

PRIOR = np.array([0.1, 0.28, 0.25, 0.18, 0.35, 0.3])
STAGES = {"gpu_weights": 0.004, "cpu_weights": 0.012, "link": 0.002, "disk": 0.0}


def decode(factor: float, stages: dict[str, float] = STAGES) -> Seen:
    """A step that took so many times as long as predicted."""
    return Seen("decode", stages, factor * sum(stages.values()))


def predicted(levels, stages: dict[str, float] = STAGES) -> float:
    logs = dict(zip(LEVELS, levels.log_levels.tolist(), strict=True))
    return sum(seconds * math.exp(logs.get(f"{name.partition('_')[0]}_level", 0.0)) for name, seconds in stages.items())


def test_without_runs_the_prior_stays() -> None:
    levels = levels_of([], PRIOR)
    assert levels.log_levels == pytest.approx(np.zeros(6))
    assert [levels.deviation(name) for name in LEVELS] == pytest.approx(PRIOR)


def test_one_stage_is_a_weighted_mean_by_hand() -> None:
    # All time on the processor, 20 % slower: precision of the prior 1 / 0.28^2, of the run 1 / 0.07^2.
    seen, told = decode(1.2, {"cpu_weights": 0.01}), math.log(1.2)
    run, prior = 0.07**-2, 0.28**-2
    levels = levels_of([seen], PRIOR, {"decode": 10.0} | NOISE | {"decode": 0.07})
    if told / 0.07 > 1.345:  # the run pulls with Huber's weight, at its distance from where it ends
        assert 0 < levels.log_levels[1] <= told
    assert levels.log_levels[1] == pytest.approx(told * run / (run + prior), rel=0.05)
    assert levels.log_levels[[0, 2, 3, 4, 5]] == pytest.approx(np.zeros(5), abs=1e-12)


@given(st.floats(0.5, 2.0), st.integers(1, 6))
def test_more_like_runs_come_nearer_and_narrow(factor: float, count: int) -> None:
    few, more = (levels_of([decode(factor)] * n, PRIOR) for n in (count, count + 3))
    measured = factor * sum(STAGES.values())
    assert abs(math.log(predicted(more) / measured)) <= abs(math.log(predicted(few) / measured)) + 1e-9
    for name in ("gpu_level", "cpu_level", "link_level"):
        # Slopes are those where the levels end: a stage's share of the time changes by as little.
        assert more.deviation(name) <= few.deviation(name) * 1.001
        assert few.deviation(name) <= PRIOR[LEVELS.index(name)] + 1e-12


@given(st.floats(0.6, 1.6))
def test_what_a_run_does_not_use_stays_as_wide_as_it_was(factor: float) -> None:
    levels = levels_of([decode(factor)], PRIOR)
    for name in ("prefill_gpu_level", "prefill_cpu_level", "prefill_link_level"):
        assert levels.deviation(name) == pytest.approx(PRIOR[LEVELS.index(name)])
        assert levels.log_levels[LEVELS.index(name)] == pytest.approx(0.0, abs=1e-12)


def test_a_run_that_contradicts_many_is_far_and_moves_them_little() -> None:
    agreed = levels_of([decode(1.1)] * 5, PRIOR)
    spoilt = levels_of([*[decode(1.1)] * 5, decode(6.0)], PRIOR)
    assert abs(spoilt.far[-1]) > FAR
    assert max(abs(far) for far in spoilt.far[:-1]) < FAR
    assert predicted(spoilt) == pytest.approx(predicted(agreed), rel=0.05)
