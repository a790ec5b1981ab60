"""LlamaFit, quantprobe and llmfit as installed programs, answering rows of the evidence beside us.

    python -m tests.benchmarks.peers [--install] [--folder FOLDER] [--rows 3] [--only NAME ...]

`--install` puts them into an environment of their own, from the package index (90 MB). Each is asked by its own
commands with the figures that the row's machine and model have in our catalog: memories, bandwidths, weights, context;
no code of theirs is copied, and what they know of measured runs is neither asked for nor read. Of every machine and
regime so many rows are asked, spread over what there is. Errors are balanced over machines (the median of each
machine's median); ours stand beside on the same rows, from fits that never saw the machine.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from zlib import crc32

from advisor.physics.task import FULL, SLIDING
from advisor.prediction.case import Case
from calibration.accuracy.accuracy import Comparison, accuracy
from catalog.units import GIB

PACKAGES = {"llamafit": "0.1.1", "quantprobe": "1.37.0", "llmfit": "1.1.17"}
"""As they stood on the index on 2026-11-30."""
STATIC = ("--only-binary", ":all:", "--platform", "musllinux_1_2_x86_64", "--no-deps")
"""llmfit's wheel for any Linux of x86-64: the one for glibc asks for 2.39."""
FOLDER = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "llm-hardware-advisor" / "peers"
ONE_QUESTION = {
    "llamafit": ["--json", "--profile", "reference-rtx4060-128gb", "plan", "llama-3.1-8b-instruct", "--context",
                 "8192"],
    "quantprobe": ["plan", "--no-anchors", "--total", "8.19", "--active", "8.19", "--bits", "4.8", "--vram", "12",
                   "--vram-bw", "360", "--ram", "32", "--ram-bw", "57.6", "--disk-bw", "3.5"],
    "llmfit": ["--json", "--profile", "nvidia-rtx-4090", "plan", "Qwen/Qwen3-8B", "--context", "8192"],
}
"""A dense model of eight billion weights on a card, as each can be asked."""
ROWS = 3
F16_BYTES = 2
PATHS = {"full_gpu": "gpu", "unified": "gpu", "multi_gpu": "gpu", "cpu_only": "cpu_only", "layer_split": "cpu_offload"}
"""llmfit's name of where a model lies. Source: `llmfit plan --help` and its answers (read 2026-11-30)."""
DRIVER = """
import contextlib, io, json, sys
from importlib.metadata import entry_points
name = sys.argv[1]
[entry] = entry_points(group="console_scripts", name=name)
main, told = entry.load(), sys.stdout
for line in sys.stdin:
    sys.argv, out = [name, *json.loads(line)], io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        try:
            main()
        except BaseException:
            pass
    print(json.dumps(out.getvalue()), file=told, flush=True)
"""
"""Runs an installed program's own entry point for each line of arguments: to start takes longer than to answer."""
Words = list[str]


@dataclass(frozen=True, slots=True)
class Peer:
    """A program: what it is asked for a row (None: it has no such model), and the tok/s in what it prints."""

    name: str
    asked: Callable[[Comparison, Path], Words | None]
    tok_s: Callable[[str, Comparison], float | None]


def install(folder: Path) -> None:
    """Put the programs into an environment of their own."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    python = [f"{name}=={number}" for name, number in PACKAGES.items() if name != "llmfit"]
    subprocess.run([*pip, "install", "-q", *python], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        words = ["download", "-q", *STATIC, "--dest", scratch, f"llmfit=={PACKAGES['llmfit']}"]
        subprocess.run([*pip, *words], check=True)
        wheel = next(Path(scratch).glob("*.whl"))
        subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), scratch], check=True)
        program = next(Path(scratch).rglob("scripts/llmfit"))
        target = folder / "bin" / "llmfit"
        target.write_bytes(program.read_bytes())
        target.chmod(0o755)


def answers(folder: Path, name: str, questions: Sequence[Words]) -> list[str]:
    """What a program prints for each question."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "COLUMNS": "400"}
        if name == "llmfit":
            program = str(folder / "bin" / name)
            runs = (subprocess.run([program, *words], capture_output=True, text=True, env=environment, check=False)
                    for words in questions)
            return [done.stdout for done in runs]
        lines = "".join(json.dumps(words) + "\n" for words in questions)
        command = [str(folder / "bin" / "python"), "-c", DRIVER, name]
        done = subprocess.run(command, input=lines, capture_output=True, text=True, env=environment, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]


# quantprobe takes figures.


