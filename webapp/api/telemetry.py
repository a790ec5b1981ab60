"""Structured logs: one JSON object a line on standard error."""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

REQUESTS = logging.getLogger("advisor.api")
_EXTRA = "fields"


class JsonLines(logging.Formatter):
    """A record as one line of JSON; what a call passed as `fields` is merged in."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        } | getattr(record, _EXTRA, {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)  # in ASCII: no character in it breaks a line for any reader


def tell(level: int, event: str, error: BaseException | None = None, **fields: Any) -> None:
    """Log an event with its fields."""
    if REQUESTS.isEnabledFor(level):
        REQUESTS.log(level, event, exc_info=error, extra={_EXTRA: fields})


def configure(level: str) -> None:
    """Send everything as JSON lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("advisor.api", "uvicorn.error"):
        logging.getLogger(name).setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = name != "uvicorn.access"


# Prometheus metrics: of one process, or summed over the workers through files in PROMETHEUS_MULTIPROC_DIR.

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """What one server counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "advisor_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "advisor_request_seconds", "Time to the last byte of the answer.", ("route",),
            registry=self.registry, buckets=BUCKETS_S,
        )
        self.under_way = Gauge(
            "advisor_requests_under_way", "Requests being answered.", registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.predictions = Counter(
            "advisor_predictions", "Scenarios, by what became of them.", ("outcome",), registry=self.registry
        )
        self.recommendations = Counter("advisor_rankings", "Rankings computed.", registry=self.registry)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        if not os.environ.get(FOLDER_VARIABLE):
            return generate_latest(self.registry)
        forget_dead_workers()
        gathered = CollectorRegistry()
        multiprocess.MultiProcessCollector(gathered)
        return generate_latest(gathered)


def forget_dead_workers() -> None:
    """Drop the gauges of workers that are gone; their counters stay."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        for path in Path(folder).glob("gauge_live*.db"):
            pid = int(path.stem.rpartition("_")[2])
            if not psutil.pid_exists(pid):  # os.kill with signal 0 would press Ctrl-C on Windows
                multiprocess.mark_process_dead(pid)
