"""What a mistake costs is said with the speed of the very question without it; where there is no mistake nothing is."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.answer import Prediction
from advisor.documents import number
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict, predict_many
from advisor.question import Scenario

KNOWLEDGE = load()
MIXED, DENSE = "Qwen3.6-35B-A3B", "Qwen3-14B"
CARD = "RTX 3060 12GB"
DDR4 = {"type": "DDR4", "mt_s": 3600, "channels": 2, "gb": 32}
"""The computer of the article: an RTX 3060 12GB, a Ryzen 7 5800X, 32 GB of DDR4-3600."""
RYZEN_9 = "Ryzen 9 7950X"
OLD = {"gpus": [], "cpu": "Core i7-3770"}
DRAFTED = {"speculative": {"kind": "draft_model"}}


def asked(model: str = MIXED, quant: str = "Q4_K_M", ram: dict[str, Any] = DDR4, **more: Any) -> Scenario:
    """The article's computer, with other parts and settings."""
    hardware = {"gpus": [{"name": CARD}], "cpu": "Ryzen 7 5800X", "ram": ram} | more.pop("hardware", {})
    return Scenario.model_validate({"model": model, "quant": quant, "hardware": hardware} | more)


def in_slot(**link: Any) -> dict[str, Any]:
    return {"hardware": {"gpus": [{"name": CARD, **link}]}, "workload": {"prompt_tokens": 4096}}


