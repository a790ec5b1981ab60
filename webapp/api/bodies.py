"""Bodies of requests: bounded in size and time by a layer around the application, and only what is JSON."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, Final, TypeVar

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, from_json
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from advisor.question import complaint
from webapp.api.computing import Turns
from webapp.api.gate import ClientLeft, client_of
from webapp.api.problems import Refused, answer

DRAINED_BODIES: Final = 8
"""A body of up to so many times the limit is read to its end and thrown away, so that the client hears the refusal
rather than a broken connection."""
HELD_BODIES: Final = 16
"""Room for half-sent bodies of all clients: that of so many of the largest."""
CLOSE: Final = {"connection": "close"}
SHORT_BYTES: Final = 16_384
"""Longer bodies are parsed where that delays nobody; few single questions have a tenth of that."""
Kind = TypeVar("Kind", bound=BaseModel)
T = TypeVar("T")


class Bodies:
    """A layer that reads each body before the application sees the request.

    `most_bytes` by path, "" for all others. `most_open`: bodies that one client may have half sent at a time.
    """

    def __init__(self, app: ASGIApp, most_bytes: Mapping[str, int], timeout_s: float, most_open: int) -> None:
        self._app, self._most_bytes, self._timeout_s, self._most_open = app, most_bytes, timeout_s, most_open
        self._open: Counter[str] = Counter()
        self._held_bytes = 0
        """Of all bodies that are half there."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body of a POST, pass it on whole, and after it what the connection tells (that the client left)."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        most = self._most_bytes.get(scope["path"], self._most_bytes[""])
        try:
            whole: list[Message] = [{"type": "http.request", "body": await self._read(scope, receive, most)}]
        except Refused as refused:
            await answer(refused, scope["state"]["request_id"])(scope, receive, send)
            return

        async def again() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, again, send)

    async def _read(self, scope: Scope, receive: Receive, most: int) -> bytes:
        """The body. Raises `Refused` (too large, too slow, too many at once), `ClientLeft` where it breaks off."""
        declared = next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
        if declared > most * DRAINED_BODIES:
            raise _too_large(most)
        client = client_of(scope)
        if self._open[client] >= self._most_open:
            said = f"{self._most_open} bodies of this client are half sent: send those to their end first"
            raise Refused("rate_limited", said, headers=CLOSE | {"retry-after": "1"})
        if self._held_bytes > HELD_BODIES * self._most_bytes[""]:
            raise Refused("busy", "too many bodies are half sent; try again in a second", headers={"retry-after": "1"})
        self._open[client] += 1
        content = bytearray()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._receive(receive, content, most)
        except TimeoutError:
            said = f"the body was not complete after {self._timeout_s:g} s"
            raise Refused("body_timeout", said, headers=CLOSE) from None
        finally:
            self._held_bytes -= len(content)
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]
        return bytes(content)

    async def _receive(self, receive: Receive, content: bytearray, most: int) -> None:
        """Fill in the body; what is too large is read on for a while and thrown away."""
        drained, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            part, more = message.get("body", b""), message.get("more_body", False)
            if drained or len(content) + len(part) > most:
                drained += len(content) + len(part)
                self._held_bytes -= len(content)
                content.clear()
            else:
                content += part
                self._held_bytes += len(part)
            if drained > most * DRAINED_BODIES or (drained and not more):
                raise _too_large(most)


def _too_large(most: int) -> Refused:
    return Refused("too_large", f"the body has more than {most:,} bytes: send less at a time", headers=CLOSE)


@dataclass(frozen=True, slots=True)
class Described:
    """Says of a body, whose value is taken as it was sent, that it should be of a type."""

    kind: Any

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of that type."""
        return handler(TypeAdapter(self.kind).core_schema)


class JsonRoute(APIRoute):
    """A route whose body must be declared as JSON and be it; FastAPI's own reading would take NaN."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, with the body read first."""
        handle = super().get_route_handler()

        async def read_and_handle(request: Request) -> Response:
            if self.body_field is None:
                return await handle(request)
            declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if declared != "application/json" and not (
                declared.startswith("application/") and declared.endswith("+json")
            ):
                said = "send the body as JSON, with the header Content-Type: application/json"
                raise Refused("unsupported_media_type", said)
            whole = _JsonRequest(request.scope, request.receive)
            content = await whole.body()
            if len(content) > SHORT_BYTES:
                whole.value = UnreadBody(content, await asyncio.to_thread(_digest, content))
            else:
                whole.value = parsed(content)
            return await handle(whole)

        return read_and_handle


@dataclass(frozen=True, eq=False, slots=True)
class UnreadBody:
    """A body that is to be parsed in another process, and its digest."""

    content: bytes
    digest: bytes


def _digest(content: bytes) -> bytes:
    return sha256(content).digest()


async def made_of(request: Request, asked: Any, make: "partial[T]") -> T:
    """What `make` makes of a body, which is a call of a module's function: here, or where that delays nobody.

    Raises `Refused`, also where that takes too long.
    """
    if not isinstance(asked, UnreadBody):
        return await asyncio.to_thread(make, asked)
    turns: Turns = request.app.state.service.turns
    return await turns.computed(request, (request.url.path, asked.digest), partial(_made_of_text, make, asked.content))


def _made_of_text(make: "partial[T]", content: bytes) -> T:
    return make(parsed(content))


class _JsonRequest(Request):
    value: Any = None

    async def json(self) -> Any:
        return self.value


def parsed(content: bytes) -> Any:
    """The value in JSON text. Raises `Refused` for what is no JSON, NaN and Infinity included."""
    try:
        return from_json(content, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        try:
            content.decode()
        except UnicodeDecodeError as wrong:
            said = f"the body is not UTF-8: byte {wrong.start} is 0x{content[wrong.start]:02x}"
            raise Refused("invalid_utf8", said) from None
        raise Refused("invalid_json", f"the body is not JSON: {str(error).replace('`', '')}") from None


def validated(kind: type[Kind], value: object) -> Kind:
    """A body as its type. Raises `Refused` that says which field is wrong and what to give instead."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise Refused("invalid_scenario", complaint(error, kind)) from None
