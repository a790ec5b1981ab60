"""Laws of a prediction as a whole: what a buyer changes must show in the speeds, in the right direction."""

import math
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.answer import Prediction
from advisor.errors import InputError
from advisor.physics.knowledge import Knowledge
from advisor.physics.stages import decode_stages
from advisor.physics.work import Work, work_of
from advisor.prediction.case import case_of
from advisor.prediction.prediction import predict, predict_many
from advisor.question import Scenario
from advisor.sizes.footprint import footprint
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.units import GB, GIB, TERA

ROUNDING = 1e-9
KNOWLEDGE = Knowledge()
"""Start values: laws hold whatever is fitted, and fits change."""
MOE, DENSE = "Qwen3.6-35B-A3B", "Qwen3-32B"


def scenario(model: str = MOE, gpu: str | None = "RTX 3060 12GB", **changes: Any) -> Scenario:
    link = {name: changes.pop(name) for name in ("pcie_gen", "pcie_lanes", "count") if name in changes}
    ram = {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 64} | changes.pop("ram", {})
    hardware = {"gpus": [{"name": gpu, **link}] if gpu else [], "cpu": changes.pop("cpu", "Ryzen 7 5800X"), "ram": ram}
    load = {name: changes.pop(name) for name in ("context_depth", "prompt_tokens", "users") if name in changes}
    quant = changes.pop("quant", "Q4_K_M")
    return Scenario.model_validate(
        {"model": model, "quant": quant, "hardware": hardware, "workload": load, "engine": changes}
    )


@cache
def _answer(question: Scenario) -> Prediction:
    return predict(question, KNOWLEDGE)


def answer(**changes: Any) -> Prediction:
    return _answer(scenario(**changes))


def decode(**changes: Any) -> float:
    speed = answer(**changes).decode_tok_s
    assert speed is not None
    return speed.p50


def prefill(**changes: Any) -> float:
    speed = answer(**changes).prefill_tok_s
    assert speed is not None
    return speed.p50


PLACES: tuple[dict[str, Any], ...] = (
    {"model": MOE}, {"model": MOE, "gpu": "RTX 4090"}, {"model": MOE, "gpu": None}, {"model": DENSE},
    {"model": DENSE, "gpu": "RTX 4090"}, {"model": DENSE, "gpu": "RTX 3090", "count": 2},
    {"model": "gpt-oss-20b", "gpu": "RX 7900 XTX"},
)


@pytest.mark.parametrize("place", PLACES)
@given(st.integers(0, 30_000), st.integers(1, 30_000))
@settings(max_examples=8)
def test_a_fuller_context_is_slower(place: dict[str, Any], depth: int, more: int) -> None:
    assert decode(**place, context_depth=depth + more) < decode(**place, context_depth=depth)


@given(st.integers(1066, 8000), st.integers(1, 4000), st.sampled_from([1, 2, 4, 8]))
@settings(max_examples=25)
def test_faster_ram_is_faster_with_experts_in_ram(mt_s: int, more: int, channels: int) -> None:
    server = {"n_cpu_moe": 99, "cpu": "EPYC 9355"}
    slow, fast = ({"type": "DDR5", "mt_s": rate, "channels": channels} for rate in (mt_s, mt_s + more))
    assert decode(**server, ram=fast) >= decode(**server, ram=slow)
    assert decode(**server, ram=fast | {"channels": 2 * channels}) > decode(**server, ram=fast)


@pytest.mark.parametrize("model", [DENSE, MOE])
@pytest.mark.parametrize("gpu", [None, "RTX 3060 12GB"])
@given(st.integers(4, 48), st.integers(0, 48))
@settings(max_examples=25)
def test_more_ram_is_never_slower(model: str, gpu: str | None, gb: int, more: int) -> None:
    small, large = (decode(model=model, gpu=gpu, ram={"gb": size}) for size in (gb, gb + more))
    assert large >= small * (1 - ROUNDING)


def test_a_dense_model_that_does_not_fit_into_ram_is_read_anew_for_every_token() -> None:
    barely, half = (case_of(scenario(model=DENSE, gpu=None, ram={"gb": gb})) for gb in (18, 10))
    assert half.placement.storage_bytes > 2 * barely.placement.storage_bytes > 0
    print_ = barely.demand.footprint
    layers = (print_.layer_resident_bytes.sum() + print_.layer_expert_bytes.sum()) * (1 - ROUNDING)
    assert layers <= barely.work.cycled_bytes == half.work.cycled_bytes <= print_.file_bytes
    told = [item.message for item in answer(model=DENSE, gpu=None, ram={"gb": 18}).warnings]
    assert any(f"{barely.work.cycled_bytes / GIB:.1f} GiB are read from disk for every token" in item for item in told)


def test_a_second_channel_is_worth_a_lot_with_experts_in_ram() -> None:
    one, two = (decode(n_cpu_moe=99, ram={"channels": n}) for n in (1, 2))
    assert two > 1.2 * one


