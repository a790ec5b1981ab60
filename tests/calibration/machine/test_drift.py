"""A computer that changes while it is measured: what one load, made again and again, makes of the others.

No number here was measured: speeds are made up, with a change that is known.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from advisor.engine.session.messages import Measure
from calibration.machine.campaign import Campaign
from calibration.machine.drift import CONTROL, EVERY_S, Drift
from calibration.machine.trials import Journal, Trial
from catalog.profiles import MeasuredSpeed
from tests.calibration.machine.simulated import THREADS, drawn, measured, models, runs, world_of
from tests.calibration.machine.tiny import BRIEF, Heard, campaign, ground, one, tiny, trial_of

KINDS = ("decode", "prefill")
MODELS = (tiny("Q8_0"), tiny("Q4_0"))
DECODE, PREFILL = 20.0, 100.0
TIMES = tuple(range(0, 601, 60))


def slowness(at_s: float) -> float:
    """Neighbours come and go: from nothing to half of the speed and back in ten minutes."""
    return 1 - 0.5 * math.sin(math.pi * at_s / 600)


def slower(speed: MeasuredSpeed, share: float) -> MeasuredSpeed:
    return speed.model_copy(update={"tok_s": speed.tok_s * share})


def at(at_s: float, speed: float, asked: Measure = CONTROL) -> Trial:
    """A run at a time, of so much of its usual speed."""
    found = trial_of(one(MODELS[0]), asked, MODELS[0], DECODE * speed, PREFILL * speed)
    return found.model_copy(update={"at_s": at_s})


def simulated(home: Path, trials: Sequence[Trial]) -> Campaign:
    return Campaign(ground(), THREADS, tuple(models().values()), {}, home, Journal(home / "measured.jsonl", [*trials]))


def controls(speeds: list[float]) -> list[Trial]:
    return [at(time_s, speed) for time_s, speed in zip(TIMES, speeds, strict=False)]


def test_runs_are_taken_to_the_level_at_which_the_control_mostly_was() -> None:
    drift = Drift.of(controls([slowness(time_s) for time_s in TIMES]))
    usual = float(np.median([slowness(time_s) for time_s in TIMES]))
    for time_s in range(0, 600, 37):
        levelled = drift.levelled(at(time_s, slowness(time_s), BRIEF))
        assert levelled.decode
        assert levelled.prefill
        assert levelled.decode.tok_s == pytest.approx(DECODE * usual, rel=0.06)
        assert levelled.prefill.tok_s == pytest.approx(PREFILL * usual, rel=0.06)


def test_on_a_steady_computer_jitter_changes_nothing_but_what_a_run_is_trusted() -> None:
    random = np.random.default_rng(5)
    for _ in range(20):
        drift = Drift.of(controls([math.exp(random.normal(0, 0.02)) for _ in TIMES]))
        run = at(300, 1.0, BRIEF)
        levelled = drift.levelled(run)
        assert run.decode
        assert levelled.decode
        assert levelled.decode.tok_s == pytest.approx(DECODE, rel=0.03)
        assert levelled.decode.spread >= run.decode.spread
        assert drift.notes == ()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_controls_correct_nothing(count: int) -> None:
    drift, run = Drift.of(controls([1.0, 0.5, 1.0][:count])), at(90, 0.7, BRIEF)
    assert drift.levelled(run) == run
    assert drift.notes == () if count < 2 else "wrote 10 to 20 tok/s; that is too seldom to correct" in drift.notes[0]


def test_runs_on_devices_are_left_as_they_are() -> None:
    drift, run = Drift.of(controls([slowness(time_s) for time_s in TIMES])), at(300, 0.5, BRIEF)
    on_device = run.model_copy(update={"settings": run.settings.model_copy(update={"n_gpu_layers": 99})})
    assert drift.levelled(on_device) == on_device
    assert drift.levelled(run) != run


def test_a_change_is_said() -> None:
    (said,) = Drift.of(controls([slowness(time_s) for time_s in TIMES])).notes
    assert said.startswith("this computer changed meanwhile: one run, made 11 times, wrote 10 to 20 tok/s; the others")
    assert Drift.of(controls([1.0] * 6)).change is None
    assert Drift.of([]).change is None


def test_the_shortest_run_is_made_first_last_and_in_between(tmp_path: Path) -> None:
    now = [1000.0]
    small = campaign(tmp_path, MODELS, threads=(1, 2), clock=lambda: now[0])

    def told(_step: object) -> None:
        now[0] += EVERY_S * 0.6

    order = [one(model, threads) for model in MODELS for threads in (1, 2)]
    control = small.control(order)
    assert control is not None
    assert (control.settings.threads, control.measures) == (2, (CONTROL,))
    small.make(order, 1e9, told, control)
    asked = [(trial.asked, trial.file == control.file) for trial in small.journal.trials]
    ours = (CONTROL, True)
    assert [item == ours for item in asked] == [True, False, False, True, False, False, True]
    assert [trial.asked for trial in small.trials] == [BRIEF] * len(order)
    assert all(trial.at_s > 1e9 for trial in small.journal.trials)


def test_without_a_run_to_make_no_control_is(tmp_path: Path) -> None:
    small = campaign(tmp_path, MODELS)
    small.make([], 1e9, Heard(), one(MODELS[0], measures=(CONTROL,)))
    assert small.journal.trials == []
    assert small.control([]) is None


def test_a_fit_of_a_changing_computer_errs_less_beside_its_controls(tmp_path: Path) -> None:
    """And its errors are those of what was measured: ranges hold what the computer changed by."""
    random = np.random.default_rng(11)
    steady = measured(world_of(drawn(random)), random)[:24]
    truth = {(trial.configuration, kind): getattr(trial, kind).tok_s for trial in steady for kind in KINDS}
    changed = []
    for place, trial in enumerate(steady):
        time_s = 600 * place / len(steady)
        told = {kind: slower(getattr(trial, kind), slowness(time_s)) for kind in KINDS}
        changed.append(trial.model_copy(update={"at_s": time_s} | told))
    among = controls([slowness(time_s) for time_s in TIMES])
    errors: dict[str, float] = {}
    for name, trials in (("steady", steady), ("without", changed), ("with", [*among, *changed])):
        learned = simulated(tmp_path, trials).learned()
        off = [
            math.log(item.predicted_tok_s / truth[item.observation.machine, item.observation.kind])
            for item in learned.errors
        ]
        errors[name] = float(np.std(off))
        speeds = {getattr(trial, kind).tok_s for trial in (steady if name == "steady" else changed) for kind in KINDS}
        assert {item.observation.tok_s for item in learned.errors} == speeds
        assert (learned.drift.change is None) == (name != "with")
    added = {name: errors[name] ** 2 - errors["steady"] ** 2 for name in ("without", "with")}
    assert added["with"] < 0.5 * added["without"]


def test_runs_that_stand_out_are_made_again_and_no_others(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    steady = measured(world_of(drawn(random)), random)
    assert simulated(tmp_path, steady).doubtful(runs()) == []
    bad = 7
    told = {kind: slower(getattr(steady[bad], kind), 0.4) for kind in KINDS}
    odd = steady[bad].model_copy(update=told)
    (again,) = simulated(tmp_path, [*steady[:bad], odd, *steady[bad + 1 :]]).doubtful(runs())
    assert (again.file, again.settings, again.measures) == (odd.file, odd.settings, (odd.asked,))
    assert steady[bad] in simulated(tmp_path, [odd, *steady]).trials
    assert odd not in simulated(tmp_path, [odd, *steady]).trials


def test_all_of_an_order_is_made_where_there_is_time(tmp_path: Path) -> None:
    small = campaign(tmp_path, MODELS, threads=(1, 2))
    order = [one(model, threads) for model in MODELS for threads in (1, 2)]
    heard = Heard()
    small.measure(order, 1e9, heard)
    assert [(trial.file, trial.settings) for trial in small.trials] == [(item.file, item.settings) for item in order]
    controls_made = [trial for trial in small.journal.trials if trial.asked == CONTROL]
    assert len(controls_made) >= 2
    shares = [step.done for step in heard]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
