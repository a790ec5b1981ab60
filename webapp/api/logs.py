"""Structured logs: one JSON object a line on standard error."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

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
