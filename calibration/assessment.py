"""How wrong the predictions are on machines that were never fitted: leave one machine out, refit, predict it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.knowledge import Knowledge
from advisor.novelty import evaluated
from advisor.physics import decode_stages, prefill_stages
from advisor.work import stack
from calibration.fitting import Fit, Observation
from calibration.refits import beside, refitted

Array = NDArray[np.float64]
MANY_RUNS = 100
"""Machines of more runs than these are refitted without: they hold so much of the fit that its tangent does not
reach to the fit without them."""


@dataclass(frozen=True, slots=True)
class LeftOutError:
    """log(predicted / measured) speed of an observation, predicted by a fit that never saw its machine."""

    observation: Observation
    log_ratio: float
    novelty: float
    """How novel the run is to that fit (see `advisor.novelty`)."""


def left_out_errors(fit: Fit, observations: Sequence[Observation], many: int = MANY_RUNS) -> list[LeftOutError]:
    """Errors of all observations, each predicted without its machine.

    Machines of more than `many` runs are left out by a whole refit (`refitted`), the others on the fit's tangent
    (`beside`).
    """
    ordered = sorted(observations, key=lambda item: item.kind)
    machines = np.array([item.machine for item in ordered])
    outs = [np.flatnonzero(machines == machine) for machine in np.unique(machines)]
    large, small = ([out for out in outs if (len(out) > many) is wanted] for wanted in (True, False))
    errors, novelties = np.zeros(len(ordered)), np.zeros(len(ordered))
    fits = [*(refitted(fit, out) for out in large), *beside(fit, small)]
    for out, without in zip([*large, *small], fits, strict=True):
        errors[out] = -fit.problem.residuals(without.theta)[out]
        novelties[out] = _novelties(without, [ordered[place] for place in out])
    return [LeftOutError(*row) for row in zip(ordered, errors.tolist(), novelties.tolist(), strict=True)]


def _novelties(fit: Fit, observations: Sequence[Observation]) -> Array:
    """Novelty of each observation to a fit; the observations are ordered by kind."""
    knowledge = Knowledge(fit.efficiencies())
    found = []
    for kind, stages in (("decode", decode_stages), ("prefill", prefill_stages)):
        cases = [item.case for item in observations if item.kind == kind]
        if cases:
            table, work = knowledge.efficiencies, stack([case.work for case in cases])
            values, unsaid = (np.array([of(case.setting) for case in cases]) for of in (table.row, table.deviations))
            found += [item.novelty for item in evaluated([stages], work, values, unsaid)]
    return np.concatenate(found)


def balanced(errors: Sequence[LeftOutError]) -> dict[str, float]:
    """Figures of a set of errors: machine-balanced median and 90th percentile of |predicted - measured| / measured,
    bias.
    """
    ratios = np.array([item.log_ratio for item in errors])
    apes = np.abs(np.expm1(ratios))
    machines = np.array([item.observation.machine for item in errors])
    medians = [float(np.median(apes[machines == machine])) for machine in np.unique(machines)]
    return {
        "rows": float(len(apes)), "machines": float(len(medians)), "median": float(np.median(apes)),
        "balanced": float(np.median(medians)), "p90": float(np.quantile(apes, 0.9)), "bias": float(np.median(ratios)),
    }  # fmt: skip
