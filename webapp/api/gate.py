"""What every request passes first and last: its id, limits, counts, the log line, and the answer to a defect."""

import asyncio
import logging
import random
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webapp.api.problems import Refused, answer
from webapp.api.settings import Settings, is_loopback
from webapp.api.telemetry import Metrics, tell

# How often one client may ask, and how much of the event loop he may take: buckets for each, refilled steadily.

CLIENTS = 10_000
"""Clients remembered; the one that asked longest ago is forgotten first."""


class Buckets:
    """What each client has left; buckets of `most`, into which `per_s` come."""

    def __init__(self, per_s: float, most: float, now: Callable[[], float] = time.monotonic) -> None:
        self.per_s, self.most, self._now = per_s, most, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def left(self, client: str) -> float:
        """What there is now, 0 or less where there is nothing."""
        left, then = self._left.get(client, (self.most, 0.0))
        return min(self.most, left + (self._now() - then) * self.per_s)

    def take(self, client: str, amount: float) -> None:
        """Take so much, even if it is not there: then it is owed."""
        left = self.left(client) - amount
        self._left.pop(client, None)
        if len(self._left) >= CLIENTS:
            self._left.popitem(last=False)
        self._left[client] = left, self._now()


class CallRates:
    """Requests by client. `per_s` 0: no limit."""

    def __init__(self, per_s: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self._requests = Buckets(per_s, max(1.0, burst), now)

    def wait_s(self, client: str) -> float:
        """Take one request out of the client's bucket: 0, or the seconds after which there is one again."""
        if self._requests.per_s <= 0:
            return 0.0
        left = self._requests.left(client)
        self._requests.take(client, float(left >= 1))
        return 0.0 if left >= 1 else (1 - left) / self._requests.per_s


LOOP_SHARE = 0.05
"""Of the event loop's time, for each client: with so little he delays few others."""
LOOP_BURST_S = 0.25
"""Taken at once: some dozen questions."""


class LoopShares:
    """Processor time of the event loop by client. Who has taken his share is answered by other processes.

    This computer's own programs have no share: what they ask is what the server is for.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = Buckets(LOOP_SHARE, LOOP_BURST_S, now)

    def has_left(self, client: str) -> bool:
        """Whether a short question of his may be answered on the loop."""
        return is_loopback(client) or self._seconds.left(client) > 0

    def took(self, client: str, seconds: float) -> None:
        """What one of his took."""
        self._seconds.take(client, seconds)


UNLIMITED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Answered however much is under way, so that a busy server is not taken for a dead one."""
DEFECT = "this failed unexpectedly; the server's log has it under the request id"
ID_HEADER = b"x-request-id"
REFUSED = "refused"
HELD_UP_S = 0.5
_GOOD_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
GONE = 499
"""Logged where the client left before its answer. Source: nginx, ngx_http_request.h NGX_HTTP_CLIENT_CLOSED_REQUEST."""


class ClientLeft(Exception):
    """The client closed the connection before its request was complete."""


class Gate:
    """The outermost layer of the server, plain ASGI."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics, rates: CallRates) -> None:
        self._app, self._settings, self._metrics, self._rates = app, settings, metrics, rates
        self._under_way = self._held_up = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passage = _Passage(scope, send)
        self._under_way += 1
        self._metrics.under_way.inc()
        try:
            refused = scope["state"][REFUSED] = self._refusal(scope)
            if refused is not None and refused.code == "rate_limited":
                await self._hold_up()
            await self._app(scope, receive, passage.send)
        except ClientLeft:
            passage.status = passage.status or GONE
        except Exception as error:  # noqa: BLE001 - the last resort: a defect costs one answer, never the server
            tell(logging.ERROR, "failed", error, request_id=passage.request_id)
            await self._failed(passage, receive)
        finally:
            self._under_way -= 1
            self._metrics.under_way.dec()
            passage.count(self._metrics)

    async def _hold_up(self) -> None:
        """Who asks too often hears so a little later, or being refused would keep the server as busy as being answered.

        Those who wait so are not under way, and there are never more of them than requests that may be.
        """
        if self._held_up < self._settings.max_requests:
            self._held_up += 1
            self._under_way -= 1
            try:
                await asyncio.sleep(HELD_UP_S * random.uniform(0.5, 1.5))  # or all of his would come back at once
            finally:
                self._under_way += 1
                self._held_up -= 1

    def _refusal(self, scope: Scope) -> Refused | None:
        if scope["path"] in UNLIMITED:
            return None
        if self._under_way > self._settings.max_requests:
            said = f"{self._settings.max_requests} requests are under way; try again in a second"
            return Refused("busy", said, headers={"retry-after": "1"})
        client = client_of(scope)
        wait_s = 0.0 if is_loopback(client) else self._rates.wait_s(client)
        if wait_s > 0:
            said = f"this client may ask {self._settings.rate_per_s:g} times a second; try again in {wait_s:.3g} s"
            return Refused("rate_limited", said, headers={"retry-after": str(int(wait_s) + 1)})
        return None

    async def _failed(self, passage: "_Passage", receive: Receive) -> None:
        if passage.status is None:
            await answer(Refused("internal_error", DEFECT), passage.request_id)(passage.scope, receive, passage.send)


def refusing(app: ASGIApp) -> ASGIApp:
    """The innermost layer: what the gate refuses goes no further, but out through all layers, as every answer."""

    async def pass_or_refuse(scope: Scope, receive: Receive, send: Send) -> None:
        refused = scope.get("state", {}).get(REFUSED)
        if refused:
            await answer(refused, scope["state"]["request_id"])(scope, receive, send)
        else:
            await app(scope, receive, send)

    return pass_or_refuse


class _Passage:
    """One request on its way through."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope, self._send = scope, send
        self.status: int | None = None
        self._start_s, self._bytes = time.perf_counter(), 0
        given = next((value for name, value in scope["headers"] if name == ID_HEADER), b"")
        self.request_id = given.decode() if _GOOD_ID.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [(ID_HEADER, self.request_id.encode()), (b"x-content-type-options", b"nosniff")]
            message["headers"] = [*message.get("headers", ()), *headers]
        elif message["type"] == "http.response.body":
            self._bytes += len(message.get("body", b""))
        await self._send(message)

    def count(self, metrics: Metrics) -> None:
        """Count and log the request, now that it is over."""
        seconds = time.perf_counter() - self._start_s
        status = self.status or GONE
        route = getattr(self.scope.get("route"), "path", "unmatched")
        metrics.requests.labels(_method(self.scope), route, str(status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        tell(
            logging.INFO, "request", request_id=self.request_id, method=_method(self.scope), route=route,
            path=self.scope["path"][:200], status=status, seconds=round(seconds, 6), bytes=self._bytes,
            client=client_of(self.scope),
        )


def _method(scope: Scope) -> str:
    """The method, if it is one of the usual: clients must not make labels."""
    method: str = scope["method"]
    return method if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} else "other"


def client_of(scope: Scope) -> str:
    """The address of the client; behind a proxy on this computer, that which the proxy names."""
    client = scope.get("client")
    return client[0] if client else ""
