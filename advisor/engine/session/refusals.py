"""Why llama.cpp did not load a model, in words for the user."""

import re
from collections.abc import Iterable

from advisor.children import last_words

_ERROR = re.compile(r"error loading model: (?P<reason>.+)|failed to initialize the context: (?P<context>.+)")
_UNKNOWN = re.compile(r"unknown model architecture: '(?P<name>[^']*)'")
_NO_ROOM = re.compile(r"failed to allocate|unable to allocate|out of memory|cudaMalloc failed|bad_alloc", re.IGNORECASE)
WARNING = 3
"""Source: ggml/include/ggml.h enum ggml_log_level (read 2026-11-25)."""
_MARKED = re.compile(r"^(?:(?P<level>\d)\|)?(?P<text>.*)$")


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
