"""Runs of the engine on this machine: what one load of a model measured, what that says to the fit, and the journal.

The journal keeps what a calibration has measured so far on disk, line by line, so that an interrupted one goes on where
it was.
"""

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, pstdev

from pydantic import BaseModel, ConfigDict, ValidationError

from advisor.engine.benchmark import speed_of
from advisor.engine.preparation import prepare
from advisor.engine.session.messages import Measure, Phase
from advisor.engine.settings import EngineSettings
from advisor.errors import InputError
from advisor.files import unwritable, write_whole
from advisor.machines.machine import Machine
from advisor.prediction.case import SizedModel, case_of
from advisor.profiles.store import HOME_REMEDY
from advisor.question import Hardware, Scenario
from calibration.fit.fitting import FitRow
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
MOST_AGE_S = 24 * 3600.0
"""Older measurements are made anew: drivers, clocks and what else runs change from day to day."""


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
    at_s: float = 0.0
    """When it ended, in seconds of the epoch."""

    @property
    def taken_share(self) -> float:
        """Of its worse speed."""
        return max((speed.taken_share for speed in (self.decode, self.prefill) if speed), default=0.0)

    @property
    def disturbed(self) -> bool:
        """Whether others took so much that it does not tell of this computer."""
        return self.taken_share > DISTURBED_SHARE

    @property
    def seconds(self) -> float:
        """Of a token read and one written."""
        return sum(1 / speed.tok_s for speed in (self.decode, self.prefill) if speed)

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
                at_s=round(time.time(), 1),
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
    """Of those that measured the same, the one from which least was taken, and where no more than on a calm machine,
    the fastest, as a disturbance only slows; in the order of the first ones.
    """
    found: dict[tuple[str, EngineSettings, Measure], list[Trial]] = {}
    for trial in trials:
        found.setdefault((trial.file, trial.settings, trial.asked), []).append(trial)

    def disturbed(trial: Trial) -> tuple[float, float]:
        return max(trial.taken_share, DISTURBED_SHARE), trial.seconds

    return [min(same, key=disturbed) for same in found.values()]


def asked_of(file: str, own: EngineSettings, asked: Measure, hardware: Hardware) -> Scenario:
    """The question that a measurement answers; its model is the file."""
    engine = {
        "n_gpu_layers": own.n_gpu_layers, "n_cpu_moe": own.n_cpu_moe, "n_ctx": own.n_ctx, "flash_attn": own.flash_attn,
        "kv_type": f"{own.kv_type_k}/{own.kv_type_v}", "threads": own.threads, "ubatch": own.n_ubatch,
        "mmap": own.mapped,
    }
    work = {
        "context_depth": asked.depth, "prompt_tokens": asked.prompt, "gen_tokens": max(asked.gen, 1),
        "decode_depth": asked.depth,  # prompt and answer are measured apart
    }
    return Scenario.model_validate({"model": {"gguf": file}, "hardware": hardware, "engine": engine, "workload": work})


def observations_of(
    trials: Iterable[Trial], machine: Machine, hardware: Hardware, files: Mapping[str, SizedModel]
) -> list[FitRow]:
    """Observations of decode and prefill; `files` by name. Their `machine` is the configuration."""
    found = []
    for trial in trials:
        case = case_of(asked_of(trial.file, trial.settings, trial.asked, hardware), files[trial.file], machine)
        for kind, speed in (("decode", trial.decode), ("prefill", trial.prefill)):
            if speed is not None:
                noise = math.hypot(LEAST_NOISE, speed.spread, TAKEN_TO_SLOWER * speed.taken_share)
                found.append(FitRow(case, kind, speed.tok_s, trial.configuration, noise))
    return found


class Stamp(BaseModel):
    """What must be the same for measurements to be taken over: the machine, the engine, the kind of calibration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    engine: str
    plan: str
    started_s: float
    """Seconds of the epoch."""

    def continues(self, earlier: "Stamp") -> bool:
        """Whether measurements of the earlier one count for this."""
        same = (self.fingerprint, self.engine, self.plan) == (earlier.fingerprint, earlier.engine, earlier.plan)
        return same and 0 <= self.started_s - earlier.started_s <= MOST_AGE_S


@dataclass(slots=True)
class Journal:
    """The file and what it held when it was opened."""

    path: Path
    trials: list[Trial]

    @classmethod
    def open(cls, path: Path, stamp: Stamp) -> "Journal":
        """Go on with the file where it continues, else begin it anew. Raises `InputError` if it cannot be written."""
        found = _read(path)
        earlier, trials = found if found and stamp.continues(found[0]) else (stamp, [])
        lines = "".join(f"{item.model_dump_json()}\n" for item in (earlier, *trials))
        write_whole(path, lines.encode(), HOME_REMEDY)
        return cls(path, trials)

    def add(self, trial: Trial) -> None:
        """Keep one more measurement: it is on the disk when this returns."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(trial.model_dump_json() + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(str(self.path), error, HOME_REMEDY) from None
        self.trials.append(trial)

    def close(self) -> None:
        """The calibration is done: what it measured is in its profile."""
        self.path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[Stamp, list[Trial]] | None:
    """What a file holds; a last line that was cut off while it was written is passed over."""
    try:
        first, *rest = path.read_bytes().split(b"\n")  # a letter of several bytes may be cut off too
        stamp = Stamp.model_validate_json(first)
    except (OSError, ValueError):
        return None
    trials: list[Trial] = []
    with suppress(ValidationError):
        for line in rest:
            trials.append(Trial.model_validate_json(line))  # noqa: PERF401 - those before a broken line count
    return stamp, trials


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Held while a calibration runs; the system lets go of it however the process ends.

    Raises `InputError` where another one runs, or where nothing can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "running.lock").open("a+b")
    except OSError as error:
        raise unwritable(str(folder), error, HOME_REMEDY) from None
    with file:
        if not _locked(file.fileno()):
            raise InputError(
                "another calibration is running on this machine: wait until it has ended, two at once would slow each "
                "other down"
            )
        yield


def _locked(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
