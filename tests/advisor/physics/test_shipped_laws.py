"""The laws of placement and speed, on the shipped efficiencies: fitted numbers must not turn a law round."""

from itertools import pairwise
from typing import Any

import pytest

from advisor.answer import Prediction
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Scenario


def ask(gpu: dict[str, Any] | None = None, ram: dict[str, Any] | None = None, depth: int = 0) -> Prediction:
    """Qwen3.6-35B-A3B with experts in the RAM of a common AM4 machine."""
    hardware = {
        "gpus": [{"name": "RTX 3060 12GB", **(gpu or {})}],
        "cpu": "Ryzen 7 5800X",
        "ram": {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 32, **(ram or {})},
    }
    question = {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M", "hardware": hardware}
    return predict(Scenario.model_validate(question | {"workload": {"context_depth": depth}}), load())


def decode(answer: Prediction) -> float:
    assert answer.decode_tok_s is not None
    return answer.decode_tok_s.p50


def prefill(answer: Prediction) -> float:
    assert answer.prefill_tok_s is not None
    return answer.prefill_tok_s.p50


def rises(speeds: list[float]) -> bool:
    return all(later > earlier for earlier, later in pairwise(speeds))


def test_speed_falls_with_context() -> None:
    assert rises([decode(ask(depth=depth)) for depth in (131072, 65536, 16384, 4096, 0)])


@pytest.mark.parametrize(("field", "values"), [("mt_s", (2133, 2666, 3200, 3600)), ("channels", (1, 2))])
def test_speed_rises_with_ram(field: str, values: tuple[int, ...]) -> None:
    assert rises([decode(ask(ram={field: value})) for value in values])


def test_more_vram_keeps_more_experts_on_the_card() -> None:
    cards = ("RTX 2060", "RTX 3070", "RTX 3060 12GB", "RTX 4060 Ti 16GB", "RTX 4090")  # 6, 8, 12, 16, 24 GB
    answers = [ask(gpu={"name": name}) for name in cards]
    assert rises([-answer.placement.n_cpu_moe for answer in answers])
    assert len({round(decode(answer), 1) for answer in answers}) == len(cards)


def test_prefill_rises_with_the_link() -> None:
    links = ((3, 4), (3, 8), (3, 16), (4, 16))
    assert rises([prefill(ask(gpu={"pcie_gen": generation, "pcie_lanes": lanes})) for generation, lanes in links])
