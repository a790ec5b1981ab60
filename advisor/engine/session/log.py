"""llama.cpp's log in the process that runs it: kept for the report of its buffers, and written to standard error line
by line, so that the last words are there when the process dies.
"""

import os
from collections import deque
from typing import Any

from advisor.engine.session.buffers import is_worth_keeping

DEBUG, CONTINUED = 1, 5
"""Source: ggml/include/ggml.h enum ggml_log_level (read 2026-11-25)."""
KEPT_LINES = 4000
MARK = "|"
"""Between the level and the text of a line on standard error; what a library prints by itself has no level."""
STDERR = 2


class Log:
    """The lines of a load, oldest first."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._callback: Any = None

    def listen(self, llama: Any) -> None:
        """Take over llama.cpp's log."""

        def hear(level: int, text: bytes, _: Any) -> None:
            self._hear(level, text.decode("utf-8", errors="replace"))

        self._callback = llama.llama_log_callback(hear)
        llama.llama_log_set(self._callback, None)

    def _hear(self, level: int, text: str) -> None:
        if level == DEBUG and not is_worth_keeping(text):
            return
        if level == CONTINUED and self.lines:
            self.lines[-1] += text.rstrip("\n")
        else:
            self.lines.append(text.rstrip("\n"))
        if level not in (DEBUG, CONTINUED):
            os.write(STDERR, f"{level}{MARK}{text.rstrip()}\n".encode())
