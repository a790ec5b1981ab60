"""What was measured on a machine holds on for the parts that another machine keeps of it, and for nothing else."""

from typing import Any

import pytest

from advisor.answer import Prediction
from advisor.physics.coefficients import COEFFICIENTS
from advisor.physics.knowledge import Knowledge, load
from advisor.prediction.own_parts import EVERY, kept_parts, with_own_parts
from advisor.prediction.prediction import predict
from advisor.question import Hardware, Scenario

OWN: dict[str, Any] = {
    "gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 5 5600",
    "ram": {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 32},
}
MORE_MEMORY = OWN["ram"] | {"gb": 64}


def hardware(**parts: Any) -> Hardware:
    return Hardware.model_validate(OWN | parts)


def asked(model: str, runs: tuple[dict[str, Any], ...] = (), **parts: Any) -> Scenario:
    return Scenario.model_validate(
        {"model": model, "quant": "Q4_K_M", "hardware": OWN | parts, "measured": list(runs)}
    )


def speed(answer: Prediction) -> float:
    assert answer.decode_tok_s is not None
    return answer.decode_tok_s.p50


def width(answer: Prediction) -> float:
    assert answer.decode_tok_s is not None
    return answer.decode_tok_s.p95 / answer.decode_tok_s.p05


def slow(model: str, share: float = 0.75) -> dict[str, Any]:
    """A run of the own machine at a share of what is predicted of it."""
    return {"model": model, "quant": "Q4_K_M", "decode_tok_s": share * speed(predict(asked(model), load()))}


def known(*runs: dict[str, Any]) -> Knowledge:
    return with_own_parts(asked("Qwen3-8B", runs), load())


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, EVERY), ({"ram": MORE_MEMORY}, EVERY), ({"storage": {"read_gb_s": 7}}, EVERY),
        ({"gpus": [{"name": "RTX 3090"}]}, {"processor"}), ({"gpus": OWN["gpus"] * 2}, {"processor"}),
        ({"cpu": "Ryzen 7 5800X"}, {"card"}), ({"ram": OWN["ram"] | {"mt_s": 2666}}, {"card"}),
        ({"gpus": [{"name": "RTX 3060 12GB", "pcie_lanes": 4}]}, {"card", "processor"}),
        ({"gpus": [], "cpu": "Ryzen 7 5800X"}, set()), ({"machine": "M4 Max 64GB", "gpus": [], "cpu": None}, set()),
    ],
)
def test_parts_are_kept_where_nothing_of_them_changed(change: dict[str, Any], kept: set[str]) -> None:
    other = Hardware(machine="M4 Max 64GB") if "machine" in change else hardware(**change)
    assert kept_parts(hardware(), other) == kept
    assert kept_parts(other, other) == EVERY


def test_levels_have_the_part_that_they_are_of_and_all_others_that_of_what_they_depend_on() -> None:
    """A coefficient that is pooled over chips is of the card, one over microarchitectures of the processor; the link of
    a prompt depends on the card's chip too.
    """
    parts = {item.name: item.part for item in COEFFICIENTS}
    assert {name for name, part in parts.items() if name.endswith("_level") and part is None} == set()
    for word, part in (("gpu", "card"), ("cpu", "processor"), ("link", "links")):
        assert {parts[f"{word}_level"], parts[f"prefill_{word}_level"]} == {part}
    over = {item.name: {template for template, _ in item.pools} for item in COEFFICIENTS}
    assert {parts[name] for name in parts if "{chip}" in over[name]} == {"card", "links"}
    assert {parts[name] for name in parts if "{microarchitecture}" in over[name]} == {"processor"}
    assert parts["prefill_pipeline"] is parts["disk_gain"] is parts["row_cost"] is None


def test_a_slow_card_stays_slow_on_another_platform_and_with_more_memory() -> None:
    knowledge = known(slow("Qwen3-8B"))
    for change in ({"ram": MORE_MEMORY}, {"cpu": "Ryzen 7 5800X"}):
        usual, own = (predict(asked("Qwen3-8B", **change), item) for item in (load(), knowledge))
        assert speed(own) < 0.9 * speed(usual)
        assert width(own) < width(usual)
        assert own.calibration == "measured"
        (said,) = [note.message for note in own.warnings if note.code == "by_own_runs"]
        assert "the graphics cards" in said
        assert "by your run" in said


def test_of_another_card_nothing_was_measured() -> None:
    """The run was on the card alone: a new card on the same processor is as it would be for anybody."""
    other = asked("Qwen3-8B", gpus=[{"name": "RTX 3090"}])
    usual, own = (predict(other, item) for item in (load(), known(slow("Qwen3-8B"))))
    assert speed(own) == pytest.approx(speed(usual), rel=0.02)
    assert width(own) == pytest.approx(width(usual), rel=0.1)


def test_a_slow_processor_stays_slow_beside_another_card() -> None:
    """A model whose experts lie in RAM tells of the processor."""
    knowledge = known(slow("gpt-oss-120b"), slow("Qwen3-8B", 1.0))
    change = {"gpus": [{"name": "RTX 5060 Ti 16GB"}], "ram": OWN["ram"]}
    usual, own = (predict(asked("Qwen3-30B-A3B", **change), item) for item in (load(), knowledge))
    assert own.calibration == "measured"
    assert speed(own) <= speed(usual)


def test_machines_that_share_nothing_and_questions_without_runs_are_answered_as_ever() -> None:
    assert with_own_parts(asked("Qwen3-8B"), load()) is load()
    change = {"gpus": [{"name": "RTX 3090"}], "cpu": "Ryzen 9 7900X", "ram": {"type": "DDR5", "mt_s": 6000, "gb": 64}}
    usual, own = (predict(asked("Qwen3-8B", **change), item) for item in (load(), known(slow("Qwen3-8B"))))
    assert own == usual


def test_an_impossible_run_is_kept_for_nothing() -> None:
    assert with_own_parts(asked("Qwen3-8B", ({"model": "Qwen3-8B", "decode_tok_s": 9000.0},)), load()) is load()


def test_only_parts_that_are_owned_are_kept() -> None:
    run = slow("Qwen3-8B")
    knowledge = with_own_parts(asked("Qwen3-8B", (run,)), load(), frozenset({"processor"}))
    usual, own = (predict(asked("Qwen3-8B", cpu="Ryzen 7 5800X"), item) for item in (load(), knowledge))
    assert own == usual
