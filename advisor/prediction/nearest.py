"""The measured runs nearest to a scenario: what really ran on hardware and models like these."""

import math
from collections.abc import Iterable

from advisor.answer import Evidence
from advisor.physics.knowledge import Knowledge
from advisor.prediction.case import Case
from catalog.efficiency import PublicRun
from catalog.units import GB

SHOWN = 3
OTHER_MODEL = 0.3
OTHER_QUANT = 0.05
OTHER_GPU = 0.3
OTHER_CARD_OF_GENERATION = 0.15
NO_GPU = 2.0
OTHER_CPU = 0.1
OTHER_BACKEND = 0.15
OTHER_REGIME = 0.7
NO_DECODE = 0.5
DEPTH_SCALE = 4096
DEPTH_WEIGHT = 0.25
"""Distances count in factors of speed, roughly: 0.3 is "as far as a third more speed". What no ratio tells (another
model of the same size, another chip with the same bandwidth) counts a fixed part. Context: decode slows by about a
quarter per doubling beyond a few thousand tokens.
"""


def described(case: Case) -> PublicRun:
    """A case as a run that was not made: what it is compared by."""
    print_, place, machine = case.demand.footprint, case.placement, case.machine
    held = place.ram_bytes + place.storage_bytes
    gpus, name = " + ".join(sorted(gpu.name for gpu in machine.gpus)), machine.name.replace(" | ", ", ")
    if not machine.unified and "cpu" in machine.unknown:
        name = machine.name.split(" | ")[0] if machine.gpus else "CPU not known"
    return PublicRun(
        machine=name,
        gpus=gpus,
        architecture=machine.gpus[0].architecture if machine.gpus else "",
        gpu_gb_s=min((gpu.bandwidth_gb_s for gpu in machine.gpus), default=0.0),
        cpu="" if machine.unified or "cpu" in machine.unknown else machine.cpu.name,
        ram_gb_s=machine.ram.bandwidth_gb_s,
        backend=machine.backend,
        model=case.llm.name,
        file_gb=print_.file_bytes / GB,
        active_share=min(1.0, print_.parameters_active / print_.parameters),
        quant=case.quant.name,
        regime=case.regime,
        gpu_share=1.0 if machine.unified else max(0.0, 1 - held / print_.file_bytes) if machine.gpus else 0.0,
        n_cpu_moe=place.n_cpu_moe,
        depth=case.scenario.workload.decode_start,
        decode_tok_s=None,
        prefill_tok_s=None,
        source="",
        as_of="",
    )


LEVELS_BEHIND = ("this card and model", "this card", "its architecture")


def stands_behind(case: Case) -> tuple[tuple[str, str, str], ...]:
    """Level, name and model of what a run of the case tells most of, closest first: its card and that card's
    architecture, or the processor's where no card takes part.
    """
    words = case.setting
    names = (words.cpu, words.microarchitecture) if case.regime == "cpu_only" else (words.chip, words.architecture)
    keys = ((names[0], case.llm.name), (names[0], ""), (names[1], ""))
    return tuple((level, *key) for level, key in zip(LEVELS_BEHIND, keys, strict=True))


def evidence_of(case: Case, knowledge: Knowledge) -> Evidence:
    """How many fitted runs stand behind the answer to a case, at the closest level that has any."""
    own = knowledge.own_runs + len(case.scenario.measured)
    if own:
        return Evidence(level="this machine", runs=own)
    found = ((level, knowledge.behind.get((level, name, model), 0)) for level, name, model in stands_behind(case))
    level, runs = next(((level, runs) for level, runs in found if runs), ("nobody", 0))
    return Evidence(level=level, runs=runs)


def distance(left: PublicRun, right: PublicRun) -> float:
    """How unlike two runs are: 0 for alike, symmetric; parts for model, quant, GPU, RAM side, placement and depth."""
    far = 0.0
    if left.model != right.model:
        active = _ratio(left.file_gb * left.active_share, right.file_gb * right.active_share)
        far += OTHER_MODEL + active + 0.5 * _ratio(left.file_gb, right.file_gb)
    if left.quant != right.quant:
        far += OTHER_QUANT + (_ratio(left.file_gb, right.file_gb) if left.model == right.model else 0.0)
    far += _gpu(left, right)

    # CPU and RAM matter by the share of the weights that lies there.
    other_cpu = OTHER_CPU if left.cpu != right.cpu else 0.0
    far += (1 - min(left.gpu_share, right.gpu_share)) * (other_cpu + _ratio(left.ram_gb_s, right.ram_gb_s))

    far += abs(left.gpu_share - right.gpu_share) + (OTHER_REGIME if left.regime != right.regime else 0.0)
    return far + DEPTH_WEIGHT * _ratio(left.depth + DEPTH_SCALE, right.depth + DEPTH_SCALE)


def _gpu(left: PublicRun, right: PublicRun) -> float:
    backend = OTHER_BACKEND if left.backend != right.backend else 0.0
    if left.gpus == right.gpus:
        return backend
    if not left.gpus or not right.gpus:
        return NO_GPU
    base = OTHER_CARD_OF_GENERATION if left.architecture == right.architecture else OTHER_GPU
    return backend + base + _ratio(left.gpu_gb_s, right.gpu_gb_s)


def _ratio(left: float, right: float) -> float:
    return abs(math.log(left / right))


def nearest(asked: PublicRun, runs: Iterable[PublicRun], count: int = SHOWN) -> list[PublicRun]:
    """The nearest runs, one per machine, model and quant, nearest first; runs without a decode speed stand back."""

    def far(run: PublicRun) -> float:
        return distance(asked, run) + (NO_DECODE if run.decode_tok_s is None else 0.0)

    found: list[PublicRun] = []
    seen: set[tuple[str, ...]] = set()
    for run in sorted(runs, key=far):
        key = (run.gpus, run.cpu, run.model, run.quant)
        if key not in seen:
            seen.add(key)
            found.append(run)
        if len(found) == count:
            break
    return found
