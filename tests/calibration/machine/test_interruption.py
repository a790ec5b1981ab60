"""A calibration killed at any moment: the old profile stays, nothing half-written is taken, the next one goes on."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from advisor.gguf import read_header
from advisor.profiles.store import CALIBRATIONS, ProfileStore
from calibration.machine.trials import Journal, Trial
from tests.calibration.machine.small_campaign import MODELS, NAME, THREADS
from tests.calibration.machine.tiny import STAMP
from tests.own_profiles import own_profile

ROOT = Path(__file__).parents[3]
KILLS = 5
LOADS = len(MODELS) * len(THREADS)


def started(home: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.calibration.machine.small_campaign", str(home)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def killed(home: Path, steps: int, seconds: float) -> int:
    """Its exit code: killed so long after that many runs were begun, unless it ended before."""
    with started(home) as process:
        assert process.stdout
        for _ in range(steps):
            process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        process.communicate()
    return process.returncode


def measured(home: Path) -> list[Trial]:
    """What a copy of the journal holds: opening one rewrites it."""
    path = home / CALIBRATIONS / "measured.jsonl"
    if not path.exists():
        return []
    copy = home / "copy.jsonl"
    copy.write_bytes(path.read_bytes())
    return Journal.open(copy, STAMP).trials


def check_models(home: Path) -> None:
    """Every file with a model's name is that model, whole; whatever else lies there cannot be taken for one."""
    folder, sizes = home / CALIBRATIONS / "probe-models", {model.file: model.recipe.size_bytes for model in MODELS}
    for path in folder.glob("*") if folder.exists() else ():
        if path.name in sizes:
            assert path.stat().st_size == sizes[path.name]
            read_header(path)
        else:
            assert path.name.startswith(".")
            assert path.suffix == ".partial"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with an older profile of the name that the calibration stores its own by."""
    ProfileStore(tmp_path).save(own_profile(name=NAME))
    return tmp_path


def test_killed_at_random_points_it_loses_nothing_and_ends_well(home: Path) -> None:
    store, random_ = ProfileStore(home), random.Random(2026)
    before, known = store.path_of(NAME).read_bytes(), measured(home)
    for number in range(KILLS):
        steps = number % 3 and 1  # as it starts and plans, or as it writes a model, loads and measures it
        code = killed(home, steps, random_.uniform(0, 0.8))
        assert code == -signal.SIGKILL
        assert store.path_of(NAME).read_bytes() == before
        assert store.names() == [NAME]
        now = measured(home)
        assert now[: len(known)] == known
        known = now
        check_models(home)
    assert len(known) < LOADS
    with started(home) as process:
        told = process.communicate()[0].splitlines()
    assert process.returncode == 0
    assert len(told) == LOADS - len(known)
    profile = store.named(NAME)
    assert len(profile.runs) == LOADS
    assert [(run.decode, run.prefill) for run in profile.runs][: len(known)] == [
        (trial.decode, trial.prefill) for trial in known
    ]
    assert not (home / CALIBRATIONS / "measured.jsonl").exists()
    left = sorted(path.name for path in (home / CALIBRATIONS / "probe-models").iterdir())
    assert left == sorted(model.file for model in MODELS)


def test_killed_as_it_stores_the_profile_the_old_one_stays(home: Path) -> None:
    """What a process leaves that is killed between writing and renaming."""
    store = ProfileStore(home)
    before = store.path_of(NAME).read_bytes()
    beside = store.folder / f".{NAME}-abc123.part"
    beside.write_text("{")
    assert store.names() == [NAME]
    assert store.path_of(NAME).read_bytes() == before
    assert store.named(NAME) == own_profile(name=NAME)
