"""What runs tell of one machine: the levels of its GPUs, its processor and its links, as a posterior with numpy alone.

A machine's parts do not tell how fast it is: two people with like parts differ. So each rig has a level on each kind of
stage, drawn from the spread that the fit found between rigs (`advisor.physics.coefficients`). Runs of the machine move
its levels from that prior; what they tell nothing about stays as wide as it was.
Method: Gauss-Newton for a Gaussian prior with Huber weights; the log time of a run moves with the log of a level by
that level's share of the time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
LEVELS = ("gpu_level", "cpu_level", "link_level", "prefill_gpu_level", "prefill_cpu_level", "prefill_link_level")
NOISE = {"decode": 0.05, "prefill": 0.10}
"""Deviation of log(predicted / measured) between the runs of one rig: chosen of 0.04 and 0.08, these, 0.07 and 0.15,
and 0.12 and 0.25 by the errors of rigs left out once a run of theirs is told (`advisor accuracy --anchor`).
"""
ROBUST_FROM = 1.345
"""Huber's constant. Source: Huber and Ronchetti, "Robust Statistics", 2009, chapter 4."""
STEPS = 12
FAR = 3.0
"""A run so many deviations from what the others and the prior expect contradicts them."""
PREFILL = "prefill_"


class Seen(NamedTuple):
    """One measured speed: seconds by stage as they are predicted for a machine like it, and in all as measured."""

    speed: str
    """decode or prefill"""
    stages_s: Mapping[str, float]
    measured_s: float


@dataclass(frozen=True)
class Levels:
    """Log levels of a rig in the order of `LEVELS`, their covariance, and how far each run lies from them."""

    log_levels: Vector
    covariance: Vector
    far: tuple[float, ...]
    """log(measured / predicted) of each run in its own deviation, by all runs."""

    def deviation(self, name: str) -> float:
        """Posterior deviation of a log level."""
        place = LEVELS.index(name)
        return float(np.sqrt(self.covariance[place, place]))


def level_of(speed: str, stage: str) -> int | None:
    """Place in `LEVELS` of the level of a stage; None where it has none (reading from disk)."""
    name = f"{PREFILL if speed == 'prefill' else ''}{stage.partition('_')[0]}_level"
    return LEVELS.index(name) if name in LEVELS else None


def levels_of(seen: Sequence[Seen], deviations: Vector, noise: Mapping[str, float] = NOISE) -> Levels:
    """The posterior of a rig's levels from its runs and the deviations of the prior, shape (6,)."""
    parts = np.zeros((len(seen), len(LEVELS) + 1))
    for row, run in zip(parts, seen, strict=True):
        for stage, seconds in run.stages_s.items():
            place = level_of(run.speed, stage)
            row[len(LEVELS) if place is None else place] += seconds
    target = np.log([run.measured_s for run in seen])
    sd = np.array([noise[run.speed] for run in seen])
    precision = np.diag(np.maximum(deviations, 1e-6) ** -2.0)
    logs = np.zeros(len(LEVELS))
    inverse = np.linalg.inv(precision)
    scaled = np.zeros(len(seen))
    for _ in range(STEPS):
        times = parts * np.append(np.exp(logs), 1.0)
        total = times.sum(axis=1)
        slope = times[:, :-1] / total[:, None]
        residual = target - np.log(total)
        scaled = residual / sd
        weights = np.minimum(1.0, ROBUST_FROM / np.maximum(np.abs(scaled), 1e-12)) / sd**2
        inverse = np.linalg.inv(precision + slope.T @ (weights[:, None] * slope))
        logs = logs + inverse @ (slope.T @ (weights * residual) - precision @ logs)
    return Levels(logs, np.asarray(inverse, dtype=np.float64), tuple(scaled.tolist()))