def test_ram_speed_does_not_matter_when_all_is_on_the_gpu() -> None:
    slow, fast = (decode(gpu="RTX 4090", ram={"mt_s": rate}) for rate in (2133, 3600))
    assert slow == pytest.approx(fast, rel=ROUNDING)


def test_cards_of_6_to_24_gb_differ_in_placement_and_speed() -> None:
    cards = ("RTX 2060 6GB", "RTX 3060 Ti", "RTX 3060 12GB", "RTX 4060 Ti 16GB", "RTX 3090")
    found = [answer(gpu=card) for card in cards]
    moved = [item.placement.n_cpu_moe for item in found]
    speeds = [item.decode_tok_s.p50 for item in found if item.decode_tok_s]
    assert moved == sorted(set(moved), reverse=True)
    assert speeds == sorted(set(speeds))


@pytest.mark.parametrize("model", [MOE, "gpt-oss-120b"])
def test_the_link_decides_prefill_when_experts_are_in_ram(model: str) -> None:
    by_generation = [prefill(model=model, n_cpu_moe=99, pcie_gen=gen, pcie_lanes=16) for gen in (3, 4, 5)]
    by_lanes = [prefill(model=model, n_cpu_moe=99, pcie_gen=4, pcie_lanes=lanes) for lanes in (1, 4, 8, 16)]
    assert by_generation == sorted(set(by_generation))
    assert by_lanes == sorted(set(by_lanes))
    assert by_lanes[-1] > 2 * by_lanes[1]


def test_the_link_does_not_matter_for_prefill_when_all_is_on_the_gpu() -> None:
    narrow, wide = (prefill(gpu="RTX 4090", pcie_lanes=lanes) for lanes in (4, 16))
    assert narrow == pytest.approx(wide, rel=ROUNDING)


@pytest.mark.parametrize(
    ("model", "quant"), [(MOE, "Q4_K_M"), (DENSE, "Q4_K_M"), ("Llama-3.1-8B", "Q8_0"), ("gpt-oss-20b", "MXFP4")]
)
@pytest.mark.parametrize(("gpu", "peak_gb_s"), [("RTX 5090", 1792.0), (None, 51.2)])
def test_no_speed_beats_the_bytes_read_over_the_peak(model: str, quant: str, gpu: str | None, peak_gb_s: float) -> None:
    # Peaks: RTX 5090 512 bit x 28 GT/s / 8 (nvidia.com data sheet); two channels of DDR4-3200, 2 x 8 B x 3.2 GT/s
    print_ = footprint(resolve_llm(model).row.llm, resolve_quant(quant).row)
    active = print_.n_experts_used / print_.n_experts if print_.n_experts else 0.0
    read = print_.layer_resident_bytes.sum() + print_.layer_expert_bytes.sum() * active + print_.output_bytes.sum()
    assert decode(model=model, quant=quant, gpu=gpu) <= peak_gb_s * GB / read


USAGE: dict[str, Any] = {
    "depth": 4096.0, "prompt_start": 0.0, "prompt_tokens": 512, "ubatch": 512, "threads": 0, "users": 1,
    "kv_types": ("f16", "f16"), "offload_min_batch": 32, "mapped": True,
}


def work(question: Scenario, factor: float = 1.0) -> Work:
    """Work on the machine of the question with every bandwidth `factor` times as high."""
    case = case_of(question)
    rates = case.machine.gpus
    gpus = tuple(
        replace(gpu, bandwidth_gb_s=gpu.bandwidth_gb_s * factor, link_gb_s=gpu.link_gb_s * factor) for gpu in rates
    )
    ram = replace(case.machine.ram, bandwidth_gb_s=case.machine.ram.bandwidth_gb_s * factor)
    return work_of(replace(case, machine=replace(case.machine, gpus=gpus, ram=ram), **USAGE))


@pytest.mark.parametrize("place", PLACES)
def test_twice_every_bandwidth_halves_every_transfer(place: dict[str, Any]) -> None:
    once, twice = work(scenario(**place)), work(scenario(**place), 2.0)
    halved = ("gpu_dense_s", "gpu_expert_s", "gpu_kv_s", "gpu_state_s", "link_s", "prefill_stream_s", "prefill_link_s")
    for name in halved:
        assert getattr(twice, name) == pytest.approx(getattr(once, name) / 2, rel=ROUNDING), name
    # Without what the CPU computes meanwhile, which no bandwidth makes faster.
    computed = {"cpu_scores": math.inf, "cpu_score_ns": 0.0}
    values = KNOWLEDGE.efficiencies.values(case_of(scenario(**place)).setting) | computed
    before, after = (decode_stages(item, values) for item in (once, twice))
    for name in ("gpu_weights", "gpu_experts", "gpu_kv", "cpu_kv"):
        assert after[name] == pytest.approx(before[name] / 2, rel=ROUNDING), name
    assert after["gpu_launches"] == pytest.approx(before["gpu_launches"], rel=ROUNDING)


