"""Several users at once, and several cards that share layers: the laws that hold whatever was fitted."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.answer import Prediction
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Scenario

KNOWLEDGE = load()
MACHINES: tuple[dict[str, Any], ...] = (
    {"gpus": [{"name": "RTX 3090"}]},
    {"gpus": [{"name": "RTX 4090", "count": 2}]},
    {"gpus": [{"name": "RX 7900 XTX"}]},
    {"machine": "Apple M4 Max (40-core GPU)"},
    {"machine": "DGX Spark"},
    {"cpu": "Ryzen 9 9950X", "ram": {"type": "DDR5", "mt_s": 6000, "gb": 96}},
)
MODELS = ("Qwen3-8B", "gpt-oss-20b", "Qwen3-30B-A3B")


def ask(
    model: str, hardware: dict[str, Any], users: int = 1, split_mode: str | None = None, quant: str = "Q4_K_M"
) -> Prediction:
    question = {
        "model": model, "quant": quant, "hardware": hardware, "workload": {"users": users},
        "engine": {"split_mode": split_mode, "n_ctx": 1024},
    }
    return predict(Scenario.model_validate(question), KNOWLEDGE)


def each(answer: Prediction) -> float:
    assert answer.decode_tok_s is not None
    return answer.decode_tok_s.p50


def together(answer: Prediction) -> float:
    assert answer.aggregate_tok_s is not None
    return answer.aggregate_tok_s.p50


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(MODELS), st.sampled_from(MACHINES), st.integers(2, 64))
def test_users_together_never_write_faster_than_the_machine_reads(
    model: str, machine: dict[str, Any], users: int
) -> None:
    answer = ask(model, machine, users)
    assert answer.prefill_tok_s is not None
    assert together(answer) <= answer.prefill_tok_s.p50 * (1 + 1e-9)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(MODELS), st.sampled_from(MACHINES), st.integers(1, 48), st.integers(1, 16))
def test_one_more_user_makes_nobody_faster(model: str, machine: dict[str, Any], users: int, more: int) -> None:
    few, many = ask(model, machine, users), ask(model, machine, users + more)
    assert each(many) <= each(few) * (1 + 1e-9)
    assert together(few) == pytest.approx(users * each(few))


def test_dense_weights_are_shared_and_experts_are_not() -> None:
    """GB10 (llama-batched-bench, calibration/evidence/several_users.csv): eight write 6.7 times as much as one of a
    dense model in Q8_0, and 2.6 to 3.1 times as much of models with experts.
    """
    spark, asked = {"machine": "DGX Spark"}, (("Qwen2.5-7B", "Q8_0"), ("gpt-oss-20b", "MXFP4"))
    dense, sparse = (
        together(ask(name, spark, 8, quant=quant)) / together(ask(name, spark, quant=quant)) for name, quant in asked
    )
    assert 5 < dense <= 8
    assert 2 < sparse < 4


def test_a_machine_for_one_has_no_stage_of_several() -> None:
    stages = {stage.stage for stage in ask("Qwen3-8B", MACHINES[0]).breakdown}
    assert not stages & {"rows", "cpu_users", "gpu_drafting"}


@pytest.mark.parametrize("mode", ["row", "tensor", "graph"])
def test_cards_that_share_layers_are_faster_than_in_turn_by_less_than_their_number(mode: str) -> None:
    pair = {"gpus": [{"name": "RTX 3090", "count": 2, "pcie_gen": 4, "pcie_lanes": 8}]}
    turns, shared = ask("Llama-3.3-70B", pair, split_mode="layer"), ask("Llama-3.3-70B", pair, split_mode=mode)
    assert each(shared) < 2 * each(turns)
    assert f"-sm {mode}" in shared.flags["llama-server"]
    assert "-sm layer" in turns.flags["llama-server"]


def test_tensor_split_gains_what_was_measured_of_dense_models() -> None:
    """Public runs of dense models on two cards in `calibration/evidence`: 1.2 to 1.7 times layer split."""
    pair = {"gpus": [{"name": "RTX 3090", "count": 2}]}
    assert 1.2 < each(ask("Qwen3-32B", pair, split_mode="tensor")) / each(ask("Qwen3-32B", pair)) < 1.9


def test_a_narrow_link_makes_shared_layers_slower() -> None:
    def speed(lanes: int) -> float:
        pair = {"gpus": [{"name": "RTX 3090", "count": 2, "pcie_gen": 3, "pcie_lanes": lanes}]}
        return each(ask("Qwen3-32B", pair, split_mode="tensor", users=4))

    assert speed(1) < speed(4) < speed(16)


def test_one_card_has_nothing_to_share() -> None:
    one = MACHINES[0]
    assert each(ask("Qwen3-8B", one, split_mode="tensor")) == pytest.approx(each(ask("Qwen3-8B", one)))
