"""How many predictions a second the API answers, against its empty endpoint, and how long 10,000 in one call take.

Needs wrk (Debian: apt install wrk). Run from the root of a clone: python -m tests.benchmarks.api_load
"""

import json
import random
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from catalog import tables
from tests.webapp.api.running import Server, serving

WORKERS, CONNECTIONS, SECONDS, ROUNDS = 2, 16, 6, 3
DISTINCT = 5_000
QUANTS = ("Q4_K_M", "Q8_0", "IQ4_XS", "Q6_K", "Q5_K_M", "Q3_K_M", "UD-Q4_K_XL", "MXFP4")
ASK = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local bodies, i = {}, 0
for line in io.lines("%s") do bodies[#bodies + 1] = line end
request = function() i = i + 1; return wrk.format(nil, "/v1/predictions", nil, bodies[i %% #bodies + 1]) end
"""


def scattered(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Distinct questions at random over all cards, processors and models, on and beside GPUs, shallow and deep."""
    choose = random.Random(seed)
    gpus, cpus = [row.name for row in tables.gpus()], [row.name for row in tables.cpus()]
    llms = [row.id for row in tables.llms()]
    for _ in range(count):
        card = [{"name": choose.choice(gpus), "count": choose.choice([1, 1, 1, 2])}] if choose.random() < 0.85 else []
        ram = {"channels": 2, "gb": choose.choice([16, 32, 64, 128])}
        yield {
            "model": choose.choice(llms), "quant": choose.choice(QUANTS),
            "hardware": {"gpus": card, "cpu": choose.choice(cpus), "ram": ram},
            "engine": {"n_ctx": choose.choice([None, 32_768]), "kv_type": choose.choice(["f16", "q8_0"])},
            "workload": {"context_depth": choose.randrange(16_000), "prompt_tokens": choose.choice([256, 512, 2048])},
        }  # fmt: skip


def grid(first_depth: int) -> Iterator[dict[str, Any]]:
    """10,000 distinct questions as a program asks them that compares: 25 cards x 20 models x 4 quants x 5 depths."""
    cards = [row.name for row in tables.gpus() if row.form == "desktop"][:50:2]
    llms = [row.id for row in tables.llms()][:120:6]
    for card, llm, quant, step in product(cards, llms, QUANTS[:4], range(5)):
        ram = {"type": "DDR4", "mt_s": 3600, "channels": 2, "gb": 64}
        yield {
            "model": llm, "quant": quant, "hardware": {"gpus": [{"name": card}], "cpu": "Ryzen 7 5800X", "ram": ram},
            "workload": {"context_depth": first_depth + step * 4096},
        }  # fmt: skip


def wrk(url: str, *options: str) -> dict[str, float]:
    """Requests per second and the 99th percentile in ms; every answer must have been a good one."""
    command = ("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", *options, url)
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in said, said
    p99, rate = re.search(r"99%\s+([\d.]+)(us|ms|s)", said), re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert p99, said
    assert rate, said
    return {"per_s": float(rate[1]), "p99_ms": float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]]}


def single(server: Server, folder: Path) -> Iterator[dict[str, float]]:
    """The empty endpoint and predictions in turn, so that what else the machine does meets both."""
    questions, script = folder / "questions.jsonl", folder / "ask.lua"
    questions.write_text("".join(json.dumps(item) + "\n" for item in scattered(DISTINCT)))
    script.write_text(ASK % questions)
    for _ in range(2):  # fills the caches of both workers
        wrk(server.url, "-s", str(script))
    for _ in range(ROUNDS):
        empty, full = wrk(f"{server.url}/healthz"), wrk(server.url, "-s", str(script))
        yield {
            "empty_per_s": empty["per_s"], "predictions_per_s": full["per_s"], "predictions_p99_ms": full["p99_ms"],
            "share_of_empty": full["per_s"] / empty["per_s"],
        }  # fmt: skip


def many(server: Server, scenarios: list[dict[str, Any]]) -> float:
    """Seconds of one call, from the first byte sent to the last received."""
    content = json.dumps({"scenarios": scenarios}).encode()
    start = time.perf_counter()
    answer = server.http.post("/v1/predictions", content=content, headers={"content-type": "application/json"})
    seconds = time.perf_counter() - start
    assert len(answer.json()["predictions"]) == len(scenarios) == 10_000
    return round(seconds, 2)


def main() -> None:
    """Print the figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        with serving(Path(folder), "--workers", str(WORKERS)) as server:
            rounds = list(single(server, Path(folder)))
        figures: dict[str, Any] = {
            name: round(statistics.median(item[name] for item in rounds), 3) for name in rounds[0]
        }
        with serving(Path(folder), "--workers", str(WORKERS)) as server:
            figures["grid_of_10000_s"] = [many(server, list(grid(depth))) for depth in (0, 100, 200, 300)]
            figures["scattered_10000_s"] = [many(server, list(scattered(10_000, seed))) for seed in (2, 3, 4)]
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
