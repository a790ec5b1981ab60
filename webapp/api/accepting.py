"""How workers share connections: each takes one at a time, so that one that computes leaves the next to the others.

uvloop takes all that wait at once: then a client's connections may all lie with one worker while the others idle.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, Final

import uvloop

from webapp.api.logs import tell

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
