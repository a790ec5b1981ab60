"""What all shops share: keys, questions over HTTPS that end in time, answers that may be kept.

A key is added to a request on its way out, so that neither logs nor errors ever see it.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from advisor.errors import InputError

KEYRING: Final = "llm-hardware-advisor"
"""The service under which a keyring holds our keys; the user name is that of the environment's variable."""
TIMEOUT = httpx.Timeout(10.0, connect=5.0)
ANSWER_S: Final = 30.0
"""The whole of an answer must be there by then, however steadily it drips."""
MOST_BYTES: Final = 8 * 2**20
TRIES: Final = 4
LONGEST_WAIT_S: Final = 60.0
"""A shop that asks for more patience is asked another day."""
PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same question may be answered."""


class ShopFailed(InputError):
    """A shop did not answer, or not as its documentation says; the message names it and what to do."""


class KeyRefused(ShopFailed):
    """The shop does not take the key."""


def keys_of(shop: str, variables: Sequence[str], signed_up: str) -> tuple[str, ...]:
    """Keys of the environment, else of the keyring. Raises `InputError`: one sentence names all that neither has."""
    found = tuple(os.environ.get(variable, "").strip() or _kept(variable) for variable in variables)
    missing = [variable for variable, key in zip(variables, found, strict=True) if not key]
    if missing:
        raise InputError(
            f"{shop} is asked with a key of your own ({signed_up}): set {' and '.join(missing)}, or store "
            f"{'it' if len(missing) == 1 else 'each'} with `keyring set {KEYRING} {missing[0]}`"
        )
    return found


def _kept(variable: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        return (keyring.get_password(KEYRING, variable) or "").strip()
    except KeyringError:
        return ""


class KeyedTransport(httpx.BaseTransport):
    """Adds a key to each request as it leaves: the request that logs and errors show has none."""

    def __init__(self, inner: httpx.BaseTransport, parameters: Mapping[str, str]) -> None:
        self._inner, self._parameters = inner, dict(parameters)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a copy of the request with the key."""
        url = request.url.copy_merge_params(self._parameters)
        keyed = httpx.Request(request.method, url, headers=request.headers, stream=request.stream,
                              extensions=request.extensions)
        try:
            return self._inner.handle_request(keyed)
        except httpx.RequestError as error:
            error.request = request
            raise

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


@dataclass
class Pacing:
    """No more than so many questions a second, and none beyond what a run may ask."""

    per_second: float
    most: int
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    asked: int = 0
    _next_at: float = 0.0

    def turn(self, shop: str) -> None:
        """Wait for one's turn. Raises `ShopFailed` once all questions of a run are asked."""
        if self.asked >= self.most:
            raise ShopFailed(f"{shop} is not asked more than {self.most:,} times in one run: ask for fewer --part")
        now = self.clock()
        if self._next_at > now:
            self.wait(self._next_at - now)
        self._next_at = max(now, self._next_at) + 1 / self.per_second
        self.asked += 1


class Desk:
    """Asks one shop: in its pace, again where a fault may pass, and not for ever."""

    def __init__(self, shop: str, http: httpx.Client, pace: Pacing) -> None:
        self.shop, self.http, self.pace = shop, http, pace

    def json(self, method: str, path: str, **told: Any) -> Any:
        """The JSON of an answer. Raises `KeyRefused` for 401 and 403, `ShopFailed` for what stays wrong."""
        for attempt in range(1, TRIES + 1):
            self.pace.turn(self.shop)
            try:
                status, headers, body = self._once(method, path, told)
            except httpx.HTTPError as error:
                if attempt == TRIES:
                    raise ShopFailed(f"{self.shop} does not answer ({type(error).__name__}): try later") from None
                self.pace.wait(2.0 ** (attempt - 1))
                continue
            if status in PASSING:
                waited = _patience_s(headers, attempt)
                if attempt == TRIES or waited > LONGEST_WAIT_S:
                    more = f" and asks to wait {waited:.0f} s" if waited > LONGEST_WAIT_S else ""
                    raise ShopFailed(f"{self.shop} answers {status}{more}: try later")
                self.pace.wait(waited)
                continue
            if status in (401, 403):
                raise KeyRefused(f"{self.shop} does not take the key (status {status}): check it")
            if status >= 400:
                raise ShopFailed(f"{self.shop} refuses the question (status {status}): has its interface changed?")
            return self._read(body)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, path: str, told: Mapping[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        end = self.pace.clock() + ANSWER_S
        body = bytearray()
        with self.http.stream(method, path, **told) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise ShopFailed(f"{self.shop} answers with more than {MOST_BYTES // 2**20} MiB")
                if self.pace.clock() > end:
                    raise httpx.ReadTimeout("the answer drips")
            return response.status_code, response.headers, bytes(body)

    def _read(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError:
            raise ShopFailed(f"{self.shop} answers with no JSON: try later, or its interface has changed") from None

    def field(self, found: Any, *names: str | int) -> Any:
        """A field deep in an answer. Raises `ShopFailed` that names it where the answer has another shape."""
        for name in names:
            try:
                found = found[name]
            except (KeyError, IndexError, TypeError):
                path = ".".join(map(str, names))
                raise ShopFailed(f"{self.shop} answers without {path!r}: its interface has changed") from None
        return found

    def rows(self, found: Any, name: str, *, absent: bool = False) -> Iterator[Mapping[str, Any]]:
        """A list of objects in an answer; `absent`: a shop leaves it out where it is empty."""
        if absent and isinstance(found, dict) and name not in found:
            return
        rows = self.field(found, name)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ShopFailed(f"{self.shop} answers with something else as {name!r}: its interface has changed")
        yield from rows


def _patience_s(headers: httpx.Headers, attempt: int) -> float:
    """Seconds to wait: as the shop asks, else longer each time."""
    asked = headers.get("retry-after", "")
    if asked.isdigit():
        return float(asked)
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return float(2 ** (attempt - 1))
    return max(0.0, (until - datetime.now(until.tzinfo)).total_seconds())


def client_of(url: str, parameters: Mapping[str, str] | None = None) -> httpx.Client:
    """A client of a shop's address; `parameters`, the key among them, are added to each request on its way out.

    Redirects are not followed: a key goes to the shop alone.
    """
    inner = httpx.HTTPTransport()
    return httpx.Client(base_url=url, timeout=TIMEOUT, transport=KeyedTransport(inner, parameters or {}))
