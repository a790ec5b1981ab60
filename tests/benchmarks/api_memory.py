"""Memory of the API's workers over 200,000 requests: flat once caches are full.

No question is asked twice. Rounds take turns: one asks about a thousand machines, the next about another machine each
time, which misses most caches; before, they have been filled. Needs wrk (Debian: apt install wrk).

Run from the root of a clone: python -m tests.benchmarks.api_memory [--requests 200000]
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.api_questions import ask, scattered
from tests.webapp.api.running import Server, serving

WORKERS, SECONDS = 2, 8
MACHINES = 1_000
MOST_A_RUN = 20_000
WARM_UP = 30_000
"""Requests before the first look, each about another machine: caches are full after some ten thousand in each worker.
"""


def memory_mib(server: Server) -> float:
    """Resident memory of all workers, that they share counted once for each."""
    children = psutil.Process(server.process.pid).children()
    workers = [item for item in children if any("spawn_main" in word for word in item.cmdline())]
    assert len(workers) == WORKERS
    return round(sum(worker.memory_info().rss for worker in workers) / 2**20, 1)


def main() -> None:
    """Print the memory after each tenth of the requests as JSON, and what came on top of the first."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--requests", type=int, default=200_000)
    wanted = options.parse_args().requests
    seen: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--workers", str(WORKERS)) as server:
        started_mib, asked, seed = memory_mib(server), 0, 0
        while asked < WARM_UP + wanted:
            seed += 1
            machines = MACHINES if asked > WARM_UP and seed % 2 else None
            asked += ask(server.url, SECONDS, Path(folder), scattered(MOST_A_RUN, seed, machines)).requests
            if asked >= WARM_UP + len(seen) * wanted / 10:
                seen.append({"requests": asked, "mib": memory_mib(server)})
    first, last = seen[0], seen[-1]
    told = {
        "started_mib": started_mib, "seen": seen, "requests_between": last["requests"] - first["requests"],
        "growth_mib": round(last["mib"] - first["mib"], 1), "growth_share": round(last["mib"] / first["mib"] - 1, 4),
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