def ask_quantprobe(row: Comparison, _folder: Path) -> Words:
    """Weights in billions, memories in GB, bandwidths in GB/s, context."""
    case, print_ = row.case, row.case.demand.footprint
    gpus = () if row.run.regime == "cpu_only" else case.machine.gpus
    experts = float(print_.layer_expert_bytes.sum())
    resident = print_.parameters * (1 - experts / print_.file_bytes)
    sums = case.sums.layers[-1]
    kv_kib = float(sums[FULL][:2].sum() + sums[SLIDING][:2].sum()) * F16_BYTES / 1024
    ram = 0.0 if case.machine.unified else case.machine.ram.capacity_bytes / 1e9
    figures = {
        "--total": print_.parameters / 1e9, "--active": print_.parameters_active / 1e9,
        "--always-active": resident / 1e9,
        "--bits": print_.file_bytes * 8 / print_.parameters, "--ram": ram, "--ram-bw": case.machine.ram.bandwidth_gb_s,
        "--disk-bw": case.machine.storage.sequential_gb_s, "--ctx": int(case.depth), "--kv-per-pos": kv_kib,
    }
    words = ["plan", "--no-anchors"]
    for option, value in figures.items():
        words += [option, f"{value:.6g}"]
    vram = ",".join(f"{gpu.vram_bytes / 1e9:.4g}" for gpu in gpus) or "0"
    return [*words, "--vram", vram, "--vram-bw", ",".join(f"{gpu.bandwidth_gb_s:g}" for gpu in gpus) or "0"]


def read_quantprobe(text: str, _row: Comparison) -> float | None:
    """Its best placement, which it marks."""
    found = re.search(r"^\s*\*\s+([\d.]+) tok/s", text, re.MULTILINE)
    return float(found[1]) if found else None


# LlamaFit and llmfit have catalogs of models, and take machines as files.


def ask_llamafit(row: Comparison, folder: Path) -> Words | None:
    """A model of its catalog on a machine as its profiles say it."""
    model = same_model(row.case, _llamafit_models(folder))
    quant = _published(row.case.quant.name, _QUANTS.get(model or "", ()))
    if model is None or quant is None:
        return None
    case, machine = row.case, row.case.machine
    gpus = () if row.run.regime == "cpu_only" else machine.gpus
    ram = int(machine.ram.capacity_bytes)
    profile = {
        "schema_version": 1, "description": "asked", "provenance": "asked",
        "recorded_at": "2026-11-30T00:00:00Z", "match": {}, "os": "linux", "os_version": "Linux", "arch": "x86_64",
        "cpu": {
            "model": machine.cpu.name, "physical_cores": machine.cpu.cores, "logical_cores": 2 * machine.cpu.cores,
            "performance_cores": machine.cpu.cores, "isa": ["avx2"],
        },
        "memory": {
            "total": ram, "available": int(ram * 0.9), "type": None, "speed_mts": None, "modules": None,
            "channels": None,
            "bandwidth_gbps": machine.ram.bandwidth_gb_s, "bandwidth_source": "measured",
        },
        "gpus": [{
            "vendor": gpu.maker, "name": gpu.name,
            **({} if machine.unified else {"vram_total": int(gpu.vram_bytes), "vram_used": 0}),
            "bandwidth_gbps": gpu.bandwidth_gb_s, "compute_tflops_fp16": gpu.fp16_tflops,
            "backend_hint": machine.backend, "driver": None,
        } for gpu in gpus],
        "unified_memory": machine.unified, "backends": [*dict.fromkeys((machine.backend, "cpu"))], "calibration": None,
    }
    path = _written(folder, profile)
    return ["--json", "--profile", path, "plan", model, "--quant", quant, "--context", str(_context(case))]


def _published(quant: str, known: Sequence[str]) -> str | None:
    """The quantisation that a catalog has, or else one of as many bits."""
    bits = re.search(r"\d", quant)
    alike = [name for name in known if bits and bits[0] in re.findall(r"\d", name)[:1]]
    return quant if quant in known else alike[0] if alike else None


def read_llamafit(text: str, _row: Comparison) -> float | None:
    """Its estimate of generation."""
    found = _json(text)
    speed = found.get("speed") or {}
    return speed.get("gen_tps") if speed.get("confidence") == "estimated" else None


def ask_llmfit(row: Comparison, folder: Path) -> Words | None:
    """A model of its database on a machine as its profiles say it."""
    model = same_model(row.case, _llmfit_models(folder))
    if model is None:
        return None
    case, machine = row.case, row.case.machine
    gpus = () if row.run.regime == "cpu_only" else machine.gpus
    hardware = {
        "total_ram_gb": machine.ram.capacity_bytes / GIB, "unified_memory": machine.unified,
        "ddr_bandwidth_gbps": machine.ram.bandwidth_gb_s,
        **({"gpu_vram_gb": sum(gpu.vram_bytes for gpu in gpus) / GIB,
            "gpu_memory_bandwidth_gbps": min(gpu.bandwidth_gb_s for gpu in gpus),
            "gpu_compute_tflops_fp16": min(gpu.fp16_tflops for gpu in gpus)} if gpus else {}),
    }
    path = _written(folder, {
        "schema_version": 1, "match": {"gpu_name_contains": "asked"}, "hardware": hardware,
    })
    words = ["--json", "--profile", path, "plan", model, "--quant", case.quant.name]
    return [*words, "--context", str(_context(case))]


