"""A machine of known shifts, and the runs that a calibration would make on it and measure with some noise.

No number here was measured: speeds are what the physics predicts with the shifts, times a noise of 5 %.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache

import numpy as np
from numpy.typing import NDArray

from advisor.physics.coefficients import COEFFICIENTS
from advisor.physics.knowledge import Knowledge, load
from advisor.physics.task import FAMILIES
from advisor.prediction.case import Case, case_of
from advisor.prediction.prediction import answers
from advisor.profiles.own_machine import knowledge_of
from calibration.fit.fitting import FitRow
from calibration.fit.pooling import OneMachine, columns_of
from calibration.machine.experiments import Experiment, Unwritten, candidates, chosen, everyday
from calibration.machine.fit import OwnFit, fit_own
from calibration.machine.probe_models import ProbeModel, probe_models
from calibration.machine.trials import Trial, asked_of, observations_of
from catalog.profiles import EngineBuild, Profile, Shift, digest_of
from tests.calibration.machine.tiny import HARDWARE, ground, trial_of

Shifts = Mapping[tuple[str, str], float]
NOISE = 0.05
"""What `trial_of` says of its runs: 4 % between repeats, and 3 % that those do not show."""
BUDGET_S = 600.0
THREADS = (2, 8)
TODAY = date(2026, 11, 28)


@cache
def pooling() -> OneMachine:
    return OneMachine(load().efficiencies)


@cache
def models() -> Mapping[str, ProbeModel]:
    return {model.file: model for model in probe_models(None)}


@cache
def questions() -> tuple[FitRow, ...]:
    return tuple(everyday(ground()))


@cache
def runs() -> tuple[Experiment, ...]:
    """Those that a calibration would make on the machine."""
    found = candidates(models().values(), THREADS, ground())
    seen = (*(run for item in found for run in item.expected), *questions())
    columns = columns_of((item.case.setting for item in seen), pooling())
    return tuple(chosen(found, questions(), columns, pooling(), BUDGET_S))


@cache
def cases() -> tuple[Case, ...]:
    """Of each measurement of each run, in order."""
    return tuple(
        case_of(
            asked_of(item.file, item.settings, asked, HARDWARE), Unwritten.of(models()[item.file]), ground().machine
        )
        for item in runs()
        for asked in item.measures
    )


def drawn(random: np.random.Generator) -> dict[tuple[str, str], float]:
    """Shifts of a machine, from the priors."""
    found = {}
    for item in COEFFICIENTS:
        for family in FAMILIES if item.per_family else ("",):
            labels = pooling().labels(item, cases()[0].setting, family)
            for label, (mean, deviation) in zip(labels, pooling().priors(item, family), strict=True):
                found.setdefault((item.name, label), random.normal(mean, deviation))
    return found


def profile_with(shifts: Sequence[Shift]) -> Profile:
    return Profile(
        name="box", fingerprint="0" * 32, hardware=HARDWARE.model_dump(exclude_none=True, exclude_defaults=True),
        engine=EngineBuild(name="llama.cpp", backend="cpu"), measured_on=TODAY,
        efficiencies_digest=digest_of(load().efficiencies.effects), effects=tuple(shifts),
    )


def world_of(shifts: Shifts) -> Knowledge:
    """What predicts the machine rightly, laid over what is known of all as a stored profile is."""
    told = [
        Shift(coefficient=name, label=label, log_value=value, standard_error=0.0, informed=True)
        for (name, label), value in shifts.items()
    ]
    return knowledge_of(profile_with(told), load())


def speeds(items: Sequence[Case], knowledge: Knowledge) -> NDArray[np.float64]:
    """Decode and prefill of each case, tok/s."""
    found = [(answer.decode_tok_s, answer.prefill_tok_s) for answer in answers(items, knowledge)]
    return np.array([[speed.p50 if speed else np.nan for speed in pair] for pair in found])


def measured(world: Knowledge, random: np.random.Generator, noise: float = NOISE) -> list[Trial]:
    """The trials of all runs."""
    made = [(item, asked) for item in runs() for asked in item.measures]
    noisy = speeds(cases(), world) * np.exp(random.normal(0, noise, (len(made), 2)))
    return [
        trial_of(item, asked, models()[item.file], *map(float, pair))
        for (item, asked), pair in zip(made, noisy, strict=True)
    ]


def observed(trials: Sequence[Trial]) -> list[FitRow]:
    files = {file: Unwritten.of(model) for file, model in models().items()}
    return observations_of(trials, ground().machine, HARDWARE, files)


def fitted(trials: Sequence[Trial], probed: Shifts | None = None) -> OwnFit:
    return fit_own(observed(trials), OneMachine(load().efficiencies, probed or {}))


def log_ratios(own: OwnFit) -> NDArray[np.float64]:
    """log(predicted / measured) speed of the runs of a fit, in their order."""
    return -own.fit.problem.residuals(own.fit.theta)
