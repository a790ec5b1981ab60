"""One machine's own fit, on a machine whose shifts are known, and whether it says when it is not to be believed."""

import math
from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np
import pytest

from advisor.physics.knowledge import load
from advisor.physics.uncertainty import deviation_of
from advisor.profiles.own_machine import knowledge_of
from calibration.fit.pooling import FAMILY_DEVIATION, PROBED_DEVIATION
from calibration.machine.fit import OwnError, OwnFit, faults_of, fit_own, left_out_errors, spreads_of
from calibration.machine.trials import Trial
from tests.calibration.machine.simulated import (
    cases,
    drawn,
    fitted,
    log_ratios,
    measured,
    observed,
    pooling,
    profile_with,
    questions,
    runs,
    speeds,
    world_of,
)

SEEDS = (1, 2, 3)
"""One machine alone has few shifts that lie far from their priors."""
MANY = 1000
UNSEEN = ("gpu_", "crossing_us", "link_share", "prefill_matmul", "prefill_link", "prefill_matrix_us")
"""What only a machine with a graphics card can show."""


@cache
def seen(seed: int) -> tuple[dict[tuple[str, str], float], OwnFit]:
    """A machine, and what its runs say of it."""
    random = np.random.default_rng(seed)
    truth = drawn(random)
    return truth, fitted(measured(world_of(truth), random))


@cache
def quiet_trials(count: int) -> tuple[Trial, ...]:
    """The first measurements of a machine, without noise."""
    random = np.random.default_rng(9)
    return tuple(measured(world_of(drawn(random)), random, noise=0.0)[:count])


@cache
def quiet(count: int = 8) -> OwnFit:
    """The fit of those."""
    return fitted(quiet_trials(count))


@cache
def of_one_quant() -> tuple[Trial, ...]:
    return tuple(trial for trial in quiet_trials(MANY) if trial.quant == "Q8_0")


def wrong(knowledge, truth) -> float:
    """Median deviation of the everyday predictions."""
    asked = list(dict.fromkeys(item.case for item in questions()))
    return float(np.nanmedian(np.abs(np.log(speeds(asked, knowledge) / speeds(asked, world_of(truth))))))


def test_the_shifts_of_simulated_machines_are_recovered_within_their_errors() -> None:
    rows = [(shift, truth[shift.coefficient, shift.label]) for truth, own in map(seen, SEEDS) for shift in own.shifts]
    told = [(shift.log_value - true, shift.standard_error, true) for shift, true in rows if shift.informed]
    errors, deviations, before = (np.array(column) for column in zip(*told, strict=True))
    units = np.abs(errors / deviations)
    assert len(told) >= 15 * len(SEEDS)
    # A normal error is within 2 standard errors in 95 % and within 1 in 68 % of cases; errors of shifts that go
    # together do so too, so that few are independent.
    assert np.mean(units < 2) >= 0.85
    assert 0.5 <= np.mean(units < 1) <= 0.95
    assert np.square(errors).mean() < 0.5 * np.square(before).mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_everyday_speeds_are_recovered(seed: int) -> None:
    truth, own = seen(seed)
    before, after = wrong(load(), truth), wrong(knowledge_of(profile_with(own.shifts), load()), truth)
    assert after < before / 3
    assert after < 0.05  # the noise of a single run


def test_what_no_run_can_see_is_said_not_to_be_informed() -> None:
    for _, own in map(seen, SEEDS):
        unseen = [shift for shift in own.shifts if shift.coefficient.startswith(UNSEEN)]
        assert len(unseen) > 20
        for shift, column in zip(own.shifts, own.fit.columns, strict=True):
            if shift in unseen:
                assert not shift.informed
                assert shift.log_value == pytest.approx(0.0, abs=1e-5)  # a logarithm, in the digits of a profile
                assert shift.standard_error == pytest.approx(column.deviation, rel=1e-3, abs=1e-5)


