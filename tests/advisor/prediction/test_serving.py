"""How many a machine serves at once: the table of `predict --users`, and what is said where batching does not help."""

import json
from typing import Any

import pytest

from advisor.cli.app import run
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.prediction.serving import served
from advisor.question import Scenario

CARD = {"gpus": [{"name": "RTX 3090"}]}
BESIDE = {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "mt_s": 3200, "gb": 64}}
Captured = pytest.CaptureFixture[str]


def question(model: str, hardware: dict[str, Any], **more: Any) -> Scenario:
    return Scenario.model_validate({"model": model, "quant": "Q4_K_M", "hardware": hardware, **more})


def test_the_most_that_are_served_get_what_was_asked_and_one_more_would_not() -> None:
    asked = question("Qwen3-8B", CARD, engine={"n_ctx": 2048})
    found = served(asked, load(), least_tok_s=15)
    assert found.most > 1

    def each(users: int) -> float:
        more = {"engine": {"n_ctx": 2048}, "workload": {"users": users}}
        answer = predict(question("Qwen3-8B", CARD, **more), load())
        return answer.decode_tok_s.p50 if answer.decode_tok_s else 0.0

    assert each(found.most) >= 15 > each(found.most + 1)


def test_a_machine_that_serves_nobody_so_fast_says_so() -> None:
    assert served(question("Llama-3.3-70B", {"cpu": "Core i7-4790"}), load()).most == 0


def test_predict_shows_the_table(capsys: Captured) -> None:
    options = ["predict", "--model", "Qwen3-8B", "--gpu", "RTX 3090", "--users", "4"]
    assert run([*options, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    row = next(row for row in answer["served"]["rows"] if row["users"] == 4)
    assert row["each_tok_s"] == pytest.approx(answer["decode_tok_s"]["p50"])
    assert row["together_tok_s"] == pytest.approx(answer["aggregate_tok_s"]["p50"])
    assert run(options) == 0
    assert "Several at once" in capsys.readouterr().out


def test_drafting_is_asked_for_by_options(capsys: Captured) -> None:
    options = ["predict", "--model", "Qwen3.8-27B", "--gpu", "2x RTX 3090", "--speculative", "mtp"]
    options += ["--draft-tokens", "2"]
    assert run([*options, "--acceptance", "0.75", "--split-mode", "tensor", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["speculation"]["tokens_per_step"] == pytest.approx(2.5)
    assert answer["scenario"]["engine"]["split_mode"] == "tensor"
    assert run(options) == 0
    assert "times as fast" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--draft-tokens", "3"), "--speculative"),
        (("--speculative", "magic"), "--speculative 'magic' is not known"),
        (("--speculative", "mtp", "--acceptance", "1.5"), "--acceptance must be at most 1"),
        (("--split-mode", "diagonal"), "--split-mode 'diagonal' is not known"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(capsys: Captured, options: tuple[str, ...], words: str) -> None:
    assert run(["predict", "--model", "Qwen3.8-27B", "--gpu", "RTX 3090", *options]) == 2
    assert words in capsys.readouterr().err


def codes(scenario: Scenario) -> set[str]:
    return {warning.code for warning in predict(scenario, load()).warnings}


def test_it_is_said_where_batching_or_drafting_does_not_help() -> None:
    assert "batching_hardly_helps" in codes(question("Qwen3.6-35B-A3B", BESIDE, workload={"users": 4}))
    assert "batching_hardly_helps" not in codes(question("Qwen3-8B", CARD, workload={"users": 4}))
    ngram = {"speculative": {"kind": "ngram", "max_tokens": 8, "acceptance": 0.01}}
    assert "drafting_loses" in codes(question("Qwen3-8B", CARD, engine=ngram))
    assert "drafting_loses" not in codes(question("Qwen3.5-9B", CARD, engine={"speculative": {"kind": "mtp"}}))
    assert "split_mode_idle" in codes(question("Qwen3-8B", CARD, engine={"split_mode": "tensor"}))


def test_drafts_hardly_gain_on_apple() -> None:
    """Public runs: 1.03 at the median, where NVIDIA's cards gain 1.9 (design notes, section 10)."""
    drafted = {"speculative": {"kind": "mtp", "max_tokens": 2}}
    apple = question("Qwen3.8-27B", {"machine": "Apple M4 Max (40-core GPU)"}, engine=drafted)
    told = predict(apple, load()).speculation
    assert told is not None
    assert 0.8 < told.gain < 1.25
