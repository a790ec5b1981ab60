"""The formulas of other advisors, against arithmetic done by hand from their published sources."""

from typing import Any

import pytest

from advisor.prediction.case import Case, case_of
from advisor.question import Scenario
from calibration.accuracy import baselines
from calibration.accuracy.baselines import BASELINES

NAMED = {item.name: item for item in BASELINES}
REL = 1e-9  # the same arithmetic in another order


def case(model: str, quant: str, gpus: list[dict[str, Any]], **more: Any) -> Case:
    hardware = {"gpus": gpus, "cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 64}}
    return case_of(Scenario.model_validate({"model": model, "quant": quant, "hardware": hardware} | more))


def test_llmfit_on_a_gpu() -> None:
    # 936 GB/s, 8 B parameters at half a byte: 936 / 4 x 0.55 = 128.7; half of it when it spills
    assert baselines.llmfit_gpu(936, 8, 0.5) == pytest.approx(128.7, rel=REL)
    assert baselines.llmfit_gpu(936, 8, 0.5, spilled=True) == pytest.approx(64.35, rel=REL)


def test_llmfit_with_experts_in_ram() -> None:
    # a = 3 x 0.5 = 1.5 GB; 0.8 / (1.5 / 50 + 1.5 / (0.55 x 360)) = 0.8 / (0.03 + 0.00757576) = 21.29032
    assert baselines.llmfit_experts(50, 360, 3, 0.5) == pytest.approx(0.8 / (0.03 + 1.5 / 198), rel=REL)
    assert baselines.llmfit_experts(50, 360, 3, 0.5) == pytest.approx(21.29032, rel=1e-6)


def test_llmfit_on_the_cpu_knows_no_memory_speed() -> None:
    # 70 / 7 x 1.15 = 11.5; with eight cores and more a tenth faster: 12.65
    assert baselines.llmfit_cpu(7, 1.15, 4) == pytest.approx(11.5, rel=REL)
    assert baselines.llmfit_cpu(7, 1.15, 8) == pytest.approx(12.65, rel=REL)


def test_whichllm_on_a_gpu() -> None:
    # 936 / 4.9 x 0.55 = 105.0612; x 0.45 with a part in RAM
    assert baselines.whichllm_gpu(936, 4.9, 0.55) == pytest.approx(105.0612, rel=1e-6)
    assert baselines.whichllm_gpu(936, 4.9, 0.55, partial=True) == pytest.approx(47.27755, rel=1e-6)


@pytest.mark.parametrize(
    ("active", "bandwidth", "share"),
    [(0.03, 200, 0.05), (0.03, 512, 0.10), (0.03, 4000, 0.25), (0.6, 512, 0.6), (1.5, 512, 1.0)],
)
def test_whichllm_reads_a_floor_of_a_moe_that_grows_with_bandwidth(
    active: float, bandwidth: float, share: float
) -> None:
    # min(0.25, 0.05 x max(1, bandwidth / 256)), unless more is active
    assert baselines.whichllm_read_share(active, bandwidth) == pytest.approx(share, rel=REL)


def test_whichllm_on_the_cpu() -> None:
    # 18 / 8 x 0.55 / 0.45 = 2.75; never below 0.3; models below half a billion count as half
    assert baselines.whichllm_cpu(8, 0.55) == pytest.approx(2.75, rel=REL)
    assert baselines.whichllm_cpu(400, 0.55) == pytest.approx(0.3, rel=REL)
    assert baselines.whichllm_cpu(0.1, 0.45) == pytest.approx(36.0, rel=REL)


def test_canirun() -> None:
    # held wholly: 360 / 6 x 0.70 = 42
    assert baselines.canirun(360, 12, 6, 1.0) == pytest.approx(42.0, rel=REL)
    # 12 of 20 GB held: 1 / (0.6 / 360 + 0.4 / 50) = 103.448 GB/s over 2 GB, x 0.70 x 0.85
    assert baselines.canirun(360, 12, 20, 0.1) == pytest.approx(30.7759, rel=1e-5)
    # Apple: one memory, 0.65; a MoE never reads less than half a GB
    assert baselines.canirun(400, 1, 20, 0.01, apple=True) == pytest.approx(400 / 0.5 * 0.65, rel=REL)


def test_catalog_facts_reach_the_formulas() -> None:
    # RTX 3090: 936.2 GB/s (nvidia.com); Llama-2-7B: 6.74 B parameters (Meta) less the input embeddings, which no token
    # is multiplied with (32,000 x 4096 = 0.131 B), Q4_0 is half a byte to llmfit: 936.2 / (6.607 x 0.5) x 0.55 = 155.9
    dense = case("Llama-2-7B", "Q4_0", [{"name": "RTX 3090"}])
    assert NAMED["llmfit"].predicted(dense) == pytest.approx(155.9, rel=0.01)  # rounding of the published count
    # whichllm: the file is 3.56 GiB (llama-bench) = 3.823 GB: 936.2 / 3.823 x 0.53 = 129.8
    assert NAMED["whichllm"].predicted(dense) == pytest.approx(129.8, rel=0.01)
    # canirun.ai: 936.2 / 3.56 x 0.70 = 184.1
    assert NAMED["canirun.ai"].predicted(dense) == pytest.approx(184.1, rel=0.01)


def test_several_cards_by_whichllm_are_faster_than_one() -> None:
    one, two = (case("Llama-2-7B", "Q4_0", [{"name": "RTX 3090", "count": count}]) for count in (1, 2))
    single, double = NAMED["whichllm"].predicted(one), NAMED["whichllm"].predicted(two)
    assert single is not None
    assert double == pytest.approx(single * 2 * 0.70, rel=REL)  # its estimate of tensor parallelism
    assert NAMED["canirun.ai"].predicted(two) is None


def test_what_a_formula_does_not_cover_has_no_answer() -> None:
    larger = case("DeepSeek-R1", "Q4_K_M", [{"name": "RTX 3090"}])
    assert larger.regime == "storage"
    assert [item.predicted(larger) for item in BASELINES] == [None, None, None]
    alone = case("Llama-2-7B", "Q4_0", [])
    assert NAMED["canirun.ai"].predicted(alone) is None
    assert NAMED["whichllm"].predicted(alone) is not None