DDR5 = {"type": "DDR5", "mt_s": 6000}
LONG = {"n_ctx": 40_960}
CASES: tuple[tuple[str, Scenario, Scenario], ...] = (
    ("one_module", asked(ram=DDR4 | {"channels": 1, "gb": 16}), asked()),
    ("one_module", asked(ram=DDR4 | {"channels": None, "modules": 1}), asked(DENSE, "Q4_K_S", DDR4 | {"channels": 1})),
    ("empty_channels",
     asked("gpt-oss-120b", "MXFP4", {"type": "DDR4", "modules": 4, "gb": 128}, hardware={"cpu": "EPYC 7302"}),
     asked("gpt-oss-120b", "MXFP4", {"type": "DDR4", "modules": 8, "gb": 128}, hardware={"cpu": "EPYC 7302"})),
    ("four_modules", asked(ram=DDR5 | {"gb": 128, "modules": 4}, hardware={"cpu": RYZEN_9}),
     asked(ram=DDR5 | {"gb": 128, "modules": 2}, hardware={"cpu": RYZEN_9})),
    ("slow_ram", asked(ram=DDR4 | {"mt_s": 2133}), asked(ram=DDR4 | {"mt_s": 3200})),
    ("slow_ram", asked("Qwen3-8B", ram={"type": "DDR3", "mt_s": 1600, "channels": 2, "gb": 16}, hardware=OLD),
     asked("Qwen3-8B", ram={"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 16}, hardware={"gpus": []})),
    ("ram_below_floor", asked(quant="Q8_0", ram=DDR4 | {"gb": 16}), asked(quant="Q8_0", ram=DDR4 | {"gb": 64})),
    ("narrow_link", asked(**in_slot(pcie_gen=3, pcie_lanes=4)), asked(**in_slot(pcie_gen=4, pcie_lanes=16))),
    ("narrow_link", asked(**in_slot(link="thunderbolt4")), asked("Qwen3-8B", **in_slot(link="thunderbolt4"))),
    ("vram_exceeded", asked(DENSE, "Q6_K", engine={"n_gpu_layers": 99}), asked(DENSE, engine={"n_gpu_layers": 99})),
    ("windows_overflow", asked(DENSE, "Q6_K", engine={"n_gpu_layers": 99}), asked(DENSE, engine={"n_gpu_layers": 99})),
    ("idle_vram", asked(DENSE, engine={"n_gpu_layers": 20}), asked(DENSE, engine={"n_gpu_layers": 41})),
    ("idle_vram", asked(engine={"n_cpu_moe": 99}, hardware={"gpus": [{"name": "RTX 3090"}]}),
     asked(engine={"n_cpu_moe": 0}, hardware={"gpus": [{"name": "RTX 3090"}]})),
    ("context_unused", asked(DENSE, engine=LONG), asked(DENSE)),
    ("context_crowds", asked(DENSE, engine=LONG, workload={"context_depth": 30_000}),
     asked(DENSE, engine=LONG, workload={"context_depth": 30_000}, hardware={"gpus": [{"name": "RTX 3090"}]})),
    ("batching_hardly_helps", asked(workload={"users": 4}), asked("Qwen3-8B", workload={"users": 4})),
    ("users_crowd", asked("Qwen3-8B", workload={"users": 8, "context_depth": 8192}),
     asked("Qwen3-8B", workload={"users": 2, "context_depth": 4096})),
    ("total_parameters", asked("Llama-3.3-70B", ram=DDR4 | {"gb": 64}),
     asked("gpt-oss-120b", "MXFP4", DDR4 | {"gb": 96})),
    ("old_build", asked(engine={"version": "b4500"}), asked(engine={"version": "b10481"})),
    ("flash_attn_off", asked("Qwen3-8B", engine={"flash_attn": False}, workload={"context_depth": 16_000}),
     asked("Qwen3-8B", workload={"context_depth": 16_000})),
    ("drafting_loses", asked("Qwen3-30B-A3B", engine=DRAFTED), asked(MIXED, engine={"speculative": {"kind": "mtp"}},
     hardware={"gpus": [{"name": "RTX 3090"}]})),
)
"""A code, a question in which it speaks, and one near to it in which it is silent."""


def told(answer: Prediction, code: str) -> str | None:
    found = [warning.message for warning in answer.warnings if warning.code == code]
    assert len(found) < 2, f"{code} is said twice"
    return found[0] if found else None


@pytest.mark.parametrize(("code", "mistaken", "sound"), CASES)
def test_a_mistake_is_told_with_its_cost_and_the_sound_question_is_not_blamed(
    code: str, mistaken: Scenario, sound: Scenario
) -> None:
    wrong, right = predict_many([mistaken, sound], KNOWLEDGE)
    message = told(wrong, code)
    assert message is not None
    assert re.search(r"\d[\d.,]* tok/s", message), message
    assert told(right, code) is None


@pytest.mark.parametrize(
    ("code", "mistaken", "mended"),
    [
        # 36 instead of 49: the second module, of the same size
        ("one_module", asked(ram=DDR4 | {"channels": 1, "gb": 16}), asked(ram=DDR4)),
        ("slow_ram", asked(ram=DDR4 | {"mt_s": 2133}), asked(ram=DDR4 | {"mt_s": 3200})),
        ("four_modules", asked(ram=DDR5 | {"gb": 128, "modules": 4}, hardware={"cpu": RYZEN_9}),
         asked(ram=DDR5 | {"gb": 128, "modules": 2}, hardware={"cpu": RYZEN_9})),
        ("old_build", asked(engine={"version": "b4500"}), asked()),
        ("idle_vram", asked(DENSE, engine={"n_gpu_layers": 20}), asked(DENSE)),
        ("context_unused", asked(DENSE, engine=LONG), asked(DENSE)),
        ("total_parameters", asked("Llama-3.3-70B", ram=DDR4 | {"gb": 64}), None),
    ],
)
def test_the_speed_that_is_promised_is_that_of_the_mended_question(
    code: str, mistaken: Scenario, mended: Scenario | None
) -> None:
    answer = predict(mistaken, KNOWLEDGE)
    message = told(answer, code)
    assert message is not None
    assert answer.decode_tok_s is not None
    if mended is None:
        other = re.search(r"tok/s of (.+), which is", message)
        assert other is not None
        mended = mistaken.model_copy(update={"model": other[1]})
    then = predict(mended, KNOWLEDGE)
    assert then.decode_tok_s is not None
    assert f"{number(answer.decode_tok_s.p50)} instead of {number(then.decode_tok_s.p50)} tok/s" in message


def too_long(n_ctx: int = 40_960) -> Scenario:
    return Scenario.model_validate({
        "model": "Qwen3-8B", "quant": "Q8_0", "hardware": {"machine": "Mac mini M4 16GB"}, "engine": {"n_ctx": n_ctx},
    })


def test_a_context_that_finds_no_room_is_told_with_the_longest_that_does() -> None:
    answer = predict(too_long(), KNOWLEDGE)
    assert not answer.fits
    message = told(answer, "does_not_fit")
    assert message is not None
    longest = re.search(r"([\d,]+) tokens of context fit", message)
    assert longest is not None
    n_ctx = int(longest[1].replace(",", ""))
    shorter, longer = (predict(too_long(many), KNOWLEDGE) for many in (n_ctx, n_ctx + 1024))
    assert shorter.fits
    assert not longer.fits


def test_what_is_only_compared_is_answered_without_pitfalls_and_with_the_same_speeds() -> None:
    questions = [mistaken for _, mistaken, _ in CASES]
    plain, full = (predict_many(questions, KNOWLEDGE, pitfalls=pitfalls) for pitfalls in (False, True))
    assert [item.model_dump(exclude={"warnings"}) for item in plain] == [
        item.model_dump(exclude={"warnings"}) for item in full
    ]
    assert sum(len(item.warnings) for item in plain) < sum(len(item.warnings) for item in full)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([MIXED, DENSE, "Qwen3-8B", "gpt-oss-20b"]), st.sampled_from([1, 2]),
    st.sampled_from([2133, 3200, 3600]), st.sampled_from([16, 32, 64]), st.sampled_from([1, 4]),
    st.sampled_from([None, 10, 99]),
)
def test_each_code_is_said_once_and_every_loss_is_a_loss(
    model: str, channels: int, mt_s: int, gb: int, users: int, layers: int | None
) -> None:
    ram = DDR4 | {"channels": channels, "mt_s": mt_s, "gb": gb}
    answer = predict(asked(model, ram=ram, engine={"n_gpu_layers": layers}, workload={"users": users}), KNOWLEDGE)
    codes = [warning.code for warning in answer.warnings]
    assert len(codes) == len(set(codes))
    for warning in answer.warnings:
        for now, then in re.findall(r"([\d.,]+) instead of ([\d.,]+) tok/s", warning.message):
            less, more = (float(word.replace(",", "")) for word in (now, then))
            assert less < more, warning.message
