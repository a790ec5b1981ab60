"""`python -m tests.benchmarks [--plot FILE] [NAME ...]`: speeds of the project as ratios of one run, each beside a
standard of its own. Names choose among the parts (million, linear, ranking, batch, prices, sweep, http, start); without
one all of these are measured. `cells` (needs the engine, and builds a program of llama.cpp) and `peers` (needs other
advisors: `python -m tests.benchmarks.peers --install`) are measured where they are named. `--plot` draws how the time
grows from 10^4 to 10^7 machines.

Seconds are CPU seconds of this machine while the run lasts, of HTTP and of sweeps seconds of the clock; the ratios are
what is compared between machines. What needs more than a base install and its own time stands in files of its own:
`api_load` (needs wrk), `app_speed` (a browser), `engine_speed` (a model file, builds llama-bench), `calibration_*`;
`placement_cells` and `peers` tell more than this table; so do what is counted, not timed: `wishes` (144 answered by the
laws) and `real_builds` (what people paid and built).
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from advisor.buying.ownership import owned_parts
from advisor.buying.search import Search
from advisor.buying.stock import stock_of
from advisor.buying.wish import Wish
from advisor.machines.from_parts import machine_of
from advisor.market.estimate import estimates, votes_of
from advisor.market.market import shipped_market
from advisor.physics import fleet as fleets
from advisor.physics.knowledge import load
from advisor.physics.stages import decode_stages, prefill_stages, total_s
from advisor.prediction.batch import answer_lines
from advisor.prediction.case import case_of
from advisor.question import Engine, Hardware, Scenario
from catalog import tables
from tests.benchmarks.api_load import many
from tests.benchmarks.api_questions import grid
from tests.benchmarks.price_estimates import DAY, fastest, made_up, medians
from tests.webapp.api.running import serving

PAIRS = 9
"""Times that a program and what it is compared with are run in turn."""
ROWS = 1_000_000
LINES = 10_000
NUMPY = (sys.executable, "-c", "import numpy")
ADVISOR = (sys.executable, "-m", "advisor")
PREDICT = ("predict", "--model", "Qwen3-8B", "--quant", "Q4_K_M", "--gpu", "RTX 3060 12GB")


class Measured(NamedTuple):
    """One row of the table: CPU seconds of what is measured and of what it is compared with."""

    what: str
    seconds: float
    beside: str
    beside_s: float


def process_s(command: Sequence[str], environment: dict[str, str] | None = None) -> float:
    """CPU seconds of a whole program, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of some work in this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def program(words: Sequence[str]) -> Iterator[Measured]:
    """A command of the advisor beside a Python that imports numpy, run in turn, medians: with byte code kept from a run
    before, as after an installation, and compiled anew.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON") or name == "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:
        kept = plain | {"PYTHONPYCACHEPREFIX": folder}
        anew = plain | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": f"{folder}/none"}
        for said, environment in (("", kept), (", no byte code", anew)):
            process_s([*ADVISOR, *words], environment)
            pairs = [(process_s([*ADVISOR, *words], environment), process_s(NUMPY, kept)) for _ in range(PAIRS)]
            ours, beside = (statistics.median(side) for side in zip(*pairs, strict=True))
            yield Measured(f"advisor {' '.join(words)}{said}", ours, "python -c 'import numpy'", beside)


class Crowd:
    """Machines at random of the catalog's cards and processors, and one model asked of them."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(1)
        self.graphics = tuple(
            machine_of(Hardware.model_validate({
                "gpus": [{"name": row.name, "vram_gb": row.vram_gib, "count": count, "pcie_gen": generation}],
                "cpu": "Ryzen 7 5800X",
            }))
            for row in tables.gpus()[:120] for count in (1, 2, 3, 4) for generation in (3, 4)
        )
        self.processors = tuple(machine_of(Hardware(cpu=row.name)) for row in tables.cpus())
        self.sizes = np.array([8, 16, 24, 32, 48, 64, 96, 128, 192, 256.0]) * 2**30
        asked = {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M", "hardware": {"gpus": [{"name": "RTX 3090"}]}}
        self.case = case_of(Scenario.model_validate(asked))
        self.knowledge = load().efficiencies
        self.speeds(self.fleet(fleets.BLOCK))  # what is looked up once

    def fleet(self, many: int) -> fleets.Fleet:
        """So many of them."""
        random = self.random
        return fleets.Fleet(
            graphics=self.graphics, graphics_at=random.integers(len(self.graphics), size=many),
            processors=self.processors, processor_at=random.integers(len(self.processors), size=many),
            ram_bytes=self.sizes, size_at=random.integers(len(self.sizes), size=many),
            ram_gb_s=random.uniform(30, 300, many), random_gb_s=random.uniform(0.05, 0.1, many),
            disk_gb_s=random.uniform(2, 7, many),
        )

    def speeds(self, rows: fleets.Fleet) -> fleets.Speeds:
        """How fast the model is on each."""
        return fleets.speeds_on(rows, self.case, self.case.scenario, self.knowledge)


def million() -> Iterator[Measured]:
    """One model on a million machines, beside the stages alone on numbers that lie ready in the cache."""
    crowd = Crowd()
    rows, case = crowd.fleet(ROWS), crowd.case
    ours = cpu_s(lambda: crowd.speeds(rows))
    lies = fleets.placed_on(rows, case, Engine())
    work = fleets._works(lies, case, divides=False)
    families = fleets._families_in(work)
    gathered = fleets._gathered(lies, case.scenario, crowd.knowledge, families)
    bare = 0.0
    for _, block, values in fleets._blocks(lies, case, work, families, gathered):
        bare += cpu_s(lambda b=block, v=values: (total_s(decode_stages(b, v)), total_s(prefill_stages(b, v))))
    yield Measured(f"{ROWS:,} machines", ours, "the equations alone in numpy", bare)


def linear(picture: Path | None = None) -> Iterator[Measured]:
    """Seconds for 10^4 to 10^7 machines, beside as many times what a hundred thousand take; drawn where it is asked."""
    crowd = Crowd()
    counts = (10_000, 100_000, ROWS, 10 * ROWS)
    seconds: dict[int, float] = {}
    for count in counts:
        rows = crowd.fleet(count)
        seconds[count] = cpu_s(lambda some=rows: crowd.speeds(some))
    for count, taken in seconds.items():
        yield Measured(f"{count:,} machines", taken, "in proportion to 100,000", seconds[100_000] * count / 100_000)
    if picture:
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(6, 4))
        axes.loglog([*seconds], [*seconds.values()], "o-", label="measured")
        axes.loglog([*seconds], [seconds[100_000] * count / 100_000 for count in seconds], "--", label="in proportion")
        axes.set(xlabel="machines", ylabel="CPU seconds", title="One model on many machines")
        axes.legend()
        figure.savefig(picture, dpi=120, bbox_inches="tight")


