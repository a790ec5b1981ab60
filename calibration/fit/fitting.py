"""The fit: scipy's `least_squares` through the very physics that predicts, with priors as residual rows.

Residuals are log(predicted / measured) over the noise of a run, robust; effects of labels are pulled towards zero by
their prior deviation (partial pooling). Each coefficient acts on a run through its logarithm only, so the Jacobian is
the sensitivity of a run's time to each of its coefficients, spread over that coefficient's labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import least_squares
from scipy.sparse import csr_matrix, diags, vstack
from scipy.sparse.linalg import LinearOperator

from advisor.answer import REGIMES
from advisor.physics.coefficients import COEFFICIENTS, Efficiencies
from advisor.physics.stages import decode_stages, prefill_stages, total_s
from advisor.physics.task import FAMILIES
from advisor.physics.work import Work, stack
from advisor.prediction.case import Case
from calibration.fit.pooling import ALL_MACHINES, Column, Pooling, columns_of

Array = NDArray[np.float64]
NOISE = {"decode": 0.12, "prefill": 0.25}
"""Standard deviation of log(predicted / measured) that a good fit leaves, by kind of speed: the residuals' unit."""
CROWDING = 0.15
"""Weights fall with this power of the rows that a machine has."""
MOST_ROUNDS = 40
EVALUATIONS = 4
"""Rounds of robust weights, and evaluations of the physics within each."""
CONVERGED = 1e-5
"""Relative gain of a round below which the fit ends."""
INFORMED = 0.97
"""Standard error, as a part of the prior's deviation, below which a run has informed a parameter."""
STEP = 1e-4
"""Step in log space of the sensitivities."""


@dataclass(frozen=True, slots=True, eq=False)
class FitRow:
    """A measured speed of a case. `kind`: decode or prefill; `machine` groups rows of one machine."""

    case: Case
    kind: str
    tok_s: float
    machine: str
    noise: float | None = None
    """Deviation of log(predicted / measured) that a good fit leaves in this very run, where that is known."""


@dataclass(frozen=True, slots=True, eq=False)
class _Slot:
    """One coefficient or family of it: the columns that sum up to its logarithm, shape (runs, labels)."""

    coefficient: str
    columns: NDArray[np.int64]
    offset: Array
    """Added to their sum, shape (runs,)."""


