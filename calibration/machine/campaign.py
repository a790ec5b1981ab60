"""The measuring of a calibration: which runs are made, in which order, within the time there is; and what they say."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from advisor.engine.session.messages import Measure
from advisor.errors import InputError
from advisor.gguf.model_file import ModelFile, read_model_file
from advisor.prediction.case import SizedModel
from calibration.fit.pooling import OneMachine, columns_of
from calibration.machine.experiments import Experiment, Ground, Unwritten, candidates, chosen, everyday, experiment
from calibration.machine.fit import OwnError, OwnFit, faults_of, fit_own, left_out_errors
from calibration.machine.probe_models import ProbeModel
from calibration.machine.trials import Journal, Trial, clearest, observations_of, try_out

TRIES = 3
"""How often a run is made that other programs or virtual machines disturb."""
LATER = 6
"""Runs that are made before a disturbed one is made again: what others do often lasts minutes."""


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
    faults: tuple[str, ...]
    """Why the fit is not to be used; none for one that is."""


@dataclass(frozen=True, slots=True, eq=False)
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
        """What was measured, each run where it was disturbed least."""
        return clearest(self.journal.trials)

    @property
    def pooling(self) -> OneMachine:
        """What the fit starts from."""
        return OneMachine(self.ground.knowledge.efficiencies, self.probed)

    def planned(self, budget_s: float) -> list[Experiment]:
        """What to do in that many seconds: the user's own files, then what tells most."""
        own = [
            experiment(file, model, settings, self.ground, model.header.file_bytes, written=True)
            for file, model in self.own.items()
            for number in self.threads
            for settings in self.ground.settings(model.llm, number)
        ]
        found = candidates(self.models, self.threads, self.ground)
        asked = everyday(self.ground, threads=self.threads[:-1])
        seen = (*(run for item in found for run in item.expected), *asked)
        columns = columns_of((item.case.setting for item in seen), self.pooling)
        left_s = budget_s - sum(item.seconds for item in own)
        return [*own, *chosen(found, asked, columns, self.pooling, left_s)]

    def make(self, order: Sequence[Experiment], budget_s: float, told: Told) -> None:
        """Make the runs in order as far as the time allows. What the journal has is not made again, but a run that was
        disturbed is, a little later: that costs the last runs their time.

        Expected times are corrected by how long runs took so far; an earlier part counts as long as it was expected to
        take. Raises as `Session`.
        """
        earlier_s = sum(item.seconds for item in order if not self._missing(item))
        start, expected_s = self.clock() - earlier_s, earlier_s
        queue = list(order)
        while queue:
            item = queue.pop(0)
            missing, spent_s = self._missing(item), self.clock() - start
            pace = spent_s / expected_s if expected_s else 1.0
            if not missing or spent_s + item.seconds * pace > budget_s:
                continue
            told(Step(item.words, spent_s / budget_s, budget_s - spent_s))
            path = Path(item.file)
            if item.file not in self.own:
                path = next(model for model in self.models if model.file == item.file).write(self.folder)
            for trial in try_out(path, item.settings, missing, file=item.file):
                self.journal.add(trial)
            expected_s += item.seconds + item.writing_s
            queue.insert(LATER, item)  # passed over unless it was disturbed

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
        written: dict[str, SizedModel] = {model.file: Unwritten.of(model) for model in self.models}
        observations = observations_of(self.trials, self.ground.machine, self.ground.hardware, written | dict(self.own))
        own = fit_own(observations, self.pooling)
        errors = left_out_errors(own)
        return Learned(own, tuple(errors), tuple(faults_of(own, errors)))


def own_files(paths: Sequence[Path]) -> dict[str, ModelFile]:
    """The user's model files by their whole path. Raises `InputError` for one that is none."""
    return {str(path.resolve()): read_model_file(path) for path in paths}
