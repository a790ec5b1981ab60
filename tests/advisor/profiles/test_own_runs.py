"""Profiles of runs alone: what they keep, whose they are, and what they are worth beside others."""

from datetime import date

import pytest

from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.profiles.own_machine import knowledge_of, own_machines
from advisor.profiles.own_runs import own_runs_of, profile_of_runs, stored_runs
from advisor.question import MOST_RUNS, Hardware, OwnRun, Scenario
from catalog.profiles import Profile, read_profile
from tests.own_profiles import RYZEN, XEON, own_profile

BOX = Hardware.model_validate(RYZEN)
TODAY = date(2026, 11, 29)


def _run(decode_tok_s: float = 48.0, **fields: object) -> OwnRun:
    return OwnRun.model_validate({"model": "Qwen3-8B", "quant": "Q4_K_M", "decode_tok_s": decode_tok_s} | fields)


def test_a_profile_keeps_its_runs_through_its_file() -> None:
    runs = (_run(), _run(45.0, engine={"n_gpu_layers": 99}, workload={"context_depth": 4096, "decode_depth": 4096}))
    profile = profile_of_runs(BOX, [*runs, runs[0]], TODAY)
    again = read_profile(profile.model_dump_json(exclude_defaults=True).encode())
    assert again == profile
    assert own_runs_of(again) == runs


def test_it_predicts_as_the_same_runs_in_a_question_do() -> None:
    asked = Scenario.model_validate({"model": "gpt-oss-20b", "hardware": RYZEN})
    stored = predict(asked, knowledge_of(profile_of_runs(BOX, [_run()], TODAY), load()))
    said = predict(asked.model_copy(update={"measured": (_run(),)}), load())
    assert stored.decode_tok_s == said.decode_tok_s
    assert stored.calibration == said.calibration == "measured"


def test_it_stays_of_use_with_other_efficiencies_and_stands_behind_a_calibration() -> None:
    runs = profile_of_runs(BOX, [_run()], TODAY)
    machines = own_machines([runs, own_profile()], load())
    assert [item.profile.name for item in machines.machines] == ["box", runs.name]
    assert all(item.current for item in machines.machines)


def test_runs_tell_their_engines_each_so_any_engine_is_covered() -> None:
    (machine,) = own_machines([profile_of_runs(BOX, [_run()], TODAY)], load()).machines
    for engine in ("llama.cpp", "ik_llama.cpp"):
        asked = {"model": "gpt-oss-20b", "hardware": RYZEN, "engine": {"name": engine}}
        assert machine.covers(Scenario.model_validate(asked))
    assert not machine.covers(Scenario.model_validate({"model": "gpt-oss-20b", "hardware": XEON}))


def test_more_are_added_to_the_profile_of_that_machine_or_name() -> None:
    runs, calibration = profile_of_runs(BOX, [_run()], TODAY), own_profile()
    assert stored_runs([calibration, runs], BOX, None) == runs
    assert stored_runs([calibration], BOX, None) is None
    assert stored_runs([runs], Hardware.model_validate(XEON), None) is None
    assert stored_runs([runs], BOX, runs.name) == runs
    with pytest.raises(InputError, match="give another"):
        stored_runs([calibration], BOX, "box")


def test_too_many_runs_bad_names_and_runs_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match=f"more than the {MOST_RUNS}"):
        profile_of_runs(BOX, [_run(10 + number / 100) for number in range(MOST_RUNS + 1)], TODAY)
    with pytest.raises(InputError, match="name"):
        profile_of_runs(BOX, [_run()], TODAY, "../x")
    broken = Profile.model_validate(profile_of_runs(BOX, [_run()], TODAY).model_dump() | {"measured": [{"model": "x"}]})
    with pytest.raises(InputError, match="cannot be read"):
        own_runs_of(broken)
