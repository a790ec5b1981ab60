"""How wrong the predictions are on machines that were never fitted: leave one machine out, refit, predict it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix, diags, vstack

from calibration.fitting import ROBUST_FROM, Fit, Observation

Array = NDArray[np.float64]
REFITS = 2
"""Gauss-Newton steps from the fit of all runs; a machine's absence moves the optimum little."""


@dataclass(frozen=True, slots=True)
class LeftOutError:
    """log(predicted / measured) speed of an observation, predicted by a fit that never saw its machine."""

    observation: Observation
    log_ratio: float


def left_out_errors(fit: Fit, observations: Sequence[Observation]) -> list[LeftOutError]:
    """Errors of all observations, leave-one-machine-out."""
    ordered = sorted(observations, key=lambda item: item.kind)
    machines = np.array([item.machine for item in ordered])
    problem = _Problem(fit)
    errors = np.zeros(len(ordered))
    for machine in np.unique(machines):
        out = machines == machine
        theta = problem.without(out)
        errors[out] = -problem.residuals(theta)[out]
    return [LeftOutError(item, float(error)) for item, error in zip(ordered, errors, strict=True)]


class _Problem:
    """The fit's normal equations, from which rows can be taken out."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.prior = np.array([column.prior for column in fit.columns])
        self.precision = np.array([column.deviation for column in fit.columns]) ** -2.0
        self.start = self.jacobian(fit.theta)

    def residuals(self, theta: Array) -> Array:
        return np.concatenate([design.residuals(theta) for design in self.fit.designs])

    def jacobian(self, theta: Array) -> csr_matrix:
        return vstack([design.jacobian(theta) for design in self.fit.designs]).tocsr()

    def without(self, out: NDArray[np.bool_]) -> Array:
        """Parameters refitted without the rows `out`."""
        theta = self.fit.theta
        for step in range(REFITS):
            slope = self.start if step == 0 else self.jacobian(theta)
            residuals = self.residuals(theta)
            scaled = np.abs(residuals * self.fit.weights)
            weights = np.where(out, 0.0, self.fit.weights**2 * np.minimum(1.0, ROBUST_FROM / np.maximum(scaled, 1e-12)))
            gradient = slope.T @ (weights * residuals) + self.precision * (theta - self.prior)
            normal = (slope.T @ diags(weights) @ slope).toarray()
            normal[np.diag_indices_from(normal)] += self.precision
            theta = theta - cho_solve(cho_factor(normal, check_finite=False), gradient, check_finite=False)
        return theta


def balanced(errors: Sequence[LeftOutError]) -> dict[str, float]:
    """Figures of a set of errors: machine-balanced median and 90th percentile of |predicted - measured| / measured, bias."""
    ratios = np.array([item.log_ratio for item in errors])
    apes = np.abs(np.expm1(ratios))
    machines = np.array([item.observation.machine for item in errors])
    medians = [float(np.median(apes[machines == machine])) for machine in np.unique(machines)]
    return {
        "rows": float(len(apes)), "machines": float(len(medians)), "median": float(np.median(apes)),
        "balanced": float(np.median(medians)), "p90": float(np.quantile(apes, 0.9)), "bias": float(np.median(ratios)),
    }  # fmt: skip
