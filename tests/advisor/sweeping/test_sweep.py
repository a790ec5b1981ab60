"""A sweep has every row of its grid once, as each is predicted by itself, whoever is lost on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds
import pytest

from advisor.cli.app import run
from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict_many
from advisor.question import Scenario
from advisor.sweeping.grid import Grid, SweepSpec, read_spec
from advisor.sweeping.running import MANIFEST, sweep

SPEC = """
models = ["Qwen3.6-35B-A3B", "gpt-oss-20b"]
quants = ["Q4_K_M"]
contexts = [0, 32768]
users = [1, 4]
chunk_rows = 1000
[hardware]
gpus = ["none", "RTX 3090", "2x RTX 3090", "RTX 4070"]
pcie = ["4x16", "3x8"]
cpus = ["Ryzen 7 5800X", "EPYC 7543"]
ram_mt_s = [2133, 2666, 3200]
ram_gb = [16, 32, 48, 64, 96, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 3072]
machines = ["DGX Spark"]
"""
ROWS = 2 * 2 * 2 * (4 * 2 * 2 * 3 * 21 + 1)
ROOT = Path(__file__).parents[3]
PATIENCE_S = 300
ADVISOR = (sys.executable, "-m", "advisor")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return path


def files_of(folder: Path) -> dict[str, str]:
    """Digests of the files of rows."""
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.parquet"))}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep done by one process without a stop."""
    folder = tmp_path_factory.mktemp("whole") / "rows"
    path = folder.parent / "spec.toml"
    path.write_text(SPEC)
    sweep(Grid(read_spec(path)), folder, 1, None, lambda done, rows: None)
    return folder


def test_rows_are_the_grid_and_each_is_its_own_prediction(whole: Path) -> None:
    rows = pd.concat([pd.read_parquet(whole / name) for name in files_of(whole)], ignore_index=True)
    keys = ["model", "context_tokens", "users", "gpus", "pcie", "cpu", "machine", "ram_mt_s", "ram_gb"]
    assert len(rows) == ROWS == len(rows[keys].astype(str).drop_duplicates())
    some = rows.sample(300, random_state=1)
    asked = [Scenario.model_validate(_scenario(row)) for row in some.to_dict("records")]
    for row, answer in zip(some.to_dict("records"), predict_many(asked, load()), strict=True):
        assert answer.decode_tok_s is not None
        assert answer.prefill_tok_s is not None
        assert row["decode_tok_s"] == pytest.approx(answer.decode_tok_s.p50, rel=1e-9)
        assert row["prefill_tok_s"] == pytest.approx(answer.prefill_tok_s.p50, rel=1e-9)
        assert (row["strategy"], row["n_cpu_moe"]) == (answer.placement.strategy, answer.placement.n_cpu_moe)


def _scenario(row: dict[str, object]) -> dict[str, object]:
    ram: dict[str, object] = {"gb": row["ram_gb"], "mt_s": row["ram_mt_s"]}
    hardware: dict[str, object] = {"cpu": row["cpu"], "ram": ram}
    if row["machine"]:
        hardware = {"machine": row["machine"]}
    elif row["gpus"] != "none":
        generation, lanes = str(row["pcie"]).split("x")
        count, _, name = str(row["gpus"]).rpartition("x ")
        gpu = {"name": name, "count": int(count or 1), "pcie_gen": int(generation), "pcie_lanes": int(lanes)}
        hardware["gpus"] = [gpu]
    load_ = {"context_depth": row["context_tokens"], "users": row["users"]}
    return {"model": row["model"], "quant": row["quant"], "hardware": hardware, "workload": load_}


def test_the_manifest_counts_the_rows_and_other_readers_find_them(whole: Path) -> None:
    manifest = json.loads((whole / MANIFEST).read_text())
    assert manifest["complete"]
    assert manifest["rows"] == ROWS == sum(part["rows"] for part in manifest["files"])
    assert ds.dataset([whole / part["file"] for part in manifest["files"]]).count_rows() == ROWS


