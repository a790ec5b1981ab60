"""The runs that could be made on a machine, and which of them tell most about it for the time that they take.

Of all candidates the next one is always that which narrows the predictions of everyday questions most per second
(greedy V-optimal design). Source: Fedorov, "Theory of Optimal Experiments", 1972, chapter 2.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from advisor.answer import Prediction
from advisor.engine.session.messages import Measure
from advisor.engine.settings import EngineSettings
from advisor.machines.machine import Machine
from advisor.physics.knowledge import Knowledge
from advisor.prediction.case import Case, SizedModel, case_of
from advisor.prediction.prediction import answers
from advisor.question import Hardware, Scenario
from advisor.sizes.footprint import Footprint, footprint_of_tensors
from advisor.sizes.quality import quality_order
from calibration.fit.fitting import FitProblem, FitRow
from calibration.fit.pooling import Column, Pooling
from calibration.machine.probe_models import ProbeModel
from calibration.machine.trials import asked_of
from catalog.llms import Llm
from catalog.names.llms import resolve_llm
from catalog.quants import Quant
from catalog.units import MIB

Array = NDArray[np.float64]
EXPECTED_NOISE = 0.05
"""Deviation of log(predicted / measured) that a run is expected to leave, the physics' own error included."""


EVERYDAY = ("Qwen3.6-35B-A3B", "gpt-oss-20b", "Llama-3.1-8B", "Qwen3-4B", "Gemma-3-12B")
"""Models of which calibration/evidence has the most runs, one of each kind."""
EVERYDAY_QUANTS = ("Q4_K_M", "Q8_0", "Q5_K_M", "Q6_K", "Q3_K_M", "IQ4_XS", "Q2_K", "IQ3_XXS", "Q4_0", "F16")
"""One or two of each quant family but of 4-bit floats: a run is chosen for what it tells of these."""
EVERYDAY_DEPTHS = (0, 8192)
PROMPT, GENERATED = 128, 16
DEPTH = 1024
SHALLOW = Measure(depth=0, prompt=PROMPT, gen=GENERATED, repeats=3, warm_up=4)
DEEP = Measure(depth=DEPTH, prompt=PROMPT, gen=GENERATED, repeats=1, warm_up=0, seed=2)
BUNDLES = ((SHALLOW,), (SHALLOW, DEEP))
"""What to measure in one load: deep in a context too, or not, since filling it takes longer than all else."""
START_S = 2.0
"""To start a process with llama.cpp in it."""
FILE_MIB_S = 400.0
"""At which a file is written, and read and repacked: a hard disk is slower, so time is watched besides."""


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """One load of a model file and what is measured with it."""

    file: str
    settings: EngineSettings
    measures: tuple[Measure, ...]
    expected: tuple[FitRow, ...]
    """What the known efficiencies predict of it."""
    seconds: float
    """What it is expected to take, the file written."""
    writing_s: float = 0.0
    """What it takes to write the file, once for all that use it."""

    @property
    def words(self) -> str:
        """The load in a few words."""
        own = self.settings
        experts = f", {own.n_cpu_moe} layers of experts in RAM" if own.n_cpu_moe else ""
        placed = f", {own.n_gpu_layers} layers on devices{experts}" if own.n_gpu_layers else ""
        return f"{Path(self.file).stem} on {own.threads} thread{'s' * (own.threads != 1)}{placed}"


