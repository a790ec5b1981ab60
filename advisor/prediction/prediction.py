"""The one path from question to answer. Read this module first.

    Scenario                what is asked, checked: model, hardware, engine, workload       advisor.question
    Llm, Quant              the model and its mix of types, by name or from a GGUF file     catalog.names, advisor.gguf
    Footprint               their bytes and FLOPs, layer by layer                           advisor.sizes.footprint
    Demand                  these with KV cache, states and buffers for the context         advisor.sizes.buffers
    Machine                 parts put together, with their peak rates                       advisor.machines
    Placement               which layers lie on which GPU, in RAM, on the disk              advisor.physics.placement
    Task, Case              all that with depth, tokens, threads, users; and the question   `case_of`
    LayerSums               what a model's layers sum up to                                 advisor.physics.task
    Columns, Spans          many tasks as arrays: numbers, and sums of each device's layers
    Work                    what each device does in a step and for a prompt                advisor.physics.work
    Setting                 the labels that pick a task's coefficients                      advisor.physics.coefficients
                            seconds of each stage: work over peak times coefficient         advisor.physics.stages
                            how far that lies from what was measured                        advisor.physics.uncertainty
    Prediction              speeds with their intervals, limits, warnings, commands         advisor.answer

`case_of` goes down to the case, `_answered` from there on for many cases at once, `_answer` writes the fields.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic_core import to_json

from advisor.answer import Prediction
from advisor.physics.coefficients import COLUMNS, OWN_RIG, Setting, by_name
from advisor.physics.knowledge import Knowledge
from advisor.physics.stages import STAGES, cpu_limits, decode_stages, held_to_reading, prefill_stages, total_s
from advisor.physics.task import Vector
from advisor.physics.uncertainty import evaluated, log_bounds
from advisor.physics.work import works_of
from advisor.prediction.case import Case, asked_of, case_of, cases_of
from advisor.prediction.cautions import loss_of, warnings_of
from advisor.prediction.devices import device_name
from advisor.prediction.measured import by_own_runs
from advisor.prediction.nearest import evidence_of
from advisor.prediction.pitfalls import TwoSpeeds, mended_of
from advisor.question import Scenario
from advisor.sizes.tensor import DENSE_FEED_FORWARD, EXPERTS, pattern_of
from catalog.units import GB, GIB


def predict(scenario: Scenario, knowledge: Knowledge) -> Prediction:
    """The prediction for one scenario. Raises as `case_of`."""
    return answers([case_of(scenario)], knowledge)[0]


def predict_many(
    scenarios: Sequence[Scenario], knowledge: Knowledge, *, pitfalls: bool = True
) -> list[Prediction]:
    """Predictions for many scenarios, evaluated as arrays. Raises as `case_of` for the first that has no answer."""
    return answers(cases_of([asked_of(scenario) for scenario in scenarios]), knowledge, pitfalls=pitfalls)


def answers(cases: Sequence[Case], knowledge: Knowledge, *, pitfalls: bool = True) -> list[Prediction]:
    """Predictions of cases already worked out. `pitfalls`: whether it is worked out too what their mistakes cost, which
    those that are only compared with each other need not tell.
    """
    # Parts are checked with the whole in one go: that takes half the time.
    found = (_told if pitfalls else _answered)(cases, knowledge)
    return [Prediction.model_validate(fields) for fields in found]


def medians(cases: Sequence[Case], knowledge: Knowledge) -> list[TwoSpeeds]:
    """The median speeds of cases alone, without ranges and words: for those that are only compared with each other."""
    if not cases:
        return []
    work, (known, settings) = works_of(cases), _known_of(cases, knowledge)
    values = np.array([own.efficiencies.row(setting) for setting, own in zip(settings, known, strict=True)])
    (decode, _), (prefill, _) = evaluated((decode_stages, prefill_stages), work, values, np.zeros_like(values))
    decode["rows"] = _held_s(cases, decode, prefill)
    steps_s = map(sum, zip(*(seconds.tolist() for seconds in decode.values()), strict=True))
    return [
        TwoSpeeds(
            case.tokens_per_step / step_s if case.runs else 0.0,
            case.prompt_tokens / prompt_s if case.runs and case.prompt_tokens else 0.0,
        )
        for case, step_s, prompt_s in zip(cases, steps_s, np.asarray(total_s(prefill)).tolist(), strict=True)
    ]


def answers_json(cases: Sequence[Case], knowledge: Knowledge) -> list[bytes]:
    """The same as JSON, as `Prediction` writes it."""
    return [to_json(fields, inf_nan_mode="null") for fields in _told(cases, knowledge)]


def _told(cases: Sequence[Case], knowledge: Knowledge) -> list[dict[str, Any]]:
    """The fields of predictions, with what each mistake costs: the mended questions are answered with them."""
    found = _answered(cases, knowledge)
    speeds = [TwoSpeeds.of(fields) for fields in found]
    mended = [mended_of(case, now) for case, now in zip(cases, speeds, strict=True)]
    others = cases_of([item.question for some in mended for item in some])
    outcomes = zip(others, medians(others, knowledge), strict=True)
    for fields, now, some in zip(found, speeds, mended, strict=True):
        said = [item.said(now, case, then) for item, (case, then) in zip(some, outcomes, strict=False)]
        told = {item.code: item for item in said if item}
        kept = [told.pop(item.code, item) for item in fields["warnings"]]
        fields["warnings"] = (*kept, *told.values())
    return found


def _answered(cases: Sequence[Case], knowledge: Knowledge) -> list[dict[str, Any]]:
    if not cases:
        return []
    work, (known, settings) = works_of(cases), _known_of(cases, knowledge)
    values = np.array([own.efficiencies.row(setting) for setting, own in zip(settings, known, strict=True)])
    unsaid = np.array([own.efficiencies.deviations(setting) for setting, own in zip(settings, known, strict=True)])
    both = evaluated((decode_stages, prefill_stages), work, values, unsaid)
    (decode, decode_novelty), (prefill, prefill_novelty) = both
    reading, unpacking = cpu_limits(work, by_name(values))
    plain_s = _plain_seconds(cases, knowledge)
    decode["rows"] = _held_s(cases, decode, prefill)
    rows = zip(*(seconds.tolist() for seconds in decode.values()), strict=True)
    of_models = np.array([case.deviation for case in cases])
    both_novel = (np.hypot(novel, of_models).tolist() for novel in (decode_novelty, prefill_novelty))
    novelties = zip(*both_novel, strict=True)
    prompts, computing = np.asarray(total_s(prefill)).tolist(), (unpacking > reading).tolist()
    for case, cycled in zip(cases, np.asarray(work.cycled_bytes).tolist(), strict=True):
        vars(case)["cycled_bytes"] = cycled  # else each would ask for its work by itself, as long as all the rest
    return [
        _answer(case, dict(zip(decode, row, strict=True)), prompt_s, computes, novel, own, plain)
        | {"speculation": _speculation(case, sum(row), plain) if case.draft and case.runs else None}
        for case, row, prompt_s, computes, novel, own, plain in zip(
            cases, rows, prompts, computing, novelties, known, plain_s, strict=True
        )
    ]


def _known_of(cases: Sequence[Case], knowledge: Knowledge) -> tuple[list[Knowledge], list[Setting]]:
    """What is known of the machine of each case, and the labels of its coefficients there."""
    known = [by_own_runs(case.scenario, knowledge.about(case.scenario)) for case in cases]
    settings = [
        case.setting._replace(rig=OWN_RIG) if own.efficiencies.level_deviations else case.setting
        for case, own in zip(cases, known, strict=True)
    ]
    return known, settings


def _held_s(cases: Sequence[Case], decode: Mapping[str, Vector], prefill: Mapping[str, Vector]) -> Vector:
    """Seconds by which steps of many rows are longer than their stages: none writes faster than it reads."""
    step_s, prompt_s = np.asarray(total_s(decode)), np.asarray(total_s(prefill))
    together = np.array([case.tokens_together for case in cases])
    prompt_tokens = np.array([float(case.prompt_tokens) for case in cases])
    return np.asarray(held_to_reading(step_s, prompt_s, together, prompt_tokens) - step_s)


def _plain_seconds(cases: Sequence[Case], knowledge: Knowledge) -> list[float]:
    """Seconds of a step without drafting, where there is some; else 0."""
    plain = [case.plain for case in cases if case.plain]
    found = iter(answers(plain, knowledge)) if plain else iter(())
    speeds = [next(found).decode_tok_s if case.plain else None for case in cases]
    return [1 / speed.p50 if speed else 0.0 for speed in speeds]


def _speculation(case: Case, step_s: float, plain_s: float) -> dict[str, Any]:
    """The fields of a `Speculation`; where nothing runs without drafting its gain is 1."""
    return {
        "gain": plain_s * case.tokens_per_step / step_s if plain_s else 1.0,
        "kind": case.draft.kind if case.draft else "",
        "max_tokens": case.drafted,
        "tokens_per_step": case.tokens_per_step,
        "acceptance": (case.tokens_per_step - 1) / case.drafted,
        "extra_vram_gb": (case.extra_bytes if case.output_on_gpu else 0.0) / GIB,
    }


def _answer(
    case: Case,
    stages: dict[str, float],
    prompt_s: float,
    computes: bool,
    novel: tuple[float, float],
    knowledge: Knowledge,
    plain_s: float,
) -> dict[str, Any]:
    """The fields of a `Prediction`, in its order; `plain_s`: of a step without drafts, where some are asked for."""
    worst, lies = max(stages, key=stages.__getitem__), case.placement
    limit = "cpu_compute" if worst == "cpu_weights" and computes else STAGES[worst].limit
    return {
        "scenario": case.scenario,
        "fits": lies.fits,
        "regime": case.regime,
        "machine": case.machine.name,
        "model": case.llm.name,
        "quant": case.quant.name,
        "placement": {
            "strategy": lies.strategy,
            "n_gpu_layers": lies.n_gpu_layers,
            "n_cpu_moe": 0 if case.scenario.engine.n_cpu_moe_last else lies.n_cpu_moe,
            "n_cpu_moe_last": lies.n_cpu_moe if case.scenario.engine.n_cpu_moe_last else 0,
            "vram_gb": sum(lies.vram_bytes) / GIB,
            "ram_gb": lies.ram_bytes / GIB,
            "storage_gb": lies.storage_bytes / GIB,
            "kv_gb": lies.kv_bytes / GIB,
            "weights_gb": case.demand.footprint.file_bytes / GIB,
        },
        **_speeds(case, sum(stages.values()), prompt_s, novel, knowledge),
        "bottleneck": limit if case.runs else None,
        "breakdown": [{"stage": name, "seconds_per_token": value} for name, value in stages.items() if value > 0],
        "flags": flags_of(case),
        "warnings": (*loss_of(case, stages, plain_s), *warnings_of(case), *knowledge.warnings),
        "assumptions": case.assumptions,
        "evidence": dict(evidence_of(case, knowledge)),
        "calibration": knowledge.calibration,
    }


def _speeds(
    case: Case, step_s: float, prompt_s: float, novel: tuple[float, float], knowledge: Knowledge
) -> dict[str, Any]:
    """The prediction's speeds and times; all None for what cannot run."""
    prompt_tokens, disk = case.scenario.workload.prompt_tokens, case.machine.storage
    if not case.runs:
        speeds = ("decode_tok_s", "aggregate_tok_s", "prefill_tok_s")
        return dict.fromkeys((*speeds, "time_to_first_token_s", "load_time_s", "warm_up_s"))
    warm_up_s = None
    if case.mapped and case.placement.ram_bytes:
        gain = float(knowledge.efficiencies.row(case.setting)[COLUMNS["disk_gain"]])
        warm_up_s = case.placement.ram_bytes / (disk.random_gb_s * GB * gain)
    decode, users = _range(case.tokens_per_step / step_s, "decode", case, novel[0], knowledge), case.users
    if case.placement.storage_bytes > 0 and case.cycled_bytes:  # no run is faster than the disk that is said
        decode["p95"] = min(decode["p95"], max(decode["p50"], disk.most_gb_s * GB / case.cycled_bytes))
    return {
        "decode_tok_s": decode,
        "aggregate_tok_s": {name: users * speed for name, speed in decode.items()},
        "prefill_tok_s": _range(prompt_tokens / prompt_s, "prefill", case, novel[1], knowledge)
        if prompt_tokens
        else None,
        "time_to_first_token_s": prompt_s * bool(prompt_tokens) + step_s,
        # The file is read once from a cold disk; copies to the GPUs overlap with it.
        "load_time_s": case.demand.footprint.file_bytes / (disk.sequential_gb_s * GB),
        "warm_up_s": warm_up_s,
    }


