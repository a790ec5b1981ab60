"""The commands for stored calibration profiles as they are typed."""

import csv
import json
from pathlib import Path

import pytest

from advisor.cli import calibrate
from advisor.profiles.store import ProfileStore
from catalog.profiles import MAX_BYTES
from tests.advisor.cli.calibrated import SEEN, Captured, old, on, predicted, said
from tests.own_profiles import XEON, own_profile


@pytest.fixture
def store(advisor_home: Path) -> ProfileStore:
    return ProfileStore(advisor_home)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, SEEN)


def test_profiles_are_listed_with_their_errors_and_whose_they_are(store: ProfileStore, capsys: Captured) -> None:
    assert "none is stored here" in said(capsys, "calibrate", "list")[0]
    for profile in (own_profile(), old(own_profile(name="before")), own_profile(XEON, name="xeon", runs=[]),
                    old(own_profile(XEON, name="xeon before"))):
        store.save(profile)
    (store.folder / "bad.json").write_text("{}")
    out, err = said(capsys, "calibrate", "list", "--json")
    rows = {row["profile"]: row for row in json.loads(out)["profiles"]}
    assert {name: row["whose"] for name, row in rows.items()} == {
        "box": "this machine's", "before": "this machine's, old", "xeon": "another machine's",
        "xeon before": "another machine's, old",
    }
    assert rows["box"]["machine"] == "RTX 3060 12GB, Ryzen 7 5800X, 31.3 GiB DDR4-3200"
    assert (rows["box"]["runs"], rows["xeon"]["writing"]) == (9, None)
    assert 0 < rows["box"]["writing"] < 0.1  # shifts that are a tenth off, and 3 % of noise
    assert json.loads(out)["damaged"][0].startswith("bad.json is no calibration profile")
    out, err = said(capsys, "calibrate", "list")
    assert [line.split()[0] for line in out.splitlines()] == ["profile", "before", "box", "xeon", "xeon"]
    assert err.startswith("note: bad.json")


def test_show_takes_this_machines_profile_or_the_named_one(store: ProfileStore, capsys: Captured) -> None:
    _, err = said(capsys, "calibrate", "show", code=2)
    assert "no calibration profile is stored here" in err
    store.save(own_profile(XEON, name="xeon"))
    assert said(capsys, "calibrate", "show")[0].startswith(
        "Profile xeon: Intel(R) Xeon(R) Processor, 2 cores, 23.5 GiB"
    )
    store.save(own_profile())
    assert said(capsys, "calibrate", "show")[0].startswith("Profile box: RTX 3060 12GB, Ryzen 7 5800X")
    assert "It is another machine's" in said(capsys, "calibrate", "show", "xeon")[0]
    found = json.loads(said(capsys, "calibrate", "show", "box", "--json")[0])
    assert found["profile"]["name"] == "box"
    assert {model["calibration"] for model in found["models"]} == {"profile:box"}


def test_without_a_profile_of_this_machine_and_with_several_one_is_to_be_named(
    store: ProfileStore, capsys: Captured
) -> None:
    for name in ("one", "two"):
        store.save(own_profile(XEON, name=name))
    _, err = said(capsys, "calibrate", "show", code=2)
    assert "no stored profile is this machine's: name one of one, two" in err


def test_show_writes_a_page_or_says_why_not(store: ProfileStore, tmp_path: Path, capsys: Captured) -> None:
    store.save(own_profile())
    page = tmp_path / "page.html"
    said(capsys, "calibrate", "show", "--html", str(page))
    assert page.read_text().startswith("<!doctype html>")
    _, err = said(capsys, "calibrate", "show", "--html", str(tmp_path / "no" / "page.html"), code=2)
    assert "--html" in err


def test_an_old_profile_is_shown_without_predictions(store: ProfileStore, capsys: Captured) -> None:
    store.save(old(own_profile()))
    out, _ = said(capsys, "calibrate", "show")
    assert "fitted on other efficiencies" in out
    assert "upgrade" not in out


