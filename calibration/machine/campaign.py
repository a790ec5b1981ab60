"""The measuring of a calibration: which runs are made, in which order, within the time there is; and what they say."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from advisor.engine.session.messages import Measure
from advisor.errors import InputError
from advisor.gguf.model_file import ModelFile, read_model_file
from advisor.prediction.case import SizedModel
from calibration.fit.fitting import FitRow
from calibration.fit.pooling import OneMachine, columns_of
from calibration.machine.drift import CONTROL, EVERY_S, Drift
from calibration.machine.experiments import (
    Experiment,
    Ground,
    OneMore,
    Unwritten,
    candidates,
    chosen,
    everyday,
    experiment,
    most_telling,
)
from calibration.machine.fit import (
    LEAST_CONFIGURATIONS,
    OwnError,
    OwnFit,
    against,
    faults_of,
    fit_own,
    left_out_errors,
)
from calibration.machine.probe_models import ProbeModel
from calibration.machine.trials import Journal, Trial, clearest, observations_of, try_out

TRIES = 3
"""How often a run is made that other programs or virtual machines disturb."""
LATER = 6
"""Runs that are made before a disturbed one is made again: what others do often lasts minutes."""
FIRST_SHARE = 0.88
"""Of the time, after which runs that stand out are made again before any more are made."""
STANDS_OUT = 0.2
DEVIATIONS_OUT, NORMAL_MEDIAN = 3.0, 0.6745
"""A run stands out that lies so far from the fit of all: in logarithms of its speed, and in deviations (the median size
of normal errors is 0.6745 of those). What disturbs one run is not always told by the system: on a busy host one of 36
was six times too slow while others took 2 % of the processors (2026-11-30).
"""


@dataclass(frozen=True, slots=True)
class Step:
    """What a calibration does now, for a progress bar."""

    what: str
    done: float
    """Share of the time there is, 0 to 1."""
    left_s: float


Told = Callable[[Step], None]


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What the runs say, and whether to believe it."""

    own: OwnFit
    errors: tuple[OwnError, ...]
    """Of what was measured, the machine's changes meanwhile in it."""
    faults: tuple[str, ...]
    """Why the fit is not to be used; none for one that is."""
    drift: Drift
    one_more: OneMore | None
    """What a further run would tell most of."""


