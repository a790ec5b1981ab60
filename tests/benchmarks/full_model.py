"""The whole Qwen3.6-35B-A3B at Q4_K_M with random weights (21 GB), run here; its warm-up curve, table and picture.

    python tests/benchmarks/full_model.py [--file FILE] [--tokens 160] [--csv FILE] [--plot FILE]

Writes the file if it is not there (about a minute, 21 GB of disk), has the system drop what it holds of it in memory,
loads it and decodes random tokens from the first on. The table (docs/warm-up.csv) has for each token its seconds, and
for each stretch of 16 the major page faults and the bytes read from disk, per token; the picture is docs/warm-up.png.
"""

import argparse
import csv
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from advisor.engine.experts import disk_bytes
from advisor.engine.preparation import prepare, processors
from advisor.engine.residency import forget
from advisor.engine.session import Session
from advisor.engine.session.messages import Measure
from advisor.engine.settings import EngineSettings
from advisor.gguf.synthetic import Cut, Recipe, write_model
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "llm-hardware-advisor"
STRETCH = 16
DOCS = Path(__file__).parents[2] / "docs"


class Row(NamedTuple):
    """One token; faults and bytes are those of its stretch, per token."""

    token: int
    seconds: float
    major_faults_per_token: float
    disk_mb_per_token: float


def model_file(path: Path) -> Path:
    """The file, written now if it was not."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_model(Recipe(resolve_llm("Qwen3.6-35B-A3B").row.llm, resolve_quant("Q4_K_M").row, Cut()), path)
    return path


def curve(session: Session, tokens: int) -> Iterator[Row]:
    """Stretch after stretch, from the first token after the load."""
    for start in range(0, tokens, STRETCH):
        before = disk_bytes(session.pid) or 0
        asked = Measure(prompt=0, gen=STRETCH, repeats=1, warm_up=0, seed=start)
        [phase] = session.measure(asked).decode
        read_mb = ((disk_bytes(session.pid) or 0) - before) / 1e6 / STRETCH
        for index, seconds in enumerate(phase.step_s):
            yield Row(start + index + 1, seconds, (phase.major_faults or 0) / STRETCH, read_mb)


def draw(rows: list[Row], title: str, path: Path) -> None:
    """Speed of each token and of stretches, and below it what was read from disk."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.5), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    tokens = [row.token for row in rows]
    top.plot(tokens, [1 / row.seconds for row in rows], ".", color="#9ab", label="each token")
    stretches = [rows[i : i + STRETCH] for i in range(0, len(rows), STRETCH)]
    smooth = [1 / median(row.seconds for row in part) for part in stretches for _ in part]
    top.step(tokens, smooth, where="mid", color="#05c", label=f"median of {STRETCH}")
    top.set(ylabel="tokens per second", title=title, ylim=(0, None))
    top.legend(loc="lower right")
    bottom.step(tokens, [row.disk_mb_per_token for row in rows], where="mid", color="#c50")
    bottom.set(xlabel="token after the load", ylabel="MB read from disk per token", ylim=(0, None))
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def asked_for() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, default=CACHE / "Qwen3.6-35B-A3B-Q4_K_M-random.gguf")
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--threads", type=int, default=processors())
    parser.add_argument("--csv", type=Path, default=DOCS / "warm-up.csv")
    parser.add_argument("--plot", type=Path, default=DOCS / "warm-up.png")
    return parser.parse_args()


def main() -> int:
    """Run it and write the curve."""
    asked = asked_for()
    settings = EngineSettings(n_ctx=STRETCH, threads=asked.threads, extra_buffers=False)
    prepared = prepare(model_file(asked.file), settings)
    forget(prepared.file.header)
    busy = os.getloadavg()[0]
    with prepared.open() as session:
        load_s = session.loaded.load_s
        print(f"loaded {prepared.file.header.file_bytes / 1e9:.1f} GB in {load_s:.1f} s", flush=True)
        rows = list(curve(session, asked.tokens))
    with asked.csv.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        writer.writerows((row.token, *(f"{value:.4f}" for value in row[1:])) for row in rows)
    for start in range(0, len(rows), STRETCH):
        part = rows[start : start + STRETCH]
        speed, first = len(part) / sum(row.seconds for row in part), part[0]
        print(
            f"tokens {first.token:>4}-{part[-1].token:<4} {speed:6.2f} tok/s {first.major_faults_per_token:8.1f} "
            f"faults/token {first.disk_mb_per_token:8.1f} MB/token"
        )
    other = f"load average {busy:.1f} before, {os.getloadavg()[0]:.1f} after"
    print(f"{other}, on {os.cpu_count()} processors")
    draw(rows, f"{prepared.file.llm.name} Q4_K_M, threads: {asked.threads}, {platform.machine()}: {other}", asked.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
