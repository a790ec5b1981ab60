"""What strangers can do to the API: memory over 200,000 requests of hostile kinds, and how long others wait while one
client attacks.

The kinds: bodies of megabytes, names that nobody knows, the longest descriptions of ever new machines, what is no JSON,
bodies half sent, rankings and batches whose client leaves, addresses and calibrations that are none. Kinds that cost a
server much are sent more rarely. Before the first look at the memory the caches have been filled.

Run from the root of a clone: python -m tests.benchmarks.api_hostile [PART ...] [--requests 200000] [--warm-up 100000]
`--kinds` names those that the attacker of `others` sends alone, separated by commas.
"""

import argparse
import asyncio
import json
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil

from catalog import tables
from tests.benchmarks.api_questions import scattered
from tests.webapp.api.running import SCENARIO, Server, serving

CONNECTIONS: Final = 16
LOOKS: Final = 10
OTHERS_S: Final = 15.0
"""Time that others are watched, at peace and under attack."""
PAUSE_S: Final = 0.05
"""Between two questions of another client."""
STRANGER, OTHER = "203.0.113.66", "203.0.113.7"
Body = dict[str, Any]
CARDS: Final = [row.name for row in tables.gpus()]


def post(path: str, body: object, client: str = STRANGER) -> bytes:
    """A request as it goes over the wire."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def _long_machine(choose: random.Random) -> Body:
    words = f"Ryzen 7 5800X {'x ' * 130}{choose.random()}"[:300]
    gpus = [{"name": name, "pcie_lanes": choose.randint(1, 16)} for name in choose.sample(CARDS, 16)]
    return {"model": "gpt-oss-20b", "hardware": {"cpu": words, "gpus": gpus}}


def _unknown(choose: random.Random) -> Body:
    return {"model": f"{choose.random()} {'a b c ' * 45}"[:300], "hardware": {"gpus": [{"name": "RTX 3090"}]}}


def _large(choose: random.Random) -> Body:
    count = choose.randint(5_000, 20_000)
    return choose.choice([
        SCENARIO | {"hardware": {"gpus": [{"name": "RTX 3060 12GB"}] * count}},
        SCENARIO | {"hardware": {"gpus": [{"nam": choose.random()}] * count}},
        SCENARIO | {f"field {choose.random()}": 1 for _ in range(count)}, SCENARIO | {"m" * count * 40: 1},
    ])


def _nowhere(choose: random.Random) -> bytes:
    path = choose.choice(["/v1/catalog/{}", "/v1/prices/{}", "/v1/calibrations/{}", "/v1/problems/{}", "/{}"])
    head = f"GET {path.format(choose.random())} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {STRANGER}\r\n"
    return f"{head}X-{choose.random()}: y\r\n\r\n".encode()


def _left(choose: random.Random) -> bytes:
    wish = {"model": "gpt-oss-120b", "context": choose.randint(256, 100_000)}
    many = {"scenarios": [{"model": "Qwen3-8B", "hardware": {"gpus": [{"name": choose.choice(CARDS)}]}}] * 500}
    return choose.choice([post("/v1/recommendations", wish), post("/v1/predictions", many)])


KINDS: Final[dict[str, tuple[int, Callable[[random.Random], bytes]]]] = {
    "machine": (10, lambda choose: post("/v1/predictions", _long_machine(choose))),
    "question": (40, lambda choose: post("/v1/predictions", next(scattered(1, choose.randrange(10**9))))),
    "unknown": (20, lambda choose: post("/v1/predictions", _unknown(choose))),
    "no JSON": (20, lambda choose: post("/v1/predictions", f"[{choose.random()}".encode())),
    "nowhere": (40, _nowhere),
    "calibration": (20, lambda choose: post(f"/v1/predictions?calibration={choose.random()}", SCENARIO)),
    "large": (2, lambda choose: post("/v1/predictions", _large(choose))),
    "half": (10, lambda choose: post("/v1/predictions", _unknown(choose))[:-20]),
    "left": (1, _left),
}
"""How often a kind is sent among all, and what makes one of it."""
LEAVING: Final = {"half", "left"}
"""The client closes its connection instead of waiting for the answer."""


def attacks(seed: int, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Requests of these kinds without an end."""
    choose = random.Random(seed)
    weights = [KINDS[name][0] for name in names]
    while True:
        (kind,) = choose.choices(names, weights)
        yield kind, KINDS[kind][1](choose)


