"""Reading a request's body: bounded in size and time, declared as JSON, and only what is JSON."""

import asyncio
import time
from typing import Any, Final

from pydantic_core import from_json
from starlette.requests import Request

from webapp.api.gate import ClientLeft
from webapp.api.problems import Refused

DRAINED_BODIES: Final = 8
"""A body of up to so many times the limit is read to its end and thrown away, so that the client hears the refusal
rather than a broken connection."""
CLOSE: Final = {"connection": "close"}


async def read_json(request: Request, max_bytes: int, timeout_s: float) -> Any:
    """The value that the body holds. Raises `Refused`."""
    content = await read_body(request, max_bytes, timeout_s)
    return parsed(content)


async def read_body(request: Request, max_bytes: int, timeout_s: float) -> bytes:
    """The body. Raises `Refused` (too large, too slow, not declared as JSON), `ClientLeft` where it breaks off."""
    declared = int(request.headers.get("content-length") or 0)
    if declared > max_bytes * DRAINED_BODIES:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            content = await _received(request, max_bytes)
    except TimeoutError:
        raise Refused("body_timeout", f"the body was not complete after {timeout_s:g} s", headers=CLOSE) from None
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        raise Refused("unsupported_media_type", "send the body as JSON, with the header Content-Type: application/json")
    return content


async def _received(request: Request, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        part = message.get("body", b"")
        size += len(part)
        parts.append(part)
        if size > max_bytes:
            parts.clear()
        if size > max_bytes * DRAINED_BODIES or (size > max_bytes and not message.get("more_body")):
            raise _too_large(max_bytes)
        if not message.get("more_body"):
            return b"".join(parts)


def _too_large(max_bytes: int) -> Refused:
    return Refused("too_large", f"the body has more than {max_bytes:,} bytes: send less at a time", headers=CLOSE)


def parsed(content: bytes) -> Any:
    """The value in JSON text. Raises `Refused` for what is no JSON, NaN and Infinity included."""
    try:
        return from_json(content, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        _check_utf8(content)
        raise Refused("invalid_json", f"the body is not JSON: {str(error).replace('`', '')}") from None


def _check_utf8(content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        said = f"the body is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}"
        raise Refused("invalid_utf8", said) from None


def deadline(timeout_s: float) -> float:
    """The moment after which an answer comes too late, on the clock of `time.monotonic`."""
    return time.monotonic() + timeout_s
