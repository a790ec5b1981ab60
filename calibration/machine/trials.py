"""Runs of the engine on this machine: what one load of a model measured, and what that says to the fit."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, pstdev

from pydantic import BaseModel, ConfigDict

from advisor.engine.benchmark import speed_of
from advisor.engine.preparation import prepare
from advisor.engine.session.messages import Measure, Phase
from advisor.engine.settings import EngineSettings
from advisor.machines.machine import Machine
from advisor.prediction.case import Case, SizedModel, case_of
from advisor.question import Hardware, Scenario
from calibration.fit.fitting import Observation
from catalog.profiles import MeasuredSpeed

LEAST_NOISE = 0.03
"""Deviation of log speed that repeats of a run do not show: where its pages lie, what the processor did before. Repeats
within one load differed by 1 % on a quiet machine, loads of one file by 3 %.
"""

DISTURBED_SHARE = 0.04
"""Taken of all processors' time, from which on a run is made again: about as much as loads of one file differ by."""
TAKEN_TO_SLOWER = 2.0
"""Of two threads that wait for each other at every matrix, each loses what was taken from either. More by far was seen
too: a program of the lowest priority on one of two processors made decode 30 times slower.
"""


class Trial(BaseModel):
    """One configuration measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """A catalog model, with what is left of it where it is cut."""
    quant: str
    file: str
    file_bytes: int
    settings: EngineSettings
    asked: Measure
    decode: MeasuredSpeed | None
    prefill: MeasuredSpeed | None

    @property
    def taken_share(self) -> float:
        """Of its worse speed."""
        return max((speed.taken_share for speed in (self.decode, self.prefill) if speed), default=0.0)

    @property
    def disturbed(self) -> bool:
        """Whether others took so much that it does not tell of this computer."""
        return self.taken_share > DISTURBED_SHARE

    @property
    def configuration(self) -> str:
        """What tells it apart from other runs of this machine."""
        own = self.settings
        placed = f" ngl {own.n_gpu_layers} ncmoe {own.n_cpu_moe}" if own.n_gpu_layers else ""
        batch = f" ub {own.n_ubatch}" if own.n_ubatch != EngineSettings().n_ubatch else ""
        return f"{self.model} {self.quant} t{own.threads}{placed}{batch} d{self.asked.depth}"


def try_out(
    path: Path, settings: EngineSettings, measures: Sequence[Measure], file: str | None = None
) -> Iterator[Trial]:
    """Load a file once and measure it in several ways, each told as soon as it is done. Raises as `Session`.

    `file`: what the trials are to call it; its name if not given.
    """
    prepared = prepare(path, settings)
    with prepared.open() as session:
        for asked in measures:
            found = session.measure(asked)
            yield Trial(
                model=prepared.file.llm.name,
                quant=prepared.file.quant.name,
                file=file or path.name,
                file_bytes=prepared.file.header.file_bytes,
                settings=settings,
                asked=asked,
                decode=_measured(found.decode),
                prefill=_measured(found.prefill),
            )


def _measured(phases: Sequence[Phase]) -> MeasuredSpeed | None:
    """Steps at their median over the calm repeats: what else the machine did in between slows single steps."""
    taken = [phase.taken_share for phase in phases]
    most = max(min(taken, default=0.0), DISTURBED_SHARE)
    speed = speed_of([phase for phase, share in zip(phases, taken, strict=True) if share <= most])
    if speed is None:
        return None
    rate = speed.tokens / sum(speed.step_s)
    return MeasuredSpeed(
        tok_s=rate,
        spread=pstdev(speed.runs) / speed.median,
        taken_share=round(mean(share for share in taken if share <= most), 4),
        repeats=len(speed.runs),
    )


def clearest(trials: Iterable[Trial]) -> list[Trial]:
    """Of those that measured the same, the one from which least was taken; in the order of the first ones."""
    found: dict[tuple[str, EngineSettings, Measure], Trial] = {}
    for trial in trials:
        key = trial.file, trial.settings, trial.asked
        if key not in found or trial.taken_share < found[key].taken_share:
            found[key] = trial
    return list(found.values())


def asked_of(file: str, own: EngineSettings, asked: Measure, hardware: Hardware) -> Scenario:
    """The question that a measurement answers; its model is the file."""
    engine = {
        "n_gpu_layers": own.n_gpu_layers, "n_cpu_moe": own.n_cpu_moe, "n_ctx": own.n_ctx, "flash_attn": own.flash_attn,
        "kv_type": f"{own.kv_type_k}/{own.kv_type_v}", "threads": own.threads, "ubatch": own.n_ubatch,
        "mmap": own.mapped,
    }  # fmt: skip
    work = {"context_depth": asked.depth, "prompt_tokens": asked.prompt, "gen_tokens": max(asked.gen, 1)}
    return Scenario.model_validate({"model": {"gguf": file}, "hardware": hardware, "engine": engine, "workload": work})


def observations_of(
    trials: Sequence[Trial], machine: Machine, hardware: Hardware, files: Mapping[str, SizedModel]
) -> list[Observation]:
    """Observations of decode and prefill; `files` by name. Their `machine` is the configuration."""
    found = []
    for trial in trials:
        case = case_of(asked_of(trial.file, trial.settings, trial.asked, hardware), files[trial.file], machine)
        found += list(_observed(trial, case))
    return found


def _observed(trial: Trial, case: Case) -> Iterator[Observation]:
    for kind, speed in (("decode", trial.decode), ("prefill", trial.prefill)):
        if speed is not None:
            noise = math.hypot(LEAST_NOISE, speed.spread, TAKEN_TO_SLOWER * speed.taken_share)
            yield Observation(case, kind, speed.tok_s, trial.configuration, noise)
