"""A calibration profile made by the physics: a machine with known shifts, and runs that it would have measured.

No number here was measured. Runs are what the physics predicts with the shifts, times a noise of 3 %; what the fit says
of a run that it has not seen is the physics with shifts that are a little off.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import numpy as np

from advisor.answer import Range
from advisor.machines.fingerprint import fingerprint_of
from advisor.physics.knowledge import Knowledge, load
from advisor.prediction.prediction import predict
from advisor.profiles.own_machine import knowledge_of
from advisor.question import Hardware, Scenario
from catalog.profiles import EngineBuild, EngineRun, MeasuredSpeed, ProbeResult, Profile, Shift, digest_of

RYZEN: Mapping[str, Any] = {
    "gpus": [{"name": "RTX 3060 12GB", "pcie_gen": 4, "pcie_lanes": 16}],
    "cpu": "AMD Ryzen 7 5800X 8-Core Processor",
    "ram": {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 31.3},
    "storage": {"name": "Samsung SSD 980 PRO 1TB"},
}
XEON: Mapping[str, Any] = {"cpu": "Intel(R) Xeon(R) Processor, 2 cores", "ram": {"gb": 23.5}}
SHIFTS = {"ram_stream": 0.2, "cpu_layer_us": -0.3, "gpu_stream": 0.1}
NOISE = 0.03
ENGINE = EngineBuild(name="llama.cpp", version="0.3.36", build="b9999", backend="cuda")


def shifts(factor: float = 1.0) -> tuple[Shift, ...]:
    """The shifts of the machine, or a factor of them."""
    told = [
        Shift(coefficient=name, log_value=value * factor, standard_error=0.03, informed=True)
        for name, value in SHIFTS.items()
    ]
    guessed = Shift(coefficient="disk_gain", log_value=0.0, standard_error=0.7, informed=False)
    return (
        *told,
        Shift(coefficient="cpu_unpack", label="q8", log_value=0.05, standard_error=0.1, informed=True),
        guessed,
    )


def own_profile(hardware: Mapping[str, Any] = RYZEN, **fields: Any) -> Profile:
    """A whole profile of a machine; `fields` take the place of its own."""
    parts = Hardware.model_validate(hardware)
    bare = {
        "name": "box", "fingerprint": fingerprint_of(parts), "hardware": dict(hardware), "engine": ENGINE,
        "measured_on": date(2026, 11, 28), "efficiencies_digest": digest_of(load().efficiencies.effects),
    }
    truth, guess = (
        knowledge_of(Profile.model_validate(bare | {"effects": shifts(factor)}), load()) for factor in (1.0, 0.9)
    )
    runs = tuple(_runs(hardware, truth, guess))
    return Profile.model_validate(
        bare | {
            "effects": shifts(), "probes": PROBES, "runs": runs, "notes": ["the machine was busy: load average 3"],
            "correlations": [{"first": "ram_stream", "second": "core_gb_s", "value": -0.93}],
        } | fields
    )


PROBES = tuple(
    ProbeResult(name=f"ram_read_gb_s threads={threads}", unit="GB/s", value=value, spread=0.02, repeats=9)
    for threads, value in ((1, 24.0), (2, 37.0), (4, 43.0), (8, 43.5))
)


def scenarios(hardware: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Questions that a calibration might ask of a machine."""
    for depth in (0, 4096, 16384):
        yield _scenario(hardware, "Llama-3.1-8B", "Q4_K_M", {"n_gpu_layers": 0}, depth)
    for threads in (1, 2):
        yield _scenario(hardware, "Llama-3.1-8B", "Q8_0", {"n_gpu_layers": 0, "threads": threads}, 0)
    if "gpus" in hardware:
        for layers in (22, 28, 34, 40):
            yield _scenario(hardware, "Qwen3.6-35B-A3B", "Q4_K_M", {"n_gpu_layers": 99, "n_cpu_moe": layers}, 0)


def _scenario(
    hardware: Mapping[str, Any], model: str, quant: str, engine: dict[str, Any], depth: int
) -> dict[str, Any]:
    work = {"context_depth": depth, "prompt_tokens": 512, "gen_tokens": 64}
    return {"model": model, "quant": quant, "hardware": dict(hardware), "engine": engine, "workload": work}


def _runs(hardware: Mapping[str, Any], truth: Knowledge, guess: Knowledge) -> Iterator[EngineRun]:
    random = np.random.default_rng(7)
    for asked in scenarios(hardware):
        scenario = Scenario.model_validate(asked)
        real, predicted = predict(scenario, truth), predict(scenario, guess)
        noisy = [math.exp(NOISE * value) for value in random.standard_normal(2)]
        yield EngineRun(
            scenario=asked,
            decode=MeasuredSpeed(tok_s=_median(real.decode_tok_s) * noisy[0], spread=NOISE, repeats=3),
            prefill=MeasuredSpeed(tok_s=_median(real.prefill_tok_s) * noisy[1], spread=NOISE, repeats=3),
            decode_left_out_tok_s=_median(predicted.decode_tok_s),
            prefill_left_out_tok_s=_median(predicted.prefill_tok_s),
        )


def _median(speed: Range | None) -> float:
    assert speed is not None
    return speed.p50
