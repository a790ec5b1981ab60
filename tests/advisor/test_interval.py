"""The interval around a speed: quantiles of the spread table, wider for each thing not said."""

import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.coefficients import Efficiencies
from advisor.hardware import machine_of
from advisor.interval import log_bounds
from advisor.knowledge import Knowledge
from advisor.machine import Machine
from advisor.prediction import predict
from advisor.scenario import Hardware, Scenario
from catalog.efficiency import Spread

ROUNDING = 1e-9
PARTS = {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X"}
RAM = {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 64}


def spread(low: float, high: float, regime: str = "all", condition: str = "", speed: str = "decode") -> Spread:
    return Spread(
        speed=speed, regime=regime, condition=condition, log_low=low, log_high=high, rows=100, machines=10,
        source="by hand", as_of=date(2026, 11, 24),
    )  # fmt: skip


def knowing(*rows: Spread) -> Knowledge:
    return Knowledge.of(Efficiencies(), rows)


def machine(*unsaid: str) -> Machine:
    """A machine of which all is said but some words of the RAM or the CPU."""
    ram = {name: value for name, value in RAM.items() if name not in unsaid}
    parts = {name: value for name, value in PARTS.items() if name not in unsaid}
    return machine_of(Hardware.model_validate(parts | {"ram": ram, "storage": {"read_gb_s": 7.0}}))


def test_without_a_table_the_interval_is_a_factor_of_three_either_way() -> None:
    low, high = log_bounds(Knowledge(), "decode", "full_gpu", machine())
    assert (math.exp(low), math.exp(high)) == pytest.approx((1 / 3, 3.0), rel=ROUNDING)


def test_the_regime_counts_before_all_and_speeds_are_kept_apart() -> None:
    known = knowing(
        spread(-0.5, 0.4), spread(-0.2, 0.1, regime="full_gpu"), spread(-0.9, 0.8, regime="full_gpu", speed="prefill")
    )
    assert log_bounds(known, "decode", "full_gpu", machine()) == pytest.approx((-0.2, 0.1), rel=ROUNDING)
    assert log_bounds(known, "decode", "layer_split", machine()) == pytest.approx((-0.5, 0.4), rel=ROUNDING)
    assert log_bounds(known, "prefill", "full_gpu", machine()) == pytest.approx((-0.9, 0.8), rel=ROUNDING)


def test_unknowns_add_in_quadrature() -> None:
    # 3, 4 and 12: sqrt(9 + 16) = 5, sqrt(25 + 144) = 13
    known = knowing(spread(-0.3, 0.3), spread(-0.4, 0.4, condition="ram_speed"), spread(-1.2, 1.2, condition="cpu"))
    regime = "expert_offload"
    assert log_bounds(known, "decode", regime, machine("mt_s")) == pytest.approx((-0.5, 0.5), rel=ROUNDING)
    assert log_bounds(known, "decode", regime, machine("mt_s", "cpu")) == pytest.approx((-1.3, 1.3), rel=ROUNDING)


@given(st.floats(-2, -0.01), st.floats(0.01, 2), st.floats(-2, -0.01), st.floats(0.01, 2))
def test_an_unknown_never_narrows(low: float, high: float, more_low: float, more_high: float) -> None:
    known = knowing(spread(low, high), spread(more_low, more_high, condition="ram_speed"))
    said, unsaid = (log_bounds(known, "decode", "cpu_only", item) for item in (machine(), machine("mt_s")))
    assert unsaid[0] < said[0]
    assert unsaid[1] > said[1]


def test_the_interval_of_a_prediction_is_the_tables_around_its_speed() -> None:
    asked = Scenario.model_validate({
        "model": "Llama-3.1-8B", "quant": "Q4_K_M", "hardware": PARTS | {"ram": RAM, "storage": {"read_gb_s": 7.0}}
    })  # fmt: skip
    speed = predict(asked, knowing(spread(math.log(0.8), math.log(1.5)))).decode_tok_s
    assert speed is not None
    assert speed.p05 == pytest.approx(0.8 * speed.p50, rel=ROUNDING)
    assert speed.p95 == pytest.approx(1.5 * speed.p50, rel=ROUNDING)
