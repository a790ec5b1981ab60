"""No command opens a connection unless it is asked to: each runs where there are no routes, and where a look at another
host, even one that is allowed to fail, is noticed.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from advisor.cli.app import COMMANDS, Tree
from tests.webapp.api.running import free_port

ROOT = Path(__file__).parents[1]
Questions = list[tuple[str, object]] | None
QUESTION = {"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3090"}]}}
LISTENING: list[tuple[list[str], Questions]] = [
    (["serve"], [
        ("/readyz", None), ("/v1/predictions", QUESTION), ("/v1/predictions", {"scenarios": [QUESTION]}),
        ("/v1/prices/RTX%203090", None), ("/metrics", None), ("/openapi.json", None),
    ]),
    (["app"], [("/_stcore/health", None), ("/", None)]),
]
"""They listen until they are stopped; what browsers ask of the pages is looked at by tests/webapp."""
LEFT_OUT = {
    ("prices", "update"): "asks a shop", ("engine", "serve-device"): "listens for another llama.cpp",
    ("engine", "experts"): "runs a model as `engine bench` does",
}
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
    ["calibrate", "export", "--output", "profile.json"],
    ["calibrate", "import", "profile.json"],
    ["calibrate", "remove", "ryzen-7-5800x-runs"],
    ["prices", "show", "RTX 3090"],
    ["prices", "set", "RTX 3090", "700"],
    ["prices", "import", "prices.csv"],
    ["prices", "export"],
    ["prices", "check"],
    ["evidence", "check", "rows.csv"],
    ["accuracy"],
    ["sweep", "sweep.toml", "--output", "rows", "--processes", "1"],
    ["mcp"],
    ["completion", "bash"],
]
EAR = """
import os, sys
here = ("127.", "::1", "localhost")
def hear(event, words):
    host = None
    if event in ("socket.connect", "socket.sendto") and isinstance(words[1], tuple):
        host = words[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = words[0]
    if host is not None and not str(host).startswith(here):
        with open(os.environ["HEARD"], "a") as file:
            file.write(f"{event} {host!r}\\n")
sys.addaudithook(hear)
"""
"""Python runs this first, in every process that is started: what looks for a host is written down."""
INSIDE = """
import contextlib, fcntl, json, os, signal, socket, struct, sys, threading, time
import urllib.error, urllib.request
from advisor.cli.app import run

with socket.socket() as line, contextlib.suppress(OSError):  # the loopback of a new namespace is down
    fcntl.ioctl(line, 0x8914, struct.pack("16sh", b"lo", 1))  # Linux, SIOCSIFFLAGS and IFF_UP

def ask(address, questions):
    try:
        for path, content in questions:
            body = None if content is None else json.dumps(content).encode()
            request = urllib.request.Request(address + path, body, {"Content-Type": "application/json"})
            until = time.monotonic() + 200
            while True:
                try:
                    answers.append(urllib.request.urlopen(request, timeout=120).status)
                    break
                except urllib.error.URLError as error:
                    if isinstance(error, urllib.error.HTTPError) or time.monotonic() > until:
                        raise
                    time.sleep(0.1)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)

told = []
for words, questions in json.loads(sys.argv[1]):
    with open(os.environ["HEARD"], "w"):
        pass
    answers = []
    if questions:
        threading.Thread(target=ask, args=(f"http://127.0.0.1:{words[-1]}", questions)).start()
    code = run(words) or int(answers != [200] * len(questions or ()))
    sys.stdout.flush()
    with open(os.environ["HEARD"]) as file:
        told.append([words, code, file.read().splitlines()])
json.dump(told, open("told.json", "w"))
"""


def without_routes() -> list[str]:
    """Words before a command that take the network from it; none on systems that cannot."""
    for words in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        tried = shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True, check=False)
        if tried and tried.returncode == 0:
            return words
    return []


def heard(folder: Path, lines: list[tuple[list[str], Questions]]) -> list[tuple[list[str], int, list[str]]]:
    """Run the lines one after the other: each with its exit code and the hosts that it and what it starts looked for.

    A line with questions listens on the port that is its last word: it is asked them, and stopped.
    """
    (folder / "ear").mkdir()
    (folder / "ear" / "sitecustomize.py").write_text(EAR)
    here = {"PYTHONPATH": os.pathsep.join((str(folder / "ear"), str(ROOT))), "HEARD": str(folder / "heard.txt")}
    done = subprocess.run(
        [*without_routes(), sys.executable, "-c", INSIDE, json.dumps(lines)], cwd=folder, check=False, text=True,
        env=os.environ | here | {"COLUMNS": "100"}, stdin=subprocess.DEVNULL, capture_output=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[tuple[list[str], int, list[str]]] = json.loads((folder / "told.json").read_text())
    assert len(found) == len(lines)
    return found


def commands(command: click.Command, named: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All commands, those of groups included, by their words."""
    if not isinstance(command, Tree):
        yield named
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), (*named, name))


def test_every_command_is_tried() -> None:
    every = set(commands(Tree("advisor", COMMANDS)))
    lines = [tuple(words) for words in (*LINES, *(words for words, _ in LISTENING))]
    tried = {words[:2] if words[:2] in every else words[:1] for words in lines}
    assert tried | LEFT_OUT.keys() == every


def test_no_command_looks_for_another_host(tmp_path: Path, gemma_path: Path) -> None:
    (tmp_path / "gemma.gguf").hardlink_to(gemma_path)
    (tmp_path / "questions.jsonl").write_text(json.dumps(QUESTION) + "\n")
    (tmp_path / "prices.csv").write_text("part,price\nRTX 3060 12GB,250\n")
    rows = (ROOT / "calibration" / "evidence" / "consumer.csv").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "rows.csv").write_text("".join(rows[:3]), encoding="utf-8")
    sweep = 'models = ["gpt-oss-20b"]\nquants = ["MXFP4"]\n[hardware]\ngpus = ["RTX 3090"]\ncpus = ["Ryzen 7 5800X"]\n'
    (tmp_path / "sweep.toml").write_text(sweep)
    assert [told for told in heard(tmp_path, [(words, None) for words in LINES]) if told[1] or told[2]] == []


def test_no_server_looks_for_another_host(tmp_path: Path) -> None:
    lines = [([*words, "--port", str(free_port())], questions) for words, questions in LISTENING]
    assert [told for told in heard(tmp_path, lines) if told[1] or told[2]] == []


def test_a_look_at_another_host_would_be_noticed(tmp_path: Path) -> None:
    """The test's own ear: a command that is asked to look for a host."""
    line = ["predict", "--gguf", "https://192.0.2.1/model.gguf", "--gpu", "RTX 3090"]  # RFC 5737: nobody's address
    ((_, code, asked),) = heard(tmp_path, [(line, None)])
    assert code == 2
    assert any("192.0.2.1" in item for item in asked)
