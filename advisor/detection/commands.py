"""Asking the system's own programs, without a fuss when they are missing."""

import subprocess
from pathlib import Path

PATIENCE_S = 10.0


def output_of(*command: str) -> str:
    """What a program prints; empty when it is missing, fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")


def text_of(path: Path) -> str:
    """A small file's text; empty when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
