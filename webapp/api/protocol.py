"""HTTP/1.1 as uvicorn speaks it, with what it leaves open: headers must come in time and not be endless, and a client
must take its answer.
"""

import asyncio
import logging
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from webapp.api.logs import tell
from webapp.api.problems import MEDIA_TYPE, Refused, document
from webapp.api.settings import load_settings

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