def test_a_killed_sweep_goes_on_to_the_same_bytes(spec: Path, tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "rows"
    command = [*ADVISOR, "sweep", str(spec), "--output", str(folder), "--processes", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert process.stderr is not None
    for _ in range(6):  # some blocks are done
        process.stderr.readline()
    process.kill()
    process.communicate()
    assert 0 < len(files_of(folder)) < len(files_of(whole))
    (folder / "part-000001.parquet").unlink()  # and one that a user lost
    subprocess.run(command, check=True, capture_output=True)
    assert files_of(folder) == files_of(whole)


def test_a_cluster_that_loses_a_worker_loses_and_doubles_no_row(spec: Path, tmp_path: Path, whole: Path) -> None:
    """A real scheduler and three workers, each a process of its own, one of them killed in the middle."""
    folder = tmp_path / "rows"
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    found = tmp_path / "scheduler.json"
    programs = [subprocess.Popen([*start, "--scheduler-file", str(found)], stderr=subprocess.DEVNULL)]
    try:
        while not found.exists() or not found.read_text().strip():
            time.sleep(0.1)
        address = json.loads(found.read_text())["address"]
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
        here = os.environ | {"PYTHONPATH": str(Path.cwd())}
        programs += [
            subprocess.Popen([*worker, "--no-dashboard"], stderr=subprocess.DEVNULL, cwd=tmp_path, env=here)
            for _ in range(3)
        ]
        command = [*ADVISOR, "sweep", str(spec), "--output", str(folder), "--scheduler", address]
        client = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert client.stderr is not None
        for _ in range(3):
            client.stderr.readline()
        programs[1].send_signal(signal.SIGKILL)
        client.communicate(timeout=120)
        assert client.returncode == 0
        assert files_of(folder) == files_of(whole)
    finally:
        for program in programs:
            program.kill()
            program.wait()


def test_processes_share_the_work(spec: Path, tmp_path: Path, whole: Path) -> None:
    sweep(Grid(read_spec(spec)), tmp_path / "rows", 2, None, lambda done, rows: None)
    assert files_of(tmp_path / "rows") == files_of(whole)


def test_a_signal_to_all_processes_leaves_no_draft(spec: Path, tmp_path: Path) -> None:
    """As `systemctl stop` sends it: those that write are killed, the one that waits for them removes what they left."""
    folder = tmp_path / "rows"
    command = [*ADVISOR, "sweep", str(spec), "--output", str(folder), "--processes", "2"]
    held = f"import time; from pathlib import Path; Path.replace = lambda *_: time.sleep({PATIENCE_S})"
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nif '-c' in sys.orig_argv:\n    {held}\n")
    here = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=here, start_new_session=True) as process:
        until = time.monotonic() + PATIENCE_S
        while not ((folder / MANIFEST).exists() and list(folder.glob(".*.partial"))):  # that of a chunk
            assert time.monotonic() < until
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + signal.SIGTERM
    assert [path.name for path in folder.iterdir()] == [MANIFEST]


def test_a_folder_of_another_sweep_is_refused(spec: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(SPEC.replace("users = [1, 4]", "users = [1]"))
    assert run(["sweep", str(spec), "--output", str(whole)]) == 2
    assert "another sweep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("RTX 4070", "RTX 40700", "RTX 40700"),
        ("gpt-oss-20b", "nonsuch", "nonsuch"),
        ("users", "user", "user"),
        ('"4x16"', '"fast"', "is no link"),
        ("[hardware]", "[hardware", "is not TOML"),
    ],
)
def test_what_cannot_be_read_is_named(spec: Path, tmp_path: Path, capsys, old: str, new: str, said: str) -> None:
    spec.write_text(SPEC.replace(old, new))
    assert run(["sweep", str(spec), "--output", str(tmp_path / "rows")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "rows").exists()


def test_a_sweep_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="names no machine"):
        SweepSpec.model_validate({"models": ["Qwen3-8B"], "quants": ["Q8_0"], "hardware": {"gpus": ["RTX 3090"]}})
    grid = Grid(SweepSpec.model_validate({
        "models": ["Qwen3-8B"] * 9999, "quants": ["Q8_0"] * 200, "contexts": [0] * 9999,
        "hardware": {"cpus": ["Ryzen 7 5800X"], "ram_gb": [64] * 999},
    }))
    with pytest.raises(InputError, match="rows, more than"):
        _ = grid.chunks
