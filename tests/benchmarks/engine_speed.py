"""The engine against llama.cpp's own llama-bench: the same model, the same source, the same options, paired runs.

    python tests/benchmarks/engine_speed.py MODEL.gguf [--pairs 6] [--prompt 256] [--gen 64] [--threads 2]

llama-bench is built once (about 6 minutes on 2 cores) from the source that the installed llama-cpp-python's sdist
vendors, with the options in CMAKE_ARGS (as that wheel was built: -DGGML_RPC=ON if it is not set), into a cache folder.
Runs alternate, so that what else the machine does falls on both; the ratio of a pair is ours over theirs. Where other
work makes the middle half of the ratios wider than 5 %, their median says nothing: then the fastest run of each side
counts, the one that was disturbed least. Exit code 1 where the ratio is below 0.98.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

from advisor.engine.preparation import prepare, processors
from advisor.engine.session.messages import Measure
from advisor.engine.settings import EngineSettings

ASKED_RATIO = 0.98
WIDE = 0.05
OPTIONS = ("-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON", "-DLLAMA_CURL=OFF")
"""Those that llama-cpp-python's own CMakeLists.txt and scikit-build set."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "llm-hardware-advisor" / "llama-bench"


class Speeds(NamedTuple):
    """Tokens per second."""

    prefill: float
    decode: float


def built(name: str, cache: Path = CACHE) -> Path:
    """A program of llama.cpp of the installed version, such as llama-bench, built now if it was not."""
    installed = version("llama-cpp-python")
    folder = cache / installed
    program = folder / "build" / "bin" / name
    if not program.exists():
        source = _source(installed, folder)
        arguments = shlex.split(os.environ.get("CMAKE_ARGS", "-DGGML_RPC=ON"))
        build = str(folder / "build")
        _run("cmake", "-S", str(source), "-B", build, *OPTIONS, *arguments)
        _run("cmake", "--build", build, "--target", name, "--parallel", str(processors()))
    return program


def _source(installed: str, folder: Path) -> Path:
    """llama.cpp's source in the sdist."""
    root = folder / f"llama_cpp_python-{installed}"
    if not root.exists():
        folder.mkdir(parents=True, exist_ok=True)
        package = f"llama-cpp-python=={installed}"
        download = ("-m", "pip", "download", "--no-deps", "--no-binary", "llama-cpp-python")
        with tempfile.TemporaryDirectory() as scratch:
            _run(sys.executable, *download, "--dest", scratch, package)
            with tarfile.open(next(Path(scratch).glob("*.tar.gz"))) as archive:
                archive.extractall(folder, filter="data")
    return root / "vendor" / "llama.cpp"


def _run(*words: str) -> None:
    print("+", shlex.join(words), file=sys.stderr)
    subprocess.run(words, check=True, stdout=sys.stderr)


def theirs(program: Path, asked: argparse.Namespace) -> Speeds:
    """The fastest of the repeats of one run of llama-bench."""
    words = [
        str(program), "-m", str(asked.model), "-p", str(asked.prompt), "-n", str(asked.gen), "-t", str(asked.threads),
        "-r", str(asked.repeats), "-ngl", "0", "-lm", "mmap", "-o", "json",
    ]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    by_kind = {"prefill" if row["n_prompt"] else "decode": row for row in found}
    return Speeds(*(max(by_kind[kind]["samples_ts"]) for kind in Speeds._fields))


def ours(asked: argparse.Namespace) -> Speeds:
    """The fastest of the repeats of one session."""
    settings = EngineSettings(n_ctx=max(asked.prompt, asked.gen), threads=asked.threads)
    with prepare(asked.model, settings).open() as session:
        found = session.measure(Measure(prompt=asked.prompt, gen=asked.gen, repeats=asked.repeats, warm_up=1))
    return Speeds(*(max(phase.tok_s for phase in phases) for phases in (found.prefill, found.decode)))


def pairs(program: Path, asked: argparse.Namespace) -> Iterator[tuple[Speeds, Speeds]]:
    """Ours and theirs, now the one first, now the other."""
    for number in range(asked.pairs):
        if number % 2:
            reference = theirs(program, asked)
            yield ours(asked), reference
        else:
            own = ours(asked)
            yield own, theirs(program, asked)


def main() -> int:
    """Run the pairs and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    for name, usual in (("pairs", 6), ("prompt", 256), ("gen", 64), ("repeats", 3), ("threads", processors())):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--cache", type=Path, default=CACHE)
    asked = parser.parse_args()
    found = []
    for own, reference in pairs(built("llama-bench", asked.cache), asked):
        found.append((own, reference))
        prefill = f"prefill {own.prefill:8.1f} : {reference.prefill:8.1f}"
        print(f"{prefill}   decode {own.decode:7.2f} : {reference.decode:7.2f}", flush=True)
    return int(min(_ratio(kind, found) for kind in Speeds._fields) < ASKED_RATIO)


def _ratio(kind: str, found: list[tuple[Speeds, Speeds]]) -> float:
    """Ours over theirs, and say how it was found."""
    own, reference = ([getattr(pair[side], kind) for pair in found] for side in (0, 1))
    ratios = [a / b for a, b in zip(own, reference, strict=True)]
    low, middle, high = quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    fastest = max(own) / max(reference)
    wide = high - low > WIDE
    print(f"{kind:8} median of {len(ratios)} pairs {middle:.3f} ({low:.3f}-{high:.3f}), fastest {fastest:.3f}")
    if wide:
        print(f"{kind:8} the ratios are too far apart for their median: the fastest runs count")
    return fastest if wide else middle


if __name__ == "__main__":
    sys.exit(main())
