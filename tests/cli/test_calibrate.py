"""The commands for stored calibration profiles as they are typed, and the commands that predict with one."""

import csv
import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from advisor import detection
from advisor.cli import calibrate
from advisor.cli.app import run
from advisor.detection import Detected
from advisor.scenario import Hardware
from advisor.stored_profiles import ProfileStore
from catalog.profiles import MAX_BYTES, Profile
from tests.own_profiles import RYZEN, XEON, own_profile

Captured = pytest.CaptureFixture[str]
MODEL = ("--model", "Qwen3.6-35B-A3B", "--quant", "Q4_K_M")
NAMED = ("--gpu", "RTX 3060 12GB", "--cpu", "Ryzen 7 5800X", "--ram", "DDR4-3200 2x16")
SEEN = {"gpus": RYZEN["gpus"], "cpu": RYZEN["cpu"], "ram": {"gb": 31.2}}
"""This machine as a system tells it that does not know its RAM."""


@pytest.fixture
def store(advisor_home: Path) -> ProfileStore:
    return ProfileStore(advisor_home)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, SEEN)


def on(monkeypatch: pytest.MonkeyPatch, hardware: Mapping[str, Any]) -> None:
    """Run on a machine of that hardware, with 8 cores."""
    found = Detected(Hardware.model_validate(hardware), 8, ())
    monkeypatch.setattr(detection, "detect", lambda: found)


def said(capsys: Captured, *arguments: str, code: int = 0) -> tuple[str, str]:
    assert run(list(arguments)) == code
    out, err = capsys.readouterr()
    if code:
        assert (out, err.count("\n")) == ("", 1)
    return out, err


def predicted(capsys: Captured, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said(capsys, "predict", *MODEL, *options, "--json")[0])
    return found


def old(profile: Profile) -> Profile:
    return profile.model_copy(update={"efficiencies_digest": "0" * 64})


def test_this_machine_and_its_parts_by_name_are_predicted_with_its_profile(
    store: ProfileStore, capsys: Captured
) -> None:
    before = predicted(capsys, *NAMED)
    store.save(own_profile())
    here, named = predicted(capsys), predicted(capsys, *NAMED)
    assert (before["calibration"], here["calibration"], named["calibration"]) == (
        "global",
        "profile:box",
        "profile:box",
    )
    # The system tells no RAM speed: the profile does.
    assert here["scenario"]["hardware"]["ram"] == {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 31.2}
    assert here["decode_tok_s"]["p50"] > before["decode_tok_s"]["p50"]  # the profile's RAM is read faster than most
    assert predicted(capsys, "--no-profile")["calibration"] == "global"
    assert predicted(capsys, "--machine", "Strix Halo")["calibration"] == "global"


def test_the_report_says_whose_numbers_it_has(store: ProfileStore, capsys: Captured) -> None:
    store.save(own_profile())
    out, _ = said(capsys, "predict", *MODEL)
    assert "by this machine's own calibration 'box'" in " ".join(out.split())
    assert "calibration" not in said(capsys, "predict", *MODEL, "--no-profile")[0]


def test_a_batch_answers_each_line_with_its_machines_numbers(
    store: ProfileStore, tmp_path: Path, capsys: Captured
) -> None:
    store.save(own_profile())
    lines = [{"model": "gpt-oss-20b", "hardware": hardware} for hardware in (RYZEN, {"machine": "DGX Spark"}, RYZEN)]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for options, expected in (((), ["profile:box", "global", "profile:box"]), (("--no-profile",), ["global"] * 3)):
        said(capsys, "predict", "--batch", str(source), "--output", str(target), *options)
        assert [json.loads(line)["calibration"] for line in target.read_text().splitlines()] == expected


def test_a_profile_by_name_is_taken_and_refused_for_another_machine(store: ProfileStore, capsys: Captured) -> None:
    store.save(own_profile(name="first", measured_on=date(2026, 1, 1)))
    store.save(own_profile(name="second"))
    assert predicted(capsys)["calibration"] == "profile:second"
    assert predicted(capsys, "--profile", "first")["calibration"] == "profile:first"
    _, err = said(capsys, "predict", *MODEL, "--machine", "DGX Spark", "--profile", "first", code=2)
    assert "--profile first was measured on another machine" in err
    _, err = said(capsys, "predict", *MODEL, "--profile", "frist", code=2)
    assert "there is no calibration profile 'frist': there are first" in err
    _, err = said(capsys, "predict", *MODEL, "--profile", "first", "--no-profile", code=2)
    assert "give one of them" in err


def test_what_is_not_used_is_said_and_the_answer_given(store: ProfileStore, capsys: Captured) -> None:
    store.save(old(own_profile()))
    (store.folder / "bad.json").write_text('{"name": "bad", "fing')
    out, err = said(capsys, "predict", *MODEL, "--json")
    assert json.loads(out)["calibration"] == "global"
    assert "note: bad.json is no calibration profile that can be used" in err
    assert "note: profile 'box' of this machine is not used: it was fitted on other efficiencies" in err
    assert said(capsys, "predict", *MODEL, "--no-profile")[1] == ""
    _, err = said(capsys, "predict", *MODEL, "--profile", "box", code=2)
    assert "fitted on other efficiencies" in err


