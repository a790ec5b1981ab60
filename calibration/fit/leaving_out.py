"""How wrong the predictions are on what a fit never saw: leave machines out, with their aliases, refit, predict them.

Machines are left out in twelve lots, each by a whole refit; so are the sources, and the architectures. Runs are
taken out by their weights: the equations, columns and priors are those of the fit of all, and a label that the other
runs do not show goes back to its prior.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from advisor.physics.coefficients import COLUMNS, Efficiencies
from advisor.physics.rigs import LEVELS
from advisor.physics.stages import decode_stages, prefill_stages, total_s
from advisor.physics.uncertainty import evaluated
from advisor.physics.work import stack
from advisor.prediction.case import Case
from calibration.fit.fitting import Fit, FitProblem, FitRow, settled
from calibration.fit.pooling import columns_of
from catalog.efficiency import Effect

Array = NDArray[np.float64]
Places = NDArray[np.int64]
CONVERGED = 1e-7
"""Relative gain of a step below which a refit ends: it starts near its optimum."""
PARTS = ("gpu_", "cpu_", "link")
"""How the stages begin that move with each of a rig's levels."""
LOTS = 12
"""Lots of machines that are left out together: each fit still has eleven twelfths of them."""


def refitted(whole: Fit, out: Places) -> Fit:
    """The fit without the runs at these places of its problem, at its own optimum."""
    problem = copy(whole.problem)
    problem.weights = problem.weights.copy()
    problem.weights[out] = 0.0
    theta, error, informed = settled(problem, whole.theta, CONVERGED)
    return replace(whole, theta=theta, standard_error=error, informed=informed)


@dataclass(frozen=True, slots=True)
class LeftOutError:
    """log(predicted / measured) speed of an observation, predicted by a fit that never saw its machine."""

    observation: FitRow
    log_ratio: float
    novelty: float
    """How novel the run is to that fit (see `advisor.physics.uncertainty`)."""
    unsaid: float = 0.0
    """The same without what machines with like parts differ by."""
    shares: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Parts of the predicted time that move with the levels of the GPUs, the processor and the links."""


class Without(NamedTuple):
    """What is asked of a fit, and what it must not have seen: places of the runs, in the problem's order."""

    name: str
    asked: Places
    out: Places


def machines_out(ordered: Sequence[FitRow]) -> list[Without]:
    """One machine after the other, without its aliases: all runs of that machine, and of those who measured it also
    what they ran on the same cards or the same processor, which may be the same computer under another name.
    """
    machines, authors = (np.array([getattr(item, name) for item in ordered]) for name in ("machine", "author"))
    gpus, cpus = (np.array(part) for part in zip(*(name.rpartition(" | ")[::2] for name in machines), strict=True))
    found = []
    for machine in np.unique(machines):
        asked = np.flatnonzero(machines == machine)
        gpu, _, cpu = machine.rpartition(" | ")
        alike = ((gpus == gpu) & (gpu not in {"", "none"})) | ((cpus == cpu) & (cpu != "unknown"))
        theirs = np.isin(authors, authors[asked]) & (authors != "")
        found.append(Without(machine, asked, np.union1d(asked, np.flatnonzero(alike & theirs))))
    return found


def sources_out(ordered: Sequence[FitRow]) -> list[Without]:
    """All runs of one who measured, one after the other."""
    authors = np.array([item.author for item in ordered])
    return [_alone(str(author), authors == author) for author in np.unique(authors)]


def architectures_out(ordered: Sequence[FitRow]) -> list[Without]:
    """All runs on one architecture of cards, and on one microarchitecture of processors where no card takes part."""
    settings = [item.case.setting for item in ordered]
    kinds = np.array([s.architecture if s.architecture != "none" else s.microarchitecture for s in settings])
    return [_alone(str(kind), kinds == kind) for kind in np.unique(kinds)]


def _alone(name: str, which: NDArray[np.bool_]) -> Without:
    places = np.flatnonzero(which)
    return Without(name, places, places)


def left_out_errors(
    fit: Fit, observations: Sequence[FitRow],
    choices: Callable[[Sequence[FitRow]], list[Without]] = machines_out, lots: int = LOTS,
) -> list[LeftOutError]:
    """Errors of all observations, each predicted without its machine, or without more as `choices` say; several are
    left out together, in so many lots.
    """
    ordered = sorted(observations, key=lambda item: item.kind)
    together: dict[int, list[Without]] = {}
    for one in choices(ordered):
        together.setdefault(crc32(one.name.encode()) % lots, []).append(one)
    errors, told = np.zeros(len(ordered)), np.zeros((len(ordered), 2 + len(PARTS)))
    outs = [np.unique(np.concatenate([one.out for one in lot])) for lot in together.values()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        fits = list(pool.map(partial(refitted, fit), outs))
    for lot, without in zip(together.values(), fits, strict=True):
        asked = np.sort(np.concatenate([one.asked for one in lot]))
        errors[asked] = -fit.problem.residuals(without.theta)[asked]
        told[asked] = _told(without, [ordered[place] for place in asked])
    rows = zip(ordered, errors.tolist(), told.tolist(), strict=True)
    return [
        LeftOutError(item, error, novelty, unsaid, (gpu, cpu, link))
        for item, error, (novelty, unsaid, gpu, cpu, link) in rows
    ]


def novelties(cases: Sequence[Case], efficiencies: Efficiencies) -> tuple[Array, Array]:
    """Seconds of a decode step of each case, and how novel it is to a table of efficiencies."""
    work = stack([case.work for case in cases])
    values, unsaid = (
        np.array([of(case.setting) for case in cases]) for of in (efficiencies.row, efficiencies.deviations)
    )
    ((stages, novelty),) = evaluated([decode_stages], work, values, unsaid)
    return np.asarray(total_s(stages)), novelty


def _told(fit: Fit, observations: Sequence[FitRow]) -> Array:
    """Novelty of each observation to a fit, the same without levels, and the parts of its time, shape (runs, 5); the
    observations are ordered by kind.
    """
    table = fit.efficiencies()
    found = []
    for kind, stages in (("decode", decode_stages), ("prefill", prefill_stages)):
        cases = [item.case for item in observations if item.kind == kind]
        if cases:
            work = stack([case.work for case in cases])
            values, unsaid = (np.array([of(case.setting) for case in cases]) for of in (table.row, table.deviations))
            levelled = unsaid.copy()
            for name in LEVELS:
                levelled[:, COLUMNS[name]] = 0.0
            ((seconds, novelty),) = evaluated([stages], work, values, unsaid)
            ((_, unlevelled),) = evaluated([stages], work, values, levelled)
            total = total_s(seconds)
            parts = [sum(value for name, value in seconds.items() if name.startswith(part)) / total for part in PARTS]
            found.append(np.column_stack([novelty, unlevelled, *parts]))
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
