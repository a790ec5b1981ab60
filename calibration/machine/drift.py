"""How a computer changes while it is measured: one load, the control, is made again and again between the others.

Other virtual machines on a host, a warm processor or a memory that others read take turns of minutes, of which the
system tells little. The control is to the runs what a check standard is to an instrument (NIST/SEMATECH, "e-Handbook of
Statistical Methods", chapter 2). On a host with busy neighbours three loads of other models and threads moved with each
other by up to 1.9 times in seven minutes; beside one of them the others had a deviation of 11 % in place of 25
(2026-11-30).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from advisor.engine.session.messages import Measure
from calibration.machine.trials import Trial
from catalog.profiles import MeasuredSpeed

CONTROL: Final = Measure(depth=0, prompt=128, gen=16, repeats=2, warm_up=4, seed=3)
"""What the control measures: no other run asks the same, by which it is known in the journal."""
EVERY_S: Final = 45.0
LEAST_CONTROLS: Final = 4
"""Fewer do not tell what drifts from what jitters."""
TOLD_BEYOND: Final = 1.15
"""The highest over the lowest speed of the control, from which on a computer is said to have changed: repeats of a run
on a quiet one differ by some percent.
"""
Kind = Literal["decode", "prefill"]


@dataclass(frozen=True, slots=True)
class Course:
    """Of one kind of speed: the control's, in tok/s, over seconds of the epoch in rising order."""

    at_s: tuple[float, ...]
    tok_s: tuple[float, ...]

    @property
    def known(self) -> bool:
        """Whether there are enough to tell anything."""
        return len(self.tok_s) >= LEAST_CONTROLS

    @property
    def jitter(self) -> float:
        """Deviation of log speed from what its neighbours let expect; 0 where there are too few."""
        if not self.known:
            return 0.0
        logs, times = np.log(self.tok_s), np.array(self.at_s)
        between = [np.interp(times[at], np.delete(times, at), np.delete(logs, at)) for at in range(1, len(logs) - 1)]
        # Two neighbours' mean errs by half of their variance, which is not the one's own.
        return float(np.sqrt(np.mean((logs[1:-1] - between) ** 2) / 1.5))

    def factor(self, at_s: float) -> float:
        """The control's speed at a time over its median: of that only the share which is drift and no jitter."""
        if not self.known:
            return 1.0
        logs = np.log(self.tok_s) - math.log(float(np.median(self.tok_s)))
        whole = float(np.mean(logs**2))
        drift = max(0.0, 1 - self.jitter**2 / whole) if whole else 0.0
        return math.exp(drift * float(np.interp(at_s, self.at_s, logs)))


@dataclass(frozen=True, slots=True)
class Drift:
    """How a computer changed, by kind of speed."""

    courses: dict[Kind, Course] = field(default_factory=dict)

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> "Drift":
        """What the controls among the trials tell."""
        courses: dict[Kind, Course] = {}
        controls = sorted((trial for trial in trials if trial.asked == CONTROL), key=lambda trial: trial.at_s)
        for kind in ("decode", "prefill"):
            seen = [(trial.at_s, speed.tok_s) for trial in controls if (speed := getattr(trial, kind)) is not None]
            courses[kind] = Course(tuple(at for at, _ in seen), tuple(tok_s for _, tok_s in seen))
        return cls(courses)

    def levelled(self, trial: Trial) -> Trial:
        """The trial as it would have been at the control's median: its speeds by the control's factor, their spread
        with its jitter. Runs on devices are left as they are: the control is made without.
        """
        if trial.settings.n_gpu_layers:
            return trial
        told = {str(kind): self._levelled(kind, getattr(trial, kind), trial.at_s) for kind in self.courses}
        return trial.model_copy(update=told)

    def _levelled(self, kind: Kind, speed: MeasuredSpeed | None, at_s: float) -> MeasuredSpeed | None:
        course = self.courses[kind]
        if speed is None or not course.known:
            return speed
        spread = math.hypot(speed.spread, course.jitter)
        return speed.model_copy(update={"tok_s": speed.tok_s / course.factor(at_s), "spread": spread})

    @property
    def change(self) -> str | None:
        """That the computer was not the same all the time; None where it was, as far as the control tells."""
        course = self.courses.get("decode", Course((), ()))
        low, high = min(course.tok_s, default=0.0), max(course.tok_s, default=0.0)
        if high <= TOLD_BEYOND * low:
            return None
        times = len(course.tok_s)
        return f"this computer changed meanwhile: one run, made {times} times, wrote {low:.3g} to {high:.3g} tok/s"

    @property
    def notes(self) -> tuple[str, ...]:
        """The same with what follows from it."""
        if self.change is None:
            return ()
        taken = (
            "the others are taken as at its median, and ranges hold all of it" if self.courses["decode"].known
            else "that is too seldom to correct the others by it"
        )
        return (f"{self.change}; {taken}; calibrate again at a quieter hour",)
