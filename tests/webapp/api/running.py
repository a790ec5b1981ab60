"""Servers for the tests: `advisor serve` in a process of its own, on a free port of this computer."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request

from advisor.physics.knowledge import load
from catalog.profiles import digest_of

START_S = 240.0
CARD = {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "gb": 32}}
SCENARIO: dict[str, Any] = {"model": "gpt-oss-20b", "hardware": CARD}
PROFILE: dict[str, Any] = {
    "schema_version": 1, "name": "Office box", "fingerprint": "ab" * 16,
    "efficiencies_digest": digest_of(load().efficiencies.effects),
    "hardware": {"gpus": [{"name": "RTX 3060 12GB"}]}, "measured_on": "2026-11-24",
    "engine": {"name": "llama.cpp", "version": "b9000", "backend": "cuda"},
    "effects": [{"coefficient": "gpu_stream", "log_value": -0.2, "standard_error": 0.02, "informed": True}],
}


class Server:
    """A running server: where it is, its process, and what it logged."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=60)

    def log_lines(self) -> list[dict[str, Any]]:
        """What the server logged so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def predict(self, scenario: object = SCENARIO, **options: Any) -> httpx.Response:
        """Ask for a prediction."""
        return self.http.post("/v1/predictions", json=scenario, **options)


def request_of(client: str, content: bytes, leaves_after_s: float | None = None) -> Request:
    """A request whose client has sent it all, and stays or leaves."""

    async def receive() -> dict[str, Any]:
        if sent:
            return sent.pop()
        await asyncio.sleep(1e6 if leaves_after_s is None else leaves_after_s)
        return {"type": "http.disconnect"}

    sent = [{"type": "http.request", "body": content}]
    return Request({"type": "http", "method": "POST", "headers": [], "client": (client, 1)}, receive)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(folder: Path, *options: str, **environment: str) -> Iterator[Server]:
    """A server with its data in `folder`; stopped, and waited for, at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), folder / "serve.log"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ADVISOR_")}
    command = (sys.executable, "-m", "advisor", "serve", "--port", str(port), *options)
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command, stderr=stderr, stdout=stderr, env=inherited | {"ADVISOR_HOME": str(folder)} | environment
        )
    server = Server(process, port, log)
    try:
        _wait_until_ready(server)
        yield server
    finally:
        server.http.close()
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait_until_ready(server: Server) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            if server.http.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            assert server.process.poll() is None, server.log_lines()
        time.sleep(0.1)
    raise AssertionError(server.log_lines())