async def answer(reader: asyncio.StreamReader) -> int:
    """The status of an answer, which is read to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    await reader.readexactly(int(fields[b"content-length"]))
    return int(head.split(b" ", 2)[1])


async def attack(port: int, requests: int, seed: int, told: Counter[str], kinds: Sequence[str] = tuple(KINDS)) -> None:
    """One connection after another that sends hostile requests; counts what was answered."""
    wave = attacks(seed, kinds)
    line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for _ in range(requests):
        kind, content = next(wave)
        if line is None:
            line = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            line[1].write(content)
            await line[1].drain()
            if kind not in LEAVING:
                told[f"{kind} {await answer(line[0])}"] += 1
                if not line[0].at_eof():
                    continue
            else:
                told[f"{kind} left"] += 1
                await asyncio.sleep(0.02)
        line[1].close()
        line = None


async def wave(port: int, requests: int, seed: int, told: Counter[str]) -> None:
    """So many requests over all connections."""
    share = requests // CONNECTIONS
    await asyncio.gather(*(attack(port, share, seed * CONNECTIONS + number, told) for number in range(CONNECTIONS)))


def resident_mib(server: Server) -> float:
    """Memory of the server and of the processes that compute for it."""
    process = psutil.Process(server.process.pid)
    return round(sum(item.memory_info().rss for item in (process, *process.children(recursive=True))) / 2**20, 1)


def memory(requests: int, warm_up: int) -> Body:
    """Resident memory after each tenth of the requests."""
    told = Counter[str]()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), ADVISOR_RATE_PER_S="0") as server:
        start, seen = time.monotonic(), list[float]()
        for look in range(LOOKS + 1):
            asyncio.run(wave(server.port, requests // LOOKS if look else warm_up, look, told))
            seen.append(resident_mib(server))
            print(
                f"{look * requests // LOOKS:,} requests after the first {warm_up:,}: {seen[-1]} MiB, "
                f"{seen[-1] / seen[0] - 1:+.1%}, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True,
            )
        failed = [line for line in server.log_lines() if line.get("level") == "error"]
    assert not any(kind.endswith(" 500") for kind in told), told
    assert not failed, failed
    return {"mib": seen, "growth_share": round(seen[-1] / seen[0] - 1, 4), "answers": dict(sorted(told.items()))}


async def others(port: int) -> list[float]:
    """Seconds until another client has its answer, question by question."""
    taken: list[float] = []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content, until = post("/v1/predictions", SCENARIO, OTHER), time.monotonic() + OTHERS_S
    while time.monotonic() < until:
        start = time.perf_counter()
        writer.write(content)
        assert await answer(reader) == 200
        taken.append(time.perf_counter() - start)
        await asyncio.sleep(PAUSE_S)
    writer.close()
    return taken


def fiercely(port: int, kinds: Sequence[str]) -> None:
    """Send without an end, in a process of its own, so that what the attacker computes delays nobody who is watched."""

    async def all_connections() -> None:
        await asyncio.gather(*(attack(port, 10**9, 1000 + number, Counter(), kinds) for number in range(CONNECTIONS)))

    psutil.Process().nice(10)  # where there are two processors, the attacker's must not delay who is watched
    asyncio.run(all_connections())


def others_under_attack(port: int, kinds: Sequence[str]) -> list[float]:
    """The same while a stranger sends as fast as he can."""
    stranger = multiprocessing.get_context("spawn").Process(target=fiercely, args=(port, kinds), daemon=True)
    stranger.start()
    time.sleep(4)
    try:
        return asyncio.run(others(port))
    finally:
        stranger.kill()
        stranger.join()


def p95_ms(taken: list[float]) -> float:
    """The 95th percentile in milliseconds."""
    return round(statistics.quantiles(taken, n=20)[-1] * 1000, 2)


def waiting(kinds: Sequence[str]) -> Body:
    """How long others wait, at peace and under attack."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        peace, war = p95_ms(asyncio.run(others(server.port))), p95_ms(others_under_attack(server.port, kinds))
    return {"others_p95_ms": peace, "others_p95_ms_under_attack": war, "ratio": round(war / peace, 2)}


def main() -> None:
    """Print the figures of what is named, or of both, as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("parts", nargs="*", metavar="PART", help="memory (takes some half an hour), others (a minute)")
    options.add_argument("--requests", type=int, default=200_000)
    options.add_argument("--warm-up", type=int, default=100_000)
    options.add_argument("--kinds", default=",".join(KINDS))
    chosen = options.parse_args()
    kinds = chosen.kinds.split(",")
    parts = {"memory": lambda: memory(chosen.requests, chosen.warm_up), "others": lambda: waiting(kinds)}
    for name in chosen.parts or parts:
        if name not in parts:
            options.error(f"no part is called {name}: there are {', '.join(parts)}")
        print(json.dumps({name: parts[name]()}, indent=1), flush=True)


if __name__ == "__main__":
    main()
