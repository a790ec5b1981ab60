"""What would fit, checked against the placement itself: at the limit it fits, one step beyond it does not."""

from typing import Any

import pytest

from advisor.prediction.capacity import capacity_of
from advisor.prediction.case import Case, case_of
from advisor.question import Scenario

PAD = 256


def case(model: str = "Qwen3.6-35B-A3B", gpu: str | None = "RTX 3060 12GB", gb: float = 64, **engine: Any) -> Case:
    gpus = [{"name": gpu}] if gpu else []
    hardware = {"gpus": gpus, "cpu": "Ryzen 7 5800X", "ram": {"gb": gb}}
    return case_of(Scenario.model_validate({"model": model, "quant": "Q4_K_M", "hardware": hardware, "engine": engine}))


def test_the_longest_context_fits_and_the_next_does_not() -> None:
    longest = capacity_of(case("Qwen3-32B", "RTX 4090")).longest_context
    assert longest is not None
    asked = {"n_gpu_layers": 99}
    assert case("Qwen3-32B", "RTX 4090", n_ctx=longest, **asked).placement.fits
    assert not case("Qwen3-32B", "RTX 4090", n_ctx=longest + PAD, **asked).placement.fits


def test_with_more_in_ram_a_longer_context_fits() -> None:
    found = capacity_of(case())
    assert found.longest_context is not None
    assert found.longest_context_replanned is not None
    assert found.longest_context < found.longest_context_replanned
    planned = case(n_ctx=found.longest_context_replanned).placement
    assert planned.fits
    assert planned.n_cpu_moe > case().placement.n_cpu_moe


def test_no_context_beyond_what_the_model_was_made_for() -> None:
    roomy = case("Qwen3-8B", "RTX 5090", 256)
    assert capacity_of(roomy).longest_context == roomy.llm.max_context


def test_the_gpu_floors_are_where_the_planner_changes_its_mind() -> None:
    found = capacity_of(case())
    assert found.vram_for_everything_gib is not None
    assert found.vram_floor_gib is not None
    # The file is 19.7 GiB; what lies on the GPU beside its experts is some 2 GiB.
    assert found.vram_floor_gib < 12 < 19.7 < found.vram_for_everything_gib < 24
    assert case(gpu="RTX 3090").placement.n_cpu_moe == 0


def test_a_dense_model_has_one_floor() -> None:
    found = capacity_of(case("Qwen3-32B"))
    assert found.vram_floor_gib == found.vram_for_everything_gib


def test_the_ram_floor_keeps_the_disk_out() -> None:
    floor = capacity_of(case("gpt-oss-120b")).ram_floor_gib
    assert floor is not None
    held = case("gpt-oss-120b").placement
    asked = {"n_gpu_layers": held.n_gpu_layers, "n_cpu_moe": held.n_cpu_moe}
    assert case("gpt-oss-120b", gb=floor, **asked).placement.storage_bytes == 0
    assert case("gpt-oss-120b", gb=floor - 0.2, **asked).placement.storage_bytes > 0


def test_a_processor_alone_has_no_gpu_floor() -> None:
    found = capacity_of(case(gpu=None))
    assert (found.vram_floor_gib, found.vram_for_everything_gib) == (None, None)
    assert found.longest_context is not None


def test_where_not_even_a_short_context_fits_there_is_none() -> None:
    tight = case("Llama-3.3-70B-Instruct", "RTX 3060 12GB", n_gpu_layers=99)
    assert capacity_of(tight).longest_context is None


def test_a_quantised_cache_holds_more_context() -> None:
    plain, packed = (
        capacity_of(case("Qwen3-32B", "RTX 4090", kv_type=name)).longest_context for name in ("f16", "q8_0")
    )
    assert plain is not None
    assert packed is not None
    # q8_0 takes 34 bytes per 32 elements, f16 64: the room for the cache is the same
    assert packed / plain == pytest.approx(64 / 34, rel=0.1)