def ranking() -> Iterator[Measured]:
    """All builds of the stock for a model, beside predicting some of them one by one, for as many."""
    stock, wish = stock_of("any", owned_parts(())), Wish(model="gpt-oss-20b", condition="any")
    search = Search(wish, "MXFP4", stock, load())
    ours = cpu_s(lambda: search.ranked(None, 5.0))
    rows, count = search.ranked(None, 5.0), search.count(None, 5.0)
    some = np.random.default_rng(1).choice(rows, 1000, replace=False)
    alone = cpu_s(lambda: search.offers(some))
    yield Measured(f"{count:,} builds ranked", ours, "as many built and predicted", alone * count / len(some))


def batch() -> Iterator[Measured]:
    """Lines of a batch, beside reading and writing them as JSON alone."""
    cards = [row.name for row in tables.gpus()]
    lines = [
        json.dumps({"model": "Qwen3-8B", "quant": "Q4_K_M", "hardware": {"gpus": [{"name": cards[i % len(cards)]}]},
                    "workload": {"context_depth": i}}).encode()
        for i in range(LINES)
    ]
    list(answer_lines(lines[:100], load()))
    answers: list[str] = []
    ours = cpu_s(lambda: answers.extend(answer_lines(lines, load())))
    plain = cpu_s(lambda: [json.dumps(json.loads(text)) for text in (*lines, *answers)])
    yield Measured(f"{LINES:,} lines of a batch", ours, "json alone", plain)


def prices() -> Iterator[Measured]:
    """Estimates of many observations, beside the plain median of each part."""
    observations, market = made_up(), shipped_market()

    def estimated() -> object:
        return estimates(votes_of(observations, market.basis, market.rates), market.basis, DAY)

    yield Measured(f"{len(observations):,} observations", fastest(estimated), "plain medians",
                   fastest(lambda: medians(observations)))


