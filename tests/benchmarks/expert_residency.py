"""Hot experts kept in memory against plain mapping under a memory limit, with skewed routers and with uniform ones.

    python tests/benchmarks/expert_residency.py [--limit-gib 0.6] [--keep-gib 0.35] [--pairs 3] [--json FILE]

As root, with the memory controller of control groups (v1): the engine and the process that keeps experts share one
group with the limit, so that what is kept is taken from what the system may hold by itself. Writes two models of
1.1 GB. What is kept was chosen by other tokens than those that are timed; before each run the file is dropped from
memory; a pair has the same tokens both ways. Columns: tokens per second, major page faults and bytes read from disk per
token, share of the uses of experts that would find them in memory at the end of the run; medians over the pairs, and
the least and most of the ratios.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from advisor.engine.experts import TRACE_SEED, ExpertQuestion, PairedRuns, compare, examine, medians
from advisor.engine.settings import EngineSettings
from advisor.gguf.synthetic import Cut, Recipe, write_model
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.units import GIB

CONTROLLER = Path("/sys/fs/cgroup/memory")
JOIN = 'echo $$ > "$0"/cgroup.procs && exec "$@"'
CUT = Cut(layers=4, experts=128, vocabulary=4096)
SKEWS = (1.2, 0.0)


@contextmanager
def memory_limit(limit_bytes: int) -> Iterator[tuple[str, ...]]:
    """Words in front of a command that put it under the limit; all such commands share it."""
    group = CONTROLLER / f"advisor-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(limit_bytes))
    except OSError as error:
        sys.exit(f"no memory limit can be set here ({error}): run as root where {CONTROLLER} is mounted (cgroup v1)")
    try:
        yield ("sh", "-c", JOIN, str(group))
    finally:
        group.rmdir()


def compared(path: Path, asked: argparse.Namespace) -> tuple[float, PairedRuns]:
    """What is kept without a limit is what the trace says; the pairs run under it."""
    settings = EngineSettings(n_ctx=max(asked.tokens, asked.trace), threads=asked.threads, extra_buffers=False)
    wish = ExpertQuestion(tokens=asked.trace, keep_bytes=asked.keep_gib * GIB, measure=False)
    chosen = examine(path, settings, wish)
    assert chosen.report.residency is not None
    with memory_limit(int(asked.limit_gib * GIB)) as wrapper:
        limited = replace(chosen.rival, wrapper=wrapper)
        return chosen.report.residency.route_share, compare(limited, asked.tokens, asked.warm_up, asked.pairs)


def show(skew: float, route_share: float, found: PairedRuns) -> None:
    """A line for each way, and the ratio."""
    print(f"router skew {skew:g}: {found.keeping.locked_bytes / GIB:.2f} GiB kept, {route_share:.0%} of the routes")
    for way in ("plain", "kept"):
        row = dict(medians([getattr(pair, way) for pair in found.pairs]))
        print(
            f"  {way:<6}{row['tok_s'] or 0:7.2f} tok/s {row['major_faults_per_token'] or 0:8.1f} faults/token "
            f"{(row['disk_bytes_per_token'] or 0) / 1e6:8.1f} MB/token {row['hit_share'] or 0:6.0%} hits"
        )
    gains = [pair.gain for pair in found.pairs]
    verdict = "" if found.certain else ", the pairs do not agree"
    print(f"  ratio {found.gain:.2f} ({min(gains):.2f} to {max(gains):.2f}{verdict})", flush=True)


def main() -> int:
    """Compare for each skew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("limit-gib", 0.6), ("keep-gib", 0.35)):
        parser.add_argument(f"--{name}", type=float, default=usual)
    for name, usual in (("tokens", 32), ("warm-up", 32), ("trace", 256), ("pairs", 3), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--skews", type=float, nargs="+", default=SKEWS, help="of routers: 0 is uniform")
    parser.add_argument("--json", type=Path, help="where to write all runs")
    asked = parser.parse_args()
    rows, folder = [], Path(tempfile.mkdtemp())
    try:
        for skew in asked.skews:
            path = folder / f"skew-{skew:g}.gguf"
            write_model(Recipe(resolve_llm("Qwen3.6-35B-A3B").row.llm, resolve_quant("Q4_K_M").row, CUT, skew), path)
            share, found = compared(path, asked)
            show(skew, share, found)
            rows.append({"skew": skew, "route_share": share, **found.model_dump()})
    finally:
        shutil.rmtree(folder)
    if asked.json:
        asked.json.write_text(json.dumps({"trace_seed": TRACE_SEED, "runs": rows}, indent=2))
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors at the end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
