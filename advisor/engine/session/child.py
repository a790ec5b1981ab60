"""A child process that speaks in lines: requests in, replies out, its standard error kept. It never outlives us."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from advisor.detection.commands import text_of
from advisor.engine.session.refusals import last_warnings

KEPT_LINES = 400
CLOSING_S = 5.0
"""Time that a child has to end by itself."""


class Ended(Exception):
    """The child has ended, or was ended because it took too long; the message says how."""


class Child:
    """One child of this interpreter. `wrapper`: words in front of its command, such as a memory limit."""

    def __init__(self, module: str, wrapper: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [*wrapper, sys.executable, "-m", module],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, encoding="utf-8", errors="replace", env=_environment(),
        )  # fmt: skip
        self._replies: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=KEPT_LINES)
        self._readers = [
            threading.Thread(target=reader, daemon=True) for reader in (self._read_replies, self._read_errors)
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def _read_replies(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._replies.put(line)
        self._replies.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line.rstrip("\n"))

    def ask(self, line: str) -> None:
        """Send a request; what was said before it is forgotten. Raises `Ended` when there is no child any more."""
        self._said.clear()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise Ended(self._how_it_ended()) from None

    def reply(self, timeout_s: float) -> str:
        """The next reply. Raises `Ended` when the child ends before, or is ended after `timeout_s` of silence."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                # short waits: on Windows a wait without an end cannot be interrupted by Ctrl-C
                line = self._replies.get(timeout=min(1.0, max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                if time.monotonic() >= deadline:
                    self.close(0.0)
                    raise Ended(f"gave no answer within {timeout_s:g} seconds and was ended") from None
                continue
            if line is None:
                raise Ended(self._how_it_ended())
            return line

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

    def _how_it_ended(self) -> str:
        code = self._process.wait()
        self._readers[1].join(CLOSING_S)
        words = last_warnings(self._said)
        said = f" (its last words: {'; '.join(words)})" if words else ""
        return f"{how(code)}{said}"


def how(code: int) -> str:
    """What an exit code means.

    >>> how(-9)
    'was killed (SIGKILL), as systems do when memory runs out'
    >>> how(1)
    'ended with code 1'
    """
    if code >= 0:
        return f"ended with code {code}"
    name = signal.Signals(-code).name
    meaning = {
        "SIGKILL": "was killed (SIGKILL), as systems do when memory runs out",
        "SIGABRT": "gave up (SIGABRT)",
        "SIGSEGV": f"crashed (SIGSEGV){_amx()}",
        "SIGBUS": "crashed (SIGBUS), as happens when a mapped file becomes shorter",
    }
    return meaning.get(name, f"was ended by {name}")


def _amx(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """What a crash is likely due to on a processor with AMX. Source: llama.cpp issue 20824 and pull 26954."""
    if "amx_tile" not in text_of(cpuinfo):
        return ""
    return "; some builds of llama.cpp crash on processors with AMX: scripts/install-engine builds it without"


def _environment() -> dict[str, str]:
    """Ours, without llama.cpp's backtraces: they start a debugger, and only the message is shown."""
    return {**os.environ, "GGML_NO_BACKTRACE": "1", "PYTHONUNBUFFERED": "1"}