def _range(speed: float, kind: str, case: Case, novel: float, knowledge: Knowledge) -> dict[str, float]:
    low, high = log_bounds(knowledge, kind, case.regime, novel, case.mode)
    return {"p50": speed, "p05": speed * math.exp(low), "p95": speed * math.exp(high)}


# The settings that run it.


def _devices(case: Case) -> Iterator[str]:
    """Which cards run what, where llama.cpp is not to split by itself; devices are numbered as the question does."""
    if not case.devices:
        return
    if case.left_aside:
        yield f"--device {','.join(device_name(case.machine.backend, place) for place in case.devices)}"
    if len(case.devices) > 1:
        layers = np.diff(case.placement.bounds[1:])
        layers[case.placement.output_device] += case.placement.output_device >= 0
        yield f"-ts {','.join(str(count) for count in layers.tolist())}"


def flags_of(case: Case) -> dict[str, str]:
    """Command lines that run and that verify the scenario."""
    engine, load = case.scenario.engine, case.scenario.workload
    k_type, _, v_type = engine.kv_type.lower().partition("/")
    shared = [f"-ngl {case.placement.n_gpu_layers}"]
    lies = case.placement
    if engine.n_cpu_ffn and lies.n_cpu_moe:
        shared.append(f'-ot "{pattern_of(range(lies.n_cpu_moe), DENSE_FEED_FORWARD)}=CPU"')
    elif engine.n_cpu_moe_last and lies.n_cpu_moe:
        shared.append(f'-ot "{pattern_of(range(lies.experts_to, lies.bounds[-1]), EXPERTS)}=CPU"')
    elif lies.n_cpu_moe:
        shared.append(f"-ncmoe {lies.n_cpu_moe}")
    if k_type != "f16" or v_type not in {"", "f16"}:
        shared.append(f"-ctk {k_type} -ctv {v_type or k_type}")
    shared += _devices(case)
    shared.append(f"-ub {engine.ubatch}")
    if engine.threads:
        shared.append(f"-t {engine.threads}")
    flash = "on" if case.setting.flash == "fa" else "off"
    options = " ".join(shared)
    # llama-bench reads and writes from each depth that it is given: the prompt's own, and that of the first answer.
    depths = ",".join(str(depth) for depth in dict.fromkeys((load.context_depth, load.decode_start)))
    bench = f"-p {load.prompt_tokens} -n {load.gen_tokens} -d {depths} -fa {int(flash == 'on')}"
    served = f" -np {load.users}" if load.users > 1 else ""  # each has a share of the context
    # -lm has taken the place of --no-mmap and -mmp: llama.cpp common/arg.cpp in llama-cpp-python 0.3.36 (2026-11-28).
    mapped = {None: "", True: " -lm mmap", False: " -lm none"}[engine.mmap]
    if engine.split_mode:
        options += f" -sm {engine.split_mode}"
    drafting = f" {case.draft.flags} --spec-draft-n-max {case.drafted}" if case.draft else ""
    seeing = " --mmproj MMPROJ.gguf" if engine.mmproj else ""
    return {
        "llama-server": f"llama-server -m MODEL.gguf -c {case.context_tokens * load.users}{served} {options} "
        f"-fa {flash}{mapped}{seeing}{drafting}",
        "llama-bench": f"llama-bench -m MODEL.gguf {options} {bench}{mapped}",
    }
