"""A fit without some of its runs, from the fit of all: at its optimum on the fit's tangent, or at its own optimum.

Runs are taken out by their weights: the equations, columns and priors are those of the fit of all, and a label that the
other runs do not show goes back to its prior. Leaving each machine out so and predicting it tells how wrong the
predictions are on machines that were never fitted.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import inv, solve
from scipy.sparse import diags

from advisor.physics.knowledge import Knowledge
from advisor.physics.stages import decode_stages, prefill_stages
from advisor.physics.uncertainty import evaluated
from advisor.physics.work import stack
from calibration.fit.fitting import Fit, FitProblem, FitRow, informed
from calibration.fit.pooling import columns_of
from catalog.efficiency import Effect

Array = NDArray[np.float64]
Places = NDArray[np.int64]
MANY_RUNS = 100
"""Machines of more runs than these are refitted without: they hold so much of the fit that its tangent does not
reach to the fit without them."""
SETTLED = 1e-7
"""Gain of a round, in parts of the cost, below which a solution on a tangent ends."""
CONVERGED = 1e-6
"""Gain of a step, in parts of the cost, below which a refit ends: a tenth of that of a round of the fit."""
MOST_STEPS = 100
LEAST_PART = 1e-3
"""A refit ends where not even this part of a step gains anything."""
MOST_ROUNDS = 300
"""Rounds of a solution on a tangent; the shipped evidence takes 40 to 80."""
CURVATURE = 4.0
"""Curvature that is assumed of a run on a tangent, in those that its robust weight has where it lies: enough for it to
come nearer by so many times. 1 to 4 tried: less does not settle.
"""


class Tangent:
    """The robust fit with the physics made linear at one point: a convex problem, quick for many choices of runs."""

    def __init__(self, problem: FitProblem, theta: Array) -> None:
        slope, self.residuals, self.weights = problem.jacobian(theta), problem.residuals(theta), problem.weights
        self.robust_from = problem.robust_from
        # What no run moves has nothing but its prior: a third of the parameters, that would make the matrix slow.
        self.told = np.unique(slope[np.flatnonzero(self.weights)].indices)
        self.slope = slope[:, self.told].tocsr()
        self.precision = problem.precision[self.told, None]
        self.ahead = (theta - problem.prior)[self.told, None]
        curvature = np.minimum(self.weights**2, CURVATURE * problem.robust_weights(self.residuals))
        normal = (self.slope.T @ diags(curvature) @ self.slope).toarray()
        normal[np.diag_indices_from(normal)] += self.precision[:, 0]
        self.inverse: Array = inv(normal, check_finite=False)
        self.away = problem.prior - theta

    def moves(self, kept: Array) -> Array:
        """Moves of the parameters to the least cost of the runs that are kept (0 or 1; shape (runs, choices)).

        Accelerated gradient steps, measured by the normal matrix of all runs, with restarts where one leads uphill
        (O'Donoghue and Candes 2015, "Adaptive Restart for Accelerated Gradient Schemes"). Shape (parameters, choices).
        """
        at = ahead = np.zeros((len(self.told), kept.shape[1]))
        age = np.ones(kept.shape[1])
        enough = SETTLED * self._scale(kept)
        for _ in range(MOST_ROUNDS):
            gradient = self._gradient(ahead, kept)
            step = self.inverse @ gradient
            moved = ahead - step
            uphill = (gradient * (moved - at)).sum(axis=0) > 0
            age = np.where(uphill, 1.0, age)
            older = (1 + np.sqrt(1 + 4 * age**2)) / 2
            ahead = moved + np.where(uphill, 0.0, (age - 1) / older) * (moved - at)
            at, age = moved, older
            if ((gradient * step).sum(axis=0) < enough).all():
                break
        found = np.repeat(self.away[:, None], kept.shape[1], axis=1)
        found[self.told] = at
        return found

    def _gradient(self, moved: Array, kept: Array) -> Array:
        """Slope of half the cost."""
        weights = self.weights[:, None]
        scaled = weights * (self.residuals[:, None] + self.slope @ moved)
        pull = weights * np.clip(scaled, -self.robust_from, self.robust_from) * kept
        return np.asarray(self.slope.T @ pull + self.precision * (moved + self.ahead))

    def _scale(self, kept: Array) -> float:
        """About the cost."""
        return float((np.abs(self.weights * self.residuals) * self.robust_from) @ kept.max(axis=1))


def beside(whole: Fit, outs: Sequence[Places]) -> list[Fit]:
    """The fits without the runs at these places of its problem, one set after the other, on the tangent of the fit.

    Their standard errors widen by Woodbury's identity: with the inverse H of the normal matrix, slopes J and weights W
    of the runs taken out, by the diagonal of H J' (W^-1 - J H J')^-1 J H.
    """
    problem, slope = whole.problem, whole.problem.jacobian(whole.theta)
    weights = problem.robust_weights(problem.residuals(whole.theta))
    inverse = inv(problem.normal(slope, weights), check_finite=False)
    kept = np.ones((len(weights), len(outs)))
    for place, out in enumerate(outs):
        kept[out, place] = 0.0
    found = []
    for move, out in zip(Tangent(problem, whole.theta).moves(kept).T, outs, strict=True):
        spread = np.asarray(slope[out] @ inverse)
        left = np.diag(1 / weights[out]) - slope[out] @ spread.T
        wider = np.einsum("ij,ij->j", spread, solve(left, spread, check_finite=False))
        found.append(_fit(whole, whole.theta + move, np.sqrt(np.diag(inverse) + wider)))
    return found


def refitted(whole: Fit, out: Places) -> Fit:
    """The fit without the runs at these places of its problem, at its own optimum: from tangent to tangent."""
    problem = copy(whole.problem)
    problem.weights = problem.weights.copy()
    problem.weights[out] = 0.0
    theta, cost = whole.theta, problem.cost(whole.theta)
    for _ in range(MOST_STEPS):
        theta = _stepped(problem, theta, cost)
        gain = cost - problem.cost(theta)
        cost -= gain
        if gain < CONVERGED * cost:
            break
    normal = problem.normal(problem.jacobian(theta), problem.robust_weights(problem.residuals(theta)))
    return _fit(whole, theta, np.sqrt(np.diag(inv(normal, check_finite=False))))


def _stepped(problem: FitProblem, theta: Array, cost: float) -> Array:
    """The parameters after the move to the tangent's optimum, halved or doubled for as long as that lowers the cost."""
    move = Tangent(problem, theta).moves(np.ones((len(problem.weights), 1)))[:, 0]
    part, there = 1.0, problem.cost(theta + move)
    while there >= cost and part > LEAST_PART:
        part /= 2
        there = problem.cost(theta + part * move)
    if there >= cost:
        return theta
    for factor in (2.0, 0.5):
        while (beyond := problem.cost(theta + part * factor * move)) < there:
            part, there = part * factor, beyond
    return np.asarray(theta + part * move)


