"""Running the application: one process or several workers, stopped gently."""

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from advisor.errors import InputError
from webapp.api.migrations import upgrade
from webapp.api.settings import Settings
from webapp.api.telemetry import FOLDER_VARIABLE, configure

APPLICATION: Final = "webapp.api.application:create_app"
LOOP: Final = "asyncio" if sys.platform == "win32" else "webapp.api.protocol:Loop"
"""uvloop is not for Windows."""
WORKER_ANSWERS_S: Final = 30
"""A worker that does not answer its parent for so long is replaced; a busy machine may need seconds."""
WAITING_CONNECTIONS: Final = 2048
STARTUP_FAILED: Final = 1


def serve(settings: Settings, port: int, tell: Callable[[], None]) -> int:
    """Serve until told to stop (SIGTERM, SIGINT); what has begun is finished first. Gives the exit code.

    `tell` is called once nothing of the user's stands in the way any more.

    Raises `InputError` for an address that cannot be listened on and a database that cannot be used.
    """
    configure(settings.log_level)
    with listening(settings.host, port) as listener, _metrics_folder(settings.workers):
        upgrade(settings.database)
        tell()
        os.environ.update(_told_to_workers(settings))
        return _run(_config(settings), listener)


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        APPLICATION, factory=True, workers=settings.workers, http="webapp.api.protocol:BoundedProtocol",
        loop=LOOP, ws="none", lifespan="on", log_config=None, access_log=False, server_header=False,
        timeout_keep_alive=30, timeout_graceful_shutdown=int(settings.shutdown_timeout_s),
        timeout_worker_healthcheck=WORKER_ANSWERS_S,
    )  # fmt: skip


def _run(config: uvicorn.Config, listener: socket.socket) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops gently on these and then raises them again, for whoever handled them before.
        signal.signal(number, lambda *_: None)
    if config.workers > 1:
        Multiprocess(config, sockets=[listener]).run()
        return 0
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    return 0 if server.started else STARTUP_FAILED


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
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(WAITING_CONNECTIONS)
        except OSError as error:
            said = (error.strerror or "").lower()
            raise InputError(f"cannot listen on {host} port {port}: {said}; choose another --port or --host") from None
        listener.set_inheritable(True)
        yield listener


def _told_to_workers(settings: Settings) -> dict[str, str]:
    """What the command line set, for the workers, which read the environment."""
    return {"ADVISOR_HOST": settings.host, "ADVISOR_WORKERS": str(settings.workers)}


@contextmanager
def _metrics_folder(workers: int) -> Iterator[None]:
    """Several workers add their counts up through files in a folder of this run."""
    if workers == 1:
        os.environ.pop(FOLDER_VARIABLE, None)
        yield
        return
    with tempfile.TemporaryDirectory(prefix="advisor-metrics-") as folder:
        os.environ[FOLDER_VARIABLE] = folder
        yield
