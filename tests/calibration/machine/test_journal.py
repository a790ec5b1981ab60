"""What was measured is on the disk when it is told, and only one calibration runs at a time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from advisor.errors import InputError
from calibration.machine.trials import MOST_AGE_S, Journal, Stamp, Trial, only_one
from tests.calibration.machine.tiny import BRIEF, DEEPER, STAMP, one, tiny, trial_of

ROOT = Path(__file__).parents[3]
FULL = Path("/dev/full")
"""A file of Linux that takes no byte."""
HOLDER = """
import sys
from pathlib import Path
from calibration.machine.trials import only_one
with only_one(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def trials() -> list[Trial]:
    """Three; the last one's file has a name whose letters take several bytes each."""
    model = tiny("Q8_0")
    first, second = (trial_of(one(model), asked, model, 10.0, 100.0) for asked in (BRIEF, DEEPER))
    return [first, second, first.model_copy(update={"file": "модель-模型.gguf"})]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with three trials."""
    found = tmp_path / "home" / "measured.jsonl"
    journal = Journal.open(found, STAMP)
    for trial in trials():
        journal.add(trial)
    return found


@pytest.fixture
def unflushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of files are written, and no power fails meanwhile."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


@contextmanager
def held_elsewhere(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that calibrates."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as other:
        try:
            assert other.stdout
            assert other.stdout.readline() == "held\n"
            yield other
        finally:
            other.kill()


def test_it_goes_on_where_it_was(path: Path) -> None:
    later = STAMP.model_copy(update={"started_s": STAMP.started_s + MOST_AGE_S})
    again = Journal.open(path, later)
    assert again.trials == trials()
    again.add(trials()[0])
    assert Journal.open(path, later).trials == [*trials(), trials()[0]]


def test_its_age_is_that_of_the_first_part(path: Path) -> None:
    """One that goes on again and again does not become younger by it."""
    middle, late = (STAMP.started_s + share * MOST_AGE_S for share in (0.6, 1.2))
    assert Journal.open(path, STAMP.model_copy(update={"started_s": middle})).trials
    assert Journal.open(path, STAMP.model_copy(update={"started_s": late})).trials == []


@pytest.mark.parametrize(
    "other",
    [
        {"engine": "2"},
        {"fingerprint": "1" * 32},
        {"plan": "quick"},
        {"started_s": STAMP.started_s + MOST_AGE_S + 1},
        {"started_s": STAMP.started_s - 1},
    ],
    ids=lambda other: f"{next(iter(other))} {next(iter(other.values()))}",
)
def test_what_was_measured_otherwise_does_not_count(path: Path, other: dict[str, str | float]) -> None:
    stamp = Stamp.model_validate(STAMP.model_dump() | other)
    assert Journal.open(path, stamp).trials == []
    assert Journal.open(path, stamp.model_copy()).trials == []
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1


def test_a_last_line_cut_off_at_any_byte_costs_that_line_alone(path: Path, unflushed: None) -> None:
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(whole) + 1):
        path.write_bytes(whole[:end])
        kept = 3 if end >= len(whole) - 1 else 2  # the line's end says nothing that its last brace did not
        journal = Journal.open(path, STAMP)
        assert journal.trials == trials()[:kept], end
        if end % 20 == 0:
            journal.add(trials()[0])
            assert Journal.open(path, STAMP).trials == [*trials()[:kept], trials()[0]], end


def test_a_first_line_cut_off_at_any_byte_begins_anew(path: Path, unflushed: None) -> None:
    whole = path.read_bytes()
    for end in range(whole.index(b"\n")):
        path.write_bytes(whole[:end])
        assert Journal.open(path, STAMP).trials == [], end


def test_what_is_no_journal_begins_anew(path: Path) -> None:
    for content in (b"", b"\n\n", b"\xff\xfe\x00", b"[]\n", b'{"fingerprint": 1}\n'):
        path.write_bytes(content)
        assert Journal.open(path, STAMP).trials == []


def test_it_is_gone_when_it_is_closed(path: Path) -> None:
    journal = Journal.open(path, STAMP)
    journal.close()
    assert not path.exists()
    journal.close()


def test_two_at_once_are_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path / "calibrations") as other:
        with (
            pytest.raises(InputError, match="another calibration is running on this machine: wait until it has ended"),
            only_one(tmp_path / "calibrations"),
        ):
            pass
        with only_one(tmp_path / "other"):  # of another home
            pass
        other.communicate("")
    with only_one(tmp_path / "calibrations"):
        pass


def test_a_killed_one_stands_in_nobodys_way(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as other:
        other.kill()
        other.wait()
        with only_one(tmp_path):
            pass


def test_an_error_lets_the_next_one_in(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), only_one(tmp_path):
        raise RuntimeError
    with only_one(tmp_path):
        pass


def test_where_nothing_can_be_written_one_sentence_says_so(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file in place of the folder")
    with pytest.raises(InputError) as locked, only_one(home / "calibrations"):
        pass
    with pytest.raises(InputError) as opened:
        Journal.open(home / "measured.jsonl", STAMP)
    with pytest.raises(InputError) as added:
        Journal(home / "measured.jsonl", []).add(trials()[0])
    for refused in (locked, opened, added):
        assert str(refused.value).startswith(f"{home}")
        assert "cannot be written" in str(refused.value)
        assert str(refused.value).endswith("make the folder writable; ADVISOR_HOME names another")
        assert "\n" not in str(refused.value)


def test_a_full_disk_keeps_what_was_measured_before(path: Path) -> None:
    journal = Journal.open(path, STAMP)
    full = Journal(FULL, journal.trials)
    with pytest.raises(InputError, match="/dev/full cannot be written \\(no space left on device\\): free some room"):
        full.add(trials()[0])
    assert full.trials == trials()
    assert Journal.open(path, STAMP).trials == trials()