@dataclass(frozen=True, slots=True, eq=False)
class Unwritten:
    """A model known by its recipe, for `case_of`."""

    llm: Llm
    quant: Quant
    footprint: Footprint
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: ProbeModel) -> "Unwritten":
        """Of a probe model, whether it has been written or not."""
        recipe = model.recipe
        return cls(recipe.llm, recipe.quant, footprint_of_tensors(recipe.llm, recipe.tensors))


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What the runs are made on."""

    machine: Machine
    hardware: Hardware
    knowledge: Knowledge
    devices: int
    """How many there are to offload layers to."""
    rpc: tuple[str, ...] = ()

    def settings(self, llm: Llm, threads: int) -> Iterator[EngineSettings]:
        """Ways to place a model: on the CPU, and where there is a device with none, half and all experts in RAM."""
        room = {"n_ctx": DEPTH + PROMPT + GENERATED, "threads": threads, "rpc": self.rpc}
        yield EngineSettings.model_validate(room)
        if self.devices:
            layers = llm.n_layers
            for n_cpu_moe in (0, layers // 2, layers) if llm.n_experts else (0,):
                yield EngineSettings.model_validate(room | {"n_gpu_layers": 99, "n_cpu_moe": n_cpu_moe})


def candidates(models: Iterable[ProbeModel], threads: Sequence[int], ground: Ground) -> list[Experiment]:
    """Every load of every model that could be made."""
    return [
        experiment(model.file, Unwritten.of(model), settings, ground, model.recipe.size_bytes, measures)
        for model in models
        for number in threads
        for settings in ground.settings(model.recipe.llm, number)
        for measures in BUNDLES
    ]


def experiment(
    file: str, model: SizedModel, settings: EngineSettings, ground: Ground, size_bytes: int,
    measures: tuple[Measure, ...] = BUNDLES[-1], *, written: bool = False,
) -> Experiment:
    """One load of a model, its file `written` already or not."""
    cases = [case_of(asked_of(file, settings, asked, ground.hardware), model, ground.machine) for asked in measures]
    speeds = answers(cases, ground.knowledge)
    expected = [item for case, speed in zip(cases, speeds, strict=True) for item in _expected(case, speed)]
    reading_s = size_bytes / (FILE_MIB_S * MIB)
    seconds = START_S + reading_s + sum(map(_seconds, measures, speeds))
    return Experiment(file, settings, measures, tuple(expected), seconds, 0.0 if written else reading_s)


def _expected(case: Case, speed: Prediction) -> Iterator[FitRow]:
    for kind, found in (("decode", speed.decode_tok_s), ("prefill", speed.prefill_tok_s)):
        if found:
            yield FitRow(case, kind, found.p50, case.scenario.engine.model_dump_json())


def _seconds(asked: Measure, speed: Prediction) -> float:
    """What a measurement is expected to take; the context is filled anew before each part of it."""
    if not speed.decode_tok_s or not speed.prefill_tok_s:
        return 0.0
    parts = (asked.prompt > 0) + (asked.gen > 0)
    read = asked.repeats * (asked.prompt + parts * asked.depth) + asked.prompt * bool(asked.warm_up)
    return read / speed.prefill_tok_s.p50 + (asked.repeats * asked.gen + asked.warm_up) / speed.decode_tok_s.p50


def everyday(ground: Ground, models: Iterable[str] = EVERYDAY, threads: Sequence[int] = ()) -> list[FitRow]:
    """What people ask of a machine: those of the questions that it can run, with as many threads as the engine takes by
    itself and, without a device, with these numbers of them too.
    """
    found: list[FitRow] = []
    fewer = [{"threads": number} for number in threads]
    for model, quant, depth in product(models, EVERYDAY_QUANTS, EVERYDAY_DEPTHS):
        load = {"context_depth": depth, "decode_depth": depth}
        asked = {"model": model, "quant": quant, "hardware": ground.hardware, "workload": load}
        llm = resolve_llm(model).row.llm
        in_ram = {"n_gpu_layers": 99, "n_cpu_moe": llm.n_layers}  # which a device with less free memory comes to
        placed = [in_ram] if llm.n_experts else []
        for engine in ({}, *(placed if ground.devices else fewer)):  # {}: where the planner puts it
            case = case_of(Scenario.model_validate(asked | {"engine": engine}), None, ground.machine)
            if case.runs and case.regime != "storage":
                found += list(_expected(case, answers([case], ground.knowledge)[0]))
    return found


def chosen(
    candidates: Sequence[Experiment],
    everyday: Sequence[FitRow],
    columns: Sequence[Column],
    pooling: Pooling,
    budget_s: float,
) -> list[Experiment]:
    """Experiments in the order in which they are to be made, as many as are expected to fit into the time."""
    target, *slopes = _slopes([everyday, *(item.expected for item in candidates)], columns, pooling)
    covariance = np.diag([column.deviation**2 for column in columns])
    gains = dict.fromkeys(range(len(candidates)), np.inf)
    spent_s, written, order = 0.0, set[str](), list[Experiment]()
    while gains:
        left = ((place, candidates[place]) for place in gains)
        costs = {place: one.seconds + (one.writing_s if one.file not in written else 0.0) for place, one in left}
        best = _best(gains, costs, slopes, partial(_gain, target, covariance))
        del gains[best]
        item = candidates[best]
        load = item.file, item.settings  # what is measured in one may differ
        if spent_s + costs[best] > budget_s or any(load == (other.file, other.settings) for other in order):
            continue
        known = slopes[best] @ covariance
        covariance = covariance - known.T @ np.linalg.solve(_noise(slopes[best]) + known @ slopes[best].T, known)
        spent_s += costs[best]
        written.add(item.file)
        order.append(item)
    return order


@dataclass(frozen=True, slots=True, eq=False)
class OneMore:
    """The everyday model whose runs would tell most, and the mean deviation that the logarithms of all everyday
    predictions have now and would have then.
    """

    llm: Llm
    quant: Quant
    now: float
    then: float

    @property
    def words(self) -> str:
        """What to run and what it would do, in a sentence."""
        now, then = (f"{math.expm1(deviation):.1%}" for deviation in (self.now, self.then))
        return (
            f"of one more model {self.llm.name} {self.quant.name} would tell most: what was not run leaves the speeds "
            f"of usual models uncertain by {now}, with runs of it {then} (advisor calibrate --model FILE makes them)"
        )


def most_telling(
    everyday: Sequence[FitRow], columns: Sequence[Column], pooling: Pooling, covariance: Array
) -> OneMore | None:
    """Of the everyday models the one whose runs, as they are asked of, would narrow all everyday predictions most. None
    where none narrows them. `covariance`: of the columns, as the runs so far leave it.
    """
    groups: dict[tuple[str, str], list[FitRow]] = {}
    for item in everyday:
        if len(quality_order(item.case.llm).quants) > 1:  # one that came quantised is had in no other mix
            groups.setdefault((item.case.llm.name, item.case.quant.name), []).append(item)
    target, *slopes = _slopes([everyday, *groups.values()], columns, pooling)
    gains = [_gain(target, covariance, slope) for slope in slopes]
    if max(gains, default=0.0) <= 0:
        return None
    best = int(np.argmax(gains))
    case, now = list(groups.values())[best][0].case, float(np.sqrt(_variances(target, covariance)).mean())
    return OneMore(case.llm, case.quant, now, now - gains[best])


def _best(
    gains: dict[int, float], costs: Mapping[int, float], slopes: Sequence[Array], gain_now: Callable[[Array], float]
) -> int:
    """The candidate with the highest gain per second. What was gained earlier bounds what is gained now, since known
    runs leave less to learn: so only those at the top are worked out anew.
    """
    fresh: set[int] = set()
    while True:
        best = max(gains, key=lambda place: gains[place] / costs[place])
        if best in fresh:
            return best
        gains[best] = gain_now(slopes[best])
        fresh.add(best)


def _slopes(groups: Sequence[Sequence[FitRow]], columns: Sequence[Column], pooling: Pooling) -> list[Array]:
    """Derivative of the log speed of each observation by each column, group by group: all worked out at once."""
    labelled = sorted(
        ((item, number) for number, group in enumerate(groups) for item in group), key=lambda pair: pair[0].kind
    )
    problem = FitProblem([item for item, _ in labelled], columns, pooling)
    slopes = np.asarray(problem.jacobian(problem.prior).toarray())
    of = np.array([number for _, number in labelled])
    return [slopes[of == number] for number in range(len(groups))]


def _gain(target: Array, covariance: Array, slopes: Array) -> float:
    """By how much the mean log deviation of the everyday predictions shrinks."""
    before, shared = _variances(target, covariance), target @ covariance @ slopes.T
    gained = np.einsum("ij,ji->i", shared, np.linalg.solve(_noise(slopes) + slopes @ covariance @ slopes.T, shared.T))
    return float((np.sqrt(before) - np.sqrt(np.maximum(before - gained, 0.0))).mean())


def _variances(target: Array, covariance: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", target @ covariance, target))


def _noise(slopes: Array) -> Array:
    return np.eye(len(slopes)) * EXPECTED_NOISE**2
