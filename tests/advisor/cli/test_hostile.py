"""Command lines that a stranger, a failing script or an attacker types: one clear sentence each, and nothing left."""

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.advisor.cli.hostile import Hostile, fault, stocked, table

ALL = table()
PART = 5
"""One of so many is tried here; those that start the engine or a server are left to the benchmark."""
SLOW = {"engine", "serve", "app", "plan", "run", "accuracy", "detect"}
TRIED = [line for line in ALL if line.words[:1] and line.words[0] not in SLOW][::PART]


@pytest.mark.parametrize("line", TRIED, ids=lambda line: " ".join(line.words)[:60].encode("ascii", "replace").decode())
def test_a_hostile_command_line_is_one_sentence(line: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    stocked(folder)
    monkeypatch.chdir(folder)
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert fault(line, folder) == ""


def test_the_table_has_every_kind_of_command() -> None:
    told = Counter(line.words[0] for line in ALL if line.words)
    assert len(ALL) >= 400
    assert len({tuple(line.words) for line in ALL}) == len(ALL)
    assert {"predict", "recommend", "models", "quants", "plan", "run", "engine", "calibrate", "prices"} <= set(told)
