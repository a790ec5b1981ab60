"""A shop on this computer that answers as it is told, and remembers what it was asked."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Reply:
    """One answer: JSON unless `raw`; `drip_s` between its bytes."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    drip_s: float = 0.0


@dataclass
class Asked:
    """One question as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: str


class FakeShop:
    """Answers by path, in turn; the last of a path's replies is given again."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[Asked] = []
        self.url = ""

    def answers(self, path: str, *replies: Reply) -> None:
        self.replies[path] = list(replies)

    def reply(self, path: str) -> Reply:
        waiting = next((found for start, found in self.replies.items() if path.startswith(start)), [Reply({}, 404)])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


@contextmanager
def fake_shop() -> Iterator[FakeShop]:
    shop = FakeShop()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            shop.asked.append(Asked(self.command, parts.path, parse_qs(parts.query), dict(self.headers), body))
            reply = shop.reply(parts.path)
            content = reply.raw if reply.raw is not None else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in (reply.headers | {"content-length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for place in range(0, len(content), 1 if reply.drip_s else max(1, len(content))):
                    self.wfile.write(content[place : place + (1 if reply.drip_s else len(content))])
                    self.wfile.flush()
                    time.sleep(reply.drip_s)
            except (BrokenPipeError, ConnectionResetError):
                pass

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
