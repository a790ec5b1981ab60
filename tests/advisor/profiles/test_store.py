"""Stored profiles: whole or not there, named by their files, and one sentence where that cannot be."""

import os
from pathlib import Path

import pytest

from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.profiles.own_machine import hardware_of, own_machines
from advisor.profiles.store import ProfileStore
from catalog.profiles import MAX_BYTES, Profile
from tests.own_profiles import XEON, own_profile


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