@dataclass(frozen=True, eq=False)
class Campaign:
    """A machine to be measured, with the models to do it with and what was measured before.

    `models`: those that can be written into `folder`; `own`: the user's files; `probed`: see `OneMachine`.
    """

    ground: Ground
    threads: Sequence[int]
    models: Sequence[ProbeModel]
    own: Mapping[str, ModelFile]
    folder: Path
    journal: Journal
    probed: Mapping[tuple[str, str], float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    tries: int = TRIES

    @property
    def trials(self) -> list[Trial]:
        """What was measured but for the control, each run where it was disturbed least."""
        return clearest(trial for trial in self.journal.trials if trial.asked != CONTROL)

    @property
    def pooling(self) -> OneMachine:
        """What the fit starts from."""
        return OneMachine(self.ground.knowledge.efficiencies, self.probed)

    @cached_property
    def everyday(self) -> list[FitRow]:
        """What is asked of the machine, with all threads and with fewer."""
        return everyday(self.ground, threads=self.threads[:-1])

    def planned(self, budget_s: float) -> list[Experiment]:
        """What to do in that many seconds: the user's own files, then what tells most."""
        own = [
            experiment(file, model, settings, self.ground, model.header.file_bytes, written=True)
            for file, model in self.own.items()
            for number in self.threads
            for settings in self.ground.settings(model.llm, number)
        ]
        found, asked = candidates(self.models, self.threads, self.ground), self.everyday
        seen = (*(run for item in found for run in item.expected), *asked)
        columns = columns_of((item.case.setting for item in seen), self.pooling)
        left_s = budget_s - sum(item.seconds for item in own)
        return [*own, *chosen(found, asked, columns, self.pooling, left_s)]

    def control(self, order: Sequence[Experiment]) -> Experiment | None:
        """The run to make between those of an order: the shortest of them with all threads and without a device."""
        most = max(self.threads)
        alone = [item for item in order if item.settings.threads == most and not item.settings.n_gpu_layers]
        shortest = min(alone, key=lambda item: item.seconds + item.writing_s, default=None)
        return replace(shortest, measures=(CONTROL,)) if shortest else None

    def measure(self, order: Sequence[Experiment], budget_s: float, told: Told) -> None:
        """Make the runs in order, between them the control; then again those that stand out, then what there is still
        time for. Raises as `Session`.
        """
        end_s, control = self.clock() + budget_s, self.control(order)

        def of_whole(step: Step) -> None:
            left_s = max(end_s - self.clock(), 0.0)
            told(Step(step.what, 1 - left_s / budget_s, left_s))

        self.make(order, FIRST_SHARE * budget_s, of_whole, control)
        for item in self.doubtful(order):
            if item.seconds <= end_s - self.clock():
                of_whole(Step(f"{item.words}, once more", 0.0, 0.0))
                self._try_out(item, item.measures)
        made_s = sum(item.seconds for item in order if not self._missing(item))
        self.make(order, made_s + end_s - self.clock(), of_whole, control)

    def doubtful(self, order: Sequence[Experiment]) -> list[Experiment]:
        """Those of an order of which something was measured that the fit of all cannot explain, with no more than that
        to measure; the worst first.
        """
        found: list[tuple[float, Experiment]] = []
        trials = self.trials
        if len(trials) < LEAST_CONFIGURATIONS:
            return []
        own = self._fitted(Drift.of(self.journal.trials))
        errors = np.abs(own.fit.problem.residuals(own.fit.theta))
        limit = max(STANDS_OUT, DEVIATIONS_OUT * float(np.median(errors)) / NORMAL_MEDIAN)
        worst: dict[str, float] = {}
        for row, error in zip(own.observations, errors.tolist(), strict=True):
            worst[row.machine] = max(error, worst.get(row.machine, 0.0))
        for item in order:
            ours = [trial for trial in trials if (trial.file, trial.settings) == (item.file, item.settings)]
            out = {trial.asked: off for trial in ours if (off := worst.get(trial.configuration, 0.0)) > limit}
            measures = tuple(asked for asked in item.measures if asked in out)
            if measures:
                found.append((max(out.values()), replace(item, measures=measures)))
        return [item for _, item in sorted(found, key=lambda pair: -pair[0])]

    def make(
        self, order: Sequence[Experiment], budget_s: float, told: Told, control: Experiment | None = None
    ) -> None:
        """Make the runs in order as far as the time allows. What the journal has is not made again, but a run that was
        disturbed is, a little later: that costs the last runs their time.

        Expected times are corrected by how long runs took so far; an earlier part counts as long as it was expected to
        take. `control` is made first, last, and in between. Raises as `Session`.
        """
        earlier_s = sum(item.seconds for item in order if not self._missing(item))
        start, expected_s = self.clock() - earlier_s, earlier_s
        queue, controlled = list(order), -math.inf

        def step(item: Experiment) -> None:
            spent_s = self.clock() - start
            told(Step(item.words, min(spent_s / budget_s, 1.0), max(budget_s - spent_s, 0.0)))

        while queue:
            item = queue.pop(0)
            missing, spent_s = self._missing(item), self.clock() - start
            pace = spent_s / expected_s if expected_s else 1.0
            if not missing or spent_s + item.seconds * pace > budget_s:
                continue
            if control is not None and self.clock() - controlled > EVERY_S:
                step(control)
                self._try_out(control, control.measures)
                controlled = self.clock()
            step(item)
            self._try_out(item, missing)
            expected_s += item.seconds + item.writing_s
            queue.insert(LATER, item)  # passed over unless it was disturbed
        if control is not None and controlled > -math.inf:
            self._try_out(control, control.measures)

    def _try_out(self, item: Experiment, measures: Sequence[Measure]) -> None:
        path = Path(item.file)
        if item.file not in self.own:
            path = next(model for model in self.models if model.file == item.file).write(self.folder)
        for trial in try_out(path, item.settings, measures, file=item.file):
            self.journal.add(trial)

    def _missing(self, item: Experiment) -> list[Measure]:
        """What is not measured yet, or was disturbed each time, and not too often."""
        load, found = (item.file, item.settings), []
        for asked in item.measures:
            made = [one for one in self.journal.trials if (one.file, one.settings) == load and one.asked == asked]
            if len(made) < self.tries and all(trial.disturbed for trial in made):
                found.append(asked)
        return found

    def learned(self) -> Learned:
        """The fit of what was measured. Raises `InputError` where nothing was."""
        if not self.journal.trials:
            raise InputError("no run was finished in the time there was: close other programs, or give --thorough")
        drift = Drift.of(self.journal.trials)
        own = self._fitted(drift)
        errors = left_out_errors(own)
        measured = self._observations(self.trials)
        one_more = most_telling(self.everyday, own.fit.columns, self.pooling, own.covariance())
        return Learned(own, tuple(against(measured, errors)), tuple(faults_of(own, errors)), drift, one_more)

    def _fitted(self, drift: Drift) -> OwnFit:
        return fit_own(self._observations(map(drift.levelled, self.trials)), self.pooling)

    def _observations(self, trials: Iterable[Trial]) -> list[FitRow]:
        written: dict[str, SizedModel] = {model.file: Unwritten.of(model) for model in self.models}
        return observations_of(trials, self.ground.machine, self.ground.hardware, written | dict(self.own))


def own_files(paths: Sequence[Path]) -> dict[str, ModelFile]:
    """The user's model files by their whole path. Raises `InputError` for one that is none."""
    return {str(path.resolve()): read_model_file(path) for path in paths}
