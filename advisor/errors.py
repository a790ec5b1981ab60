"""What goes wrong through no fault of this program: the user's input, and the engine."""

import re


class InputError(ValueError):
    """The user's input is refused; the message is one sentence that says why and what to give instead."""


class EngineFailed(RuntimeError):
    """The engine's process died or fell silent; the message is one sentence with the last that it said."""


STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that move a terminal's cursor, change its colours or title, or turn the direction of text; not tab and
line feed. Source: ECMA-48 (C0, C1), Unicode 15 UAX 9 (embeddings, overrides, isolates)."""


def printable(text: str) -> str:
    r"""A text of a stranger's as it may be shown: what would steer the terminal is a sign of its own.

    >>> printable("a model\x1b[2J")
    'a model�[2J'
    """
    return STEERING.sub("�", text)


def reason(error: Exception) -> str:
    """The system's words for an error, without its number and the name of the file.

    >>> reason(OSError(28, "No space left on device", "model.gguf"))
    'no space left on device'
    """
    return (getattr(error, "strerror", None) or str(error)).lower()
