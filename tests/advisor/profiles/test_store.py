"""Stored profiles: whole or not there, named by their files, and one sentence where that cannot be."""

import json
import os
from pathlib import Path

import pytest

from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.profiles.own_machine import hardware_of, own_machines
from advisor.profiles.store import ProfileStore, StoredProfile
from advisor.question import Scenario
from catalog.profiles import MAX_BYTES, Profile
from tests.own_profiles import RYZEN, XEON, own_profile


@pytest.fixture
def store(tmp_path: Path) -> ProfileStore:
    return ProfileStore(tmp_path / "home")


def test_a_profile_is_read_as_it_was_saved(store: ProfileStore) -> None:
    profile = own_profile()
    path = store.save(profile)
    assert (store.named("box"), store.names(), path.parent) == (profile, ["box"], store.folder)
    assert [item.name for item in store.folder.iterdir()] == ["box.json"]


def test_an_empty_home_has_none(store: ProfileStore) -> None:
    assert (store.names(), list(store.each())) == ([], [])
    with pytest.raises(InputError, match="there is no calibration profile 'box': none is stored here; `advisor cal"):
        store.named("box")


def test_the_newest_profile_of_a_machine_is_found(store: ProfileStore) -> None:
    first = own_profile()
    for name, day in (("autumn", "2026-10-01"), ("winter", "2026-12-24"), ("november", "2026-11-11")):
        store.save(Profile.model_validate(first.model_dump() | {"name": name, "measured_on": day}))
    machines = own_machines(store.each(), load())
    found = machines.of(hardware_of(first))
    assert found is not None
    assert found.profile.name == "winter"
    assert machines.of(hardware_of(own_profile(XEON))) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is not JSON"),
        (b'{"name": "bad", "finger', "is not JSON"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"[1]", "must be one JSON object"),
        (b'{"schema_version": 2}', "has schema_version 2; this program reads 1"),
        (b" " * (MAX_BYTES + 1), "bytes; at most 1,000,000 are read"),
    ],
    ids=["empty", "cut off", "binary", "list", "newer", "too large"],
)
def test_a_damaged_file_is_said_and_the_others_are_read(store: ProfileStore, content: bytes, why: str) -> None:
    store.save(own_profile())
    (store.folder / "bad.json").write_bytes(content)
    bad, good = store.each()
    assert isinstance(bad, InputError)
    assert str(bad).startswith("bad.json is no calibration profile that can be used: ")
    assert why in str(bad)
    assert good == own_profile()
    with pytest.raises(InputError, match=r"bad\.json"):
        store.named("bad")


def test_a_file_that_was_renamed_is_a_profile_of_its_new_name(store: ProfileStore) -> None:
    store.save(own_profile()).rename(store.folder / "study.json")
    assert store.named("study").name == "study"
    (store.folder / "study.json").rename(store.folder / "-.json")
    assert "has a name that no profile can have" in str(next(store.each()))


@pytest.mark.parametrize("name", ["../outside", "no-such", "", "box.json"])
def test_a_name_that_is_not_there_is_refused_with_those_that_are(store: ProfileStore, name: str) -> None:
    store.save(own_profile())
    (store.home / "outside.json").write_text("{}")
    for asked in (store.named, store.remove):
        with pytest.raises(InputError, match=r"there is no calibration profile .*: there are box"):
            asked(name)
    assert (store.home / "outside.json").exists()


def cut_off(path: Path) -> None:
    """A profile whose outline is whole and whose shifts end in the middle."""
    path.write_bytes(path.read_bytes()[:-300])


def test_of_a_fitted_profile_only_the_outline_is_read_until_its_machine_is_asked_for(store: ProfileStore) -> None:
    cut_off(store.save(own_profile(XEON, name="other")))
    store.save(own_profile())
    machines = own_machines(store.outlines(), load())
    found = machines.of(hardware_of(own_profile()))
    assert found is not None
    assert found.profile == own_profile()
    assert machines.damaged == ()
    assert machines.of(hardware_of(own_profile(XEON))) is None
    (said,) = machines.damaged
    assert said.startswith("other.json is no calibration profile that can be used: the profile is not JSON")


def test_in_place_of_a_damaged_profile_of_a_machine_its_next_is_taken(store: ProfileStore) -> None:
    store.save(own_profile(name="first", measured_on="2026-01-01"))
    cut_off(store.save(own_profile(name="second", measured_on="2026-02-02")))
    machines = own_machines(store.outlines(), load())
    seen, found = machines.as_seen(hardware_of(own_profile()))
    assert found is not None
    assert (found.profile.name, seen) == ("first", found.hardware)
    assert [said.partition(" ")[0] for said in machines.damaged] == ["second.json"]


def test_each_answer_of_a_machine_whose_profile_is_damaged_says_so(store: ProfileStore) -> None:
    cut_off(store.save(own_profile(XEON, name="other")))
    store.save(own_profile())
    known = own_machines(store.outlines(), load()).knowledge
    asked = {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M"}
    damaged, whole = (
        predict(Scenario.model_validate(asked | {"hardware": parts}), known).warnings for parts in (XEON, RYZEN)
    )
    (said,) = (item.message for item in damaged if item.code == "profile_unusable")
    assert said.startswith("other.json is no calibration profile that can be used")
    assert "profile_unusable" not in {item.code for item in whole}


def test_an_outline_is_that_of_the_whole_profile(store: ProfileStore) -> None:
    store.save(own_profile()).rename(store.folder / "study.json")
    (told,) = store.outlines()
    assert isinstance(told, StoredProfile)
    assert told.outline.model_dump() == store.named("study").model_dump(include=set(type(told.outline).model_fields))
    assert told.read() == store.named("study")


@pytest.mark.parametrize("change", ["order", "no shifts", "another field", "wrong date"])
def test_a_file_whose_beginning_does_not_tell_all_is_read_to_its_end(store: ProfileStore, change: str) -> None:
    path = store.save(own_profile())
    value = json.loads(path.read_text())
    if change == "order":
        value = dict(reversed(value.items()))
    elif change == "no shifts":
        del value["effects"]
    else:
        value = {**value, "measured_on": "soon"} if change == "wrong date" else {"owner": "me", **value}
    path.write_text(json.dumps(value))
    (outlined,), (whole,) = store.outlines(), store.each()
    assert isinstance(whole, InputError if change in {"another field", "wrong date"} else Profile)
    assert (str(outlined), type(outlined)) == (str(whole), type(whole))


def test_a_removed_profile_is_gone(store: ProfileStore) -> None:
    store.save(own_profile())
    store.remove("box")
    assert store.names() == []


def test_a_home_that_is_no_folder_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    store = ProfileStore(tmp_path / "home")
    assert store.names() == []
    with pytest.raises(InputError, match=r"box\.json cannot be written \(.*\): free some room or make") as error:
        store.save(own_profile())
    assert "\n" not in str(error.value)


def test_a_full_disk_leaves_the_old_profile_and_nothing_else(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(own_profile())

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot be written \(no space left on device\)"):
        store.save(own_profile(notes=["another"]))
    assert store.named("box") == own_profile()
    assert [item.name for item in store.folder.iterdir()] == ["box.json"]
