"""Errors on machines left out: refits against fits from the priors, what is left out with what, figures by hand."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.fit.fitting import fit
from calibration.fit.leaving_out import (
    LeftOutError,
    Without,
    architectures_out,
    balance_of,
    left_out_errors,
    machines_out,
    refitted,
    sources_out,
)
from calibration.fit.tables import effects_of

TODAY = date(2026, 11, 24)
MACHINES = ("RTX 3090 | EPYC 7543", "RTX 3060 12GB | Core i7-7700", "none | Ryzen 9 7950X")


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


def test_errors_are_those_of_refits_without_the_machines_of_a_lot(observations, fitted) -> None:
    ours = {item.observation: item.log_ratio for item in left_out_errors(fitted, observations, alone, lots=1000)}
    ordered = sorted(observations, key=lambda item: item.kind)
    for machine in MACHINES:
        out = places(observations, machine)
        expected = -fitted.problem.residuals(refitted(fitted, out).theta)[out]
        assert [ours[ordered[place]] for place in out] == pytest.approx(expected.tolist(), abs=1e-9)


def alone(ordered) -> list[Without]:
    """Each machine for itself, whoever measured it."""
    machines = np.array([item.machine for item in ordered])
    return [Without(name, where, where) for name in MACHINES if len(where := np.flatnonzero(machines == name))]


def test_a_lot_leaves_all_its_machines_out(observations, fitted) -> None:
    # Of all machines at once nothing is known but the priors.
    ours = left_out_errors(fitted, observations, alone, lots=1)
    nothing = -fitted.problem.residuals(fitted.problem.prior)
    assert [item.log_ratio for item in ours] == pytest.approx(nothing.tolist(), abs=1e-9)


def made(observations, machine: str, author: str):
    return replace(observations[0], machine=machine, author=author)


def test_a_machine_is_left_out_with_its_aliases(observations) -> None:
    rows = [
        made(observations, "RTX 3090 | EPYC 7543", "a"), made(observations, "RTX 3090 | unknown", "a"),
        made(observations, "RTX 3090 | EPYC 7543", "b"), made(observations, "RTX 3090 | Core i7-7700", "c"),
        made(observations, "none | EPYC 7543", "a"), made(observations, "none | unknown", "a"),
    ]
    outs = {one.name: (one.asked.tolist(), one.out.tolist()) for one in machines_out(rows)}
    # Both people who ran it; of them also the same card without a named processor, and the processor alone.
    assert outs["RTX 3090 | EPYC 7543"] == ([0, 2], [0, 1, 2, 4])
    # Another's machine with the same card stays; a processor that nobody named is like no other.
    assert outs["RTX 3090 | Core i7-7700"] == ([3], [3])
    assert outs["none | unknown"] == ([5], [5])


def test_sources_and_architectures_are_left_out_whole(observations) -> None:
    rows = [made(observations, f"m{n}", author) for n, author in enumerate("abab")]
    assert [(one.name, one.out.tolist()) for one in sources_out(rows)] == [("a", [0, 2]), ("b", [1, 3])]
    ordered = sorted(observations, key=lambda item: item.kind)
    for one in architectures_out(ordered):
        settings = {(ordered[n].case.setting.architecture, ordered[n].case.setting.microarchitecture) for n in one.out}
        assert all(one.name in setting for setting in settings)
    assert sum(len(one.asked) for one in architectures_out(ordered)) == len(ordered)


def test_a_machine_left_out_is_predicted_worse_than_one_fitted(observations, fitted, predict) -> None:
    errors = left_out_errors(fitted, observations)
    seen = np.log(predict(effects_of(fitted, TODAY), observations) / [item.tok_s for item in observations])
    assert len(errors) == len(observations)
    assert np.median(np.abs([item.log_ratio for item in errors])) > 1.5 * np.median(np.abs(seen))


def test_each_error_tells_what_its_time_is_made_of(observations, fitted) -> None:
    for error in left_out_errors(fitted, observations):
        work = error.observation.case.work
        gpu, cpu, link = error.shares
        assert min(error.shares) >= 0
        assert gpu + cpu + link <= 1 + 1e-9  # the rest is the disk's
        assert 0 < error.unsaid <= error.novelty  # the levels of rigs are never known of one left out
        if error.observation.kind == "decode":
            assert (cpu > 0) is bool(work.cpu_bytes.sum() > 0)
            assert (link > 0) is bool(work.crossings > 0)


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
