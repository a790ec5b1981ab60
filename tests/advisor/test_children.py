"""Processes that may crash: what they say is heard, and their end is a sentence."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from advisor.children import AMX_REMEDY, REMEDY, Child, Ended, how, output_of
from tests.advisor.crashing import BY_SIGILL

ECHO = """
from advisor.children import own_output, requests
heard, said = requests(), own_output()
print("no reply")
while (line := heard.get()) != "enough\\n":
    said.write(line.upper())
    said.flush()
"""
PATIENCE_S = 60.0


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", textwrap.dedent(code)


def gone(pid: int) -> bool:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_requests_are_answered_in_turn_and_what_is_printed_is_no_reply() -> None:
    with Child(python(ECHO)) as child:
        for word in ("one", "two"):
            child.ask(word)
            assert child.reply(PATIENCE_S) == f"{word.upper()}\n"
        child.ask("enough")
        assert list(child.replies(PATIENCE_S)) == []  # it ends well while its listening thread still waits
        assert child.end() == "ended with code 0"


def test_a_child_that_meets_an_illegal_instruction_says_what_to_do() -> None:
    with Child(BY_SIGILL) as child, pytest.raises(Ended) as ended:
        child.reply(PATIENCE_S)
    amx = "amx_tile" in Path("/proc/cpuinfo").read_text()
    said = "met an instruction that this processor cannot run (SIGILL)"
    assert str(ended.value) == f"{said}; {AMX_REMEDY if amx else REMEDY} (its last words: loading the kernels)"


@pytest.mark.parametrize("code", [-signal.SIGILL, 128 + signal.SIGILL, 0xC000001D])
def test_the_remedy_of_an_illegal_instruction_depends_on_the_processor(code: int, tmp_path: Path) -> None:
    """As subprocess tells it, as a shell around the child does, and as Windows does."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags\t\t: fpu avx512f amx_tile amx_int8\n")
    assert how(code, cpuinfo).endswith("on processors with AMX: scripts/install-engine builds it without")
    cpuinfo.write_text("flags\t\t: fpu avx2\n")
    assert how(code, cpuinfo).endswith("(SIGILL); scripts/install-engine builds llama.cpp for this processor")
    assert how(code, tmp_path / "absent") == how(code, cpuinfo)
    assert (Path(__file__).parents[2] / "scripts/install-engine").is_file()


def test_a_crash_is_laid_to_amx_only_where_there_is_some(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : amx_tile\n")
    assert how(-signal.SIGSEGV, cpuinfo) == f"crashed (SIGSEGV); {AMX_REMEDY}"
    assert how(-signal.SIGSEGV, tmp_path / "absent") == "crashed (SIGSEGV)"
    assert how(200) == "ended with code 200"


def test_a_child_that_fails_after_some_replies_is_told_with_its_last_words() -> None:
    with Child(python("print(1)\nprint(2)\nraise SystemExit('the device is lost')")) as child:
        replies = child.replies(PATIENCE_S)
        assert [next(replies), next(replies)] == ["1\n", "2\n"]
        with pytest.raises(Ended, match=r"^ended with code 1 \(its last words: the device is lost\)$"):
            next(replies)
        with pytest.raises(Ended, match="ended with code 1"):
            child.ask("are you there?")


def test_a_silent_child_is_ended() -> None:
    child = Child(python("import time\ntime.sleep(600)"))
    with pytest.raises(Ended, match=r"gave no answer within 0\.2 seconds and was ended"):
        child.reply(0.2)
    assert not child.runs


def test_a_program_that_is_not_there_cannot_be_started() -> None:
    with pytest.raises(Ended, match=r"could not be started .*no-such-program"):
        Child(("no-such-program",))


def test_what_a_child_says_goes_to_the_log_as_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as log, Child(python("import sys\nprint('warming up', file=sys.stderr)"), log=log) as child:
        assert child.end() == "ended with code 0 (its last words: warming up)"
    assert path.read_text() == "warming up\n"


def test_no_child_outlives_the_process_that_started_it() -> None:
    """However busy it is, and though its parent has no time to say anything."""
    busy = "from advisor.children import requests\nrequests()\nprint('ready', flush=True)\nwhile True: pass"
    parent = f"""
        from advisor.children import Child
        child = Child({python(busy)!r})
        child.reply(60)
        print(child.pid, flush=True)
        child.reply(600)
    """
    with subprocess.Popen(python(parent), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        assert psutil.pid_exists(child)
        process.kill()
    assert gone(child)


def test_programs_of_the_system_that_fail_say_nothing() -> None:
    assert output_of(sys.executable, "-c", "print('told')") == "told\n"
    assert output_of(sys.executable, "-c", "print('half'); raise SystemExit(3)") == ""
    assert output_of("no-such-program") == ""
