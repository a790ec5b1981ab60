"""The table of hostile command lines, and how one ends: tests try a part, tests/benchmarks/hostile_inputs.py all."""

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import NamedTuple

from advisor.cli.app import run

TABLE = Path(__file__).parents[2] / "data" / "hostile_commands.csv"
FILES = {
    "empty.jsonl": b"", "empty.gguf": b"", "text.gguf": b"no model\n" * 10, "cut.gguf": b"GGUF\x03\0\0\0" + b"\xff" * 8,
    "bad.toml": b"models = 3\n",
    "in.jsonl": b'{"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3090"}]}}\n',
}
"""What lies in the folder that they are typed in."""


class Hostile(NamedTuple):
    """A command line, how it must end, and words of the sentence that says why."""

    words: list[str]
    exit_code: int
    said: str


def table() -> list[Hostile]:
    """All of them."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return [Hostile(json.loads(row["command"]), int(row["exit_code"]), row["said"]) for row in rows]


def stocked(folder: Path) -> None:
    """Write the files that they name."""
    for name, content in FILES.items():
        (folder / name).write_bytes(content)


def fault(line: Hostile, folder: Path) -> str:
    """What is wrong with how it ended; empty where nothing is."""
    before = sorted(path.name for path in folder.iterdir())
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(line.words)
    said = err.getvalue()
    sentences = [text for text in said.splitlines() if text.startswith("advisor: ")]
    wrong = {
        f"exit code {code}": code != line.exit_code,
        "not one sentence": code != 0 and len(sentences) != 1,
        f"does not say {line.said!r}": line.said not in said,
        "speaks of itself": any(word in said for word in ("Traceback", "unexpectedly", "pydantic", "<class")),
        "control characters": any(ord(letter) < 32 and letter not in "\n\t" for letter in said),
        "much too long": len(said) > 3000,
        "left files": sorted(path.name for path in folder.iterdir()) != before,
    }
    found = [name for name, holds in wrong.items() if holds]
    return f"{' '.join(word[:40] for word in line.words)!r}: {', '.join(found)}: {said[:300]}" if found else ""
