"""The interval around a speed: quantiles of the spread table times the scenario's own deviation."""

import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.physics.coefficients import Efficiencies
from advisor.physics.knowledge import Knowledge, load
from advisor.physics.uncertainty import MOST_NOVEL, deviation_of, log_bounds
from advisor.prediction.prediction import predict
from advisor.question import Scenario
from catalog.efficiency import Spread

ROUNDING = 1e-9
PARTS = {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X"}
RAM = {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 64}


def spread(low: float, high: float, regime: str = "all", speed: str = "decode") -> Spread:
    return Spread(
        speed=speed, regime=regime, low=low, high=high, rows=100, machines=10, source="by hand",
        as_of=date(2026, 11, 24),
    )


def knowing(*rows: Spread) -> Knowledge:
    return Knowledge.of(Efficiencies(), rows)


def width(model: str, quant: str, knowledge: Knowledge | None = None, **hardware: object) -> float:
    """p95 / p05 of decode."""
    asked = Scenario.model_validate({"model": model, "quant": quant, "hardware": hardware})
    speed = predict(asked, knowledge or load()).decode_tok_s
    assert speed is not None
    return speed.p95 / speed.p05


def test_without_a_table_the_interval_is_a_factor_of_three_either_way() -> None:
    low, high = log_bounds(Knowledge(), "decode", "full_gpu", 0.2)
    assert (math.exp(low), math.exp(high)) == pytest.approx((1 / 3, 3.0), rel=ROUNDING)


def test_the_regime_counts_before_all_and_speeds_are_kept_apart() -> None:
    known = knowing(spread(-5, 4), spread(-2, 1, regime="full_gpu"), spread(-9, 8, regime="full_gpu", speed="prefill"))
    for speed, regime, low, high in (
        ("decode", "full_gpu", -2, 1), ("decode", "layer_split", -5, 4), ("prefill", "full_gpu", -9, 8)
    ):
        deviation = deviation_of(speed, regime, 0.0)
        assert log_bounds(known, speed, regime, 0.0) == pytest.approx((low * deviation, high * deviation), rel=ROUNDING)


def test_novelty_adds_in_quadrature() -> None:
    # 0.2 is known of a decode with the CPU, and 0.15 novel: sqrt(0.04 + 0.0225) = 0.25
    assert deviation_of("decode", "cpu_only", 0.0) == pytest.approx(0.2, rel=ROUNDING)
    assert deviation_of("decode", "cpu_only", 0.15) == pytest.approx(0.25, rel=ROUNDING)


NOVELTY = st.floats(0, 3)


@given(NOVELTY, NOVELTY, st.sampled_from(["decode", "prefill"]), st.sampled_from(["unified", "storage"]))
def test_what_is_more_novel_is_never_narrower(one: float, other: float, speed: str, regime: str) -> None:
    known = knowing(spread(-1.5, 2.5), spread(-1.5, 2.5, speed="prefill"))
    less, more = (log_bounds(known, speed, regime, novelty) for novelty in sorted((one, other)))
    assert more[0] <= less[0] < 0 < less[1] <= more[1]


def test_beyond_a_limit_novelty_says_nothing_more() -> None:
    assert deviation_of("decode", "unified", 9.0) == deviation_of("decode", "unified", MOST_NOVEL)


def test_the_interval_of_a_prediction_is_the_tables_around_its_speed() -> None:
    asked = Scenario.model_validate({
        "model": "Llama-3.1-8B", "quant": "Q4_K_M", "hardware": PARTS | {"ram": RAM, "storage": {"read_gb_s": 7.0}}
    })
    speed = predict(asked, knowing(spread(-1.0, 2.0))).decode_tok_s
    assert speed is not None
    # Whatever the deviation, two of them up are twice as far as one down.
    assert math.log(speed.p95 / speed.p50) == pytest.approx(2 * math.log(speed.p50 / speed.p05), rel=ROUNDING)
    assert speed.p05 < speed.p50


def test_what_a_question_leaves_open_widens_the_interval() -> None:
    said = {**PARTS, "ram": RAM}
    open_speed = {**PARTS, "ram": {"type": "DDR4", "gb": 64}}
    open_cpu = {"gpus": PARTS["gpus"], "ram": RAM}
    model, quant = "Qwen3-30B-A3B", "Q4_K_M"
    assert width(model, quant, **said) < width(model, quant, **open_speed)
    assert width(model, quant, **said) < width(model, quant, **open_cpu)


def test_chips_that_no_run_has_shown_have_wider_intervals() -> None:
    """By the shipped table: the RTX 3090 stands in hundreds of its runs, the Arc Pro B50 in hardly any."""
    assert width("Llama-2-7B", "Q4_0", gpus=[{"name": "RTX 3090"}]) < width(
        "Llama-2-7B", "Q4_0", gpus=[{"name": "Arc Pro B50"}]
    )
