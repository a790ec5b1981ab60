"""The fit: Gauss-Newton steps (scipy's sparse factors) through the very physics that predicts, robust, with priors.

Residuals are log(predicted / measured) over the noise of a run, robust; effects of labels are pulled towards zero by
their prior deviation (partial pooling). Each coefficient acts on a run through its logarithm only, so the Jacobian is
the sensitivity of a run's time to each of its coefficients, spread over that coefficient's labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor
from scipy.linalg.lapack import dpotri
from scipy.sparse import csc_matrix, csr_matrix, diags, vstack
from scipy.sparse.linalg import SuperLU, splu

from advisor.answer import REGIMES
from advisor.physics.coefficients import COEFFICIENTS, Efficiencies
from advisor.physics.stages import decode_stages, prefill_stages, total_s
from advisor.physics.task import FAMILIES
from advisor.physics.work import Work, stack, taken
from advisor.prediction.case import Case
from calibration.fit.pooling import ALL_MACHINES, Column, Pooling, columns_of

Array = NDArray[np.float64]
NOISE = {"decode": 0.07, "prefill": 0.15}
"""Standard deviation of log(predicted / measured) that a good fit leaves between the runs of one rig, by kind of speed:
the unit of the residuals. What differs between rigs is in their levels (`advisor.physics.coefficients`).
"""
RIG = "rig "
"""How the labels of single rigs begin."""
RIGS_FROM = 0.7
"""Levels of rigs so many of their deviations away pull like a Huber loss: a few rigs are several times slower than the
rest (pages on the wrong node, memory that swaps), none is several times faster.
"""
CROWDING = 0.15
"""Weights fall with this power of the rows that a machine has."""
MOST_STEPS = 60
STEP_PARTS = (1.0, 0.5, 0.25, 0.1, 0.03)
"""Parts of a step that are tried until one lowers the cost."""
CONVERGED = 1e-8
"""Relative gain of a round below which the fit ends."""
INFORMED = 0.97
"""Standard error, as a part of the prior's deviation, below which a run has informed a parameter."""
STEP = 1e-4
"""Step in log space of the sensitivities."""


@dataclass(frozen=True, slots=True, eq=False)
class FitRow:
    """A measured speed of a case. `kind`: decode or prefill; `machine` groups rows of one machine, `author` those of
    one who measured.
    """

    case: Case
    kind: str
    tok_s: float
    machine: str
    noise: float | None = None
    """Deviation of log(predicted / measured) that a good fit leaves in this very run, where that is known."""
    author: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Slot:
    """One coefficient or family of it: the columns that sum up to its logarithm, shape (settings, labels)."""

    coefficient: str
    family: int
    columns: NDArray[np.int64]
    offset: Array
    """Added to their sum, shape (settings,)."""


class _Moves(NamedTuple):
    """The runs that a slot acts on, and their work."""

    slot: _Slot
    rows: NDArray[np.intp]
    work: Work


class Design:
    """Observations of one kind with the columns that act on them."""

    def __init__(
        self, kind: str, observations: Sequence[FitRow], index: Mapping[tuple[str, str], int], pooling: Pooling
    ) -> None:
        self.kind = kind
        self.work: Work = stack([item.case.work for item in observations])
        tokens = np.array(
            [item.case.scenario.workload.prompt_tokens if kind == "prefill" else item.case.tokens_per_step
                for item in observations]
        )
        self.target = np.log(tokens) - np.log([item.tok_s for item in observations])
        settings = [item.case.setting for item in observations]
        distinct = list(dict.fromkeys(settings))
        places = {setting: place for place, setting in enumerate(distinct)}
        self.setting_of = np.array([places[setting] for setting in settings])
        """Of each run, the row of its setting in the slots."""
        self._active: list[_Moves] | None = None
        self.slots = []
        for item in COEFFICIENTS:
            for family in range(len(FAMILIES)) if item.per_family else (None,):
                name = "" if family is None else FAMILIES[family]
                columns = [[index[item.name, label] for label in pooling.labels(item, s, name)] for s in distinct]
                offset = np.array([pooling.offset(item, s, family) for s in distinct])
                self.slots.append(_Slot(item.name, family or 0, np.array(columns, dtype=np.int64), offset))

    def log_time(self, values: Mapping[str, Array], work: Work) -> Array:
        """Log seconds of the runs of `work`, from their coefficients by name."""
        stages = decode_stages(work, values) if self.kind == "decode" else prefill_stages(work, values)
        return np.asarray(np.log(total_s(stages)))

    def values(self, theta: Array) -> dict[str, Array]:
        """Every coefficient of every run by name: shape (runs,), by quant family (runs, families)."""
        parts: dict[str, list[Array]] = {}
        for slot in self.slots:
            parts.setdefault(slot.coefficient, []).append(np.exp(theta[slot.columns].sum(axis=1) + slot.offset))
        each = {name: np.stack(found, axis=-1) if len(found) > 1 else found[0] for name, found in parts.items()}
        return {name: value[self.setting_of] for name, value in each.items()}

    def residuals(self, theta: Array) -> Array:
        """log(measured / predicted) speed."""
        difference: Array = self.log_time(self.values(theta), self.work) - self.target
        return difference

    def _acting(self, values: Mapping[str, Array], start: Array) -> list[_Moves]:
        """The slots that act on any run, with these runs: a machine without graphics cards has no use for most."""
        if self._active is None:
            whole = [_Moves(slot, np.arange(len(start)), self.work) for slot in self.slots]
            acting = [(one.slot, np.flatnonzero(self._moved(one, values, 1.0) != start)) for one in whole]
            self._active = [_Moves(slot, rows, taken(self.work, rows)) for slot, rows in acting if len(rows)]
        return self._active

    def _moved(self, moves: _Moves, values: Mapping[str, Array], step: float) -> Array:
        """Log seconds of a slot's runs where the logarithm of its coefficient is moved by a step."""
        slot = moves.slot
        few = {name: value[moves.rows] for name, value in values.items()}
        few[slot.coefficient][(..., slot.family) if few[slot.coefficient].ndim > 1 else ...] *= np.exp(step)
        return self.log_time(few, moves.work)

    def jacobian(self, theta: Array) -> csr_matrix:
        """Derivative of the residuals, shape (runs, parameters)."""
        values = self.values(theta)
        start = self.log_time(values, self.work)
        rows, columns, data = [], [], []
        for moves in self._acting(values, start):
            slope = (self._moved(moves, values, STEP) - start[moves.rows]) / STEP
            width = moves.slot.columns.shape[1]
            rows.append(np.repeat(moves.rows, width))
            columns.append(moves.slot.columns[self.setting_of[moves.rows]].ravel())
            data.append(np.repeat(slope, width))
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
        self.rigs = np.array([column.label.startswith(RIG) for column in columns])
        self._ranks: NDArray[np.intp] | None = None

    def order_of(self, told: NDArray[np.int64]) -> NDArray[np.intp]:
        """Order of some parameters in which the factors of their normal matrix stay sparse: those that meet few others
        first. That hangs on what acts on which run, and is found once.
        """
        if self._ranks is None:
            acting = self.jacobian(self.prior)
            acting.data[:] = 1.0
            normal = (acting.T @ acting + diags(np.ones(len(self.prior)))).tocsc()
            self._ranks = np.asarray(_factors(normal, "MMD_AT_PLUS_A").perm_c)
        return np.argsort(self._ranks[told])

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

    def pull(self, theta: Array) -> Array:
        """Precision with which each parameter is held near its prior where it lies: levels of rigs far out hold the
        shared coefficients less, so that these are those of the median rig.
        """
        away = np.abs(theta - self.prior) * np.sqrt(self.precision)
        return self.precision * np.where(self.rigs, np.minimum(1.0, RIGS_FROM / np.maximum(away, 1e-12)), 1.0)

    def cost(self, theta: Array) -> float:
        """Huber loss of the runs plus that of the levels of rigs plus the other priors' squares."""
        away = np.abs(theta - self.prior) * np.sqrt(self.precision)
        held = np.where(self.rigs, _huber(away, RIGS_FROM), away**2)
        return float(_huber(np.abs(self.residuals(theta) * self.weights), self.robust_from).sum() + held.sum())


