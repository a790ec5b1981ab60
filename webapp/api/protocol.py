"""HTTP/1.1 as uvicorn speaks it, with what it leaves open: headers must come in time and not be endless, and a client
must take its answer.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, Final, cast

import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from webapp.api.problems import MEDIA_TYPE, Refused, document
from webapp.api.settings import load_settings
from webapp.api.telemetry import tell

MOST_HEADER_BYTES = 65_536
LEAST_TAKEN_BYTES = 65_536
"""A client takes at least so much of a waiting answer in each period, or the connection is dropped with the rest."""
PHRASES = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


class BoundedProtocol(HttpToolsProtocol):
    """A connection whose requests' headers are bounded in time and size, and whose answers do not wait for ever."""

    header_timeout_s, send_timeout_s = load_settings().header_timeout_s, load_settings().send_timeout_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected: its first request must come in time."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._header_bytes = 0
        self._in_headers = True
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(self.header_timeout_s, self._too_late)
        self._reading: asyncio.TimerHandle | None = None

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
        if self._timer is None:
            self._timer = self.loop.call_later(self.header_timeout_s, self._too_late)

    def on_headers_complete(self) -> None:
        """The headers are there; the body has its own limits."""
        self._in_headers, self._header_bytes = False, 0
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_timer()
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More waits to be sent than the client takes at once: from now on it is watched."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The client has taken nearly all."""
        super().resume_writing()
        self._stop_watching()

    def _watch(self, unsent_bytes: int) -> None:
        self._stop_watching()
        self._reading = self.loop.call_later(self.send_timeout_s, self._look_again, unsent_bytes)

    def _look_again(self, unsent_bytes: int) -> None:
        left_bytes = self.transport.get_write_buffer_size()
        if left_bytes > unsent_bytes - LEAST_TAKEN_BYTES:
            tell(logging.WARNING, "answer not taken", unsent_bytes=left_bytes, client=self.client and self.client[0])
            self.transport.abort()
        else:
            self._watch(left_bytes)

    def _stop_watching(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused as everything else is, with a problem document."""
        self._refuse("bad_request", msg.lower().rstrip("."))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        if self._in_headers and not self.transport.is_closing():
            self._refuse("body_timeout", f"the headers were not complete after {self.header_timeout_s:g} s")

    def _refuse(self, code: str, detail: str) -> None:
        problem = document(Refused(code, detail).code, detail)
        content = problem.model_dump_json().encode()
        head = (
            f"HTTP/1.1 {problem.status} {PHRASES[problem.status]}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + content)
        self.transport.close()


# How workers share connections: each takes one at a time, so that one that computes leaves the next to the others.
#
# uvloop takes all that wait at once: then a client's connections may all lie with one worker while the others idle.

OUT_OF_FILES_PAUSE_S: Final = 0.5
"""Where no more connections can be opened, the next try is after so long."""


class Loop(uvloop.Loop):
    """uvloop's event loop, with servers that take one connection in each turn."""

    async def create_server(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], *args: Any, sock: socket.socket | None = None,
        **options: Any,
    ) -> Any:  # fmt: skip
        """A server on a socket that listens already; all others are uvloop's own."""
        if sock is None or options.get("ssl"):
            return await super().create_server(protocol_factory, *args, sock=sock, **options)
        return Listener(self, protocol_factory, sock)


class Listener:
    """A server that takes one connection in each turn of the loop, as far as uvicorn needs one."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, factory: Callable[[], asyncio.BaseProtocol], listening: socket.socket
    ) -> None:
        listening.setblocking(False)
        self._loop, self._factory, self._listening = loop, factory, listening
        self._opening: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._listen()

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening.fileno(), self._take_one)

    def _take_one(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker took it, or the client has left
        except OSError as error:
            tell(logging.ERROR, "no connection can be taken", reason=str(error))
            self._loop.remove_reader(self._listening.fileno())
            self._pause = self._loop.call_later(OUT_OF_FILES_PAUSE_S, self._listen)
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._open(connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError:  # the client has left
            connection.close()

    def close(self) -> None:
        """Take no more connections."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening.fileno())

    async def wait_closed(self) -> None:
        """Connections are no affair of this: uvicorn waits for those."""
