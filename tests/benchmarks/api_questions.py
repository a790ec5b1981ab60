"""Questions for the benchmarks of the API: distinct ones at random over the whole catalog, and how wrk asks them."""

import json
import random
import re
import subprocess
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

from catalog import tables

QUANTS: Final = ("Q4_K_M", "Q8_0", "IQ4_XS", "Q6_K", "Q5_K_M", "Q3_K_M", "UD-Q4_K_XL", "MXFP4")
CONNECTIONS: Final = 16
Question = dict[str, Any]
_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local bodies, i = {}, 0
for line in io.lines("%s") do bodies[#bodies + 1] = line end
request = function() i = i + 1; return wrk.format(nil, "/v1/predictions", nil, bodies[i %% #bodies + 1]) end
"""


def machine(choose: random.Random) -> Question:
    """Any card or none, any processor, usual memory."""
    gpus, cpus = [row.name for row in tables.gpus()], [row.name for row in tables.cpus()]
    card = [{"name": choose.choice(gpus), "count": choose.choice([1, 1, 1, 2])}] if choose.random() < 0.85 else []
    return {"gpus": card, "cpu": choose.choice(cpus), "ram": {"channels": 2, "gb": choose.choice([16, 32, 64, 128])}}


def about(hardware: Question, choose: random.Random) -> Question:
    """Any model and quantisation on a machine, shallow and deep: too many to come twice."""
    return {
        "model": choose.choice([row.id for row in tables.llms()]), "quant": choose.choice(QUANTS), "hardware": hardware,
        "engine": {"n_ctx": choose.choice([None, 32_768]), "kv_type": choose.choice(["f16", "q8_0"])},
        "workload": {"context_depth": choose.randrange(16_000), "prompt_tokens": choose.choice([256, 512, 2048])},
    }


def scattered(count: int, seed: int, machines: int | None = None) -> Iterator[Question]:
    """Distinct questions; about so many machines, or each about another one."""
    choose = random.Random(seed)
    pool = [machine(choose) for _ in range(machines or 0)]
    for _ in range(count):
        yield about(choose.choice(pool) if pool else machine(choose), choose)


def grid(first_depth: int) -> Iterator[Question]:
    """10,000 distinct questions as a program asks them that compares: 25 cards x 20 models x 4 quants x 5 depths."""
    cards = [row.name for row in tables.gpus() if row.form == "desktop"][:50:2]
    llms = [row.id for row in tables.llms()][:120:6]
    for card, llm, quant, step in product(cards, llms, QUANTS[:4], range(5)):
        ram = {"type": "DDR4", "mt_s": 3600, "channels": 2, "gb": 64}
        yield {
            "model": llm, "quant": quant, "hardware": {"gpus": [{"name": card}], "cpu": "Ryzen 7 5800X", "ram": ram},
            "workload": {"context_depth": first_depth + step * 4096},
        }


class Told(NamedTuple):
    """What wrk tells of one run."""

    requests: int
    per_s: float
    p99_ms: float


def ask(url: str, seconds: int, folder: Path, questions: Iterable[Question] | None = None) -> Told:
    """Have wrk ask for so long over 16 connections, each question in its turn, or else GET the address.

    Raises `AssertionError` where any answer was not a good one.
    """
    options: tuple[str, ...] = ()
    if questions is not None:
        lines, script = folder / "questions.jsonl", folder / "ask.lua"
        lines.write_text("".join(json.dumps(item) + "\n" for item in questions))
        script.write_text(_SCRIPT % lines)
        options = ("-s", str(script))
    command = ("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "--latency", *options, url)
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said
    p99, rate = re.search(r"99%\s+([\d.]+)(us|ms|s)", said), re.search(r"Requests/sec:\s+([\d.]+)", said)
    count = re.search(r"(\d+) requests in", said)
    assert p99, said
    assert rate, said
    assert count, said
    return Told(int(count[1]), float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]])
