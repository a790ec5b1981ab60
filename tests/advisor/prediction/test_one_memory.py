"""Machines with one memory: what the GPU may use of it, what its processor takes, what is said where it does not fit.

Limits: Apple M4 16 GB two thirds (llama.cpp prints recommendedMaxWorkingSetSize 10.67 GiB); M5 Max 128 GB with macOS 26
107.52 GiB (github.com/antirez/ds4/pull/893); Strix Halo 96 of 128 GB as AMD's driver gives, 124 GiB with the GTT raised
(github.com/ggml-org/llama.cpp/issues/21801), and 96 GB set aside by the firmware, where the system shows 31
(github.com/AlexsJones/llmfit/issues/964).
"""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.answer import Prediction
from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Scenario

AIR = ("GLM-4.5-Air", "Q8_0")
OSS = ("gpt-oss-120b", "MXFP4")
STRIX = "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S"


@cache
def answer(
    model: tuple[str, str], machine: str, gib: float | None, gpu_gib: float | None = None, layers: int | None = None
) -> Prediction:
    hardware = {"machine": machine, "ram": {"gb": gib}, "unified_gpu_gb": gpu_gib}
    asked = {"model": model[0], "quant": model[1], "hardware": hardware}
    engine = {"n_ctx": 2048, "n_gpu_layers": layers}
    return predict(Scenario.model_validate(asked | {"engine": engine}), load())


@pytest.mark.parametrize(
    ("model", "machine", "gib", "gpu_gib", "fits"),
    [
        (AIR, "Strix Halo", 128, 124, True),  # llama.cpp issue 21801: 105.8 of 124 GiB
        (OSS, STRIX, 31, 96, True),  # llmfit issue 964: 96 GiB of GPU memory
        (AIR, "M5 Max", 128, None, True),  # ds4 pull 893: 105.8 of 107.5 GiB
        (OSS, "Strix Halo", 64, None, False),  # lmstudio issue 935: 59 GiB of 48, and of 61 in all
        (("gpt-oss-20b", "MXFP4"), "M4", 16, None, False),  # Llama-macOS issue 58: needs 12, may use 10.7
        (OSS, STRIX, 31, None, False),
    ],
)
def test_what_fits_is_what_the_gpu_may_use(
    model: tuple[str, str], machine: str, gib: float, gpu_gib: float | None, fits: bool
) -> None:
    found = answer(model, machine, gib, gpu_gib)
    assert found.fits is fits
    assert (found.decode_tok_s is not None) is fits
    assert found.placement.strategy == "unified"
    assert [warning.code for warning in found.warnings] == ([] if fits else ["does_not_fit"])
    assert fits or "unified_gpu_gb" in found.warnings[0].message


def test_what_the_gpu_may_not_use_the_processor_of_the_box_computes() -> None:
    """96 GiB hold all of GLM-4.5-Air but some experts, which the CPU takes: slower than with the limit raised."""
    by_default, raised = answer(AIR, "Strix Halo", 128), answer(AIR, "Strix Halo", 128, 124)
    assert by_default.fits
    assert by_default.placement.strategy == "expert_offload"
    assert by_default.placement.vram_gb <= 96
    assert by_default.placement.storage_gb == 0
    assert by_default.decode_tok_s is not None
    assert raised.decode_tok_s is not None
    assert by_default.decode_tok_s.p50 < raised.decode_tok_s.p50


def test_layers_asked_for_are_obeyed_on_a_mac_too() -> None:
    some = answer(("Qwen3-14B", "Q4_K_M"), "M4", 24, None, 12)
    assert (some.placement.n_gpu_layers, some.placement.strategy, some.fits) == (12, "layer_split", True)


def test_only_what_was_asked_for_is_blamed() -> None:
    planned, asked = answer(OSS, "Strix Halo", 64), answer(OSS, "Strix Halo", 64, None, 99)
    assert "asked for" not in planned.warnings[0].message
    assert "asked for" in asked.warnings[0].message
    assert asked.decode_tok_s is not None


def test_more_than_there_is_or_no_machine_is_refused() -> None:
    with pytest.raises(InputError, match="more than the 64 GiB"):
        answer(OSS, "Strix Halo", 64, 200)
    with pytest.raises(InputError, match="one memory"):
        predict(
            Scenario.model_validate(
                {"model": "Qwen3-8B", "hardware": {"gpus": [{"name": "RTX 3090"}], "unified_gpu_gb": 20}}
            ),
            load(),
        )


@settings(max_examples=25)
@given(gib=st.sampled_from((32, 64, 96, 128)), share=st.floats(0.3, 0.95), more=st.floats(0, 0.05))
def test_more_for_the_gpu_is_never_slower(gib: int, share: float, more: float) -> None:
    model, sizes = ("Qwen3-32B", "Q8_0"), [round(gib * part, 1) for part in (share, share + more)]
    less, rest = (answer(model, "Strix Halo", gib, size) for size in sizes)
    assert not less.fits or rest.fits
    if less.decode_tok_s and rest.decode_tok_s:
        assert rest.decode_tok_s.p50 >= less.decode_tok_s.p50 * 0.999  # rounding
    assert less.placement.vram_gb <= gib * share + 0.1 or not less.fits
