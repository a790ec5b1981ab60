"""How many predictions a second the API answers, against its empty endpoint, and how long 10,000 in one call take.

No question is asked twice. Single ones are about a thousand machines, as those of a service's clients are; the server
has answered for half a minute before. Needs wrk (Debian: apt install wrk) and a machine with nothing else to do.

Run from the root of a clone: python -m tests.benchmarks.api_load
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.api_questions import Question, ask, grid, scattered
from tests.webapp.api.running import Server, serving

WORKERS, SECONDS, ROUNDS = 2, 6, 5
WARM_UP_S = 30
MACHINES = 1_000
MOST_A_RUN = 20_000
"""Questions written for one run: more than it can ask."""


def single(server: Server, folder: Path) -> Iterator[dict[str, float]]:
    """The empty endpoint and predictions in turn, so that what else the machine does meets both."""
    questions = scattered(MOST_A_RUN * (ROUNDS + WARM_UP_S // SECONDS), 1, MACHINES)

    def predictions() -> Any:
        return ask(server.url, SECONDS, folder, (next(questions) for _ in range(MOST_A_RUN)))

    for _ in range(WARM_UP_S // SECONDS):
        predictions()
    for _ in range(ROUNDS):
        empty, full = ask(f"{server.url}/healthz", SECONDS, folder), predictions()
        yield {
            "empty_per_s": empty.per_s, "predictions_per_s": full.per_s, "predictions_p99_ms": full.p99_ms,
            "share_of_empty": full.per_s / empty.per_s,
        }


def many(server: Server, scenarios: list[Question]) -> float:
    """Seconds of one call, from the first byte sent to the last received."""
    content = json.dumps({"scenarios": scenarios}).encode()
    start = time.perf_counter()
    answer = server.http.post("/v1/predictions", content=content, headers={"content-type": "application/json"})
    seconds = time.perf_counter() - start
    assert len(answer.json()["predictions"]) == len(scenarios) == 10_000
    return round(seconds, 2)


def main() -> None:
    """Print the figures as JSON: of single questions the median of the rounds."""
    figures: dict[str, Any] = {"load_before": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory() as folder:
        with serving(Path(folder), "--workers", str(WORKERS)) as server:
            rounds = list(single(server, Path(folder)))
        figures |= {name: round(statistics.median(item[name] for item in rounds), 3) for name in rounds[0]}
        with serving(Path(folder), "--workers", str(WORKERS)) as server:
            figures["grid_of_10000_s"] = [many(server, list(grid(depth))) for depth in (0, 100, 200, 300)]
            figures["scattered_10000_s"] = [many(server, list(scattered(10_000, seed))) for seed in (2, 3, 4)]
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
