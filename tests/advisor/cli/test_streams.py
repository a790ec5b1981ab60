"""Where the command line prints: a full disk, a closed stream, a reader that left, a terminal, a signal."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from advisor.cli import ending
from advisor.cli.lines import answer_file
from advisor.physics.knowledge import load
from advisor.prediction import batch

ADVISOR = (sys.executable, "-m", "advisor")
PREDICT = ("predict", "--model", "gpt-oss-20b", "--gpu", "RTX 3090")
QUESTION = {"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3090"}]}}


def in_shell(line: str, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A line of a shell in which "$@" is the program with these words."""
    command = ["bash", "-c", line, "bash", *ADVISOR, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("words", [PREDICT, (*PREDICT, "--json"), ("prices", "show", "RTX 3090")], ids=" ".join)
@pytest.mark.parametrize(
    ("line", "said"),
    [('"$@" > /dev/full', "no space left on device"), ('"$@" >&-', "bad file descriptor")],
    ids=["a full disk", "closed"],
)
def test_what_cannot_be_printed_is_one_sentence(line: str, said: str, words: tuple[str, ...]) -> None:
    done = in_shell(line, *words)
    assert done.returncode == 1
    assert done.stderr == f"advisor: standard output cannot be written ({said}): make room, or send it elsewhere\n"


def test_a_closed_output_does_not_take_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(QUESTION) + "\n")
    done = in_shell('"$@" >&- <&- 2>&-', "predict", "--batch", "in.jsonl", "--output", "out.jsonl", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads((tmp_path / "out.jsonl").read_text())["fits"] is True


@pytest.mark.parametrize("line", ['"$@" 2> /dev/full', '"$@" 2>&-'], ids=["a full disk", "closed"])
def test_a_refusal_that_cannot_be_told_keeps_its_exit_code(line: str) -> None:
    assert in_shell(line, "predict", "--model", "no such model").returncode == 2


def test_a_reader_that_left_is_no_failure() -> None:
    done = in_shell('set -o pipefail; "$@" | head -c 1', *PREDICT)
    assert (done.returncode, done.stderr) == (0, "")


def drafts(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if ".partial" in path.name]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_an_end_that_was_lost_without_a_word_is_asked_for_again(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a library calls back and drops what is raised there."""
    before = signal.signal(signal.SIGTERM, ending.asked_to_end)

    def answered(lines: object, *_: object) -> Iterator[str]:
        yield "{}"
        with suppress(BaseException):
            signal.raise_signal(number)
        yield "{}"

    monkeypatch.setattr(batch, "answer_lines", answered)
    (tmp_path / "in.jsonl").write_text("{}\n")
    try:
        with pytest.raises(KeyboardInterrupt if number is signal.SIGINT else SystemExit):
            answer_file(str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl"), load())
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_leaves_no_draft(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text((json.dumps(QUESTION) + "\n") * 100_000)
    command = [*ADVISOR, "predict", "--batch", "in.jsonl", "--output", "out.jsonl"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as program:
        limit = time.monotonic() + 120
        while not drafts(tmp_path) and time.monotonic() < limit:
            time.sleep(0.05)
        assert drafts(tmp_path)
        program.send_signal(number)
        _, err = program.communicate(timeout=60)
    assert program.returncode == (143 if number is signal.SIGTERM else 130)
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "advisor-home") == ["in.jsonl"]


IN_A_CALL_BACK = """
import signal, sys, time
from types import SimpleNamespace
from advisor.cli import app

class Left:
    def __del__(self):
        signal.raise_signal(signal.{name})
        time.sleep(0.01)

def work(*_, **__):
    left = Left()
    del left
    time.sleep(60)

app._program = lambda _: SimpleNamespace(main=work)
sys.argv = ["advisor"]
app.main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_that_comes_where_nothing_can_be_raised_ends_the_program_all_the_same(number: signal.Signals) -> None:
    """A library's call back swallowed the end of 1 in 20 batches that were told to end while tables were read."""
    start = time.monotonic()
    script = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + IN_A_CALL_BACK
    done = subprocess.run(
        [sys.executable, "-c", script.format(name=number.name)], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == (143 if number is signal.SIGTERM else 130)
    assert "Exception ignored" not in done.stderr
    assert time.monotonic() - start < 45


def on_a_terminal(*words: str, cwd: Path) -> bytes:
    """All that a command writes to a terminal."""
    child, leader = pty.fork()
    if child == 0:
        os.chdir(cwd)
        os.execv(sys.executable, [*ADVISOR, *words])
    written = b""
    while True:
        try:
            some = os.read(leader, 65_536)
        except OSError:  # the terminal's other side is closed
            break
        if not some:
            break
        written += some
    os.waitpid(child, 0)
    os.close(leader)
    return written


def test_a_person_who_waits_is_told_for_what_and_a_file_is_not(tmp_path: Path) -> None:
    words = ("models", "--gpu", "RTX 3060 12GB", "--limit", "1")
    shown = on_a_terminal(*words, cwd=tmp_path)
    assert shown.startswith(b"Trying every model ...\r\x1b[K")
    assert shown.count(b"Trying") == 1
    assert "Trying" not in in_shell('"$@" 2>&1', *words).stdout
