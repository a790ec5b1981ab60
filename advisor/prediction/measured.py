"""What the owner's runs make of the knowledge: a machine's levels by its own measurements, and what to say of them.

The same physics and the same spreads between rigs as in the fit: no second formula. A run that cannot be (faster than
the memory is read) teaches nothing, one that contradicts the others little; both are said.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, cast

import numpy as np

from advisor.answer import Warning
from advisor.physics.coefficients import COEFFICIENTS, COLUMNS, OWN_RIG
from advisor.physics.knowledge import Knowledge
from advisor.physics.rigs import FAR, LEVELS, Levels, Seen, Vector, levels_of
from advisor.physics.stages import decode_stages, prefill_stages
from advisor.physics.uncertainty import evaluated
from advisor.physics.work import Work, works_of
from advisor.prediction.case import Case, case_of
from advisor.question import Engine, OwnRun, Scenario, Workload

STAGES_OF = {"decode": decode_stages, "prefill": prefill_stages}
FASTER_THAN_POSSIBLE = 1.05
"""A decode speed so far above the peak rates of all memories that it reads from cannot be: 5 % for clocks above the
makers' figures.
"""
_BY_LEVEL = frozenset(item.name for item in COEFFICIENTS if not item.per_family and item.name not in LEVELS)
"""What the levels of a measured rig stand for: its quant families keep what is not known of them."""


class _OwnSpeed(NamedTuple):
    """A measured speed of one of the owner's runs, worked out."""

    run: OwnRun
    case: Case
    speed: str
    seconds: float


def by_own_runs(scenario: Scenario, knowledge: Knowledge) -> Knowledge:
    """The knowledge with the levels that the runs of a question tell of its machine; without runs the same.

    Raises as `case_of` for a run that names an unknown model or quantisation.
    """
    runs = (*knowledge.runs, *scenario.measured)
    return _informed(scenario.model_copy(update=_NOTHING_ASKED | {"measured": runs}), knowledge) if runs else knowledge


_NOTHING_ASKED = {"model": "", "quant": None, "engine": Engine(), "workload": Workload()}
"""What runs tell of a machine does not depend on the model that is asked about."""


@lru_cache(maxsize=256)
def _informed(machine: Scenario, knowledge: Knowledge) -> Knowledge:
    told = [item for run in machine.measured for item in _told(run, machine)]
    possible = [item for item in told if not _impossible(item)]
    warnings = [_warned(item, "impossible") for item in told if _impossible(item)]
    if not possible:
        return replace(knowledge, warnings=(*knowledge.warnings, *warnings), own=())
    seen, deviations = _seen(possible, knowledge)
    levels = levels_of(seen, deviations)
    warnings += [_warned(item, "far", far) for item, far in zip(possible, levels.far, strict=True) if abs(far) > FAR]
    return _shifted(knowledge, levels, tuple(warnings), len(machine.measured))


def _told(run: OwnRun, machine: Scenario) -> list[_OwnSpeed]:
    scenario = Scenario(
        model=run.model, quant=run.quant, hardware=machine.hardware, engine=run.engine, workload=run.workload
    )
    case = case_of(scenario)
    tokens = scenario.workload.prompt_tokens
    speeds = (("decode", run.decode_tok_s, case.tokens_per_step), ("prefill", run.prefill_tok_s, tokens))
    return [_OwnSpeed(run, case, speed, count / tok_s) for speed, tok_s, count in speeds if tok_s and count]


def _impossible(item: _OwnSpeed) -> bool:
    """Whether a step was faster than its bytes can be read at the peak rates."""
    if item.speed == "prefill":
        return False
    work: Work = item.case.work
    read_s = float(np.sum(work.gpu_dense_s) + np.sum(work.gpu_expert_s) + work.gpu_kv_s)
    read_s += float(np.sum(work.cpu_bytes)) / float(work.ram_bandwidth)
    return item.seconds * FASTER_THAN_POSSIBLE < read_s


def _seen(told: Sequence[_OwnSpeed], knowledge: Knowledge) -> tuple[list[Seen], Vector]:
    """Predicted stages of each run, and the prior's deviations of the levels: those between rigs, and with them what
    else is not known of this machine.
    """
    found, unknown = [], 0.0
    for item in told:
        setting = item.case.setting._replace(rig="")
        row, unsaid = knowledge.efficiencies.row(setting), knowledge.efficiencies.deviations(setting).copy()
        between = np.array([unsaid[cast(int, COLUMNS[name])] for name in LEVELS])
        for name in LEVELS:
            unsaid[cast(int, COLUMNS[name])] = 0.0
        work = works_of([item.case])
        ((stages, novelty),) = evaluated([STAGES_OF[item.speed]], work, row[None], unsaid[None])
        found.append(Seen(item.speed, {name: float(value[0]) for name, value in stages.items()}, item.seconds))
        unknown = max(unknown, float(novelty[0]))
    return found, np.hypot(between, unknown)


def _shifted(knowledge: Knowledge, levels: Levels, warnings: tuple[Warning, ...], runs: int) -> Knowledge:
    table = knowledge.efficiencies
    own = {(name, f"rig {OWN_RIG}"): float(log) for name, log in zip(LEVELS, levels.log_levels, strict=True)}
    effects: Mapping[tuple[str, str], float] = ChainMap(own, cast(dict[tuple[str, str], float], table.effects))
    shifted = replace(
        table, effects=effects, measured=table.measured | _BY_LEVEL,
        level_deviations={name: levels.deviation(name) for name in LEVELS},
    )
    said = Warning(code="by_own_runs", message=f"the speeds of this machine are set by {runs_in_words(runs)}")
    told = (*knowledge.warnings, *warnings, said)
    return replace(knowledge, efficiencies=shifted, calibration="measured", warnings=told, own=())


def runs_in_words(count: int) -> str:
    """So many of the owner's runs.

    >>> runs_in_words(1), runs_in_words(3)
    ('your run', 'your 3 runs')
    """
    return "your run" if count == 1 else f"your {count} runs"


def _warned(item: _OwnSpeed, why: str, far: float = 0.0) -> Warning:
    run, case = item.run, item.case
    unit = "tok/s written" if item.speed == "decode" else "tok/s read"
    speed = run.decode_tok_s if item.speed == "decode" else run.prefill_tok_s
    what = f"your run of {case.llm.name} {case.quant.name} at {speed:g} {unit}"
    if why == "impossible":
        return Warning(
            code="impossible_run",
            message=f"{what} is faster than this memory can be read, so it is not used: is the machine right?",
        )
    slower = "slower" if far > 0 else "faster"
    return Warning(
        code="contradicting_run",
        message=f"{what} is much {slower} than the other runs and like machines lead to, so it counts little: was it "
        "disturbed, or placed otherwise?",
    )
