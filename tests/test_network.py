"""No command opens a connection unless it is asked to: each runs where there are no routes, and where a look at another
host, even one that is allowed to fail, is noticed.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from advisor.cli.app import COMMANDS

ROOT = Path(__file__).parents[1]
ASKING = {"serve", "app"}
"""They listen until they are stopped; tests/webapp asks them over the loopback."""
LINES = [
    ["recommend", "--model", "gpt-oss-20b", "--budget", "1000", "--limit", "1"],
    ["predict", "--model", "gpt-oss-20b", "--gpu", "RTX 3060 12GB"],
    ["engine", "synth", "--model", "SmolLM2-135M", "--layers", "1", "--vocab", "512", "--output", "model.gguf"],
    ["predict", "--gguf", "model.gguf"],
    ["predict", "--batch", "questions.jsonl", "--output", "answers.jsonl"],
    ["models", "--gpu", "RTX 3060 12GB"],
    ["quants", "--model", "Qwen3-8B", "--gpu", "RTX 3060 12GB"],
    ["upgrade", "--model", "gpt-oss-20b", "--gpu", "RTX 3060 12GB", "--cpu", "Ryzen 7 5800X", "--budget", "500"],
    ["detect", "--json", "--all"],
    ["plan", "model.gguf", "--context", "1024"],
    ["run", "gemma.gguf", "--prompt", "Hello", "--max-tokens", "2"],
    ["engine", "devices"],
    ["engine", "bench", "model.gguf", "--json"],
    ["calibrate", "add", "--model", "Qwen3-8B-Q4_K_M", "--cpu", "Ryzen 7 5800X", "--ram", "DDR4-3200", "--decode", "8"],
    ["calibrate", "list"],
    ["calibrate", "show"],
    ["calibrate", "export", "--evidence"],
    ["prices", "show", "RTX 3090"],
    ["prices", "set", "RTX 3090", "700"],
    ["prices", "export"],
    ["prices", "check"],
    ["evidence", "check", "rows.csv"],
    ["accuracy"],
    ["sweep", "sweep.toml", "--output", "rows", "--processes", "1"],
    ["mcp"],
    ["completion", "bash"],
]
INSIDE = """
import json, sys
from advisor.cli.app import run
asked, here = [], ("127.", "::1", "localhost")
def hear(event, words):
    if event in ("socket.connect", "socket.sendto") and isinstance(words[1], tuple):
        asked.extend([repr(words[1])] * (not str(words[1][0]).startswith(here)))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname") and not str(words[0]).startswith(here):
        asked.append(f"{event} {words[0]!r}")
sys.addaudithook(hear)
told = []
for line in json.loads(sys.argv[1]):
    asked.clear()
    code = run(line)
    sys.stdout.flush()
    told.append([line, code, list(asked)])
json.dump(told, open("told.json", "w"))
"""


def without_routes() -> list[str]:
    """Words before a command that take the network from it; none on systems that cannot."""
    for words in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        tried = shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True, check=False)
        if tried and tried.returncode == 0:
            return words
    return []


def heard(folder: Path, lines: list[list[str]]) -> subprocess.CompletedProcess[str]:
    """Run the lines one after the other; `told.json` then has each with its exit code and the hosts looked for."""
    return subprocess.run(
        [*without_routes(), sys.executable, "-c", INSIDE, json.dumps(lines)], cwd=folder, check=False, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}, stdin=subprocess.DEVNULL, capture_output=True,
    )


def test_every_command_is_tried() -> None:
    assert {line[0] for line in LINES} | ASKING == set(COMMANDS)


def test_no_command_looks_for_another_host(tmp_path: Path, gemma_path: Path) -> None:
    (tmp_path / "gemma.gguf").hardlink_to(gemma_path)
    question = {"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3090"}]}}
    (tmp_path / "questions.jsonl").write_text(json.dumps(question) + "\n")
    rows = (ROOT / "calibration" / "evidence" / "consumer.csv").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "rows.csv").write_text("".join(rows[:3]), encoding="utf-8")
    sweep = 'models = ["gpt-oss-20b"]\nquants = ["MXFP4"]\n[hardware]\ngpus = ["RTX 3090"]\ncpus = ["Ryzen 7 5800X"]\n'
    (tmp_path / "sweep.toml").write_text(sweep)
    done = heard(tmp_path, LINES)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads((tmp_path / "told.json").read_text())
    assert [(line, code, asked) for line, code, asked in told if code or asked] == [], done.stderr[-3000:]


def test_a_look_at_another_host_would_be_noticed(tmp_path: Path) -> None:
    """The test's own ear: a command that is asked to look for a host."""
    line = ["predict", "--gguf", "https://192.0.2.1/model.gguf", "--gpu", "RTX 3090"]  # RFC 5737: nobody's address
    heard(tmp_path, [line])
    ((_, code, asked),) = json.loads((tmp_path / "told.json").read_text())
    assert code == 2
    assert any("192.0.2.1" in item for item in asked)
