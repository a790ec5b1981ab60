"""What files of strangers say is shown on a terminal and does not steer it, whichever command shows it."""

import csv
import json
import os
import re
import shlex
import sys
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from advisor.cli.app import COLOURS, _open_streams, run
from advisor.cli.waiting import GONE
from advisor.errors import STEERING
from advisor.gguf.synthetic import Cut, Recipe, write_model
from advisor.profiles.store import ProfileStore
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.profiles import Profile
from tests.advisor.cli.calibrated import SEEN, on
from tests.own_profiles import own_profile

ROOT = Path(__file__).parents[3]
EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[8m\x9b3A\u202e\rN"
"""Sets the title, clears the screen, hides the letters, goes up, turns the direction of text, goes to the line's
beginning.
"""
MACHINE = "--gpu 'RTX 3060 12GB' --cpu 'Ryzen 7 5800X' --ram 'DDR4-3200 2x16'"
QUESTION = {"model": EVIL, "hardware": {"gpus": [{"name": "RTX 3090"}]}}


def evil_model(folder: Path) -> None:
    """A model file that is sound but for its name."""
    recipe = Recipe(resolve_llm("SmolLM2-135M").row.llm, resolve_quant("Q8_0").row, Cut(1, None, 64))
    write_model(recipe, folder / "evil.gguf")
    name, content = recipe.name.encode(), (folder / "evil.gguf").read_bytes()
    assert len(name) >= len(EVIL.encode())
    (folder / "evil.gguf").write_bytes(content.replace(name, EVIL.encode().ljust(len(name), b"!"), 1))


def evil_profile() -> Profile:
    found = own_profile().model_dump()
    found["engine"] |= {"name": EVIL, "version": EVIL, "backend": EVIL}
    found["notes"] = [EVIL]
    found["probes"] = [probe | {"name": EVIL, "unit": EVIL} for probe in found["probes"][:1]]
    return Profile.model_validate(found)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What strangers sent."""
    folder = tmp_path_factory.mktemp("strangers")
    evil_model(folder)
    (folder / "runs.txt").write_text(f"{EVIL} owned Q4_K_M 31 tok/s\n".replace("\r", ""))
    (folder / "questions.jsonl").write_text(json.dumps(QUESTION, ensure_ascii=False) + "\n")
    (folder / "sweep.toml").write_text(f'models = [{json.dumps(EVIL)}]\nquants = ["Q8_0"]\n[hardware]\ncpus = ["x"]\n')
    prices = [["part", "price", "condition", "source", EVIL], ["RTX 3090", "700", "used", EVIL, "x"]]
    with (folder / "prices.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(prices)
    with (ROOT / "calibration" / "evidence" / "consumer.csv").open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        row = next(rows) | {"model": EVIL}
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
    return folder


@contextmanager
def a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Standard output and error are a terminal; tells what is written to it."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    shown: list[bytes] = []

    def read() -> None:
        while b"the end" not in b"".join(shown[-2:]):
            shown.append(os.read(ours, 1 << 16))

    reader = threading.Thread(target=read)
    reader.start()
    with monkeypatch.context() as patched, os.fdopen(theirs, "w", encoding="utf-8") as stream:
        patched.setattr(sys, "stdout", stream)
        patched.setattr(sys, "stderr", stream)
        _open_streams()
        yield shown
        stream.write("the end")
        stream.flush()
        reader.join(60)
    assert not reader.is_alive()
    os.close(ours)


SHOWING = [
    f"predict --gguf evil.gguf {MACHINE}",
    f"predict --gguf evil.gguf {MACHINE} --json",
    "predict --batch questions.jsonl",
    "plan evil.gguf --context 1024",
    "calibrate list",
    "calibrate list --json",
    "calibrate show box",
    "calibrate show box --json",
    "calibrate export box",
    "calibrate export box --evidence",
    f"predict --model Qwen3-8B {MACHINE} --profile box",
    f"calibrate add runs.txt {MACHINE}",
    f"predict --model Qwen3-8B {MACHINE} --measured @runs.txt",
    "evidence check rows.csv",
    "evidence check rows.csv --json",
    "prices import prices.csv",
    "prices show 'RTX 3090' --condition used",
    "prices show 'RTX 3090' --condition used --json",
    "prices export",
    "sweep sweep.toml --output rows",
]


@pytest.fixture(scope="module")
def home(files: Path) -> Path:
    """The data folder of a user who trusts strangers."""
    folder = files / "home"
    ProfileStore(folder).save(evil_profile())
    damaged = folder / "calibrations" / f"{EVIL}.json"
    damaged.write_text("{}")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ADVISOR_HOME", str(folder))
        assert run(["prices", "import", str(files / "prices.csv")]) == 0
    return folder


@pytest.mark.parametrize("line", SHOWING)
def test_it_does_not_steer_the_terminal(line: str, files: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVISOR_HOME", str(home))
    monkeypatch.chdir(files)
    on(monkeypatch, SEEN)
    with a_terminal(monkeypatch) as shown:
        run(shlex.split(line))
    text = COLOURS.sub("", b"".join(shown).decode()).replace(GONE, "")
    assert "owned" in text
    assert not re.search(f"\r|{STEERING.pattern}", text), ascii(text)
