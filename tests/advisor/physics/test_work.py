"""Stages of real cases with coefficients chosen by hand: which coefficient acts where, and that no peak is beaten."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.physics.coefficients import Efficiencies
from advisor.physics.knowledge import load
from advisor.physics.placement import place
from advisor.physics.stages import decode_stages, prefill_stages, total_s
from advisor.physics.work import stack, work_of
from advisor.prediction.case import Case, case_of
from advisor.question import Scenario
from advisor.sizes.buffers import demand_of
from advisor.sizes.footprint import footprint
from catalog.tables import llms, quants
from catalog.units import GB, KIB

ROUNDING = 1e-9
MOE, DENSE = "Qwen3.6-35B-A3B", "Llama-3.1-8B"


def case(model: str, gpu: str | None = None, cpu: str = "Ryzen 7 5800X", count: int = 1, **engine: Any) -> Case:
    hardware = {"gpus": [{"name": gpu, "count": count}] if gpu else [], "cpu": cpu, "ram": {"gb": 256}}
    asked = {"model": model, "quant": "Q4_K_M", "hardware": hardware, "engine": engine}
    return case_of(Scenario.model_validate(asked | {"workload": {"prompt_tokens": 2048, "context_depth": 1000}}))


CASES = {
    "all on the card": case(DENSE, "RTX 3090"),
    "a mixture on the card": case(MOE, "RTX 3090"),
    "experts in RAM": case(MOE, "RTX 3060 12GB", n_cpu_moe=99),
    "a layer split": case(DENSE, "RTX 3060 12GB", n_gpu_layers=20),
    "on the processor": case(MOE),
    "two sockets": case(MOE, cpu="2x EPYC 9355"),
    "two cards": case("Qwen3-32B", "RTX 3090", count=2),
}
ON_CARD = ("all on the card", "a mixture on the card", "two cards")


def values(item: Case, **changes: float) -> dict[str, Any]:
    """Start values, some of them changed."""
    chosen = Efficiencies().values(item.setting)
    return chosen | {name: np.asarray(chosen[name]) * factor for name, factor in changes.items()}


@pytest.mark.parametrize("name", CASES)
def test_stages_are_finite_and_never_negative(name: str) -> None:
    item = CASES[name]
    for stages in (decode_stages(item.work, values(item)), prefill_stages(item.work, values(item))):
        assert all(np.isfinite(seconds) and seconds >= 0 for seconds in stages.values()), stages
        assert total_s(stages) == pytest.approx(sum(stages.values()), rel=ROUNDING)
        assert total_s(stages) > 0


@pytest.mark.parametrize("name", ON_CARD)
def test_with_all_on_the_card_the_processor_and_the_link_do_nothing(name: str) -> None:
    item = CASES[name]
    decode, prefill = decode_stages(item.work, values(item)), prefill_stages(item.work, values(item))
    assert [decode[stage] for stage in ("cpu_weights", "cpu_kv", "cpu_sync", "disk")] == [0.0] * 4
    assert [prefill[stage] for stage in ("cpu_matmul", "link")] == [0.0] * 2


def test_without_a_card_only_the_processor_works() -> None:
    item = CASES["on the processor"]
    decode, prefill = decode_stages(item.work, values(item)), prefill_stages(item.work, values(item))
    assert {stage for stage, seconds in decode.items() if seconds} == {"cpu_weights", "cpu_kv", "cpu_sync"}
    assert {stage for stage, seconds in prefill.items() if seconds} == {"cpu_matmul"}


def test_experts_in_ram_are_read_by_the_processor_and_the_rest_by_the_card() -> None:
    item = CASES["experts in RAM"]
    stages = decode_stages(item.work, values(item))
    assert stages["gpu_experts"] == 0.0
    assert min(stages["gpu_weights"], stages["cpu_weights"], stages["link"], stages["cpu_sync"]) > 0
    # 8 of 256 experts in each of 40 layers (config.json of the model) at no more than 2 x 8 B x 3.2 GT/s
    read = item.demand.footprint.layer_expert_bytes.sum() * 8 / 256
    assert stages["cpu_weights"] > read / (51.2 * GB)


@pytest.mark.parametrize(
    ("name", "coefficient", "stage"),
    [
        ("all on the card", "gpu_matrix_us", "gpu_launches"),
        ("a mixture on the card", "gpu_moe_us", "gpu_launches"),
        ("experts in RAM", "crossing_us", "link"),
        ("experts in RAM", "cpu_layer_us", "cpu_sync"),
        ("on the processor", "cpu_layer_us", "cpu_sync"),
    ],
)
def test_a_fixed_cost_slows_its_own_stage_alone(name: str, coefficient: str, stage: str) -> None:
    item = CASES[name]
    before, after = (decode_stages(item.work, values(item, **{coefficient: factor})) for factor in (1.0, 3.0))
    assert after[stage] > before[stage]
    others = [other for other in before if other != stage]
    assert [after[other] for other in others] == pytest.approx([before[other] for other in others], rel=ROUNDING)


@pytest.mark.parametrize(
    ("name", "coefficient"),
    [
        ("all on the card", "gpu_stream"), ("all on the card", "gpu_kv"), ("a mixture on the card", "gpu_expert"),
        ("on the processor", "ram_stream"), ("on the processor", "cpu_unpack"), ("two sockets", "numa_share"),
    ],
)
def test_a_better_share_is_faster_decode(name: str, coefficient: str) -> None:
    item = CASES[name]
    worse, better = (total_s(decode_stages(item.work, values(item, **{coefficient: by}))) for by in (0.5, 0.9))
    assert better < worse


@pytest.mark.parametrize(
    ("name", "coefficient"),
    [
        ("all on the card", "prefill_matmul"), ("all on the card", "prefill_attention"),
        ("a mixture on the card", "prefill_expert"), ("experts in RAM", "prefill_link"),
        ("on the processor", "prefill_cpu"), ("two cards", "prefill_pipeline"),
    ],
)
def test_a_better_share_is_faster_prefill(name: str, coefficient: str) -> None:
    item = CASES[name]
    worse, better = (total_s(prefill_stages(item.work, values(item, **{coefficient: by}))) for by in (0.5, 0.9))
    assert better < worse


@pytest.mark.parametrize("generous", [1.0, 50.0])
@pytest.mark.parametrize("name", CASES)
def test_no_efficiency_however_large_beats_a_peak(name: str, generous: float) -> None:
    item = CASES[name]
    shares = dict.fromkeys(("gpu_stream", "gpu_expert", "gpu_kv", "ram_stream", "cpu_kv", "link_share"), generous)
    fitted = load().efficiencies.values(item.setting)
    stages = decode_stages(item.work, fitted | {key: np.asarray(fitted[key]) * by for key, by in shares.items()})
    work = item.work
    at_peak = {
        "gpu_weights": np.sum(work.gpu_dense_s) + work.gpu_state_s,
        "gpu_experts": np.sum(work.gpu_expert_s),
        "gpu_kv": work.gpu_kv_s,
        "cpu_weights": np.sum(work.cpu_bytes) / work.ram_bandwidth,
        "link": work.link_s,
    }
    assert {stage for stage, least in at_peak.items() if stages[stage] < float(least) * (1 - ROUNDING)} == set()


def test_cases_stacked_are_answered_as_each_alone() -> None:
    items = list(CASES.values())
    each = [values(item) for item in items]
    together = {name: np.array([one[name] for one in each]) for name in each[0]}
    for stages_of in (decode_stages, prefill_stages):
        joined = stages_of(stack([item.work for item in items]), together)
        alone = [stages_of(item.work, one) for item, one in zip(items, each, strict=True)]
        for stage, seconds in joined.items():
            assert seconds == pytest.approx([float(one[stage]) for one in alone], rel=ROUNDING), stage


LLMS = {llm.id: llm for llm in llms()}
Q4 = next(quant for quant in quants() if quant.name == "Q4_K_M")
NAMES = st.sampled_from(sorted(LLMS))


def context_read(name: str, depth: float, kv_types: tuple[str, str] = ("f16", "f16"), users: int = 1) -> float:
    """Bytes of KV cache that a step on a processor reads at that depth, recurrent states excepted."""
    of = CASES["on the processor"]
    demand = demand_of(footprint(LLMS[name], Q4), 200_000, kv_types, 512, True, users)
    placed = place(demand, of.machine, 0, 0, None)
    task = replace(of, demand=demand, placement=placed, depth=depth, kv_types=kv_types, users=users)
    return float(work_of(task).cpu_kv_bytes) - 2 * float(demand.state.sum())  # states are read and written


@pytest.mark.parametrize("gpu", [None, "RTX 3090"])
def test_the_output_is_computed_for_one_token_of_a_prompt_however_long(gpu: str | None) -> None:
    """llama.cpp computes it, and what follows the last layer's attention, for the token whose logits are wanted: of
    Gemma 3 270M, whose output is two thirds of its weights, it took 23 of 216 ms of a prompt (traced 2026-11-30).
    """
    whole = case(DENSE, gpu)
    parts = whole.demand.footprint
    once_bytes = float(parts.output_bytes.sum() + parts.last_feed_forward_bytes.sum())
    for tokens in (128, 4096):
        load = whole.scenario.workload.model_copy(update={"prompt_tokens": tokens})
        work = case_of(whole.scenario.model_copy(update={"workload": load})).work
        if gpu:
            peak = whole.machine.gpus[0].bandwidth_gb_s * GB
            assert work.prefill_once_s.sum() * peak == pytest.approx(once_bytes, rel=ROUNDING)
            assert work.prefill_once_bytes.sum() == 0
        else:
            assert work.prefill_once_bytes.sum() == pytest.approx(once_bytes, rel=ROUNDING)
            assert work.prefill_once_s.sum() == 0


def test_what_a_layer_does_beside_its_products_takes_as_long_for_each_token() -> None:
    item = CASES["on the processor"]
    before, after = (
        prefill_stages(item.work, values(item, prefill_cpu_element_ns=factor))["cpu_matmul"] for factor in (1.0, 2.0)
    )
    parts, ns = item.demand.footprint, Efficiencies().values(item.setting)["prefill_cpu_element_ns"]
    threads = item.work.threads ** (1 - Efficiencies().values(item.setting)["thread_loss"])
    by_hand = 2048 * parts.n_layers * parts.hidden_size * ns * 1e-9 / threads
    assert after - before == pytest.approx(by_hand, rel=1e-6)


def test_a_step_of_qwen_3_6_35b_reads_20_kib_per_token() -> None:
    """10 full layers x (K and V) x 2 heads x 256 x 2 bytes = 20480 bytes; the 30 recurrent layers keep none."""
    assert context_read("qwen3.6-35b-a3b", 1) == pytest.approx(20 * KIB, rel=ROUNDING)


def test_latent_attention_reads_one_row_per_layer_and_token() -> None:
    """DeepSeek-V3: 512 latent + 64 rope elements in each of 61 layers: 61 x 576 x 2 bytes = 70272 bytes per token."""
    assert context_read("deepseek-v3", 1) == pytest.approx(61 * 576 * 2, rel=ROUNDING)


def test_sliding_layers_read_no_more_than_their_window() -> None:
    """gpt-oss-20b: 8 heads x 64 x (K and V) x 2 bytes = 2048 bytes per token; 12 of 24 layers see 128."""
    assert context_read("gpt-oss-20b", 5000) == pytest.approx(12 * (128 + 5000) * 2048, rel=ROUNDING)


@given(NAMES, st.integers(1, 200_000), st.integers(1, 200_000))
def test_a_longer_context_is_never_read_in_less(name: str, a: int, b: int) -> None:
    low, high = sorted((a, b))
    assert context_read(name, low) <= context_read(name, high)


@given(NAMES, st.integers(1, 200_000), st.integers(1, 4))
def test_what_is_read_is_allocated(name: str, depth: int, users: int) -> None:
    allocated = demand_of(footprint(LLMS[name], Q4), depth, ("q8_0", "f16"), 1, True, users).kv_sum
    assert context_read(name, depth, ("q8_0", "f16"), users) <= allocated * (1 + ROUNDING)
