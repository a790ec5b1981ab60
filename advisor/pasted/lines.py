"""A pasted text as numbered lines: whatever its encoding, without colours and the marks of terminals."""

import codecs
import re
from typing import Final, NamedTuple

MOST_BYTES: Final = 4_000_000
"""A server's log of a day has about 1 MB."""
MOST_LINES: Final = 100_000
_COLOURS = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)?|[@-_])|\x9b[0-9;?]*[@-~]")
_MARKS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\u200b\u200e\u200f\u2060\ufeff]")
_SPACES = re.compile(r"[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_MARKED = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)


class Line(NamedTuple):
    """A line and its number, from 1."""

    number: int
    text: str


def decoded(content: bytes) -> str:
    """The text of a file: UTF-8, UTF-16 or UTF-32 (with or without its mark), else Windows' western letters."""
    for mark, encoding in _MARKED:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    # PowerShell's ">" writes UTF-16; of plain text every second byte is then 0.
    start = content[:2000]
    if len(start) > 3 and start[1::2].count(0) > 0.4 * len(start[1::2]):
        return content.decode("utf-16-le", "replace")
    if len(start) > 3 and start[::2].count(0) > 0.4 * len(start[::2]):
        return content.decode("utf-16-be", "replace")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        # A cut in the middle of a letter does not make it another encoding.
        cut = error.start >= len(content) - 3
        return content.decode("utf-8", "replace") if cut else content.decode("cp1252", "replace")


def plain(text: str) -> str:
    """The text as a terminal would show it: no colours, what a carriage return was to write over replaced."""
    bare = _SPACES.sub(" ", _MARKS.sub("", _COLOURS.sub("", text)))
    ended = re.sub(r"\r+\n", "\n", bare).replace("\x0b", "\n").replace("\x0c", "\n")
    return ended.replace("\r", "\n").replace("\u2028", "\n").replace("\x85", "\n")


def numbered(text: str) -> list[Line]:
    """Its lines, at most `MOST_LINES`."""
    return [Line(number, line.rstrip()) for number, line in enumerate(text.split("\n")[:MOST_LINES], 1)]
