"""Stages of real cases with coefficients chosen by hand: which coefficient acts where, and that no peak is beaten."""

from typing import Any

import numpy as np
import pytest

from advisor.physics.coefficients import Efficiencies
from advisor.physics.knowledge import load
from advisor.physics.stages import decode_stages, prefill_stages, total_s
from advisor.physics.work import stack
from advisor.prediction.case import Case, case_of
from advisor.question import Scenario
from catalog.units import GB

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
)  # fmt: skip
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
)  # fmt: skip
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
