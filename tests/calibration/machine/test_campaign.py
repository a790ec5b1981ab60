"""The measuring of a calibration by the real engine, with models of a few megabytes."""

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import EngineFailed, InputError
from advisor.gguf import read_header
from advisor.machines.from_parts import machine_of
from advisor.profiles.store import ProfileStore
from calibration.machine import campaign as campaigns
from calibration.machine import trials as runs
from calibration.machine.campaign import Step, own_files
from calibration.machine.experiments import Unwritten
from calibration.machine.profile import profile_of
from calibration.machine.trials import Journal, Trial, observations_of
from catalog.profiles import EngineBuild
from tests.calibration.machine.small_campaign import TODAY
from tests.calibration.machine.tiny import (
    BRIEF,
    DEEPER,
    EXPECTED_S,
    HARDWARE,
    MOE,
    STAMP,
    Heard,
    campaign,
    one,
    tiny,
    trial_of,
)

MODELS = (tiny("Q8_0"), tiny("Q4_0"))
PLENTY_S = 1e9


class Clock:
    """Seconds that pass only when a run is begun: each takes as long."""

    def __init__(self, each_s: float) -> None:
        self.now_s, self.each_s = 1000.0, each_s
        self.begun = 0

    def __call__(self) -> float:
        return self.now_s

    def told(self, step: Step) -> None:
        self.begun += 1
        self.now_s += self.each_s


def test_runs_are_made_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "DISTURBED_SHARE", 1.0)  # every repeat counts, whatever else the machine does
    small, heard = campaign(tmp_path, MODELS), Heard()
    small.make([one(MODELS[0]), one(MODELS[1], threads=2, measures=(BRIEF, DEEPER))], PLENTY_S, heard)
    trials = small.journal.trials
    assert [(trial.file, trial.settings.threads, trial.asked) for trial in trials] == [
        (MODELS[0].file, 1, BRIEF), (MODELS[1].file, 2, BRIEF), (MODELS[1].file, 2, DEEPER),
    ]
    for trial in trials:
        assert trial.decode
        assert trial.prefill
        assert min(trial.decode.tok_s, trial.prefill.tok_s) > 0
        assert trial.decode.repeats == trial.asked.repeats
    assert trials[0].model == MODELS[0].recipe.name == "SmolLM2-135M cut to 1 layer, 512 tokens"
    assert [trial.quant for trial in trials] == ["Q8_0", "Q4_0", "Q4_0"]
    assert [step.what for step in heard] == [
        f"{MODELS[0].file.removesuffix('.gguf')} on 1 thread", f"{MODELS[1].file.removesuffix('.gguf')} on 2 threads",
    ]
    assert Journal.open(tmp_path / "measured.jsonl", STAMP).trials == trials
    written = {path.name: path.stat().st_size for path in (tmp_path / "probe-models").iterdir()}
    assert written == {model.file: model.recipe.size_bytes for model in MODELS}


def test_a_second_one_measures_only_what_is_missing(tmp_path: Path) -> None:
    campaign(tmp_path, MODELS).make([one(MODELS[0])], PLENTY_S, Heard())
    order = [one(MODELS[0], measures=(BRIEF, DEEPER)), one(MODELS[1])]
    again, heard = campaign(tmp_path, MODELS), Heard()
    first = again.journal.trials[0]
    again.make(order, PLENTY_S, heard)
    assert [(trial.file, trial.asked) for trial in again.journal.trials] == [
        (MODELS[0].file, BRIEF), (MODELS[0].file, DEEPER), (MODELS[1].file, BRIEF),
    ]
    assert again.journal.trials[0] == first
    third, silence = campaign(tmp_path, MODELS), Heard()
    third.make(order, PLENTY_S, silence)
    assert third.journal.trials == again.journal.trials
    assert (len(heard.steps), silence.steps) == (2, [])