def test_remove_deletes_one(store: ProfileStore, capsys: Captured) -> None:
    store.save(own_profile())
    said(capsys, "calibrate", "remove", "box")
    assert store.names() == []
    _, err = said(capsys, "calibrate", "remove", "box", code=2)
    assert "there is no calibration profile 'box'" in err


def test_a_profile_travels_to_another_home(
    store: ProfileStore, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(own_profile())
    file = tmp_path / "sent.json"
    said(capsys, "calibrate", "export", "--output", str(file))
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path / "other"))
    _, err = said(capsys, "calibrate", "import", str(file))
    assert err == (
        "profile ryzen-7-5800x-rtx-3060 is stored. It is this machine's: predictions for it use this profile.\n"
    )
    assert predicted(capsys)["calibration"] == "profile:ryzen-7-5800x-rtx-3060"
    _, err = said(capsys, "calibrate", "import", str(file), code=2)
    assert "is stored already: --force replaces it" in err
    said(capsys, "calibrate", "import", str(file), "--force")
    on(monkeypatch, XEON)
    _, err = said(capsys, "calibrate", "import", str(file), "--force")
    assert "It is another machine's" in err


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"name": "bad"', "is not JSON"),
        (b'{"schema_version": 9}', "has schema_version 9; this program reads 1"),
        (b" " * (MAX_BYTES + 1), "at most 1,000,000 are read"),
        (own_profile().model_copy(update={"hardware": {"cpu": 1}}).model_dump_json().encode(), "cannot be read"),
        (None, "cannot be read: no such file"),
    ],
    ids=["damaged", "too new", "too large", "no machine", "missing"],
)
def test_import_refuses_what_is_no_profile(
    store: ProfileStore, tmp_path: Path, content: bytes | None, why: str, capsys: Captured
) -> None:
    file = tmp_path / "given.json"
    if content is not None:
        file.write_bytes(content)
    assert why in said(capsys, "calibrate", "import", str(file), code=2)[1]
    assert store.names() == []


def test_a_home_that_cannot_be_written_is_said(advisor_home: Path, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "sent.json"
    file.write_text(own_profile().model_dump_json())
    advisor_home.write_text("a file in place of the folder")
    assert "box.json cannot be written" in said(capsys, "calibrate", "import", str(file), code=2)[1]
    assert predicted(capsys)["calibration"] == "global"


def test_export_writes_rows_of_evidence(store: ProfileStore, capsys: Captured) -> None:
    store.save(own_profile())
    rows = list(csv.DictReader(said(capsys, "calibrate", "export", "box", "--evidence")[0].splitlines()))
    assert len(rows) == 9
    assert {row["source_url"] for row in rows} == {"advisor calibrate"}


def test_without_a_command_it_measures_with_the_options(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(calibrate, "run", asked.append)
    said(capsys, "calibrate", "--quick", "--model", "a.gguf", "--model", "b.gguf", "--rpc", "10.0.0.2:50052", "--name",
         "box", "--ram", "DDR5-6000 2x16", "--html", "page.html", "--plot", "charts.png", "--json")
    assert asked.pop() == {
        "quick": True, "thorough": False, "model": (Path("a.gguf"), Path("b.gguf")), "rpc": ("10.0.0.2:50052",),
        "name": "box", "gpu": (), "cpu": None, "ram": "DDR5-6000 2x16", "storage": None, "html": "page.html",
        "vram": (), "pcie": (), "machine": None, "plot": "charts.png", "as_json": True,
    }
    assert "--quick and --thorough exclude each other" in said(capsys, "calibrate", "--quick", "--thorough", code=2)[1]


def test_the_group_lists_its_commands(capsys: Captured) -> None:
    out, _ = said(capsys, "calibrate", "--help")
    assert all(name in out for name in ("show", "list", "remove", "export", "import", "--thorough"))
    assert "the commands are show, list" in said(capsys, "calibrate", "shwo", code=2)[1]
