"""`python -m tests.benchmarks`: speeds of the project as ratios, each beside what it is compared with, of one run.

Seconds are CPU seconds of this machine while the run lasts; the ratios are what is compared between machines.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from advisor.buying.ownership import owned_parts
from advisor.buying.search import Search
from advisor.buying.stock import stock_of
from advisor.buying.wish import Wish
from advisor.machines.from_parts import machine_of
from advisor.physics import fleet as fleets
from advisor.physics.knowledge import load
from advisor.physics.stages import decode_stages, prefill_stages, total_s
from advisor.prediction.batch import answer_lines
from advisor.prediction.case import case_of
from advisor.question import Hardware, Scenario
from catalog import tables

PAIRS = 9
"""Times that a program and what it is compared with are run in turn."""
ROWS = 1_000_000
LINES = 10_000
EMPTY = (sys.executable, "-c", "")
ADVISOR = (sys.executable, "-m", "advisor")
PREDICT = ("predict", "--model", "Qwen3-8B", "--quant", "Q4_K_M", "--gpu", "RTX 3060 12GB")
RECOMMEND = ("recommend", "--model", "gpt-oss-20b")


class Measured(NamedTuple):
    """One row of the table: CPU seconds of what is measured and of what it is compared with."""

    what: str
    seconds: float
    beside: str
    beside_s: float


def process_s(command: Sequence[str]) -> float:
    """CPU seconds of a whole program, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of some work in this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def program(words: Sequence[str]) -> Measured:
    """A command of the advisor beside a Python that does nothing, run in turn, medians."""
    pairs = [(process_s([*ADVISOR, *words]), process_s(EMPTY)) for _ in range(PAIRS)]
    ours, empty = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Measured(f"advisor {' '.join(words)}", ours, "python -c ''", empty)


def million() -> Measured:
    """One model on a million machines at random, beside the stages alone on numbers that lie ready in the cache."""
    random = np.random.default_rng(1)
    graphics = tuple(
        machine_of(Hardware.model_validate({
            "gpus": [{"name": row.name, "vram_gb": row.vram_gib, "count": count, "pcie_gen": generation}],
            "cpu": "Ryzen 7 5800X",
        }))
        for row in tables.gpus()[:120] for count in (1, 2, 3, 4) for generation in (3, 4)
    )  # fmt: skip
    processors = tuple(machine_of(Hardware(cpu=row.name)) for row in tables.cpus())
    sizes = np.array([8, 16, 24, 32, 48, 64, 96, 128, 192, 256.0]) * 2**30

    def fleet(many: int) -> fleets.Fleet:
        return fleets.Fleet(
            graphics=graphics, graphics_at=random.integers(len(graphics), size=many), processors=processors,
            processor_at=random.integers(len(processors), size=many), ram_bytes=sizes,
            size_at=random.integers(len(sizes), size=many), ram_gb_s=random.uniform(30, 300, many),
            random_gb_s=random.uniform(0.05, 0.1, many), disk_gb_s=random.uniform(2, 7, many),
        )  # fmt: skip

    hardware = {"gpus": [{"name": "RTX 3090"}]}
    case = case_of(Scenario.model_validate({"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M", "hardware": hardware}))
    knowledge, rows = load().efficiencies, fleet(ROWS)
    fleets.speeds_on(fleet(fleets.BLOCK), case, case.scenario, knowledge)
    ours = cpu_s(lambda: fleets.speeds_on(rows, case, case.scenario, knowledge))
    lies = fleets.placed_on(rows, case, (None, None, None))
    work = fleets._works(lies, case, divides=False)
    families = fleets._families_in(work)
    blocks = fleets._blocks(lies, case, work, families, fleets._gathered(lies, case.scenario, knowledge, families))
    bare = 0.0
    for _, block, values in blocks:
        bare += cpu_s(lambda b=block, v=values: (total_s(decode_stages(b, v)), total_s(prefill_stages(b, v))))
    return Measured(f"{ROWS:,} machines", ours, "the equations alone in numpy", bare)


def ranking() -> Measured:
    """All builds of the stock for a model, beside predicting some of them one by one, for as many."""
    stock, wish = stock_of("any", owned_parts(())), Wish(model="gpt-oss-20b", condition="any")
    search = Search(wish, "MXFP4", stock, load())
    ours = cpu_s(lambda: search.ranked(None, 5.0))
    rows, many = search.ranked(None, 5.0), search.count(None, 5.0)
    some = np.random.default_rng(1).choice(rows, 1000, replace=False)
    alone = cpu_s(lambda: search.offers(some))
    return Measured(f"{many:,} builds ranked", ours, "as many built and predicted", alone * many / len(some))


def batch() -> Measured:
    """Lines of a batch, beside reading and writing them as JSON alone."""
    cards = [row.name for row in tables.gpus()]
    lines = [
        json.dumps({"model": "Qwen3-8B", "quant": "Q4_K_M", "hardware": {"gpus": [{"name": cards[i % len(cards)]}]},
                    "workload": {"context_depth": i}}).encode()
        for i in range(LINES)
    ]  # fmt: skip
    list(answer_lines(lines[:100], load()))
    answers: list[str] = []
    ours = cpu_s(lambda: answers.extend(answer_lines(lines, load())))
    plain = cpu_s(lambda: [json.dumps(json.loads(text)) for text in (*lines, *answers)])
    return Measured(f"{LINES:,} lines of a batch", ours, "json alone", plain)


def main() -> None:
    """Measure all and print the table."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, load "
          f"{os.getloadavg()[0]:.1f}, Python {platform.python_version()}, numpy {np.__version__}\n")  # fmt: skip
    print("| what | CPU s | beside | CPU s | ratio |\n| --- | ---: | --- | ---: | ---: |")
    commands = [("--help",), PREDICT, RECOMMEND, (*RECOMMEND, "--condition", "any")]
    works: list[Callable[[], Measured]] = [million, ranking, batch]
    works += [lambda words=words: program(words) for words in commands]  # type: ignore[misc]
    for work in works:
        row = work()
        ratio = row.seconds / row.beside_s
        print(f"| {row.what} | {row.seconds:.2f} | {row.beside} | {row.beside_s:.2f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
