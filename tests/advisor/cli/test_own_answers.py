"""Commands that predict answer questions of a calibrated machine with its own numbers, and all others without."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from advisor.profiles.store import ProfileStore
from tests.advisor.cli.calibrated import MODEL, NAMED, SEEN, Captured, old, on, predicted, said
from tests.own_profiles import RYZEN, XEON, own_profile


@pytest.fixture
def store(advisor_home: Path) -> ProfileStore:
    return ProfileStore(advisor_home)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, SEEN)


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
    ram = {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 31.2, "modules": None}
    assert here["scenario"]["hardware"]["ram"] == ram
    assert named["decode_tok_s"]["p50"] > before["decode_tok_s"]["p50"]  # the profile's RAM is read faster than most
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


def keeps_a_measured_part(build: dict[str, Any]) -> bool:
    """Whether its one card is that of the profile, or its processor with memory that is read as fast."""
    cards = [part["name"] for part in build["parts"] if part["kind"] == "gpu"]
    (cpu,) = [part["name"] for part in build["parts"] if part["kind"] == "cpu"]
    ram = build["prediction"]["scenario"]["hardware"]["ram"]
    same_memory = (ram["type"], ram["mt_s"], ram["channels"]) == ("DDR4", 3200, 2)
    return cards == ["RTX 3060 12GB"] or (cpu == "Ryzen 7 5800X" and same_memory)


def test_a_build_whose_parts_are_all_owned_is_recommended_with_its_own_numbers(
    store: ProfileStore, capsys: Captured
) -> None:
    """The build's card, processor and memory are those of the profile; builds with some of these by what was learned of
    those, all others without.
    """
    asked = ("recommend", *MODEL, "--kinds", "desktop", "--own", "RTX 3060 12GB", "--own", "Ryzen 7 5800X", "--own",
             "DDR4-3200 2x16", "--limit", "200", "--all", "--json")
    plain = json.loads(said(capsys, *asked)[0])["builds"]
    store.save(own_profile())
    builds = json.loads(said(capsys, *asked)[0])["builds"]
    calibrations = {build["predict_command"]: build["prediction"]["calibration"] for build in builds}
    keep_some = {build["predict_command"] for build in builds if keeps_a_measured_part(build)}
    assert {name for name, calibration in calibrations.items() if calibration == "profile:box"} == keep_some
    assert set(calibrations.values()) == {"profile:box", "global"}
    measured = next(build for build in builds if build["prediction"]["machine"] == "RTX 3060 12GB | Ryzen 7 5800X")
    same = next(build for build in plain if build["parts"] == measured["parts"])
    assert measured["prediction"]["decode_tok_s"]["p50"] > same["prediction"]["decode_tok_s"]["p50"]
    assert measured["next_dollar"] == same["next_dollar"]  # swaps have no numbers of their own to be compared with
    assert {build["prediction"]["calibration"] for build in plain} == {"global"}


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


def test_a_plan_is_made_with_this_machines_numbers(
    store: ProfileStore, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the processor alone, whatever llama.cpp is built for: no card is among the machine's parts."""
    on(monkeypatch, XEON)
    store.save(own_profile(XEON, name="xeon"))
    plans = [
        json.loads(said(capsys, "plan", "Llama-3.1-8B", "--quant", "Q2_K", "--context", "512", *options, "--json")[0])
        for options in ((), ("--no-profile",))
    ]
    own, plain = (plan["prediction"] for plan in plans)
    assert (own["calibration"], plain["calibration"]) == ("profile:xeon", "global")
    assert own["decode_tok_s"]["p50"] > plain["decode_tok_s"]["p50"]
    assert "calibration 'xeon'" in " ".join(said(capsys, "plan", "Llama-3.1-8B", "--context", "512")[0].split())
