"""A process that may crash: one that we start, talk to in lines, and whose end is a sentence instead of ours.

llama.cpp ends its process when a driver, a file or another host fails it, so whatever uses it runs in a `Child`. A
child never outlives us, however we end: it watches its standard input (`requests`), which closes when we are gone.
Linux's signal at a parent's death (prctl PR_SET_PDEATHSIG) would not do: it comes when the *thread* that started the
child ends (man 2 PR_SET_PDEATHSIG), as those of a server do at any time, and it does not reach through a `wrapper`.
"""

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self, TextIO

from advisor.files import text_of

KEPT_LINES: Final = 400
CLOSING_S: Final = 5.0
"""Time that a child has to end by itself."""
PROGRAM_S: Final = 10.0
"""Time that a program of the system has to answer."""
LOADING_S: Final = 3600.0
"""Time that a child may be silent while it reads a model: a disk of 100 MB/s reads 300 GB in it."""
MEANINGFUL: Final = re.compile(r"[A-Za-z]{3}")
REMEDY: Final = "scripts/install-engine builds llama.cpp for this processor"
AMX_REMEDY: Final = "some builds of llama.cpp crash on processors with AMX: scripts/install-engine builds it without"
"""Source: llama.cpp issue 20824 and pull 26954 (read 2026-11-26)."""
WINDOWS_SIGNALS: Final = {0xC0000005: "SIGSEGV", 0xC000001D: "SIGILL", 0xC0000409: "SIGABRT", 0xC0000006: "SIGBUS"}
"""Exit codes that are exceptions of the processor. Source: [MS-ERREF] 2.3.1, NTSTATUS values (read 2026-11-29)."""


class Ended(Exception):
    """The child has ended, or was ended because it took too long; the message says how, as "was killed" does."""


def last_words(lines: Iterable[str], number: int = 2) -> list[str]:
    """The last lines that say something."""
    said = [line.strip() for line in lines if MEANINGFUL.search(line)]
    return said[-number:]


def module(name: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs one of our own modules."""
    return sys.executable, "-m", name, *arguments


class Child:
    """A process that writes replies, a line each, and hears requests; a context manager whose end is the child's.

    `wrapper`: words in front of its command, such as a memory limit. `words`: picks what an ended child's last words
    were from its standard error, of which the last lines are kept. `log`: where its standard error goes as well. Ctrl-C
    in a terminal is for us alone. Raises `Ended` where it cannot be started.
    """

    def __init__(
        self, command: Sequence[str], wrapper: Sequence[str] = (), *,
        words: Callable[[Iterable[str]], list[str]] = last_words, log: TextIO | None = None,
    ) -> None:
        self._words, self._log = words, log
        self._replies: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=KEPT_LINES)
        # llama.cpp's backtraces start a debugger, and only the message is shown
        environment = {**os.environ, "GGML_NO_BACKTRACE": "1", "PYTHONUNBUFFERED": "1"}
        try:
            self._process = subprocess.Popen(
                [*wrapper, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, encoding="utf-8", errors="replace", env=environment, start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            raise Ended(f"could not be started ({error})") from None
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_replies, self._read_errors)]
        for reader in self._readers:
            reader.start()

    def _read_replies(self) -> None:
        for line in self._process.stdout or ():
            self._replies.put(line)
        self._replies.put(None)

    def _read_errors(self) -> None:
        for line in self._process.stderr or ():
            self._said.append(line.rstrip("\n"))
            if self._log is not None:
                self._log.write(line)
                self._log.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def ask(self, line: str) -> None:
        """Send a request; what was said before it is forgotten. Raises `Ended` when there is no child any more."""
        self._said.clear()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise Ended(self.end()) from None

    def reply(self, timeout_s: float) -> str:
        """The next reply. Raises `Ended` when the child ends before, or is ended after `timeout_s` of silence."""
        line = self._heard(timeout_s)
        if line is None:
            raise Ended(self.end())
        return line

    def replies(self, patience_s: float) -> Iterator[str]:
        """All replies until the child has done its work, which may take `patience_s`. Raises `Ended` when it fails."""
        deadline = time.monotonic() + patience_s
        while (line := self._heard(deadline - time.monotonic(), patience_s)) is not None:
            yield line
        if self._process.wait() != 0:
            raise Ended(self.end())

    def _heard(self, timeout_s: float, named_s: float | None = None) -> str | None:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                # short waits: on Windows a wait without an end cannot be interrupted by Ctrl-C
                return self._replies.get(timeout=min(1.0, max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                if time.monotonic() >= deadline:
                    self.close(0.0)
                    waited = timeout_s if named_s is None else named_s
                    raise Ended(f"gave no answer within {waited:g} seconds and was ended") from None

    def end(self) -> str:
        """Wait until the child has ended, and say how, with its last words."""
        code = self._process.wait()
        self._readers[1].join(CLOSING_S)
        words = self._words(self._said)
        return f"{how(code)} (its last words: {'; '.join(words)})" if words else how(code)

    def close(self, patience_s: float = CLOSING_S) -> None:
        """End the child: it goes by itself when its input closes, else it is killed."""
        with contextlib.suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for reader in self._readers:
            reader.join(CLOSING_S)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


def how(code: int, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """What an exit code means: of a process, of Windows, or of a shell around it, which adds a signal to 128.

    >>> how(-9)
    'was killed (SIGKILL), as systems do when memory runs out'
    >>> how(1)
    'ended with code 1'
    """
    number = -code if code < 0 else code - 128
    names = {item.value: item.name for item in signal.Signals}
    name = WINDOWS_SIGNALS.get(code) or names.get(number)
    if name is None:
        return f"ended with code {code}"
    amx = "amx_tile" in text_of(cpuinfo)
    meaning = {
        "SIGKILL": "was killed (SIGKILL), as systems do when memory runs out",
        "SIGABRT": "gave up (SIGABRT)",
        "SIGILL": f"met an instruction that this processor cannot run (SIGILL); {AMX_REMEDY if amx else REMEDY}",
        "SIGSEGV": f"crashed (SIGSEGV){f'; {AMX_REMEDY}' if amx else ''}",
        "SIGBUS": "crashed (SIGBUS), as happens when a mapped file becomes shorter",
    }
    return meaning.get(name, f"was ended by {name}")


def output_of(*command: str) -> str:
    """What a program of the system prints; empty when it is missing, fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROGRAM_S, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")


def requests() -> "queue.SimpleQueue[str]":
    """In a child: what the parent asks, line by line. When it has gone this process ends at once, whatever runs."""
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        # a stream of its own: an interpreter that ends while a thread reads `sys.stdin` fails at its lock
        with os.fdopen(os.dup(0), encoding="utf-8") as lines:
            for line in lines:
                heard.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    return heard


def own_output() -> TextIO:
    """In a child: a stream to the parent that nothing else writes to; what libraries print goes to standard error."""
    channel = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(channel, "w", encoding="utf-8")
