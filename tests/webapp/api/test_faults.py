"""Faults under load: a worker that dies takes its own requests along and no other; a stop finishes what it began."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.webapp.api.running import SCENARIO, Server, serving

CONNECTIONS = 8


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("workers"), "--workers", "2") as running:
        yield running


def worker_ids(server: Server) -> set[int]:
    """Processes that serve: those that hold connections have the server's socket and are its children."""
    parent = psutil.Process(server.process.pid)
    alive = [child for child in parent.children() if child.status() != psutil.STATUS_ZOMBIE]
    return {child.pid for child in alive if any("spawn_main" in word for word in child.cmdline())}


class Load:
    """Clients that ask without pause until told to stop; each counts what became of its requests."""

    def __init__(self, server: Server) -> None:
        self._server, self._stop = server, threading.Event()
        self.codes: list[int] = []
        self.broken = 0
        self._threads = [threading.Thread(target=self._ask) for _ in range(CONNECTIONS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._server.url, timeout=30) as http:
            while not self._stop.is_set():
                try:
                    self.codes.append(http.post("/v1/predictions", json=SCENARIO).status_code)
                except httpx.TransportError:
                    self.broken += 1


def below(worker: int) -> list[psutil.Process]:
    """What a worker started to compute for it."""
    return psutil.Process(worker).children(recursive=True)


def compute_in_each(server: Server) -> None:
    """Ask, by one connection after another, for what takes a process of its own, until each worker has one."""
    until = time.monotonic() + 60
    while not all(below(worker) for worker in worker_ids(server)):
        assert time.monotonic() < until
        httpx.post(f"{server.url}/v1/predictions", json={"scenarios": [SCENARIO]}, timeout=60)


def test_a_worker_that_is_killed_under_load_loses_its_requests_in_flight_alone_and_is_replaced(workers: Server) -> None:
    before = worker_ids(workers)
    assert len(before) == 2
    compute_in_each(workers)
    computing, others = below(min(before)), below(max(before))
    with Load(workers) as load:
        time.sleep(0.5)
        os.kill(min(before), signal.SIGKILL)
        time.sleep(1.0)
    _, alive = psutil.wait_procs(computing, timeout=20)
    assert alive == []
    assert all(process.is_running() for process in others)
    # Each connection has one request in flight at most.
    assert load.broken <= CONNECTIONS
    assert set(load.codes) == {200}
    until = time.monotonic() + 60
    while len(now := worker_ids(workers)) < 2 or min(before) in now:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert workers.predict().status_code == 200


def test_counts_are_summed_over_workers_dead_ones_included(workers: Server) -> None:
    def answered() -> float:
        lines = workers.http.get("/metrics").text.splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith("advisor_predictions_total"))

    before = answered()
    for _ in range(10):
        with httpx.Client(base_url=workers.url) as http:
            http.post("/v1/predictions", json=SCENARIO)
    assert answered() == before + 10


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stop_answers_what_has_begun_and_takes_nothing_new(tmp_path: Path, workers: str) -> None:
    with serving(tmp_path, "--workers", workers) as running:
        found: list[httpx.Response] = []
        asked = {"scenarios": [SCENARIO] * 1000}
        thread = threading.Thread(target=lambda: found.append(running.predict(asked)))
        thread.start()
        time.sleep(0.3)
        running.process.send_signal(signal.SIGTERM)
        thread.join()
        assert running.process.wait(60) == 0
        assert found[0].status_code == 200
        assert len(found[0].json()["predictions"]) == 1000
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{running.url}/healthz")


def test_a_database_that_does_not_answer_is_refused_at_the_start(tmp_path: Path) -> None:
    environment = {"ADVISOR_HOME": str(tmp_path), "ADVISOR_DATABASE_URL": f"postgresql://x@/x?host={tmp_path}"}
    command = (sys.executable, "-m", "advisor", "serve", "--port", "1")
    with contextlib.suppress(PermissionError):
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("advisor: ")
