"""Runs of the owner: they make the numbers his, narrow what they told, and are doubted where they cannot be."""

from typing import Any

import pytest
from pydantic import ValidationError

from advisor.answer import Prediction
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Scenario
from catalog.names.index import UnknownName

HARDWARE = {
    "gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 5 5600", "ram": {"type": "DDR4", "mt_s": 3200, "gb": 32},
}
MOE = "Qwen3.6-35B-A3B"


def asked(model: str = MOE, *runs: dict[str, Any]) -> Prediction:
    return predict(Scenario.model_validate({"model": model, "hardware": HARDWARE, "measured": list(runs)}), load())


def run(speed: float, model: str = MOE, **more: Any) -> dict[str, Any]:
    return {"model": model, "quant": "Q4_K_M", "decode_tok_s": speed} | more


def width(prediction: Prediction) -> float:
    assert prediction.decode_tok_s is not None
    return prediction.decode_tok_s.p95 / prediction.decode_tok_s.p05


def speed(prediction: Prediction) -> float:
    assert prediction.decode_tok_s is not None
    return prediction.decode_tok_s.p50


def test_without_runs_the_answer_is_the_global_one() -> None:
    assert asked().calibration == "global"


@pytest.mark.parametrize("share", [0.7, 0.9, 1.2])
def test_a_run_of_the_asked_model_moves_its_speed_most_of_the_way(share: float) -> None:
    before = speed(asked())
    after = asked(MOE, run(before * share))
    assert after.calibration == "measured"
    assert min(before, before * share) <= speed(after) <= max(before, before * share)
    assert abs(speed(after) / (before * share) - 1) < 0.5 * abs(1 - share)
    assert [warning.code for warning in after.warnings].count("by_own_runs") == 1


def test_a_run_of_one_model_moves_others_on_the_same_parts_too() -> None:
    slower = asked("gpt-oss-20b", run(speed(asked()) * 0.7))
    assert speed(slower) < speed(asked("gpt-oss-20b"))


def test_ranges_narrow_by_what_was_told_and_more_runs_narrow_more() -> None:
    here = speed(asked())
    widths = [width(asked(MOE, *[run(here * 0.9)] * count)) for count in (0, 1, 4)]
    assert widths[0] > widths[1] > widths[2]


def test_prefill_keeps_its_range_where_only_decode_was_measured() -> None:
    before, after = asked(), asked(MOE, run(speed(asked())))
    assert before.prefill_tok_s is not None
    assert after.prefill_tok_s is not None
    ratio = (after.prefill_tok_s.p95 / after.prefill_tok_s.p05) / (before.prefill_tok_s.p95 / before.prefill_tok_s.p05)
    assert 0.7 < ratio < 1.5


def test_a_run_faster_than_the_memory_is_read_is_not_used_and_said() -> None:
    after = asked(MOE, run(3100))
    assert [warning.code for warning in after.warnings] == ["impossible_run"]
    assert speed(after) == pytest.approx(speed(asked()))


def test_a_run_that_contradicts_the_others_is_said() -> None:
    here = speed(asked())
    after = asked(MOE, *[run(here)] * 4, run(here / 8))
    assert "contradicting_run" in [warning.code for warning in after.warnings]
    assert speed(after) == pytest.approx(here, rel=0.1)


@pytest.mark.parametrize("wrong", [{"model": MOE}, run(0), run(-1), run(5) | {"speed": 1}])
def test_a_run_without_a_speed_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        asked(MOE, wrong)


def test_at_most_a_hundred_runs() -> None:
    with pytest.raises(ValidationError):
        asked(MOE, *[run(40)] * 101)


def test_a_run_of_an_unknown_model_is_refused() -> None:
    with pytest.raises(UnknownName):
        asked(MOE, run(40, "banana"))