def _huber(scaled: Array, start: float) -> Array:
    return np.where(scaled > start, 2 * start * scaled - start**2, scaled**2)


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
    """Fit all effects to the observations, from the priors or from an earlier fit."""
    ordered = sorted(observations, key=lambda item: item.kind)
    columns = start.columns if start else columns_of((item.case.setting for item in ordered), pooling)
    problem = FitProblem(ordered, columns, pooling)
    return Fit(columns, *settled(problem, start.theta if start else problem.prior), problem)


def settled(problem: FitProblem, theta: Array, converged: float = CONVERGED) -> tuple[Array, Array, NDArray[np.bool_]]:
    """The optimum from a start, its standard errors and what the runs informed.

    Robust by reweighting: each step solves the weighted least-squares problem of the physics' tangent, then weighs
    anew, and is halved until it lowers the cost. Parameters that no run moves go to their prior.
    """
    cost = problem.cost(theta)
    for _ in range(MOST_STEPS):
        told, normal, gradient = _tangent(problem, theta)
        move = problem.prior - theta
        move[told] = -_solved(normal, gradient, problem.order_of(told))
        parts = ((part, problem.cost(theta + part * move)) for part in STEP_PARTS)
        part, there = next(((part, there) for part, there in parts if there < cost), (0.0, cost))
        theta, gain, cost = theta + part * move, cost - there, there
        if gain < converged * cost:
            break
    told, normal, _ = _tangent(problem, theta)
    error = problem.precision**-0.5
    factor, _ = cho_factor(normal.toarray(order="F"), lower=True, overwrite_a=True, check_finite=False)
    inverse, _ = dpotri(factor, lower=True, overwrite_c=True)
    error[told] = np.sqrt(np.diag(inverse))
    return theta, error, informed(error, problem)


def _tangent(problem: FitProblem, theta: Array) -> tuple[NDArray[np.int64], csc_matrix, Array]:
    """Of the parameters that runs with any weight move: places, normal matrix with priors, and gradient."""
    residuals, slope = problem.residuals(theta), problem.jacobian(theta)
    weights = problem.robust_weights(residuals)
    told = np.unique(slope[np.flatnonzero(weights)].indices)
    slope = slope[:, told]
    held = problem.pull(theta)[told]
    normal = (slope.T @ diags(weights) @ slope + diags(held)).tocsc()
    return told, normal, slope.T @ (weights * residuals) + held * (theta - problem.prior)[told]


def _solved(normal: csc_matrix, gradient: Array, order: NDArray[np.intp]) -> Array:
    """What the normal matrix maps to the gradient; its rows are taken in an order that leaves the factors sparse."""
    found = np.empty_like(gradient)
    found[order] = _factors(normal[order][:, order], "NATURAL").solve(gradient[order])
    return found


def _factors(normal: csc_matrix, order: str) -> SuperLU:
    """Of a symmetric positive definite matrix, which needs no pivots."""
    return splu(normal, permc_spec=order, diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def informed(error: Array, problem: FitProblem) -> NDArray[np.bool_]:
    """Which parameters the runs narrowed noticeably, by their standard errors."""
    return np.asarray(error * np.sqrt(problem.precision) < INFORMED)
