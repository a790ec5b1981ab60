"""A slice of the shipped evidence that fits in a second, and predictions by the very path that the advisor takes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from advisor.physics.coefficients import Efficiencies
from advisor.physics.stages import decode_stages, prefill_stages, total_s
from calibration.accuracy.accuracy import AccuracyTable, accuracy
from calibration.fit.evidence import load_runs, observe, rows
from calibration.fit.fitting import Fit, FitRow, fit
from catalog.efficiency import Effect

Predict = Callable[[Iterable[Effect], Sequence[FitRow]], NDArray[np.float64]]
MACHINES = {("RTX 3090", "AMD EPYC 7543"): 4, ("RTX 3060", "Intel Core i7-7700"): 1, ("none", "AMD Ryzen 9 7950X"): 4}
"""Machines of the slice as (gpu, cpu) of the evidence, and every so many of their rows: GPU, experts in RAM, CPU."""


def _predict(effects: Iterable[Effect], observations: Sequence[FitRow]) -> NDArray[np.float64]:
    efficiencies = Efficiencies.of(effects)
    speeds = []
    for item in observations:
        work, values = item.case.work, efficiencies.values(item.case.setting)
        prefill = item.kind == "prefill"
        stages = prefill_stages(work, values) if prefill else decode_stages(work, values)
        speeds.append((item.case.scenario.workload.prompt_tokens if prefill else 1) / float(np.sum(total_s(stages))))
    return np.array(speeds)


@cache
def _slice() -> tuple[FitRow, ...]:
    chosen = []
    for machine, step in MACHINES.items():
        chosen += [row for row in rows() if (row["gpu"], row["cpu"]) == machine][::step]
    return tuple(without_rig(item) for item in observe(load_runs(chosen)[0])[0])


def without_rig(item: FitRow) -> FitRow:
    """The same run, of nobody's machine in particular: three rigs say nothing of the spread between rigs."""
    return replace(item, case=replace(item.case, setting=item.case.setting._replace(rig="")))


@cache
def _fitted() -> Fit:
    return fit(_slice())


@pytest.fixture
def predict() -> Predict:
    """Speeds in tok/s of observations with the effects of a table."""
    return _predict


@pytest.fixture
def observations() -> tuple[FitRow, ...]:
    """About a hundred measured speeds of three machines."""
    return _slice()


@pytest.fixture
def fitted() -> Fit:
    """The fit of the slice, made once."""
    return _fitted()


@cache
def _found() -> AccuracyTable:
    return accuracy()


@pytest.fixture
def found() -> Callable[[], AccuracyTable]:
    """The shipped errors on all evidence, each machine left out: worked out once, as it takes a while."""
    return _found