def read_llmfit(text: str, row: Comparison) -> float | None:
    """Its estimate for where the row says that the weights lay."""
    wanted = PATHS.get(row.run.regime, "moe_offload")
    paths = {path["path"]: path.get("estimated_tps") for path in _json(text).get("run_paths", ())}
    return paths.get(wanted) or (paths.get("cpu_offload") if wanted == "moe_offload" else None)


PEERS = (
    Peer("llamafit", ask_llamafit, read_llamafit), Peer("quantprobe", ask_quantprobe, read_quantprobe),
    Peer("llmfit", ask_llmfit, read_llmfit),
)


def same_model(case: Case, known: Mapping[str, str]) -> str | None:
    """The model of another catalog whose name says the same; `known` by `plain_name`."""
    return known.get(plain_name(case.llm.name)) or known.get(plain_name(case.llm.id))


def plain_name(name: str) -> str:
    """A model's name without maker, spelling and what all are tuned for.

    >>> plain_name("meta-llama/Llama-3.1-8B-Instruct"), plain_name("gemma-3-4b-it")
    ('llama318b', 'gemma34b')
    """
    own = name.rpartition("/")[2].lower()
    return re.sub(r"[^a-z0-9]", "", re.sub(r"-(instruct|it|chat)(?=-|$)", "", own))


_MODELS: dict[str, dict[str, str]] = {}
_QUANTS: dict[str, list[str]] = {}


def _llamafit_models(folder: Path) -> dict[str, str]:
    if "llamafit" not in _MODELS:
        [text] = answers(folder, "llamafit", [["--json", "list"]])
        _MODELS["llamafit"] = {plain_name(item["id"]): item["id"] for item in json.loads(text)}
        _QUANTS.update({item["id"]: item["quant_names"] for item in json.loads(text)})
    return _MODELS["llamafit"]


def _llmfit_models(folder: Path) -> dict[str, str]:
    """Repositories by their plain names: of several the one whose own name is shortest, the maker's mostly."""
    if "llmfit" not in _MODELS:
        [text] = answers(folder, "llmfit", [["--json", "list"]])
        names = sorted((item["name"] for item in json.loads(text)), key=len, reverse=True)
        _MODELS["llmfit"] = {plain_name(name): name for name in names}
    return _MODELS["llmfit"]


def _written(folder: Path, profile: dict[str, Any]) -> str:
    """A profile's file, one for each machine."""
    name = f"asked-{crc32(json.dumps(profile, sort_keys=True).encode()):08x}"
    path = folder / "profiles" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**profile, "name": name}), encoding="utf-8")
    return str(path)


def _context(case: Case) -> int:
    return max(512, int(case.depth) + 256)


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def asked_rows(rows: Sequence[Comparison], each: int) -> list[Comparison]:
    """So many decode rows of every machine and regime, spread over what there is."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for row in rows:
        if row.kind == "decode" and row.run.regime != "storage":
            groups.setdefault((row.machine, row.run.regime), []).append(row)
    return [group[len(group) * turn // min(each, len(group))] for group in groups.values()
            for turn in range(min(each, len(group)))]


def compared(peer: Peer, rows: Sequence[Comparison], folder: Path) -> Iterator[tuple[str, int, int, int, float, float]]:
    """By regime and for all: rows asked, answered, machines, balanced error of theirs and of ours on the same rows."""
    asked = [(row, words) for row in rows if (words := peer.asked(row, folder))]
    told = answers(folder, peer.name, [words for _, words in asked])
    speeds = [(row, peer.tok_s(text, row)) for (row, _), text in zip(asked, told, strict=True)]
    for regime in (*dict.fromkeys(row.run.regime for row in rows), "all"):
        of = [row for row in rows if regime in (row.run.regime, "all")]
        machines: dict[str, list[tuple[float, float]]] = {}
        for row, speed in speeds:
            if speed and regime in (row.run.regime, "all"):
                machines.setdefault(row.machine, []).append((abs(speed / row.measured - 1), row.ape))
        if machines:
            theirs, ours = (
                median(median(pair[side] for pair in pairs) for pairs in machines.values()) for side in (0, 1)
            )
            yield regime, len(of), sum(map(len, machines.values())), len(machines), theirs, ours


def table(folder: Path, each: int, names: Sequence[str]) -> Iterator[str]:
    """Lines of the table."""
    rows = asked_rows(accuracy().comparisons, each)
    yield "| program | where | rows asked | answered | machines | error | ours on the same |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for peer in PEERS:
        if peer.name in names:
            for regime, count, answered, machines, theirs, ours in compared(peer, rows, folder):
                yield (f"| {peer.name} {PACKAGES[peer.name]} | {regime} | {count} | {answered} | {machines} | "
                       f"{theirs:.1%} | {ours:.1%} |")


def main() -> int:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--only", nargs="*", choices=PACKAGES, default=list(PACKAGES))
    asked = parser.parse_args()
    if asked.install:
        install(asked.folder)
    if not (asked.folder / "bin" / "llmfit").exists():
        parser.error(f"{asked.folder} has none of them: give --install once")
    for line in table(asked.folder, asked.rows, asked.only):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
