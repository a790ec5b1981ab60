"""Running the application: one process or several workers, stopped gently."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from webapp.api.logs import configure
from webapp.api.metrics import FOLDER_VARIABLE
from webapp.api.migrations import upgrade
from webapp.api.settings import Settings

APPLICATION = "webapp.api.application:create_app"
WORKER_ANSWERS_S = 30
"""A worker that does not answer its parent for so long is replaced; a busy machine may need seconds."""


def serve(settings: Settings, port: int) -> None:
    """Serve until told to stop (SIGTERM, SIGINT); what has begun is finished first."""
    configure(settings.log_level)
    upgrade(settings.database)
    os.environ.update(_told_to_workers(settings))
    with _metrics_folder(settings.workers):
        uvicorn.run(
            APPLICATION, factory=True, host=settings.host, port=port, workers=settings.workers,
            http="webapp.api.protocol:BoundedProtocol", loop="uvloop", ws="none", lifespan="on", log_config=None,
            access_log=False, server_header=False, timeout_keep_alive=30,
            timeout_graceful_shutdown=int(settings.shutdown_timeout_s), timeout_worker_healthcheck=WORKER_ANSWERS_S,
        )  # fmt: skip


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