def test_a_fit_predicts_what_it_fitted_by_the_path_of_all_predictions() -> None:
    """The fit against the prediction with the profile that is made of it."""
    _, own = seen(SEEDS[0])
    predicted = speeds([item.case for item in own.observations], knowledge_of(profile_with(own.shifts), load()))
    kinds = [("decode", "prefill").index(item.kind) for item in own.observations]
    ratios = [
        math.log(pair[kind] / item.tok_s) for pair, kind, item in zip(predicted, kinds, own.observations, strict=True)
    ]
    assert log_ratios(own) == pytest.approx(ratios, abs=1e-3)  # logarithms; shifts have 5 digits
    assert float(np.median(np.abs(ratios))) < 0.06


def test_a_probe_moves_the_family_that_no_run_saw() -> None:
    trials = of_one_quant()
    told = {("cpu_unpack", "iq_low"): 0.5, ("prefill_cpu", "iq_low"): -0.4}
    shifts = {
        (shift.coefficient, shift.label): shift
        for probed in (told, {})
        for shift in fitted(trials, probed).shifts
        if shift.coefficient == "cpu_unpack" or probed
    }
    assert shifts["prefill_cpu", "iq_low"].log_value == pytest.approx(-0.4, abs=1e-3)
    assert shifts["prefill_cpu", "iq_low"].standard_error == pytest.approx(PROBED_DEVIATION, rel=1e-2)
    assert not shifts["prefill_cpu", "iq_low"].informed
    assert shifts["cpu_unpack", "iq_low"].log_value == pytest.approx(0.0, abs=1e-3)  # of the fit without a probe
    assert shifts["cpu_unpack", "iq_low"].standard_error == pytest.approx(FAMILY_DEVIATION, rel=1e-2)


def test_runs_outweigh_a_probe_that_is_wrong() -> None:
    """A probe 20 % off, and every run of that family."""
    trials = of_one_quant()
    honest, misled = (
        fitted(trials, probed) for probed in ({}, {("prefill_cpu", "q8"): 0.2, ("cpu_unpack", "q8"): 0.2})
    )
    moved = np.abs(log_ratios(misled) - log_ratios(honest))
    assert float(np.median(moved)) < 0.01
    assert float(moved.max()) < 0.05


def test_a_configuration_left_out_is_predicted_without_it() -> None:
    trials = list(quiet_trials(8))
    spoilt = trials[5]
    twice = {
        kind: getattr(spoilt, kind).model_copy(update={"tok_s": getattr(spoilt, kind).tok_s * 2})
        for kind in ("decode", "prefill")
    }
    as_it_was = left_out_of(quiet())
    as_it_is = left_out_of(fitted([*trials[:5], spoilt.model_copy(update=twice), *trials[6:]]))
    for kind in ("decode", "prefill"):
        key = (spoilt.configuration, kind)
        assert as_it_is[key].predicted_tok_s == pytest.approx(as_it_was[key].predicted_tok_s, rel=1e-3)
        assert as_it_is[key].log_ratio == pytest.approx(as_it_was[key].log_ratio - math.log(2), abs=1e-3)


def left_out_of(own: OwnFit) -> dict[tuple[str, str], OwnError]:
    errors = left_out_errors(own)
    assert len(errors) == len(own.observations)
    return {(item.observation.machine, item.observation.kind): item for item in errors}


def test_runs_are_predicted_better_by_a_fit_that_has_seen_them() -> None:
    random = np.random.default_rng(5)
    own = fitted(measured(world_of(drawn(random)), random)[:12])
    inside = {
        (item.machine, item.kind): abs(ratio)
        for item, ratio in zip(own.observations, log_ratios(own), strict=True)
    }
    outside = {key: abs(error.log_ratio) for key, error in left_out_of(own).items()}
    for kind in ("decode", "prefill"):
        seen_, unseen = (np.array([found[key] for key in inside if key[1] == kind]) for found in (inside, outside))
        assert seen_.max() <= unseen.max()
        assert np.median(seen_) < np.median(unseen)
        assert np.median(unseen) < 0.3


def test_of_one_configuration_nothing_can_be_left_out() -> None:
    assert left_out_errors(fitted(quiet_trials(1))) == []


def test_a_good_fit_has_no_faults_and_too_few_runs_are_one() -> None:
    own = quiet()
    assert faults_of(own, left_out_errors(own)) == []
    assert faults_of(quiet(3), []) == ["only 3 configurations were measured, 4 are needed"]