SWEPT = """
models = ["Qwen3-8B", "Llama-3.3-70B"]
quants = ["Q4_K_M", "Q8_0"]
contexts = [0, 4096, 16384, 32768]
users = [1, 4]
[hardware]
gpus = [CARDS]
cpus = [CPUS]
ram_mt_s = [2666, 3200]
ram_gb = [32, 64]
"""


def sweeps() -> Iterator[Measured]:
    """A sweep to Parquet by one process and by two, seconds of the clock: the ratio is what two gain."""
    cards, cpus = tables.gpus()[:100], [row for row in tables.cpus() if "DDR4" in row.memory_types][:30]
    names = [", ".join(json.dumps(row.name) for row in rows) for rows in (cards, cpus)]
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.toml"
        spec.write_text(SWEPT.replace("CARDS", names[0]).replace("CPUS", names[1]))
        taken, rows = [], ""
        for processes in ("1", "2"):
            start = time.perf_counter()
            words = ["sweep", str(spec), "--output", f"{folder}/{processes}", "--processes", processes]
            told = subprocess.run([*ADVISOR, *words], check=True, stdout=subprocess.PIPE, text=True).stdout
            taken.append(time.perf_counter() - start)
            rows = told.partition(" in ")[0]
        yield Measured(f"sweep of {rows}, one process", taken[0], "two processes", taken[1])


def http() -> Iterator[Measured]:
    """Scenarios in one call to the server, seconds of the clock, beside as many lines of a batch in this process."""
    questions = list(grid(0))
    lines = [json.dumps(question).encode() for question in questions]
    list(answer_lines(lines[:100], load()))
    start = time.perf_counter()
    list(answer_lines(lines, load()))
    here = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--workers", "1") as server:
        many(server, list(grid(1)))
        yield Measured(f"{len(questions):,} scenarios over HTTP", many(server, questions), "lines of a batch", here)


def starts() -> Iterator[Measured]:
    """Whole programs."""
    some = ("recommend", "--model", "Qwen3.6-35B-A3B")
    for words in (("--help",), PREDICT, some, (*some, "--condition", "any"), ("recommend", "--budget", "1000")):
        yield from program(words)


def cells() -> Iterator[Measured]:
    """Requests as the planner places a model, seconds of the clock, beside llama.cpp's own fit and the best of a sweep:
    models x contexts x budgets of memory.
    """
    from tests.benchmarks.placement_cells import HOME, MODELS, outcomes

    for item in outcomes(HOME, list(MODELS)):
        what = f"{item.cell.words}: {item.planned}"
        yield Measured(what, item.plan_s, f"llama.cpp's fit: {item.fitted}", item.fit_s)
        yield Measured(what, item.plan_s, f"best of all: {item.best}", item.best_s)


def beside_peers() -> Iterator[Measured]:
    """One prediction by a whole program, beside the same question to other advisors."""
    from tests.benchmarks.peers import FOLDER, ONE_QUESTION, PACKAGES

    for name, words in ONE_QUESTION.items():
        beside = [str(FOLDER / "bin" / name), *words]
        pairs = [(process_s([*ADVISOR, *PREDICT]), process_s(beside)) for _ in range(PAIRS)]
        ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
        yield Measured(f"advisor {' '.join(PREDICT)}", ours, f"{name} {PACKAGES[name]}", theirs)


def main() -> None:
    """Measure what is named, or all, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parts: dict[str, Callable[[], Iterator[Measured]]] = {
        "million": million, "linear": linear, "ranking": ranking, "batch": batch, "prices": prices, "sweep": sweeps,
        "http": http, "start": starts,
    }
    apart: dict[str, Callable[[], Iterator[Measured]]] = {"cells": cells, "peers": beside_peers}
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*parts, *apart]))
    parser.add_argument("--plot", type=Path, metavar="FILE")
    asked = parser.parse_args()
    usual, parts = list(parts), parts | apart
    if unknown := set(asked.names) - parts.keys():
        parser.error(f"no part is called {', '.join(sorted(unknown))}: there are {', '.join(parts)}")
    parts["linear"] = lambda: linear(asked.plot)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, load "
          f"{os.getloadavg()[0]:.1f}, Python {platform.python_version()}, numpy {np.__version__}\n")
    print("| what | s | beside | s | ratio |\n| --- | ---: | --- | ---: | ---: |")
    for name in asked.names or usual:
        for row in parts[name]():
            ratio = row.seconds / row.beside_s
            print(f"| {row.what} | {row.seconds:.2f} | {row.beside} | {row.beside_s:.2f} | {ratio:.2f} |", flush=True)
    print(f"\nmost memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    main()
