"""How wrong the predictions are on machines that were never fitted: leave one machine out, refit, predict it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import inv, solve

from advisor.knowledge import Knowledge
from advisor.novelty import evaluated
from advisor.physics import decode_stages, prefill_stages
from advisor.work import stack
from calibration.fitting import Fit, Observation, informed

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LeftOutError:
    """log(predicted / measured) speed of an observation, predicted by a fit that never saw its machine."""

    observation: Observation
    log_ratio: float
    novelty: float
    """How novel the run is to that fit (see `advisor.novelty`)."""


def left_out_errors(fit: Fit, observations: Sequence[Observation]) -> list[LeftOutError]:
    """Errors of all observations, each predicted without its machine.

    The refit is one Gauss-Newton step from the fit of all runs, in closed form: with the inverse H of the normal
    matrix, slopes J, weights W and residuals r of the rows taken out, the parameters move by H J' (W^-1 - J H J')^-1 r
    (Woodbury's identity).
    """
    ordered = sorted(observations, key=lambda item: item.kind)
    machines = np.array([item.machine for item in ordered])
    problem, slope = fit.problem, fit.problem.jacobian(fit.theta)
    residuals = problem.residuals(fit.theta)
    weights = problem.robust_weights(residuals)
    inverse = inv(problem.normal(slope, weights), check_finite=False)
    errors, novelties = np.zeros(len(ordered)), np.zeros(len(ordered))
    variance = np.diag(inverse)
    for machine in np.unique(machines):
        out = np.flatnonzero(machines == machine)
        rows = slope[out]
        spread = np.asarray(rows @ inverse)
        left = np.diag(1 / weights[out]) - rows @ spread.T
        theta = fit.theta + spread.T @ solve(left, residuals[out], check_finite=False)
        errors[out] = -problem.residuals(theta)[out]
        wider = np.einsum("ij,ij->j", spread, solve(left, spread, check_finite=False))
        known = informed(np.sqrt(variance + wider), problem)
        novelties[out] = _novelties(replace(fit, theta=theta, informed=known), [ordered[place] for place in out])
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
