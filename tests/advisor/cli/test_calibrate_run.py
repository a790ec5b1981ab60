"""`advisor calibrate` as it is typed: what stands in its way is said, and what it learned is used from then on."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.asked import GgufFile
from advisor.cli.app import run
from advisor.engine.remote import RpcServer
from advisor.profiles.store import CALIBRATIONS, ProfileStore
from advisor.question import Scenario
from calibration import probes
from calibration.machine import calibrating, drift, trials
from calibration.machine import campaign as campaigns
from calibration.machine import experiments as candidates
from calibration.machine import fit as own_fit
from calibration.machine.campaign import Campaign, Learned
from calibration.machine.probe_models import QUICK_QUANTS, ProbeModel
from calibration.machine.trials import Trial, only_one
from calibration.probes import disk
from calibration.probes.compute import ComputeProbe, probe_compute
from calibration.probes.link import probe_links
from catalog.profiles import Profile
from catalog.units import MIB
from tests.advisor.cli.calibrated import SEEN, Captured, on, said
from tests.calibration.machine import canned
from tests.calibration.machine.simulated import log_ratios
from tests.calibration.machine.tiny import MOE, tiny
from tests.own_profiles import XEON, own_profile

ROOT = Path(__file__).parents[3]
BLOCKED = "import sys; sys.modules['llama_cpp'] = None; from advisor.cli.app import run; sys.exit(run(sys.argv[1:]))"
MODELS = tuple(tiny(quant) for quant in ("Q8_0", "Q4_0", "F16", "Q5_0"))
HYBRID = tiny("Q4_K_M", MOE, layers=2)
SECONDS = dict.fromkeys(("quick", "usual", "thorough"), 1e4)
"""More than all runs of the few models take."""


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, SEEN)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> list[Learned]:
    """Models of few megabytes, of which none is left out for want of time, and no probes but of links. What the runs
    say of a machine that the tests share is believed however much they disagree: whether to is another question.

    Gives what each campaign learns, once it has.
    """
    on(monkeypatch, XEON)
    use(monkeypatch, MODELS)
    monkeypatch.setattr(calibrating, "probe_all", probed)
    monkeypatch.setattr(calibrating, "BUDGET_S", SECONDS)
    monkeypatch.setattr(own_fit, "MOST_ERROR", math.inf)
    monkeypatch.setattr(own_fit, "MOST_SPREAD", math.inf)
    monkeypatch.setattr(trials, "DISTURBED_SHARE", 1.0)  # and nothing is measured again
    monkeypatch.setattr(campaigns, "STANDS_OUT", math.inf)
    monkeypatch.setattr(drift, "TOLD_BEYOND", math.inf)
    learned: list[Learned] = []
    learn = Campaign.learned

    def remember(campaign: Campaign) -> Learned:
        learned.append(learn(campaign))
        return learned[-1]

    monkeypatch.setattr(Campaign, "learned", remember)
    return learned


def probed(folder: Path, rpc: Sequence[str], threads: None, told: probes.Told, *, quick: bool) -> probes.Probes:
    """Links as they are, all else as it might be."""
    told("links", 0.5)
    return canned.probes(probe_links(rpc, repeats=3, seconds_each=0.02) if rpc else (), ("a machine of round numbers",))


def few_products(*, quick: bool) -> ComputeProbe:
    """One of the types alone, which takes a second instead of ten."""
    rounds = 1 if quick else 2
    return probe_compute((1,), types=("Q8_0",), columns=(1, 512), rounds=rounds, repeats=3, seconds_each=0.02)


def use(monkeypatch: pytest.MonkeyPatch, models: tuple[ProbeModel, ...]) -> list[Sequence[str]]:
    """Measure these models; the quants in which models are asked for, as they are."""
    quants: list[Sequence[str]] = []

    def instead(_cache_bytes: int | None, asked: Sequence[str]) -> Iterator[ProbeModel]:
        quants.append(asked)
        return iter(models)

    monkeypatch.setattr(calibrating, "probe_models", instead)
    return quants


def calibrated(capsys: Captured, home: Path, *options: str) -> Profile:
    """The profile "box" that the command stored."""
    out, err = said(capsys, "calibrate", "--quick", "--name", "box", *options)
    assert "stored as box: predictions for this machine are its own from now on" in err
    assert "box" in out
    return ProfileStore(home).named("box")


def predicted(capsys: Captured, folder: Path, asked: Scenario) -> dict[str, Any]:
    """The answer to a question of a model file in a folder and of this machine."""
    assert isinstance(asked.model, GgufFile)
    numbers = {
        "--depth": asked.workload.context_depth, "--prompt": asked.workload.prompt_tokens,
        "--gen": asked.workload.gen_tokens, "--threads": asked.engine.threads,
        "--n-gpu-layers": asked.engine.n_gpu_layers, "--decode-depth": asked.workload.decode_depth,
    }
    options = [word for name, value in numbers.items() if value is not None for word in (name, str(value))]
    path = folder / asked.model.gguf
    found: dict[str, Any] = json.loads(said(capsys, "predict", "--gguf", str(path), *options, "--json")[0])
    return found


def check_predictions(capsys: Captured, home: Path, learned: Learned, kinds: Sequence[str]) -> None:
    """Runs on the CPU are predicted as the fit has them, and no farther off than by fits that have not seen them."""
    own, left_out = learned.own, [abs(error.log_ratio) for error in learned.errors]
    for item, fitted in zip(own.observations, log_ratios(own), strict=True):
        if item.kind in kinds and not item.case.scenario.engine.n_gpu_layers:
            answer = predicted(capsys, home / calibrating.MODELS, item.case.scenario)
            assert answer["calibration"] == "profile:box"
            ratio = math.log(answer[f"{item.kind}_tok_s"]["p50"] / item.tok_s)
            assert ratio == pytest.approx(fitted, abs=1e-3)  # logarithms; a profile's shifts have 5 digits
            assert abs(ratio) <= max(left_out)


def test_a_calibration_on_the_cpu_is_used_from_then_on_unless_it_is_not_to_be_believed(
    small: list[Learned], advisor_home: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ProfileStore(advisor_home)
    store.save(own_profile(name="box"))
    before = store.path_of("box").read_bytes()
    monkeypatch.setattr(own_fit, "MOST_ERROR", 0.0)
    assert run(["calibrate", "--quick", "--name", "box"]) == 1
    out, err = capsys.readouterr()
    words = "advisor: this calibration is not to be used and not stored: decode speeds left out are"
    assert (out, err.splitlines()[-1][: len(words)]) == ("", words)
    assert err.endswith("(calibrate again with nothing else running, and without --quick)\n")
    assert store.path_of("box").read_bytes() == before
    journal = advisor_home / CALIBRATIONS / calibrating.JOURNAL
    every = [Trial.model_validate_json(line) for line in journal.read_bytes().splitlines()[1:]]
    measured = [item for item in every if item.asked != drift.CONTROL]
    monkeypatch.setattr(own_fit, "MOST_ERROR", math.inf)
    profile = calibrated(capsys, advisor_home)
    # Nothing is measured twice.
    assert [(made.decode, made.prefill) for made in profile.runs] == [(item.decode, item.prefill) for item in measured]
    assert len(measured) >= len(MODELS)
    assert not journal.exists()
    assert profile.engine.backend == "cpu"
    assert any(shift.informed for shift in profile.effects)
    probes_note, one_more = profile.notes
    assert probes_note == "a machine of round numbers"
    assert re.match(r"of one more model \S+ \w+ would tell most: .* uncertain by .*, with runs of it ", one_more)
    check_predictions(capsys, advisor_home, small[-1], ("decode", "prefill"))


def test_a_remote_device_is_calibrated_too(
    small: list[Learned], advisor_home: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    quants = use(monkeypatch, (HYBRID,))
    monkeypatch.setattr(candidates, "BUNDLES", candidates.BUNDLES[:1])  # no deep contexts: four runs are enough
    monkeypatch.setattr(calibrating, "probe_all", probes.probe_all)
    monkeypatch.setattr(disk, "MOST_SCRATCH_BYTES", 16 * MIB)
    for module in ("ram", "compute"):
        monkeypatch.setattr(f"calibration.probes.{module}.buffer_size", lambda: (16 * MIB, False))
    monkeypatch.setattr(probes, "_products", few_products)
    with RpcServer.start(threads=1, devices=["CPU"]) as server:
        profile = calibrated(capsys, advisor_home, "--rpc", str(server.endpoint))
    assert quants == [QUICK_QUANTS]
    assert profile.engine.backend == "rpc"
    [device] = profile.devices
    assert device.name == "RPC0"
    assert min(device.link_gb_s, device.link_latency_us) > 0
    asked = [made.scenario["engine"] for made in profile.runs]
    placed = {(engine["n_gpu_layers"], engine.get("n_cpu_moe", 0)) for engine in asked}
    assert placed == {(0, 0), (99, 0), (99, 1), (99, 2)}
    assert narrowed(small[-1], "gpu_")  # by how much depends on what else runs here
    names = {probe.name.split()[0] for probe in profile.probes}
    assert names >= {"ram_read_gb_s", "disk_read_gb_s", "link_to_device_gb_s", "cpu_product_read_gb_s"}
    check_predictions(capsys, advisor_home, small[-1], ("decode",))  # prompts of a machine with a device go there


def narrowed(learned: Learned, beginning: str) -> bool:
    """Whether runs told anything of a coefficient whose name begins so."""
    fit = learned.own.fit
    parts = fit.standard_error * np.sqrt(fit.problem.precision)
    return any(
        part < 1 - 1e-6 for column, part in zip(fit.columns, parts, strict=True)
        if column.coefficient.name.startswith(beginning)
    )


def test_without_an_engine_the_command_that_installs_one_is_told(advisor_home: Path) -> None:
    command = [sys.executable, "-c", BLOCKED, "calibrate", "--quick"]
    result = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("advisor: calibrate needs the extra 'engine': ")
    assert "/scripts/install-engine " in result.stderr
    assert not advisor_home.exists()


def test_a_second_calibration_says_that_there_is_one(advisor_home: Path, capsys: Captured) -> None:
    with only_one(advisor_home / CALIBRATIONS):
        _, err = said(capsys, "calibrate", "--quick", code=2)
    assert err.startswith("advisor: another calibration is running on this machine: wait until it has ended")


def test_a_home_that_cannot_be_written_is_said(advisor_home: Path, capsys: Captured) -> None:
    advisor_home.write_text("a file in place of the folder")
    _, err = said(capsys, "calibrate", "--quick", code=2)
    assert f"{advisor_home}" in err
    assert "cannot be written" in err
    assert "ADVISOR_HOME names another" in err


@pytest.mark.parametrize("free_bytes", [1_000_000, 400 * MIB], ids=["for nothing", "for the probe alone"])
def test_a_full_disk_is_said(
    small: list[Learned], capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_bytes: int
) -> None:
    monkeypatch.setattr(calibrating, "probe_all", probes.probe_all if free_bytes < MIB else probed)
    use(monkeypatch, (tiny("F16", "Qwen3-4B", layers=4),))  # 0.8 GB
    usage = shutil.disk_usage(tmp_path)._replace(free=free_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    assert run(["calibrate", "--quick"]) == 2
    out, err = capsys.readouterr()
    *progress, last = err.splitlines()
    assert out == ""
    assert last.startswith("advisor: ")
    assert "free" in last
    assert "--layers" not in last
    assert not any("advisor:" in line or "Traceback" in line for line in progress)


def test_quick_and_thorough_exclude_each_other(capsys: Captured) -> None:
    _, err = said(capsys, "calibrate", "--quick", "--thorough", code=2)
    assert err == "advisor: --quick and --thorough exclude each other: give one\n"


def test_a_model_file_that_is_not_there_is_said_before_anything_is_measured(
    advisor_home: Path, tmp_path: Path, capsys: Captured
) -> None:
    _, err = said(capsys, "calibrate", "--quick", "--model", str(tmp_path / "none.gguf"), code=2)
    assert "none.gguf" in err
    assert not advisor_home.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rpc", "127.0.0.1:1"), "127.0.0.1:1"),
        (("--rpc", "nowhere"), "nowhere"),
        (("--ram", "DDR9-1"), "--ram: memory 'DDR9-1'"),
        (("--name", "../box"), "--name"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_measured(
    small: list[Learned], advisor_home: Path, capsys: Captured, options: tuple[str, ...], words: str
) -> None:
    assert run(["calibrate", "--quick", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err.splitlines()[-1]
    assert not (advisor_home / calibrating.MODELS).exists()
