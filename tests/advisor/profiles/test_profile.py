"""A machine's profile shifts the predictions of that machine by what it says, and nothing else."""

import math
from datetime import date
from typing import Any

import pytest

from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.profiles.own_machine import is_current, knowledge_of
from advisor.question import Scenario
from catalog.profiles import Profile, digest_of

ON_CPU = Scenario.model_validate(
    {"model": "Llama-3.1-8B", "quant": "Q8_0", "hardware": {"cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "gb": 64}}}
)


def profile(effects: list[dict[str, Any]], spreads: list[dict[str, Any]] | None = None) -> Profile:
    return Profile.model_validate(
        {
            "name": "box", "fingerprint": "0" * 32, "efficiencies_digest": digest_of(load().efficiencies.effects),
            "hardware": {}, "engine": {"name": "llama.cpp", "backend": "cpu"}, "measured_on": date(2026, 11, 24),
            "effects": effects, "spreads": spreads or [],
        }
    )


def shift(coefficient: str, log_value: float, label: str = "") -> dict[str, Any]:
    return {"coefficient": coefficient, "label": label, "log_value": log_value, "standard_error": 0, "informed": True}


def seconds(prediction: Any, stage: str) -> float:
    return next(item.seconds_per_token for item in prediction.breakdown if item.stage == stage)


def test_a_coefficient_shifted_by_log_2_halves_the_time_it_divides() -> None:
    """The context on the CPU takes as long as reading it, bytes / (cpu_kv x RAM peak), or as multiplying it, products /
    (cpu_scores x vector bandwidth) and scores x cpu_score_ns: with twice the first two and half the last it takes half
    the time, far from the peak, which no share exceeds.
    """
    asked = ON_CPU.model_copy(update={"workload": ON_CPU.workload.model_copy(update={"context_depth": 8192})})
    before = predict(asked, knowledge_of(profile([shift("cpu_kv", -math.log(8))]), load()))
    twice = [shift("cpu_kv", -math.log(4)), shift("cpu_scores", math.log(2)), shift("cpu_score_ns", -math.log(2))]
    after = predict(asked, knowledge_of(profile(twice), load()))
    assert seconds(after, "cpu_kv") == pytest.approx(seconds(before, "cpu_kv") / 2, rel=1e-9)
    assert seconds(after, "cpu_weights") == pytest.approx(seconds(before, "cpu_weights"), rel=1e-12)
    assert (predict(asked, load()).calibration, after.calibration) == ("global", "profile:box")


def test_a_shift_of_a_quant_family_leaves_other_families_alone() -> None:
    faster = knowledge_of(profile([shift("cpu_unpack", -2.0, "q4_k")]), load())
    assert predict(ON_CPU, faster).decode_tok_s == predict(ON_CPU, load()).decode_tok_s
    on_k = ON_CPU.model_copy(update={"quant": "Q4_K_M"})
    assert predict(on_k, faster).decode_tok_s != predict(on_k, load()).decode_tok_s


def test_a_profiles_spreads_take_the_place_of_those_of_all_machines() -> None:
    """Quantiles count in deviations: three of them up are three times as far, in logarithms, as one down."""
    row = {"speed": "decode", "regime": "cpu_only", "low": -1, "high": 3, "rows": 9, "machines": 1,
           "source": "runs of this machine", "as_of": "2026-11-24"}
    speed = predict(ON_CPU, knowledge_of(profile([], [row]), load())).decode_tok_s
    assert speed is not None
    assert math.log(speed.p95 / speed.p50) == pytest.approx(3 * math.log(speed.p50 / speed.p05), rel=1e-9)


def test_what_was_measured_here_is_not_novel() -> None:
    narrow, wide = (
        predict(ON_CPU, knowledge_of(profile([shift("ram_stream", 0.0) | {"informed": told}]), load())).decode_tok_s
        for told in (True, False)
    )
    assert narrow is not None
    assert wide is not None
    assert narrow.p95 / narrow.p05 < wide.p95 / wide.p05


@pytest.mark.parametrize("effect", [shift("gpu_streams", 0.1), shift("cpu_kv", 0.1, "k"), shift("ram_stream", 0, "x")])
def test_a_shift_of_what_the_physics_has_not_is_refused(effect: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="profile 'box' shifts"):
        knowledge_of(profile([effect]), load())


def test_a_profile_of_an_older_table_is_told_apart() -> None:
    current = profile([])
    assert is_current(current, load())
    assert not is_current(current.model_copy(update={"efficiencies_digest": "0" * 64}), load())
