"""Runs that people measured themselves: `calibrate add`, `predict --measured`, `evidence check`."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from advisor.profiles.store import ProfileStore
from tests.advisor.cli.calibrated import NAMED, SEEN, Captured, on, said
from tests.own_profiles import own_profile

MACHINE = ("--gpu", "RTX 3060 12GB", "--cpu", "Ryzen 7 5800X", "--ram", "DDR4-3600 2x16")
DENSE = ("--model", "Qwen3-8B", "--quant", "Q4_K_M")
TABLE = """| model | size | params | backend | ngl | test | t/s |
| --- | ---: | ---: | --- | --: | ---: | ---: |
| qwen3 8B Q4_K - Medium | 4.68 GiB | 8.19 B | CUDA | 99 | pp512 | 1900.00 ± 3.00 |
| qwen3 8B Q4_K - Medium | 4.68 GiB | 8.19 B | CUDA | 99 | tg128 | 48.00 ± 0.10 |
"""


@pytest.fixture
def store(advisor_home: Path) -> ProfileStore:
    return ProfileStore(advisor_home)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, SEEN)


def _asked(capsys: Captured, *options: str) -> tuple[dict[str, Any], float, float]:
    """A prediction of gpt-oss-20b: all of it, its speed, and how wide its range is."""
    found = json.loads(said(capsys, "predict", "--model", "gpt-oss-20b", *options, "--json")[0])
    speed = found["decode_tok_s"]
    return found, speed["p50"], speed["p95"] / speed["p05"]


def test_a_slow_run_lowers_what_is_predicted_of_other_models_and_is_told(
    store: ProfileStore, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "bench.md"
    file.write_text(TABLE)
    _, before, _ = _asked(capsys, *MACHINE)
    out, err = said(capsys, "calibrate", "add", str(file), *MACHINE)
    assert out.startswith("line 3: Qwen3-8B Q4_K_M writes 48 tok/s (predicted without it:")
    assert "predictions for this machine go by the one run from now on" in err
    found, after, _ = _asked(capsys, *MACHINE)
    assert after < before  # 48 tok/s are less than was predicted without it
    assert found["calibration"] == "measured"
    assert any("by your run" in item["message"] for item in found["warnings"])
    assert _asked(capsys, *MACHINE, "--no-profile")[1] == before
    assert _asked(capsys, "--gpu", "RTX 4090", "--cpu", "Ryzen 7 5800X")[0]["calibration"] == "global"


def test_the_same_run_by_option_and_stored_give_the_same_answer(store: ProfileStore, capsys: Captured) -> None:
    by_option = _asked(capsys, *MACHINE, "--measured", "Qwen3-8B Q4_K_M 48")
    said(capsys, "calibrate", "add", *DENSE, "--decode", "48", *MACHINE)
    stored = _asked(capsys, *MACHINE)
    assert stored[1:] == pytest.approx(by_option[1:], rel=1e-3)  # their mean depths differ by nothing


def test_several_runs_add_up_in_one_profile_and_the_same_one_counts_once(store: ProfileStore, capsys: Captured) -> None:
    for _ in range(2):
        said(capsys, "calibrate", "add", *DENSE, "--decode", "48", *MACHINE)
    said(capsys, "calibrate", "add", "--model", "Qwen3-4B", "--quant", "Q8_0", "--decode", "55", *MACHINE)
    assert store.names() == ["ryzen-7-5800x-rtx-3060-runs"]
    assert len(store.named(store.names()[0]).measured) == 2
    found, _, width = _asked(capsys, *MACHINE)
    assert any("by your 2 runs" in item["message"] for item in found["warnings"])
    assert width < _asked(capsys, *MACHINE, "--no-profile")[2] * 1.02


def test_a_run_faster_than_the_memory_is_refused_and_taken_by_force(store: ProfileStore, capsys: Captured) -> None:
    add = ("calibrate", "add", *DENSE, "--decode", "400", *MACHINE)
    assert run_fails(capsys, *add).startswith("warning: your run of Qwen3-8B")
    assert store.names() == []
    said(capsys, *add, "--force")
    assert len(store.names()) == 1


def run_fails(capsys: Captured, *arguments: str) -> str:
    from advisor.cli.app import run

    assert run(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return str(err)


def test_without_hardware_the_runs_are_this_machines(store: ProfileStore, capsys: Captured) -> None:
    said(capsys, "calibrate", "add", *DENSE, "--decode", "48")
    rows = json.loads(said(capsys, "calibrate", "list", "--json")[0])["profiles"]
    assert [(row["whose"], row["runs"], row["engine"]) for row in rows] == [("this machine's", 1, "runs of its owner")]
    assert "Qwen3-8B Q4_K_M" in said(capsys, "calibrate", "show")[0]
    assert _asked(capsys)[0]["calibration"] == "measured"


def test_a_calibration_of_the_machine_goes_before_runs(store: ProfileStore, capsys: Captured) -> None:
    said(capsys, "calibrate", "add", *DENSE, "--decode", "48", *NAMED)
    store.save(own_profile())
    assert _asked(capsys, *NAMED)[0]["calibration"] == "profile:box"


def test_what_is_not_read_is_told_by_line_and_nothing_is_stored(
    store: ProfileStore, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "paste.txt"
    file.write_text("hello\nQuux-9000 Q4_K_M 31 tok/s\n")
    err = run_fails(capsys, "calibrate", "add", str(file), *MACHINE)
    assert "line 2 ('Quux-9000 Q4_K_M 31 tok/s'): no model is named" in err
    assert store.names() == []
    assert "cannot be read" in run_fails(capsys, "calibrate", "add", str(tmp_path / "no"), *MACHINE)
    assert "name a FILE" in run_fails(capsys, "calibrate", "add", *MACHINE)
    assert "states no run" in run_fails(capsys, "predict", *DENSE, *MACHINE, "--measured", "fast")
    unknown = run_fails(capsys, "calibrate", "add", "--model", "Quux", "--decode", "3", *MACHINE)
    assert "is not in the catalog" in unknown


def test_runs_are_exported_for_others_imported_and_checked(
    store: ProfileStore, tmp_path: Path, capsys: Captured
) -> None:
    said(capsys, "calibrate", "add", *DENSE, "--decode", "48", "--prefill", "1900", "--depth", "4096", *MACHINE)
    table = said(capsys, "calibrate", "export", "--evidence")[0]
    (row,) = csv.DictReader(io.StringIO(table))
    assert (row["model"], row["quant"]) == ("Qwen3-8B", "Q4_K_M")
    assert (row["decode_tok_s"], row["context_depth"]) == ("48", "4096")
    assert (row["backend"], row["quality"], row["gpu"]) == ("", "B", "RTX 3060 12GB")
    whole = tmp_path / "profile.json"
    said(capsys, "calibrate", "export", "--output", str(whole))
    said(capsys, "calibrate", "remove", store.names()[0])
    said(capsys, "calibrate", "import", str(whole))
    assert _asked(capsys, *MACHINE)[0]["calibration"] == "measured"
    offered = tmp_path / "offered.csv"
    fast, foreign = row | {"decode_tok_s": "400"}, row | {"model": "Quux-9000"}
    with offered.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerows([row, fast, foreign, row | {"quality": "C"}])
    rows = json.loads(said(capsys, "evidence", "check", str(offered), "--json")[0])["rows"]
    assert [item["verdict"] for item in rows] == ["as expected", "implausible", "not read", "left out"]
    assert "faster than this memory" in rows[1]["why"]
    assert "Quux-9000" in rows[2]["why"]
    assert "1 implausible" in said(capsys, "evidence", "check", str(offered))[0]
    offered.write_text("a,b\n1,2\n")
    assert "it lacks source_url" in run_fails(capsys, "evidence", "check", str(offered))


def test_neither_scipy_nor_llama_cpp_is_needed(advisor_home: Path, tmp_path: Path) -> None:
    (tmp_path / "blocked.py").write_text(
        "import sys\n"
        "for name in ('scipy', 'llama_cpp', 'gguf'):\n"
        "    sys.modules[name] = None\n"
        "from advisor.cli.app import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    for arguments in (
        ["calibrate", "add", *DENSE, "--decode", "48", *MACHINE],
        ["predict", *DENSE, *MACHINE, "--measured", "Qwen3-4B Q8_0 55 tok/s", "--json"],
    ):
        done = subprocess.run(
            [sys.executable, str(tmp_path / "blocked.py"), *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