def test_another_engine_measures_all_anew(tmp_path: Path) -> None:
    campaign(tmp_path, MODELS).make([one(MODELS[0])], PLENTY_S, Heard())
    other = campaign(tmp_path, MODELS, stamp=STAMP.model_copy(update={"engine": "2"}))
    assert other.journal.trials == []


@pytest.mark.parametrize(("each_s", "made"), [(8.0, 3), (20.0, 2), (200.0, 1)])
def test_runs_that_take_longer_than_expected_are_fewer(tmp_path: Path, each_s: float, made: int) -> None:
    """Three of ten seconds in fifty. Of twenty each: after the second 40 + 20 are too many."""
    clock = Clock(each_s)
    small = campaign(tmp_path, MODELS, clock=clock)
    small.make([one(MODELS[0], threads) for threads in (1, 2)] + [one(MODELS[1])], 5 * EXPECTED_S, clock.told)
    assert (clock.begun, len(small.journal.trials)) == (made, made)


def test_what_is_told_of_the_time_agrees_with_the_clock(tmp_path: Path) -> None:
    clock, heard = Clock(10.0), Heard()

    def told(step: Step) -> None:
        heard(step)
        clock.told(step)

    campaign(tmp_path, MODELS, clock=clock).make([one(model) for model in MODELS], 40.0, told)
    assert [(step.done, step.left_s) for step in heard] == [(0.0, 40.0), (0.25, 30.0)]