def test_errors_of_runs_left_out_are_a_fault() -> None:
    """Half too fast is 50 % wrong, exp(0.4055)."""
    own = quiet()
    bad = [OwnError(item, math.log(1.5) if item.kind == "decode" else 0.1) for item in own.observations]
    assert faults_of(own, bad) == ["decode speeds left out are predicted 50% wrong, more than 30%"]
    both = [OwnError(item, math.log(1.5)) for item in own.observations]
    assert [fault.split()[0] for fault in faults_of(own, both)] == ["decode", "prefill"]
    half = [OwnError(item, math.log(1.5) * (number % 4 == 0)) for number, item in enumerate(own.observations)]
    assert faults_of(own, half) == []


def test_a_machine_that_disagrees_with_itself_is_refused_by_its_own_runs() -> None:
    random = np.random.default_rng(3)
    wild = [replace(item, tok_s=item.tok_s * math.exp(random.normal(0, 1.5))) for item in observed(quiet_trials(8))]
    own = fit_own(wild, pooling())
    assert any("left out are predicted" in fault for fault in faults_of(own, left_out_errors(own)))


def test_repeats_that_lie_far_apart_are_a_fault() -> None:
    own = quiet()
    wild = replace(own, observations=tuple(replace(item, noise=0.4) for item in own.observations))
    [fault] = faults_of(wild, [])
    assert fault == "repeats differ by 40%: other programs were running, or the processor was throttled"


def test_a_fit_that_went_nowhere_is_a_fault() -> None:
    own = quiet()
    lost = replace(own, fit=replace(own.fit, theta=own.fit.theta * np.nan))
    assert faults_of(lost, []) == ["the fit did not converge"]


def test_spreads_are_the_quantiles_of_errors_in_units_of_their_deviation() -> None:
    """By hand: one more lies between the first and the last of five with 4 chances of 6, which is less than 90 %."""
    own = quiet()
    decode = [item for item in own.observations if item.kind == "decode"][:5]
    prefill = [item for item in own.observations if item.kind == "prefill"][:5]
    told = [OwnError(item, ratio) for item, ratio in zip(decode, (-0.2, -0.1, 0.0, 0.1, 0.2), strict=True)]
    late = [OwnError(item, ratio) for item, ratio in zip(prefill, (0.1, 0.2, 0.3, 0.4, 0.5), strict=True)]
    found = {row.speed: row for row in spreads_of([*told, *late], "a test", date(2026, 11, 28))}
    regime = decode[0].case.regime
    units = {kind: deviation_of(kind, regime, 0.0) for kind in ("decode", "prefill")}
    assert (found["decode"].regime, found["decode"].rows, found["decode"].machines) == (regime, 5, 1)
    assert found["decode"].low * units["decode"] == pytest.approx(-0.2, rel=1e-3)
    assert found["decode"].high * units["decode"] == pytest.approx(0.2, rel=1e-3)
    # All were predicted too fast: measured over predicted lies between -0.5 and -0.1, and the range begins there.
    assert found["prefill"].low * units["prefill"] == pytest.approx(-0.5, rel=1e-3)
    assert found["prefill"].high == 0.0
    assert list(spreads_of(told[:3], "a test", date(2026, 11, 28))) == []


def test_shifts_that_only_go_together_are_told_the_worst_first() -> None:
    """Of one quant alone no run tells its family's shift from that of all families: what one gains the other loses."""
    own = fitted(of_one_quant())
    found = own.correlations()
    pairs = {(row.first, row.second): row.value for row in found}
    assert pairs["prefill_cpu", "prefill_cpu/q8"] < -0.9
    assert [abs(row.value) for row in found] == sorted((abs(row.value) for row in found), reverse=True)
    informed = {"/".join(filter(None, (item.coefficient, item.label))) for item in own.shifts if item.informed}
    assert {name for pair in pairs for name in pair} <= informed
    assert all(0.8 < abs(value) <= 1 for value in pairs.values())


def test_the_runs_of_a_calibration_see_every_quant_and_several_threads() -> None:
    assert {case.scenario.engine.threads for case in cases()} == {2, 8}
    assert len({case.quant.name for case in cases()}) >= 6
    assert any(len(item.measures) > 1 for item in runs())