def test_with_all_experts_active_a_mixture_reads_what_a_dense_model_of_its_size_reads() -> None:
    case = case_of(scenario(gpu="RTX 5090"))
    llm = case.llm.model_copy(update={"n_experts_used": case.llm.n_experts})
    print_ = footprint(llm, case.quant)
    done = work_of(replace(case, demand=replace(case.demand, footprint=print_), **USAGE))
    gpu = case.machine.gpus[0]
    stored = print_.layer_resident_bytes.sum() + print_.layer_expert_bytes.sum() + print_.output_bytes.sum()
    assert done.gpu_dense_s.sum() + done.gpu_expert_s.sum() == pytest.approx(
        stored / (gpu.bandwidth_gb_s * GB), rel=ROUNDING
    )
    in_layers = (print_.layer_resident_bytes + print_.layer_expert_bytes) * 8 / print_.bits_per_weight
    one_token = (print_.last_feed_forward_bytes + print_.layer_expert_bytes[-1]) * 8 / print_.bits_per_weight
    assert 0.5 < one_token.sum() / in_layers[-1].sum() < 1
    flops = 2 * USAGE["prompt_tokens"] * (in_layers.sum() - one_token.sum())
    computed = done.prefill_dense_s.sum() + done.prefill_expert_s.sum()
    assert computed == pytest.approx(flops / (gpu.fp16_tflops * TERA), rel=ROUNDING)


@pytest.mark.parametrize("model", [MOE, DENSE])
@given(st.integers(0, 99), st.integers(0, 99))
@settings(max_examples=25)
def test_a_short_prompt_is_multiplied_with_the_same_weights_wherever_they_lie(model: str, ngl: int, moe: int) -> None:
    """With all layers but the feed-forward part of the last one, which only the last token needs."""
    tokens = 8  # fewer than llama.cpp copies weights in RAM to the card for
    case = case_of(scenario(model=model, gpu="RTX 4090", n_gpu_layers=ngl, n_cpu_moe=moe, prompt_tokens=tokens))
    print_, done = case.demand.footprint, case.work
    per_byte, active = 8 / print_.bits_per_weight, case.llm.n_experts_used / (case.llm.n_experts or 1)
    resident = ((print_.layer_resident_bytes.sum(axis=0) - print_.last_feed_forward_bytes) * per_byte).sum()
    experts = (print_.layer_expert_bytes[:-1] * per_byte).sum() * active
    on_gpu = (done.prefill_dense_s.sum() + done.prefill_expert_s.sum()) * case.machine.gpus[0].fp16_tflops * TERA / 2
    on_cpu = done.prefill_products.sum() + done.prefill_expert_products.sum()
    assert on_gpu + on_cpu == pytest.approx(tokens * (resident + experts), rel=ROUNDING)


@pytest.mark.parametrize("users", [2, 8, 32])
def test_many_users_get_more_together_and_less_each(users: int) -> None:
    alone, each = decode(gpu="RTX 5090"), decode(gpu="RTX 5090", users=users)
    assert alone / users < each < alone


def test_many_questions_together_are_answered_as_each_alone() -> None:
    questions = [scenario(**place, context_depth=depth) for place in PLACES for depth in (0, 5000)]
    for together, alone in zip(predict_many(questions, KNOWLEDGE), map(_answer, questions), strict=True):
        assert together.placement == alone.placement
        assert together.bottleneck == alone.bottleneck
        for name in ("decode_tok_s", "prefill_tok_s"):
            both = [getattr(item, name) for item in (together, alone)]
            assert [both[0].p05, both[0].p50, both[0].p95] == pytest.approx(
                [both[1].p05, both[1].p50, both[1].p95], rel=ROUNDING
            )


@pytest.mark.parametrize("number", [41, 99, 999])
def test_placements_asked_for_are_obeyed_and_clamped(number: int) -> None:
    found = answer(n_gpu_layers=number, n_cpu_moe=number).placement
    # 40 layers (the model's config.json, num_hidden_layers) and the output
    assert (found.n_gpu_layers, found.n_cpu_moe) == (41, 40)
    assert (answer(n_gpu_layers=99, n_cpu_moe=30).placement.n_cpu_moe, answer(n_gpu_layers=0).placement.strategy) == (
        30,
        "cpu_only",
    )


def test_the_stages_add_up_to_the_time_of_a_token() -> None:
    found = answer()
    assert found.decode_tok_s is not None
    assert sum(stage.seconds_per_token for stage in found.breakdown) == pytest.approx(
        1 / found.decode_tok_s.p50, rel=ROUNDING
    )


def test_ddr5_on_am4_is_refused_in_one_sentence() -> None:
    with pytest.raises(InputError) as refusal:
        predict(scenario(ram={"type": "DDR5"}), KNOWLEDGE)
    assert str(refusal.value).startswith("Ryzen 7 5800X (AM4) takes DDR4, not DDR5")
    assert "\n" not in str(refusal.value)
