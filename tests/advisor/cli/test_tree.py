"""The tree of commands: what is listed, what is imported when, and how errors are told."""

import subprocess
import sys
from pathlib import Path

import pytest

from advisor.cli.app import Entry, run

HERE = Path(__file__).parent
ENTRIES = {
    "sample": Entry("sample_commands", "Do as told."),
    "later": Entry("a_module_that_is_not_there", "Not built yet."),
}
START = "from test_tree import ENTRIES; from advisor.cli.app import run;"


@pytest.fixture(autouse=True)
def sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.delitem(sys.modules, "sample_commands", raising=False)
    monkeypatch.delenv("ADVISOR_DEBUG", raising=False)


def test_a_command_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", "work", "--count", "3"], ENTRIES) == 0
    assert capsys.readouterr() == ("worked 3\n", "")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands_that_are_there_without_importing_them(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments, ENTRIES) == 0
    out, err = capsys.readouterr()
    assert "Do as told." in out
    assert "later" not in out
    assert err == ""
    assert "sample_commands" not in sys.modules


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sampel"], "No such command 'sampel': the commands are sample."),
        (["later"], "No such command 'later': the commands are sample."),
        (["--nonsense"], "No such option '--nonsense'."),
        (["sample"], "Missing argument 'DEED'."),
        (["sample", "work", "--cuont", "2"], "No such option '--cuont'. Did you mean '--count'?"),
        (["sample", "work", "--count", "two"], "Invalid value for '--count': 'two' is not a valid integer."),
        (["sample", "refuse"], "--budget must be more than 0: give dollars"),
        (["sample", "misname"], "GPU 'RTX 9999' is not in the catalog; nearest: RTX 5090, RTX 4090"),
    ],
)
def test_wrong_input_is_told_in_one_line(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments, ENTRIES) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"advisor: {told}")
    assert err.count("\n") == 1


def test_a_defect_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", "break"], ENTRIES) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "ValueError: a defect" in err
    assert err.count("\n") == 1


def test_a_defect_shows_where_it_is_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVISOR_DEBUG", "1")
    with pytest.raises(ValueError, match="a defect"):
        run(["sample", "break"], ENTRIES)


def test_an_interruption_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", "interrupt"], ENTRIES) == 130
    out, err = capsys.readouterr()
    assert out + err.strip() == ""


def test_a_reader_that_leaves_is_no_failure_to_tell() -> None:
    program = f"{START} raise SystemExit(run(['sample', 'flood'], ENTRIES))"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=30) == 1


def test_importing_the_tree_imports_nothing_heavy() -> None:
    """The start of every command; these take 30 to 200 ms each (python -X importtime)."""
    heavy = {"pydantic", "numpy", "scipy", "rich", "rapidfuzz"}
    program = f"import sys, advisor.cli.app; print(*{heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert found.strip() == ""


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    declared = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    version = capsys.readouterr().out.split()[-1]
    assert f'version = "{version}"' in declared
