"""Which questions a stored profile answers, and what is said where it does not."""

from datetime import date
from typing import Any

import pytest

from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict, predict_many
from advisor.profiles import own_machine as own_machine_module
from advisor.profiles.own_machine import knowledge_of, own_machines, remark_on
from advisor.question import Hardware, Scenario
from catalog.profiles import Profile
from tests.own_profiles import RYZEN, XEON, own_profile

HERE = Hardware.model_validate(RYZEN)
OTHER = Hardware.model_validate({**RYZEN, "cpu": "Ryzen 7 7700X", "ram": {"type": "DDR5", "mt_s": 6000, "channels": 2}})


def asked(hardware: Hardware, **engine: Any) -> Scenario:
    return Scenario.model_validate(
        {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M", "hardware": hardware, "engine": engine}
    )


def old(profile: Profile) -> Profile:
    return profile.model_copy(update={"efficiencies_digest": "0" * 64})


def test_its_own_machine_is_predicted_with_the_profile_and_no_other() -> None:
    known, profile = own_machines([own_profile()], load()).knowledge, own_profile()
    here, other = predict_many([asked(HERE), asked(OTHER)], known)
    assert here == predict(asked(HERE), knowledge_of(profile, load()))
    assert other == predict(asked(OTHER), load())
    assert (here.calibration, other.calibration) == ("profile:box", "global")


def test_another_engine_than_the_measured_one_is_predicted_without() -> None:
    known = own_machines([own_profile()], load()).knowledge
    assert predict(asked(HERE, name="ik_llama.cpp"), known).calibration == "global"


def test_of_several_profiles_of_a_machine_the_newest_usable_one_counts() -> None:
    profiles = [
        own_profile(name="first", measured_on=date(2026, 1, 1)),
        own_profile(name="second", measured_on=date(2026, 2, 2)),
        old(own_profile(name="third", measured_on=date(2026, 3, 3))),
    ]
    machines = own_machines(profiles, load())
    assert predict(asked(HERE), machines.knowledge).calibration == "profile:second"
    found = machines.of(HERE)
    assert found is not None
    assert found.profile.name == "second"
    assert remark_on(found, "0.3.36") is None


def test_a_profile_of_older_efficiencies_is_not_used_and_that_is_said() -> None:
    machines = own_machines([old(own_profile())], load())
    assert predict(asked(HERE), machines.knowledge) == predict(asked(HERE), load())
    found = machines.of(HERE)
    assert found is not None
    assert "'box' of this machine is not used: it was fitted on other efficiencies" in str(remark_on(found, None))
    assert machines.of(OTHER) is None


def test_a_profile_of_another_build_is_used_and_that_is_said() -> None:
    found = own_machines([own_profile()], load()).of(HERE)
    assert found is not None
    assert remark_on(found, "0.3.40") == (
        "profile 'box' was measured with llama.cpp 0.3.36, and 0.3.40 is installed: `advisor calibrate` renews it"
    )
    assert remark_on(found, None) is None


def test_what_the_system_does_not_tell_comes_from_the_profile() -> None:
    """Shifts of RAM are relative to the peak that the calibration was told: the question must have the same."""
    machines = own_machines([own_profile()], load())
    seen = Hardware.model_validate({"gpus": RYZEN["gpus"], "cpu": RYZEN["cpu"], "ram": {"gb": 31.1}})
    told, machine = machines.as_seen(seen)
    assert machine is not None
    assert told.ram.model_dump(exclude_none=True) == {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 31.1}
    assert predict(asked(told), machines.knowledge).calibration == "profile:box"
    assert machines.as_seen(OTHER) == (OTHER, None)


def test_a_machine_that_was_told_other_parts_is_known_by_what_the_system_tells() -> None:
    from advisor.machines.fingerprint import fingerprint_of

    seen = Hardware.model_validate(XEON)
    named = {"cpu": "EPYC 7543", "ram": {"type": "DDR4", "mt_s": 3200, "channels": 8, "gb": 23.5}}
    machines = own_machines([own_profile(named, seen_as=fingerprint_of(seen))], load())
    told, machine = machines.as_seen(seen.model_copy(update={"ram": seen.ram.model_copy(update={"gb": 12.0})}))
    assert machine is not None
    assert (told.cpu, told.ram.channels, told.ram.gb) == ("EPYC 7543", 8, 12.0)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"hardware": {"gpus": [{"name": "RTX 9999"}]}}, "the hardware of profile 'box' cannot be read"),
        ({"hardware": {"cpu": 3}}, "the hardware of profile 'box' cannot be read"),
        (
            {"effects": [{"coefficient": "warp", "log_value": 0, "standard_error": 0, "informed": True}]},
            "profile 'box' shifts 'warp', which is no coefficient",
        ),
        (
            {"effects": [{"coefficient": "ram_stream", "label": "Q9", "log_value": 0, "standard_error": 0,
                          "informed": True}]},
            "profile 'box' shifts 'ram_stream' for 'Q9', which has no numbers of its own",
        ),
    ],
)
def test_a_profile_that_cannot_be_used_is_said_and_the_others_are(fields: dict[str, Any], why: str) -> None:
    bad = Profile.model_validate(own_profile().model_dump() | fields)
    machines = own_machines([InputError("a.json is damaged"), bad, own_profile(XEON, name="xeon")], load())
    assert machines.damaged[0] == "a.json is damaged"
    assert machines.damaged[1].startswith(why)
    assert [item.profile.name for item in machines.machines] == ["xeon"]


def test_thousands_of_profiles_cost_no_more_than_to_look_at_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 profiles made a prediction take 24 s: each worked out the digest of the shipped table three times."""
    worked: list[int] = []
    digest = own_machine_module.digest_of
    monkeypatch.setattr(own_machine_module, "digest_of", lambda effects: worked.append(1) or digest(effects))
    own_machine_module._digest.cache_clear()
    known = own_machines([own_profile(name=f"box {number}") for number in range(50)], load())
    assert len(known.machines) == 50
    assert known.of(known.machines[0].hardware) is not None
    assert len(known.knowledge.own) <= 50
    assert len(worked) == 1


UNREAD = ({"a": 1}, {"gpus": [None]}, {"gpus": [{"name": "RTX 3090", "b": {}}]}, {"cpu": "x" * 999})


@pytest.mark.parametrize("hardware", UNREAD)
def test_a_machine_that_cannot_be_read_is_told_in_a_sentence(hardware: dict[str, Any]) -> None:
    (said,) = own_machines([own_profile().model_copy(update={"hardware": hardware})], load()).damaged
    assert "\n" not in said
    assert "pydantic" not in said
    assert said.endswith("calibrate anew")
