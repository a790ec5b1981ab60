"""Errors on machines left out: the tangent and the refit against fits from the priors, and figures by hand."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.fit.fitting import fit
from calibration.fit.leaving_out import LeftOutError, balance_of, beside, left_out_errors, refitted
from calibration.fit.tables import effects_of

TODAY = date(2026, 11, 24)
MACHINES = ("RTX 3090 | EPYC 7543", "RTX 3060 12GB | Core i7-7700", "none | Ryzen 9 7950X")


@pytest.mark.parametrize("machine", MACHINES)
def test_the_tangent_is_nearly_a_refit_without_the_machine(observations, fitted, predict, machine: str) -> None:
    out = [item for item in observations if item.machine == machine]
    refit = fit([item for item in observations if item.machine != machine], start=fitted)
    truth = np.log(predict(effects_of(refit, TODAY), out) / [item.tok_s for item in out])
    tangent = {id(item.observation): item.log_ratio for item in left_out_errors(fitted, observations)}
    difference = np.abs(truth - [tangent[id(item)] for item in out])
    # Physics made linear where the fit of all ends: a fifth of the errors themselves (0.2 to 0.5 at the median with
    # only three machines), and mostly far less.
    assert np.median(difference) < 0.05
    assert np.quantile(difference, 0.9) < 0.15
    assert np.median(difference) < 0.2 * np.median(np.abs(truth))


def places(observations, machine: str) -> NDArray[np.int64]:
    return np.flatnonzero([item.machine == machine for item in sorted(observations, key=lambda item: item.kind)])


@pytest.mark.parametrize("machine", MACHINES)
def test_a_refit_is_a_fit_from_the_priors_without_the_machine(observations, fitted, predict, machine: str) -> None:
    scratch = fit([item for item in observations if item.machine != machine])
    again = refitted(fitted, places(observations, machine))
    speeds = [predict(effects_of(item, TODAY), observations) for item in (scratch, again)]
    apart = np.abs(np.log(speeds[1] / speeds[0]))
    # Both end where a round gains little, near the optimum and not on it.
    assert np.median(apart) < 0.002
    assert apart.max() < 0.03
    shown = {(column.coefficient.name, column.label) for column in scratch.columns}
    hidden = [n for n, item in enumerate(again.columns) if (item.coefficient.name, item.label) not in shown]
    assert again.theta[hidden] == pytest.approx([again.columns[n].prior for n in hidden], abs=1e-9)
    assert again.standard_error[hidden] == pytest.approx([again.columns[n].deviation for n in hidden])
    assert not again.informed[hidden].any()


def test_a_refit_knows_as_much_as_a_fit_from_the_priors(observations, fitted) -> None:
    scratch = fit([item for item in observations if item.machine != MACHINES[0]])
    again = refitted(fitted, places(observations, MACHINES[0]))
    errors = {(item.coefficient.name, item.label): n for n, item in enumerate(again.columns)}
    there = [errors[item.coefficient.name, item.label] for item in scratch.columns]
    assert again.standard_error[there] == pytest.approx(scratch.standard_error, rel=0.05)
    assert np.mean(again.informed[there] == scratch.informed) > 0.98


def test_machines_of_many_runs_are_refitted_and_the_others_left_out_beside_the_fit(observations, fitted) -> None:
    outs = sorted((places(observations, machine) for machine in MACHINES), key=len)
    ordered = sorted(observations, key=lambda item: item.kind)
    ours = {item.observation: item.log_ratio for item in left_out_errors(fitted, observations, len(outs[1]))}
    refits, tangents = [refitted(fitted, out) for out in outs], beside(fitted, outs[:2])
    ways = zip([*tangents, refits[2]], [*refits[:2], *beside(fitted, outs[2:])], strict=True)
    for out, (expected, other) in zip(outs, ways, strict=True):
        errors = np.array([ours[ordered[place]] for place in out])
        assert errors == pytest.approx(-fitted.problem.residuals(expected.theta)[out], abs=1e-5)
        assert np.abs(errors + fitted.problem.residuals(other.theta)[out]).max() > 1e-3


def test_a_machine_left_out_is_predicted_worse_than_one_fitted(observations, fitted, predict) -> None:
    errors = left_out_errors(fitted, observations)
    seen = np.log(predict(effects_of(fitted, TODAY), observations) / [item.tok_s for item in observations])
    assert len(errors) == len(observations)
    assert np.median(np.abs([item.log_ratio for item in errors])) > 1.5 * np.median(np.abs(seen))


def test_balanced_by_hand(observations) -> None:
    # Machine a: 10, 20 and 60 % too fast, median 20 %; b: 40 % too fast; c: 10 % too slow, 30 % too fast, median 20 %.
    predicted = {"a": (1.1, 1.2, 1.6), "b": (1.4,), "c": (0.9, 1.3)}
    errors = [
        LeftOutError(replace(observations[0], machine=machine), math.log(ratio), novelty=0.0)
        for machine, ratios in predicted.items()
        for ratio in ratios
    ]
    figures = balance_of(errors)
    assert (figures.rows, figures.machines) == (6, 3)
    assert figures.balanced == pytest.approx(0.2)  # of 0.2, 0.4, 0.2
    assert figures.median == pytest.approx(0.25)  # of 0.1, 0.1, 0.2, 0.3, 0.4, 0.6
    assert figures.p90 == pytest.approx(0.5)  # half-way between the two largest
    assert figures.bias == pytest.approx((math.log(1.2) + math.log(1.3)) / 2)  # of the sorted ratios


def test_one_bad_machine_with_many_rows_counts_as_one(observations) -> None:
    many = [LeftOutError(replace(observations[0], machine="many"), math.log(2.0), novelty=0.0)] * 100
    few = [LeftOutError(replace(observations[0], machine=name), math.log(1.1), novelty=0.0) for name in ("a", "b")]
    figures = balance_of([*many, *few])
    assert figures.balanced == pytest.approx(0.1)
    assert figures.median == pytest.approx(1.0)
