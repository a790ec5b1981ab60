"""Small files of the system, without a fuss when they are missing."""

from pathlib import Path


def text_of(path: Path) -> str:
    """A small file's text; empty when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