class Design:
    """Observations of one kind with the columns that act on them."""

    def __init__(
        self, kind: str, observations: Sequence[FitRow], index: Mapping[tuple[str, str], int], pooling: Pooling
    ) -> None:
        self.kind = kind
        self.work: Work = stack([item.case.work for item in observations])
        tokens = np.array(
            [item.case.scenario.workload.prompt_tokens if kind == "prefill" else 1.0 for item in observations]
        )
        self.target = np.log(tokens) - np.log([item.tok_s for item in observations])
        settings = [item.case.setting for item in observations]
        self._acting: list[int] | None = None
        distinct = set(settings)
        self.slots = []
        for item in COEFFICIENTS:
            for family in range(len(FAMILIES)) if item.per_family else (None,):
                name = "" if family is None else FAMILIES[family]
                places = {s: [index[item.name, label] for label in pooling.labels(item, s, name)] for s in distinct}
                offsets = {s: pooling.offset(item, s, family) for s in distinct}
                columns = np.array([places[s] for s in settings], dtype=np.int64)
                self.slots.append(_Slot(item.name, columns, np.array([offsets[s] for s in settings])))

    def log_time(self, logs: Sequence[Array]) -> Array:
        """Log seconds of every run, from the logarithm of each slot's coefficient."""
        values: dict[str, Array] = {}
        parts: dict[str, list[Array]] = {}
        for slot, log in zip(self.slots, logs, strict=True):
            parts.setdefault(slot.coefficient, []).append(np.exp(log))
        for name, arrays in parts.items():
            values[name] = np.stack(arrays, axis=-1) if len(arrays) > 1 else arrays[0]
        stages = decode_stages(self.work, values) if self.kind == "decode" else prefill_stages(self.work, values)
        return np.asarray(np.log(total_s(stages)))

    def logs(self, theta: Array) -> list[Array]:
        """Logarithm of each slot's coefficient for every run."""
        return [theta[slot.columns].sum(axis=1) + slot.offset for slot in self.slots]

    def residuals(self, theta: Array) -> Array:
        """log(measured / predicted) speed."""
        difference: Array = self.log_time(self.logs(theta)) - self.target
        return difference

    def _live(self, logs: Sequence[Array], start: Array) -> Sequence[int]:
        """Places of the slots that act on any run at all: a machine without graphics cards has no use for most."""
        if self._acting is None:
            moves = ([*logs[:place], logs[place] + 1.0, *logs[place + 1 :]] for place in range(len(logs)))
            self._acting = [place for place, moved in enumerate(moves) if np.any(self.log_time(moved) != start)]
        return self._acting

    def jacobian(self, theta: Array) -> csr_matrix:
        """Derivative of the residuals, shape (runs, parameters)."""
        logs = self.logs(theta)
        start = self.log_time(logs)
        rows, columns, data = [], [], []
        for place in self._live(logs, start):
            slot = self.slots[place]
            moved = [*logs[:place], logs[place] + STEP, *logs[place + 1 :]]
            slope = (self.log_time(moved) - start) / STEP
            active = np.flatnonzero(np.abs(slope) > 1e-9)
            width = slot.columns.shape[1]
            rows.append(np.repeat(active, width))
            columns.append(slot.columns[active].ravel())
            data.append(np.repeat(slope[active], width))
        shape = (len(start), len(theta))
        return csr_matrix((np.concatenate(data), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def weights_of(observations: Sequence[FitRow]) -> Array:
    """Weight of each residual, 1 / deviation: rows of a machine with many count a little less each, unknown hardware
    much less; where the noise of a run is known, that alone counts.
    """
    keys = [(item.kind, item.machine) for item in observations]
    counts = {key: keys.count(key) for key in set(keys)}
    doubt = np.array([1.0 + 0.5 * len({"cpu", "ram_speed"} & item.case.machine.unknown) for item in observations])
    beside = np.array([REGIMES[item.case.regime].beside_ram for item in observations])
    shared = np.array([counts[key] ** -CROWDING for key in keys]) / np.where(beside, doubt, 1.0)
    known = np.array([item.noise or 0.0 for item in observations])
    usual = np.array([NOISE[item.kind] for item in observations])
    return np.where(known > 0, 1 / np.where(known > 0, known, 1.0), shared / usual)


class FitProblem:
    """The fit's equations: residuals of the runs, their slopes, weights and priors. Runs are ordered by kind."""

    def __init__(
        self, ordered: Sequence[FitRow], columns: Sequence[Column], pooling: Pooling = ALL_MACHINES
    ) -> None:
        index = {(column.coefficient.name, column.label): place for place, column in enumerate(columns)}
        kinds = [kind for kind in ("decode", "prefill") if any(item.kind == kind for item in ordered)]
        self.designs = [Design(kind, [item for item in ordered if item.kind == kind], index, pooling) for kind in kinds]
        self.weights = weights_of(ordered)
        self.robust_from = pooling.robust_from
        self.prior = np.array([column.prior for column in columns])
        self.precision = np.array([column.deviation for column in columns]) ** -2.0

    def residuals(self, theta: Array) -> Array:
        """log(measured / predicted) speed of every run."""
        return np.concatenate([design.residuals(theta) for design in self.designs])

    def jacobian(self, theta: Array) -> csr_matrix:
        """Slopes of the residuals, shape (runs, parameters)."""
        return vstack([design.jacobian(theta) for design in self.designs]).tocsr()

    def robust_weights(self, residuals: Array) -> Array:
        """Squared weights of the runs, smaller for far residuals (Huber)."""
        scaled = np.abs(residuals * self.weights)
        weights: Array = self.weights**2 * np.minimum(1.0, self.robust_from / np.maximum(scaled, 1e-12))
        return weights

    def normal(self, slope: csr_matrix, weights: Array) -> Array:
        """Normal matrix with the priors' precision, shape (parameters, parameters)."""
        matrix: Array = (slope.T @ diags(weights) @ slope).toarray()
        matrix[np.diag_indices_from(matrix)] += self.precision
        return matrix

    def cost(self, theta: Array) -> float:
        """Huber loss of the runs plus the priors' squares."""
        scaled = np.abs(self.residuals(theta) * self.weights)
        linear = 2 * self.robust_from * scaled - self.robust_from**2
        loss = np.where(scaled > self.robust_from, linear, scaled**2)
        return float(loss.sum() + ((theta - self.prior) ** 2 * self.precision).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A finished fit: one value and standard error per column."""

    columns: list[Column]
    theta: Array
    standard_error: Array
    informed: NDArray[np.bool_]
    problem: FitProblem

    def efficiencies(self) -> Efficiencies:
        """The fit, ready to predict with."""
        keys = [(column.coefficient.name, column.label) for column in self.columns]
        known = frozenset(key for key, told in zip(keys, self.informed, strict=True) if told)
        return Efficiencies(dict(zip(keys, self.theta.tolist(), strict=True)), known)


def fit(observations: Sequence[FitRow], start: Fit | None = None, pooling: Pooling = ALL_MACHINES) -> Fit:
    """Fit all effects to the observations, from the priors or from an earlier fit.

    Robust by reweighting: each round solves a weighted least-squares problem through the physics, then weighs anew.
    """
    ordered = sorted(observations, key=lambda item: item.kind)
    columns = start.columns if start else columns_of((item.case.setting for item in ordered), pooling)
    problem = FitProblem(ordered, columns, pooling)
    theta = start.theta if start else problem.prior
    cost = problem.cost(theta)
    for _ in range(MOST_ROUNDS):
        moved = _solve_round(problem, theta)
        gain, theta = cost - problem.cost(moved), moved
        cost -= gain
        if gain < CONVERGED * cost:
            break
    error, informed = _uncertainty(problem, theta)
    return Fit(columns, theta, error, informed, problem)


def _solve_round(problem: FitProblem, theta: Array) -> Array:
    """Least squares with the robust weights of `theta`, in coordinates that the Cholesky factor conditions well."""
    weights = problem.robust_weights(problem.residuals(theta))
    factor = cholesky(problem.normal(problem.jacobian(theta), weights), lower=False)
    root, prior_root = np.sqrt(weights), np.sqrt(problem.precision)

    def place(y: Array) -> Array:
        return np.asarray(theta + solve_triangular(factor, y))

    def residuals(y: Array) -> Array:
        moved = place(y)
        return np.concatenate([problem.residuals(moved) * root, (moved - problem.prior) * prior_root])

    def jacobian(y: Array) -> LinearOperator:
        slope = vstack([diags(root) @ problem.jacobian(place(y)), diags(prior_root)]).tocsr()
        return LinearOperator(
            slope.shape,
            matvec=lambda v: slope @ solve_triangular(factor, v),
            rmatvec=lambda v: solve_triangular(factor, slope.T @ v, trans="T"),
            dtype=np.float64,
        )

    found = least_squares(
        residuals, np.zeros_like(theta), jacobian, method="trf", tr_solver="lsmr", max_nfev=EVALUATIONS
    )
    return place(found.x)


def _uncertainty(problem: FitProblem, theta: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Standard errors, and which parameters the runs informed."""
    weights = problem.robust_weights(problem.residuals(theta))
    error = np.sqrt(np.diag(np.linalg.inv(problem.normal(problem.jacobian(theta), weights))))
    return error, informed(error, problem)


def informed(error: Array, problem: FitProblem) -> NDArray[np.bool_]:
    """Which parameters the runs narrowed noticeably, by their standard errors."""
    return np.asarray(error * np.sqrt(problem.precision) < INFORMED)
