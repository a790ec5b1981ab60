"""llama.cpp's log in the process that runs it, and what it says of failures, in words for the user.

Its lines are kept for the report of its buffers, and written to standard error one by one, so that the last words are
there when the process dies.
"""

import os
import re
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from advisor.children import last_words
from advisor.engine.session.buffers import is_worth_keeping

DEBUG, WARNING, CONTINUED = 1, 3, 5
"""Source: ggml/include/ggml.h enum ggml_log_level (read 2026-11-25)."""
KEPT_LINES: Final = 4000
MARK: Final = "|"
"""Between the level and the text of a line on standard error; what a library prints by itself has no level."""
STDERR: Final = 2
_ERROR = re.compile(r"error loading model: (?P<reason>.+)|failed to initialize the context: (?P<context>.+)")
_UNKNOWN = re.compile(r"unknown model architecture: '(?P<name>[^']*)'")
_NO_ROOM = re.compile(r"failed to allocate|unable to allocate|out of memory|cudaMalloc failed|bad_alloc", re.IGNORECASE)
_MARKED = re.compile(r"^(?:(?P<level>\d)\|)?(?P<text>.*)$")


class Log:
    """The lines of a load, oldest first."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._callback: Any = None

    def listen(self, llama: Any) -> None:
        """Take over llama.cpp's log."""

        def hear(level: int, said: bytes, _: Any) -> None:
            text = said.decode("utf-8", errors="replace")
            if level == DEBUG and not is_worth_keeping(text):
                return
            if level == CONTINUED and self.lines:
                self.lines[-1] += text.rstrip("\n")
            else:
                self.lines.append(text.rstrip("\n"))
            if level not in (DEBUG, CONTINUED):
                os.write(STDERR, f"{level}{MARK}{text.rstrip()}\n".encode())

        self._callback = llama.llama_log_callback(hear)
        llama.llama_log_set(self._callback, None)


def reason_of(lines: Iterable[str]) -> str:
    """The reason in the last lines of the log that give one."""
    text = list(lines)
    if any(_NO_ROOM.search(line) for line in text):
        return "there is not enough memory; take a smaller quant, a shorter context or other layers on the GPU"
    for line in reversed(text):
        unknown = _UNKNOWN.search(line)
        if unknown:
            return f"this build of llama.cpp does not know the architecture {unknown['name']!r}; a newer one may"
        found = _ERROR.search(line)
        if found:
            return (found["reason"] or found["context"]).strip()
    return "; ".join(last_words(text)) or "llama.cpp gave no reason"


def last_warnings(lines: Iterable[str]) -> list[str]:
    """The last words of lines marked with their level: of warnings and errors, else of what was allocated last."""
    found = [_MARKED.match(line) for line in lines]
    marked = [(item["level"], item["text"]) for item in found if item]
    warnings = [text for level, text in marked if level is None or int(level) >= WARNING]
    return last_words(warnings) or last_words([text for _, text in marked if "buffer size" in text], 1)