def test_another_build_of_the_engine_is_said(
    store: ProfileStore, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(own_profile())
    monkeypatch.setattr("advisor.engine.library.version", lambda _name: "0.4.0")
    out, err = said(capsys, "predict", *MODEL, "--json")
    assert json.loads(out)["calibration"] == "profile:box"
    assert "'box' was measured with llama.cpp 0.3.36, and 0.4.0 is installed" in err


def test_a_build_whose_parts_are_all_owned_is_recommended_with_its_own_numbers(
    store: ProfileStore, capsys: Captured
) -> None:
    """The build's card, processor and memory are those of the profile; all other builds are predicted without."""
    asked = ("recommend", *MODEL, "--kinds", "desktop", "--own", "RTX 3060 12GB", "--own", "Ryzen 7 5800X", "--own",
             "DDR4-3200 2x16", "--limit", "200", "--all", "--json")  # fmt: skip
    plain = json.loads(said(capsys, *asked)[0])["builds"]
    store.save(own_profile())
    builds = json.loads(said(capsys, *asked)[0])["builds"]
    own = [build for build in builds if build["prediction"]["calibration"] == "profile:box"]
    assert {build["prediction"]["calibration"] for build in builds} == {"profile:box", "global"}
    assert {build["prediction"]["machine"] for build in own} == {"RTX 3060 12GB | Ryzen 7 5800X"}
    same = next(build for build in plain if build["parts"] == own[0]["parts"])
    assert own[0]["prediction"]["decode_tok_s"]["p50"] > same["prediction"]["decode_tok_s"]["p50"]
    assert own[0]["next_dollar"] == same["next_dollar"]  # swaps have no numbers of their own to be compared with
    assert {build["prediction"]["calibration"] for build in plain} == {"global"}


def test_profiles_are_listed_with_their_errors_and_whose_they_are(store: ProfileStore, capsys: Captured) -> None:
    assert "none is stored here" in said(capsys, "calibrate", "list")[0]
    for profile in (own_profile(), old(own_profile(name="before")), own_profile(XEON, name="xeon", runs=[])):
        store.save(profile)
    (store.folder / "bad.json").write_text("{}")
    out, err = said(capsys, "calibrate", "list", "--json")
    rows = {row["profile"]: row for row in json.loads(out)["profiles"]}
    assert {name: row["whose"] for name, row in rows.items()} == {
        "box": "this machine's", "before": "this machine's, old", "xeon": "another machine's",
    }  # fmt: skip
    assert rows["box"]["machine"] == "RTX 3060 12GB, Ryzen 7 5800X, 31.3 GiB DDR4-3200"
    assert (rows["box"]["runs"], rows["xeon"]["writing"]) == (9, None)
    assert 0 < rows["box"]["writing"] < 0.1  # shifts that are a tenth off, and 3 % of noise
    assert json.loads(out)["damaged"][0].startswith("bad.json is no calibration profile")
    out, err = said(capsys, "calibrate", "list")
    assert [line.split()[0] for line in out.splitlines()] == ["profile", "before", "box", "xeon"]
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
    monkeypatch.setattr(calibrate, "RUN", "tests.cli.recorded_run")
    from tests.cli import recorded_run

    said(capsys, "calibrate", "--quick", "--model", "a.gguf", "--model", "b.gguf", "--rpc", "10.0.0.2:50052", "--name",
         "box", "--ram", "DDR5-6000 2x16", "--html", "page.html", "--json")  # fmt: skip
    options = recorded_run.ASKED.pop()
    assert options == {
        "quick": True, "thorough": False, "model": (Path("a.gguf"), Path("b.gguf")), "rpc": ("10.0.0.2:50052",),
        "name": "box", "gpu": (), "cpu": None, "ram": "DDR5-6000 2x16", "storage": None, "html": "page.html",
        "vram": (), "pcie": (), "machine": None, "as_json": True,
    }  # fmt: skip
    assert "--quick and --thorough exclude each other" in said(capsys, "calibrate", "--quick", "--thorough", code=2)[1]


def test_the_group_lists_its_commands(capsys: Captured) -> None:
    out, _ = said(capsys, "calibrate", "--help")
    assert all(name in out for name in ("show", "list", "remove", "export", "import", "--thorough"))
    assert "the commands are show, list" in said(capsys, "calibrate", "shwo", code=2)[1]


def test_prediction_with_a_profile_imports_nothing_that_it_does_not_need(store: ProfileStore) -> None:
    store.save(own_profile(engine={"name": "llama.cpp", "backend": "cuda"}))
    code = f"""
import sys
from advisor.cli.app import run
assert run({["predict", *MODEL, *NAMED, "--json"]!r}) == 0
heavy = {{"scipy", "pandas", "rapidfuzz", "rich", "streamlit", "llama_cpp", "psutil", "pynvml", "calibration"}}
print(*sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["calibration"] == "profile:box"
    assert done.stderr.strip() == ""
