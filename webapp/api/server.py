"""Running the application: one process or several workers, stopped gently, and how they speak HTTP."""

import asyncio
import ctypes
import logging
import multiprocessing.connection
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from advisor.errors import InputError
from webapp.api.migrations import upgrade
from webapp.api.problems import MEDIA_TYPE, document
from webapp.api.settings import Settings, load_settings
from webapp.api.telemetry import FOLDER_VARIABLE, configure, tell

APPLICATION: Final = "webapp.api.application:create_app"
WORKER_ANSWERS_S: Final = 30
"""A worker that does not answer its parent for so long is replaced; a busy machine may need seconds."""
WAITING_CONNECTIONS: Final = 2048
STARTUP_FAILED: Final = 1
ALONE: Final = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
"""A port is taken at once after its last server; on Windows SO_REUSEADDR would share it with one that still listens.
Source: Microsoft, Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE."""


def serve(settings: Settings, port: int, ready: Callable[[], None]) -> int:
    """Serve until told to stop (SIGTERM, SIGINT); what has begun is finished first. Gives the exit code.

    `ready` is called once nothing of the user's stands in the way any more.

    Raises `InputError` for an address that cannot be listened on and a database that cannot be used.
    """
    configure(settings.log_level)
    with listening(settings.host, port) as listener, _metrics_folder(settings.workers):
        upgrade(settings.database)
        ready()
        # What the command line set, for the workers, which read the environment.
        os.environ.update({"ADVISOR_HOST": settings.host, "ADVISOR_WORKERS": str(settings.workers)})
        config = uvicorn.Config(
            APPLICATION, factory=True, workers=settings.workers, http="webapp.api.server:BoundedProtocol", ws="none",
            lifespan="on", log_config=None, access_log=False, server_header=False, timeout_keep_alive=30,
            timeout_graceful_shutdown=int(settings.shutdown_timeout_s), timeout_worker_healthcheck=WORKER_ANSWERS_S,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn stops gently on these and then raises them again, for whoever handled them before.
            signal.signal(number, lambda *_: None)
        if config.workers > 1:
            Multiprocess(config, sockets=[listener]).run()
            return 0
        server = uvicorn.Server(config)
        server.run(sockets=[listener])
        return 0 if server.started else STARTUP_FAILED


def end_with_parent() -> None:
    """In a worker: stop, as gently as ever, once the process that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        multiprocessing.connection.wait([sentinel])
        signal.raise_signal(signal.SIGTERM)  # os.kill would end it at once on Windows

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()


ARENAS: Final = 2
MAPPED_BYTES: Final = 2**20
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # Source: glibc, malloc.h


def give_memory_back() -> None:
    """Have the C library return what a computation took: else each of its threads keeps a heap of its own, and arrays
    that are mapped at first come from there later. Nothing is done where the library is another than glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, ARENAS)
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that takes connections. Raises `InputError` that says why there can be none."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, number)
    except OSError as error:
        raise InputError(f"--host {host!r} is no address of this computer: {(error.strerror or '').lower()}") from None
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, ALONE, 1)
            listener.bind(address)
            listener.listen(WAITING_CONNECTIONS)
        except OSError as error:
            said = (error.strerror or "").lower()
            raise InputError(f"cannot listen on {host} port {port}: {said}; choose another --port or --host") from None
        listener.set_inheritable(True)
        yield listener


@contextmanager
def _metrics_folder(workers: int) -> Iterator[None]:
    """Several workers add their counts up through files in a folder of this run."""
    if workers == 1:
        os.environ.pop(FOLDER_VARIABLE, None)
        yield
        return
    with tempfile.TemporaryDirectory(prefix="advisor-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[FOLDER_VARIABLE] = folder
        yield


# HTTP/1.1 as uvicorn speaks it, with what it leaves open and no layer of the application sees: headers must come in
# time and not be endless, what is no HTTP is refused as all else is, and a client must take its answer.

MOST_HEADER_BYTES: Final = 65_536
LEAST_TAKEN_BYTES: Final = 65_536
"""A client takes at least so much of a waiting answer in each period, or the connection is dropped with the rest."""
PHRASES: Final = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}
_settings = cache(load_settings)


class BoundedProtocol(HttpToolsProtocol):
    """A connection whose requests' headers are bounded in time and size, and whose answers do not wait for ever."""

    _header_bytes, _in_headers = 0, True
    _coming: asyncio.TimerHandle | None = None
    """While headers are awaited: when they come too late."""
    _taking: asyncio.TimerHandle | None = None
    """While an answer waits for the client: when it is looked after next."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected: its first request must come in time."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._coming = self.loop.call_later(_settings().header_timeout_s, self._too_late)

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        if self._in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._in_headers and self._header_bytes > MOST_HEADER_BYTES and not self.transport.is_closing():
            self._refuse("headers_too_large", f"the headers have more than {MOST_HEADER_BYTES:,} bytes")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_headers = True
        if self._coming is None:
            self._coming = self.loop.call_later(_settings().header_timeout_s, self._too_late)

    def on_headers_complete(self) -> None:
        """The headers are there; the body has its own limits."""
        self._in_headers, self._header_bytes = False, 0
        self._stop("_coming")
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop("_coming", "_taking")
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More waits to be sent than the client takes at once: from now on it is watched."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The client has taken nearly all."""
        super().resume_writing()
        self._stop("_taking")

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused as everything else is, with a problem document."""
        self._refuse("bad_request", msg.lower().rstrip("."))

    def _watch(self, unsent_bytes: int) -> None:
        self._stop("_taking")
        self._taking = self.loop.call_later(_settings().send_timeout_s, self._look_again, unsent_bytes)

    def _look_again(self, unsent_bytes: int) -> None:
        left_bytes = self.transport.get_write_buffer_size()
        if left_bytes > unsent_bytes - LEAST_TAKEN_BYTES:
            tell(logging.WARNING, "answer not taken", unsent_bytes=left_bytes, client=self.client and self.client[0])
            self.transport.abort()
        else:
            self._watch(left_bytes)

    def _stop(self, *timers: str) -> None:
        for name in timers:
            timer: asyncio.TimerHandle | None = getattr(self, name)
            if timer is not None:
                timer.cancel()
                setattr(self, name, None)

    def _too_late(self) -> None:
        self._coming = None
        if self._in_headers and not self.transport.is_closing():
            self._refuse("body_timeout", f"the headers were not complete after {_settings().header_timeout_s:g} s")

    def _refuse(self, code: str, detail: str) -> None:
        problem = document(code, detail)
        content = problem.model_dump_json().encode()
        head = (
            f"HTTP/1.1 {problem.status} {PHRASES[problem.status]}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + content)
        self.transport.close()
