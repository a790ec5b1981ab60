"""The fit: scipy's `least_squares` through the very physics that predicts, with priors as residual rows.

Residuals are log(predicted / measured) over the noise of a run, robust; effects of labels are pulled towards zero by their
prior deviation (partial pooling). Each coefficient acts on a run through its logarithm only, so the Jacobian is the
sensitivity of a run's time to each of its coefficients, spread over that coefficient's labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.sparse import csr_matrix, diags, vstack

from advisor.case import Case
from advisor.coefficients import COEFFICIENTS, Coefficient, labels_of
from advisor.physics import decode_stages, prefill_stages, total_s
from advisor.work import FAMILIES, Work, stack

Array = NDArray[np.float64]
NOISE = {"decode": 0.12, "prefill": 0.25}
"""Standard deviation of log(predicted / measured) that a good fit leaves, by kind of speed: the unit of the residuals."""
ROBUST_FROM = 1.5
"""Residuals beyond so many noise deviations pull like a Huber loss: linearly."""
STEP = 1e-4
"""Step in log space of the sensitivities."""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """A measured speed of a case. `kind`: decode or prefill; `machine` groups rows of one machine."""

    case: Case
    kind: str
    tok_s: float
    machine: str


@dataclass(frozen=True, slots=True)
class Column:
    """One parameter of the fit: the effect of a label on a coefficient, with its prior."""

    coefficient: Coefficient
    label: str
    prior: float
    deviation: float


@dataclass(frozen=True, slots=True, eq=False)
class _Slot:
    """One coefficient (one family of it) of all runs: which columns sum up to its logarithm. Indices: (runs, labels)."""

    coefficient: Coefficient
    family: int | None
    columns: NDArray[np.int64]


class Design:
    """Observations of one kind with the columns that act on them."""

    def __init__(self, kind: str, observations: Sequence[Observation], index: dict[tuple[str, str], int]) -> None:
        self.kind = kind
        self.work: Work = stack([item.case.work for item in observations])
        tokens = np.array(
            [item.case.scenario.workload.prompt_tokens if kind == "prefill" else 1.0 for item in observations]
        )
        self.target = np.log(tokens) - np.log([item.tok_s for item in observations])
        self.slots = [
            _Slot(item, family, _columns(item, FAMILIES[family] if family is not None else "", observations, index))
            for item in COEFFICIENTS
            for family in (range(len(FAMILIES)) if item.per_family else (None,))
        ]

    def log_time(self, logs: Sequence[Array]) -> Array:
        """Log seconds of every run, from the logarithm of each slot's coefficient."""
        values: dict[str, Array] = {}
        parts: dict[str, list[Array]] = {}
        for slot, log in zip(self.slots, logs, strict=True):
            parts.setdefault(slot.coefficient.name, []).append(np.exp(log))
        for name, arrays in parts.items():
            values[name] = np.stack(arrays, axis=-1) if len(arrays) > 1 else arrays[0]
        stages = decode_stages(self.work, values) if self.kind == "decode" else prefill_stages(self.work, values)
        return np.asarray(np.log(total_s(stages)))

    def logs(self, theta: Array) -> list[Array]:
        """Logarithm of each slot's coefficient for every run."""
        return [theta[slot.columns].sum(axis=1) for slot in self.slots]

    def residuals(self, theta: Array) -> Array:
        """log(measured / predicted) speed."""
        difference: Array = self.log_time(self.logs(theta)) - self.target
        return difference

    def jacobian(self, theta: Array) -> csr_matrix:
        """Derivative of the residuals, shape (runs, parameters)."""
        logs = self.logs(theta)
        start = self.log_time(logs)
        rows, columns, data = [], [], []
        for place, slot in enumerate(self.slots):
            moved = [*logs[:place], logs[place] + STEP, *logs[place + 1 :]]
            slope = (self.log_time(moved) - start) / STEP
            active = np.flatnonzero(np.abs(slope) > 1e-9)
            width = slot.columns.shape[1]
            rows.append(np.repeat(active, width))
            columns.append(slot.columns[active].ravel())
            data.append(np.repeat(slope[active], width))
        shape = (len(start), len(theta))
        return csr_matrix((np.concatenate(data), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def _columns(
    item: Coefficient, family: str, observations: Sequence[Observation], index: dict[tuple[str, str], int]
) -> NDArray[np.int64]:
    found = [[index[item.name, label] for label in labels_of(item, obs.case.setting, family)] for obs in observations]
    return np.array(found, dtype=np.int64)


def columns_of(observations: Sequence[Observation]) -> list[Column]:
    """Every label of every coefficient that the observations show, with its prior."""
    found: dict[tuple[str, str], Column] = {}
    for item in COEFFICIENTS:
        deviations = (item.deviation, *(deviation for _, deviation in item.pools))
        for setting in {obs.case.setting for obs in observations}:
            for family in FAMILIES if item.per_family else ("",):
                for place, (label, deviation) in enumerate(
                    zip(labels_of(item, setting, family), deviations, strict=True)
                ):
                    prior = float(np.log(item.start)) if place == 0 else 0.0
                    found.setdefault((item.name, label), Column(item, label, prior, deviation))
    return list(found.values())


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A finished fit: one value and standard error per column."""

    columns: list[Column]
    theta: Array
    standard_error: Array
    informed: NDArray[np.bool_]
    designs: list[Design]
    weights: Array


def weights_of(observations: Sequence[Observation]) -> Array:
    """Weight of each residual: machines count alike up to the square root of their rows, unknown hardware counts less."""
    keys = [(item.kind, item.machine) for item in observations]
    counts = {key: keys.count(key) for key in set(keys)}
    doubt = np.array([1.0 + 0.5 * len({"cpu", "ram_speed"} & item.case.machine.unknown) for item in observations])
    beside = np.array(
        [item.case.regime in {"expert_offload", "layer_split", "cpu_only", "storage"} for item in observations]
    )
    return np.array([counts[key] ** -0.25 for key in keys]) / np.where(beside, doubt, 1.0)


def fit(observations: Sequence[Observation], start: "Fit | None" = None) -> Fit:
    """Fit all effects to the observations, from the priors or from an earlier fit."""
    ordered = sorted(observations, key=lambda item: item.kind)
    columns = start.columns if start else columns_of(ordered)
    index = {(column.coefficient.name, column.label): place for place, column in enumerate(columns)}
    kinds = [kind for kind in ("decode", "prefill") if any(item.kind == kind for item in ordered)]
    designs = [Design(kind, [item for item in ordered if item.kind == kind], index) for kind in kinds]
    weights = weights_of(ordered) / np.array([NOISE[item.kind] for item in ordered])
    prior = np.array([column.prior for column in columns])
    spread = np.array([column.deviation for column in columns])

    def residuals(theta: Array) -> Array:
        runs = np.concatenate([design.residuals(theta) for design in designs])
        return np.concatenate([runs * weights, (theta - prior) / spread])

    def jacobian(theta: Array) -> csr_matrix:
        runs = vstack([design.jacobian(theta) for design in designs])
        return vstack([diags(weights) @ runs, diags(1 / spread)]).tocsr()

    found = least_squares(
        residuals, start.theta if start else prior, jacobian, method="trf", x_scale=spread, tr_solver="lsmr",
        loss=_robust(len(ordered)), max_nfev=60 if start is None else 6, ftol=1e-5, xtol=1e-6,
    )  # fmt: skip
    error, informed = _uncertainty(jacobian(found.x), spread)
    return Fit(columns, found.x, error, informed, designs, weights)


def _robust(runs: int):  # type: ignore[no-untyped-def]
    """Huber loss on the runs, none on the priors (scipy's `loss` callable: rho, rho', rho'' of squared residuals)."""

    def loss(z: Array) -> Array:
        far = (np.arange(len(z)) < runs) & (z > ROBUST_FROM**2)
        root = np.sqrt(np.where(far, z, 1.0))
        value = np.where(far, 2 * ROBUST_FROM * root - ROBUST_FROM**2, z)
        return np.stack(
            [value, np.where(far, ROBUST_FROM / root, 1.0), np.where(far, -ROBUST_FROM / (2 * root**3), 0.0)]
        )

    return loss


def _uncertainty(jacobian: csr_matrix, prior_deviation: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Standard errors, and which parameters the runs narrowed by more than a twentieth of their prior."""
    information = (jacobian.T @ jacobian).toarray()
    error = np.sqrt(np.diag(np.linalg.inv(information)))
    return error, error < 0.95 * prior_deviation
