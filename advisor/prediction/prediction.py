"""The one path from question to answer. Read this module first.

words -> parts -> `Machine` -> `Footprint` -> `Demand` -> `Placement` -> `Work` (all in `case_of`) -> seconds by stage
-> `Prediction`.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic_core import to_json

from advisor.answer import STAGES, Prediction
from advisor.physics.coefficients import COLUMNS, by_name
from advisor.physics.knowledge import Knowledge
from advisor.physics.stages import cpu_limits, decode_stages, prefill_stages, total_s
from advisor.physics.uncertainty import evaluated, log_bounds
from advisor.physics.work import works_of
from advisor.prediction.advice import flags_of, warnings_of
from advisor.prediction.case import Case, case_of
from advisor.question import Scenario
from catalog.units import GB, GIB


def predict(scenario: Scenario, knowledge: Knowledge) -> Prediction:
    """The prediction for one scenario. Raises as `case_of`."""
    return answers([case_of(scenario)], knowledge)[0]


def predict_many(scenarios: Sequence[Scenario], knowledge: Knowledge) -> list[Prediction]:
    """Predictions for many scenarios, evaluated as arrays. Raises as `case_of` for the first that has no answer."""
    return answers([case_of(scenario) for scenario in scenarios], knowledge)


def answers(cases: Sequence[Case], knowledge: Knowledge) -> list[Prediction]:
    """Predictions of cases already worked out."""
    # Parts are checked with the whole in one go: that takes half the time.
    return [Prediction.model_validate(fields) for fields in _answered(cases, knowledge)]


def answers_json(cases: Sequence[Case], knowledge: Knowledge) -> list[bytes]:
    """The same as JSON, as `Prediction` writes it."""
    return [to_json(fields, inf_nan_mode="null") for fields in _answered(cases, knowledge)]


def _answered(cases: Sequence[Case], knowledge: Knowledge) -> list[dict[str, Any]]:
    if not cases:
        return []
    work, known = works_of(cases), [knowledge.about(case.scenario) for case in cases]
    values = np.array([own.efficiencies.row(case.setting) for case, own in zip(cases, known, strict=True)])
    unsaid = np.array([own.efficiencies.deviations(case.setting) for case, own in zip(cases, known, strict=True)])
    decode, prefill = evaluated((decode_stages, prefill_stages), work, values, unsaid)
    reading, unpacking = cpu_limits(work, by_name(values))
    rows = zip(*(seconds.tolist() for seconds in decode.stages.values()), strict=True)
    novelties = zip(decode.novelty.tolist(), prefill.novelty.tolist(), strict=True)
    prompts, computing = np.asarray(total_s(prefill.stages)).tolist(), (unpacking > reading).tolist()
    return [
        _answer(case, dict(zip(decode.stages, row, strict=True)), prompt_s, computes, novel, own)
        for case, row, prompt_s, computes, novel, own in zip(
            cases, rows, prompts, computing, novelties, known, strict=True
        )
    ]


def _answer(
    case: Case,
    stages: dict[str, float],
    prompt_s: float,
    computes: bool,
    novel: tuple[float, float],
    knowledge: Knowledge,
) -> dict[str, Any]:
    """The fields of a `Prediction`, in its order."""
    worst = max(stages, key=stages.__getitem__)
    limit = "cpu_compute" if worst == "cpu_weights" and computes else STAGES[worst].limit
    return {
        "scenario": case.scenario,
        "fits": case.placement.fits,
        "regime": case.regime,
        "machine": case.machine.name,
        "model": case.llm.name,
        "quant": case.quant.name,
        "placement": _summary(case),
        **_speeds(case, sum(stages.values()), prompt_s, novel, knowledge),
        "bottleneck": limit if case.runs else None,
        "breakdown": [{"stage": name, "seconds_per_token": value} for name, value in stages.items() if value > 0],
        "flags": flags_of(case),
        "warnings": warnings_of(case),
        "assumptions": case.assumptions,
        "calibration": knowledge.calibration,
    }


def _speeds(
    case: Case, step_s: float, prompt_s: float, novel: tuple[float, float], knowledge: Knowledge
) -> dict[str, Any]:
    """The prediction's speeds and times; all None for what cannot run."""
    prompt_tokens = case.scenario.workload.prompt_tokens
    if not case.runs:
        names = ("decode_tok_s", "prefill_tok_s", "time_to_first_token_s", "load_time_s", "warm_up_s")
        return dict.fromkeys(names)
    return {
        "decode_tok_s": _range(1 / step_s, "decode", case.regime, novel[0], knowledge),
        "prefill_tok_s": _range(prompt_tokens / prompt_s, "prefill", case.regime, novel[1], knowledge)
        if prompt_tokens
        else None,
        "time_to_first_token_s": prompt_s * bool(prompt_tokens) + step_s,
        "load_time_s": _load_s(case),
        "warm_up_s": _warm_up_s(case, knowledge),
    }


def _range(speed: float, kind: str, regime: str, novel: float, knowledge: Knowledge) -> dict[str, float]:
    low, high = log_bounds(knowledge, kind, regime, novel)
    return {"p50": speed, "p05": speed * math.exp(low), "p95": speed * math.exp(high)}


def _summary(case: Case) -> dict[str, Any]:
    place_ = case.placement
    return {
        "strategy": place_.strategy,
        "n_gpu_layers": place_.n_gpu_layers,
        "n_cpu_moe": place_.n_cpu_moe,
        "vram_gb": sum(place_.vram_bytes) / GIB,
        "ram_gb": place_.ram_bytes / GIB,
        "storage_gb": place_.storage_bytes / GIB,
        "kv_gb": place_.kv_bytes / GIB,
        "weights_gb": case.demand.footprint.file_bytes / GIB,
    }


def _load_s(case: Case) -> float:
    """Reading the file once from a cold disk; copies to the GPUs overlap with it."""
    return case.demand.footprint.file_bytes / (case.machine.storage.sequential_gb_s * GB)


def _warm_up_s(case: Case, knowledge: Knowledge) -> float | None:
    if case.scenario.engine.mmap is False or case.placement.ram_bytes == 0:
        return None
    gain = float(knowledge.efficiencies.row(case.setting)[COLUMNS["disk_gain"]])
    return case.placement.ram_bytes / (case.machine.storage.random_gb_s * GB * gain)