def _fit(whole: Fit, theta: Array, error: Array) -> Fit:
    return replace(whole, theta=theta, standard_error=error, informed=informed(error, whole.problem))


@dataclass(frozen=True, slots=True)
class LeftOutError:
    """log(predicted / measured) speed of an observation, predicted by a fit that never saw its machine."""

    observation: FitRow
    log_ratio: float
    novelty: float
    """How novel the run is to that fit (see `advisor.physics.uncertainty`)."""


def left_out_errors(fit: Fit, observations: Sequence[FitRow], many: int = MANY_RUNS) -> list[LeftOutError]:
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


def _novelties(fit: Fit, observations: Sequence[FitRow]) -> Array:
    """Novelty of each observation to a fit; the observations are ordered by kind."""
    knowledge = Knowledge(fit.efficiencies())
    found = []
    for kind, stages in (("decode", decode_stages), ("prefill", prefill_stages)):
        cases = [item.case for item in observations if item.kind == kind]
        if cases:
            table, work = knowledge.efficiencies, stack([case.work for case in cases])
            values, unsaid = (np.array([of(case.setting) for case in cases]) for of in (table.row, table.deviations))
            found += [novelty for _, novelty in evaluated([stages], work, values, unsaid)]
    return np.concatenate(found)


class Balance(NamedTuple):
    """Figures of a set of errors |predicted - measured| / measured; `balanced` is the median of the machines' medians,
    `bias` the median of log(predicted / measured).
    """

    rows: int
    machines: int
    median: float
    balanced: float
    p90: float
    bias: float


def balance_of(errors: Sequence[LeftOutError]) -> Balance:
    """Figures of a set of errors that is not empty."""
    ratios = np.array([item.log_ratio for item in errors])
    apes = np.abs(np.expm1(ratios))
    machines = np.array([item.observation.machine for item in errors])
    medians = [float(np.median(apes[machines == machine])) for machine in np.unique(machines)]
    median, p90, bias = float(np.median(apes)), float(np.quantile(apes, 0.9)), float(np.median(ratios))
    return Balance(len(apes), len(medians), median, float(np.median(medians)), p90, bias)


def restored(observations: Sequence[FitRow], effects: Iterable[Effect]) -> Fit:
    """The fit that a table of effects was written from, without fitting; a label that the table lacks keeps its prior.

    So what is assessed is what is shipped.
    """
    ordered = sorted(observations, key=lambda item: item.kind)
    columns = columns_of(item.case.setting for item in ordered)
    rows = {(row.coefficient, row.label): row for row in effects}
    found = [rows.get((column.coefficient.name, column.label)) for column in columns]
    pairs = list(zip(columns, found, strict=True))
    return Fit(
        columns,
        theta=np.array([row.log_value if row else column.prior for column, row in pairs]),
        standard_error=np.array([row.standard_error if row else column.deviation for column, row in pairs]),
        informed=np.array([row is not None and row.informed for _, row in pairs]),
        problem=FitProblem(ordered, columns),
    )