def disturbed(taken: Iterator[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """From each run the next of these shares of its processors is taken; speeds are as they were measured."""
    real = campaigns.try_out

    def measured(*asked: Any, **more: Any) -> Iterator[Trial]:
        for trial in real(*asked, **more):
            found = {"decode": next(taken), "prefill": 0.0}
            speeds = {kind: getattr(trial, kind).model_copy(update={"taken_share": of}) for kind, of in found.items()}
            yield trial.model_copy(update=speeds)

    monkeypatch.setattr(campaigns, "try_out", measured)


def test_a_disturbed_run_is_made_again_later_and_its_calmest_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturbed(iter([0.5, 0.0, 0.3, 0.4]), monkeypatch)
    small = campaign(tmp_path, MODELS, tries=3)
    small.make([one(model) for model in MODELS], PLENTY_S, Heard())
    files = [trial.file for trial in small.journal.trials]
    assert files == [MODELS[0].file, MODELS[1].file, MODELS[0].file, MODELS[0].file]
    assert [(trial.file, trial.taken_share) for trial in small.trials] == [(MODELS[0].file, 0.3), (MODELS[1].file, 0)]
    small.make([one(model) for model in MODELS], PLENTY_S, Heard())  # three times are enough
    assert len(small.journal.trials) == 4


def test_a_speed_says_less_the_more_was_taken() -> None:
    item, model = one(MODELS[0]), MODELS[0]
    trials = [trial_of(item, BRIEF, model, 10.0, 100.0, share) for share in (0.0, 0.1, 0.3)]
    machine, files = machine_of(HARDWARE), {item.file: Unwritten.of(model)}
    noises = [{found.noise for found in observations_of([trial], machine, HARDWARE, files)} for trial in trials]
    for share, noise in zip((0.0, 0.1, 0.3), noises, strict=True):
        assert list(noise) == pytest.approx([math.hypot(0.03, 0.04, 2 * share)])


def test_without_time_nothing_is_made_and_nothing_can_be_learned(tmp_path: Path) -> None:
    small, heard = campaign(tmp_path, MODELS), Heard()
    small.make([one(MODELS[0])], 0.9 * EXPECTED_S, heard)
    assert heard.steps == []
    assert not (tmp_path / "probe-models").exists()
    with pytest.raises(InputError, match="no run was finished in the time there was"):
        small.learned()


def test_a_plan_puts_the_users_own_files_first_and_keeps_to_the_time(tmp_path: Path) -> None:
    path = tiny("Q5_0").write(tmp_path / "mine")
    [key] = own = own_files([path, path])
    assert key == str(path.resolve())
    small = campaign(tmp_path / "home", (*MODELS, tiny("Q4_K_M", MOE)), (1, 2), own=own)
    order = small.planned(60.0)
    assert [item.file for item in order[:2]] == [key, key]
    assert {item.settings.threads for item in order[:2]} == {1, 2}
    assert key not in {item.file for item in order[2:]}
    assert sum(item.seconds for item in order) <= 60.0
    assert len(small.planned(10.0)) < len(order)


def test_the_users_own_file_is_measured_where_it_lies(tmp_path: Path) -> None:
    path = tiny("Q5_0").write(tmp_path / "mine")
    own = own_files([path])
    small = campaign(tmp_path / "home", own=own)
    small.make(small.planned(60.0), PLENTY_S, Heard())
    assert {trial.file for trial in small.journal.trials} == {str(path)}
    assert len(small.journal.trials) == 2  # with an empty context and with a deep one
    assert not (tmp_path / "home" / "probe-models").exists()
    learned = small.learned()
    assert len(learned.errors) == 4
    assert learned.faults[0] == "only 2 configurations were measured, 4 are needed"


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("no model")
    for name in ("none.gguf", "text.gguf"):
        with pytest.raises(InputError, match=name) as refused:
            own_files([tmp_path / name])
        assert "\n" not in str(refused.value)


def test_a_half_written_model_is_written_anew_before_it_is_measured(tmp_path: Path) -> None:
    folder = tmp_path / "probe-models"
    folder.mkdir()
    path = folder / MODELS[0].file
    path.write_bytes(MODELS[0].recipe.header)
    small = campaign(tmp_path, MODELS)
    small.make([one(MODELS[0])], PLENTY_S, Heard())
    assert path.stat().st_size == MODELS[0].recipe.size_bytes
    assert read_header(path).architecture == "llama"
    assert [trial.file_bytes for trial in small.journal.trials] == [MODELS[0].recipe.size_bytes]


def test_an_engine_that_fails_keeps_what_was_measured_before(tmp_path: Path) -> None:
    """A model of the right size whose bytes are none."""
    folder = tmp_path / "probe-models"
    folder.mkdir()
    (folder / MODELS[1].file).write_bytes(bytes(MODELS[1].recipe.size_bytes))
    small = campaign(tmp_path, MODELS)
    with pytest.raises((InputError, EngineFailed)):
        small.make([one(MODELS[0]), one(MODELS[1])], PLENTY_S, Heard())
    assert [trial.file for trial in Journal.open(tmp_path / "measured.jsonl", STAMP).trials] == [MODELS[0].file]


def test_what_was_learned_is_a_profile_that_can_be_stored(tmp_path: Path) -> None:
    small = campaign(tmp_path, MODELS)
    small.make([one(model, measures=(BRIEF, DEEPER)) for model in MODELS], PLENTY_S, Heard())
    learned = small.learned()
    assert len(learned.own.observations) == len(learned.errors) == 8  # decode and prefill of four configurations
    build = EngineBuild(name="llama.cpp", backend="cpu")
    profile = profile_of("box", small, learned, seen=HARDWARE, engine=build, today=TODAY)
    store = ProfileStore(tmp_path)
    store.save(profile)
    assert store.named("box") == profile
    assert profile.seen_as is None
    assert len(profile.runs) == 4
    left_out = {(item.observation.machine, item.observation.kind): item.predicted_tok_s for item in learned.errors}
    for run, trial in zip(profile.runs, small.journal.trials, strict=True):
        assert (run.decode, run.prefill) == (trial.decode, trial.prefill)
        assert run.decode_left_out_tok_s == left_out[trial.configuration, "decode"]
        assert run.prefill_left_out_tok_s == left_out[trial.configuration, "prefill"]
        assert run.scenario["model"] == MODELS[0].recipe.name
        assert str(tmp_path) not in run.model_dump_json()
    assert {row.speed for row in profile.spreads} == {"decode", "prefill"}
    assert all(first != second for first, second in pairwise(small.journal.trials))
