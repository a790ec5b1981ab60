"""A server of model files on this computer that behaves as it is told: with ranges or without, slow, or lying."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass
class Behaviour:
    """What the server does; `paths` counts requests, `sent_bytes` all bodies."""

    folder: Path
    redirects: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    delay_s: float = 0.0
    """Before each kilobyte of a body."""
    said_bytes: int | None = None
    """Size that it states in place of the file's."""
    too_much: bool = False
    """Sends more than it was asked for."""
    requests: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    address: str = ""


class _Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def do_GET(self) -> None:
        behave, path = self.behaviour, unquote(urlsplit(self.path).path)
        behave.requests.append(path)
        if path in behave.statuses:
            return self._answer(behave.statuses[path], b"")
        if path in behave.redirects:
            return self._answer(302, b"", {"Location": behave.redirects[path]})
        if path in behave.texts:
            return self._answer(200, behave.texts[path].encode())
        file = behave.folder / path.rpartition("/")[2]
        if not file.is_file():
            return self._answer(404, b"")
        return self._part(file)

    def _part(self, file: Path) -> None:
        behave, size = self.behaviour, file.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not (asked and behave.ranges):
            return self._answer(200, b"whole", {"Content-Length": str(size)})
        first, last = int(asked[1]), min(int(asked[2]), size - 1)
        if first > last:
            return self._answer(416, b"")
        with file.open("rb") as source:
            source.seek(first)
            data = source.read(last - first + 1)
        said = behave.said_bytes or size
        if behave.too_much:
            data += bytes(1 << 20)
        return self._answer(206, data, {"Content-Range": f"bytes {first}-{last}/{said}"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        own = {"Content-Length": str(len(body)), "Last-Modified": "Sat, 28 Nov 2026 08:00:00 GMT"} | (headers or {})
        for name, value in own.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for start in range(0, len(body), 1024) if self.behaviour.delay_s else (0,):
                time.sleep(self.behaviour.delay_s)
                piece = body[start : start + 1024] if self.behaviour.delay_s else body
                self.wfile.write(piece)
                self.behaviour.sent_bytes += len(piece)
        except OSError:
            self.close_connection = True  # the reader has heard enough

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Readers that hang up are no fault of the server."""


@contextmanager
def served(folder: Path) -> Iterator[Behaviour]:
    """A server of a folder's files at `behaviour.address`."""
    behaviour = Behaviour(folder)
    handler = type("Handler", (_Handler,), {"behaviour": behaviour, "protocol_version": "HTTP/1.1"})
    server = _Server(("127.0.0.1", 0), handler)
    behaviour.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield behaviour
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
