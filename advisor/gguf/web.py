"""Headers of GGUF files on servers: read in pieces by HTTP range requests, never more than a header takes.

A server is a stranger: what it sends is bounded in bytes and in time, where it leads to is checked, and what it says of
sizes must hold. Read pieces are kept in a folder of the user's for a day.
"""

import hashlib
import io
import ipaddress
import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote, unquote, urljoin, urlsplit

from advisor.errors import InputError
from advisor.extras import require
from advisor.files import write_whole

if TYPE_CHECKING:
    import httpx
    from _typeshed import WriteableBuffer

SCHEMES = ("https://", "http://")
REDIRECTS_LIMIT = 5
CONNECT_S, READ_S, WHOLE_S = 10.0, 10.0, 60.0
"""Longest waits: for a connection, for the next bytes, and for all that one model's headers take."""
KEPT_S = 86_400.0
"""So long a header that was read is believed without asking the server again."""
BLOCK_BYTES = 1 << 16
REMEDY = "download the file and name it with --gguf"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Access:
    """Which servers may be asked, and where headers are kept."""

    hosts: frozenset[str] | None = None
    """Names of the only hosts, also after redirects; None: any."""
    private: bool = True
    """Whether addresses of this computer and of private networks may be asked."""
    kept: Path | None = None
    """Folder of headers already read."""
    whole_s: float = WHOLE_S
    read_s: float = READ_S


def is_address(text: str) -> bool:
    """Whether a text is the address of a file on a server.

    >>> is_address("https://example.org/model.gguf")
    True
    """
    return text.lower().startswith(SCHEMES)


class Web:
    """The files in one folder of a server, as `advisor.gguf.parts.read_header` asks for them."""

    def __init__(self, address: str, access: Access) -> None:
        self._folder = urljoin(address, ".")
        self._query = urlsplit(address).query
        self._fetch = Fetcher(access)

    @contextmanager
    def opened(self, path: Path) -> Iterator[tuple[BinaryIO, int, date]]:
        """A file's first bytes as far as they are read, its size and day. Raises `InputError`."""
        address = urljoin(self._folder, quote(path.name)) + (f"?{self._query}" if self._query else "")
        with self._fetch.session():
            file = _Ranged(address, self._fetch)
            yield io.BufferedReader(file, BLOCK_BYTES), file.size_bytes, file.modified
            file.keep()

    def lacks(self, _: Path, /) -> bool:
        """Never known before it is asked for."""
        return False


class Fetcher:
    """Requests of ranges and of small files, within the limits of an `Access`."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._ends = time.monotonic() + access.whole_s
        self._client: httpx.Client | None = None

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep one connection for what is asked within."""
        if self._client is not None:
            yield
            return
        require("a model file on a server", "hub")
        _import_httpx()
        import httpx

        waits = httpx.Timeout(self.access.read_s, connect=min(CONNECT_S, self.access.read_s))
        with httpx.Client(timeout=waits, trust_env=self.access.private) as client:
            self._client = client
            try:
                yield
            finally:
                self._client = None

    def range(self, address: str, start: int, count: int) -> tuple[bytes, int, "httpx.Headers"]:
        """So many bytes from `start`, fewer at the end; the size that the server states, and its headers.

        Raises `InputError` for a server that sends no ranges, or others.
        """
        data, status, headers = self._got(address, {"Range": f"bytes={start}-{start + count - 1}"}, count)
        if status == 416:
            raise InputError(f"{address!r} is empty or shorter than it was said to be: {REMEDY}")
        if status != 206:
            raise InputError(f"the server of {address!r} sends no parts of files: {REMEDY}")
        unit, _, said = headers.get("content-range", "").partition(" ")
        span, _, total = said.partition("/")
        first, _, last = span.partition("-")
        if unit != "bytes" or not (first.isdigit() and last.isdigit() and total.isdigit()) or int(first) != start:
            raise InputError(f"the server of {address!r} does not say which part of the file it sends: {REMEDY}")
        expected = min(count, int(total) - start)
        if len(data) != expected:
            raise InputError(
                f"the server of {address!r} says that the file has {int(total):,} bytes but sends {len(data):,} where "
                f"{expected:,} were asked for: {REMEDY}"
            )
        return data, int(total), headers

    def text(self, address: str, most_bytes: int) -> str:
        """A small file whole. Raises `InputError`."""
        data, _, _ = self._got(address, {}, most_bytes)
        return data.decode("utf-8", "replace")

    def _got(self, address: str, headers: dict[str, str], most: int) -> tuple[bytes, int, "httpx.Headers"]:
        """The body, up to `most` bytes, of the file that an address leads to."""
        import httpx

        asked = address
        for _ in range(REDIRECTS_LIMIT + 1):
            request = self._request(asked, headers)
            try:
                with self._streamed(request) as response:
                    if response.status_code in _REDIRECTS and "location" in response.headers:
                        asked = urljoin(asked, response.headers["location"])
                        continue
                    _check_status(response.status_code, address)
                    whole = response.status_code != 206 and "Range" in headers
                    return b"" if whole else self._body(response, most, address), response.status_code, response.headers
            except httpx.TimeoutException:
                raise self._too_slow(address) from None
            except httpx.HTTPError as error:
                why = str(error)[:120] or type(error).__name__
                raise InputError(f"{address!r} cannot be read: {why}; see to the network, or {REMEDY}") from None
        raise InputError(f"{address!r} leads from one address to the next more than {REDIRECTS_LIMIT} times: {REMEDY}")

    @contextmanager
    def _streamed(self, request: "httpx.Request") -> Iterator["httpx.Response"]:
        assert self._client is not None
        response = self._client.send(request, stream=True, follow_redirects=False)
        try:
            yield response
        finally:
            response.close()

    def _body(self, response: "httpx.Response", most: int, address: str) -> bytes:
        found = bytearray()
        for piece in response.iter_raw():
            found += piece
            if len(found) > most:
                raise InputError(f"the server of {address!r} sends more than was asked for: {REMEDY}")
            if time.monotonic() > self._ends:
                raise self._too_slow(address)
        return bytes(found)

    def _too_slow(self, address: str) -> InputError:
        return InputError(f"the server of {address!r} is too slow to read the file's header from: {REMEDY}")

    def _request(self, address: str, headers: dict[str, str]) -> "httpx.Request":
        """The request of an address that may be asked. Without leave for private addresses it goes to the very address
        that was checked, whatever the name means a moment later.
        """
        import httpx

        assert self._client is not None
        parts = urlsplit(address)
        host = (parts.hostname or "").lower()
        if not is_address(address) or not host:
            raise InputError(f"{address!r} is no address of a file: give one that begins with https://")
        if self.access.hosts is not None and host not in self.access.hosts:
            raise InputError(f"this server does not read from {host!r}")
        if time.monotonic() > self._ends:
            raise self._too_slow(address)
        own, extensions = {"Accept-Encoding": "identity", **headers}, {}
        try:
            url, port = httpx.URL(address), parts.port or (443 if parts.scheme == "https" else 80)
        except (httpx.InvalidURL, ValueError):
            raise InputError(f"{address!r} is no address of a file: give one that begins with https://") from None
        if not self.access.private:
            own["Host"] = parts.netloc.rpartition("@")[2]
            extensions["sni_hostname"] = host
            url = url.copy_with(host=_public_address(host, port))
        return self._client.build_request("GET", url, headers=own, extensions=extensions)


def _import_httpx() -> None:
    """Import httpx without its own command line, which would bring rich and pygments: half of its start."""
    if "httpx" not in sys.modules:
        modules = cast("dict[str, Any]", sys.modules)
        modules["httpx._main"] = None  # the import fails as where its extra is not installed, and httpx goes on
        try:
            import_module("httpx")
        finally:
            modules.pop("httpx._main", None)  # another thread may have been first


def _public_address(host: str, port: int) -> str:
    """The first address of a host, all of which are public. Raises `InputError`."""
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise InputError(f"{host!r} has no address: see to its name") from None
    if not all(ipaddress.ip_address(item.partition("%")[0]).is_global for item in found):
        raise InputError(f"{host!r} is an address of a private network, which is not read from")
    return min(found)


def _check_status(status: int, address: str) -> None:
    if status in (401, 403):
        raise InputError(f"{address!r} is gated or private (status {status}): log in there, {REMEDY}")
    if status in (404, 410):
        raise InputError(f"there is no file at {address!r} (status {status}): see to the address")
    if status not in (200, 206, 416):
        raise InputError(f"the server of {address!r} answers with status {status}: try later, or {REMEDY}")


class _Ranged(io.RawIOBase):
    """A file on a server, of which only what is read is fetched; what was read lately comes from the kept copy."""

    def __init__(self, address: str, fetch: Fetcher) -> None:
        super().__init__()
        self._address, self._fetch, self._at = address, fetch, 0
        self._kept = _Kept(fetch.access.kept, address)
        self._data, self._new = bytearray(self._kept.data), False
        self.size_bytes, self.modified = self._kept.size_bytes, self._kept.modified
        if not self._data:
            self._more(BLOCK_BYTES)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, from the start or from here."""
        self._at = offset if whence == io.SEEK_SET else self._at + offset
        return self._at

    def tell(self) -> int:
        """Where the next byte is."""
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill a buffer, or what the file still has of it."""
        room = memoryview(buffer).cast("B")
        count = max(0, min(len(room), self.size_bytes - self._at))
        if self._at + count > len(self._data):
            self._more(self._at + count - len(self._data))
        room[:count] = self._data[self._at : self._at + count]
        self._at += count
        return count

    def _more(self, count: int) -> None:
        data, total, headers = self._fetch.range(self._address, len(self._data), max(count, BLOCK_BYTES))
        if self._data and total != self.size_bytes:
            raise InputError(f"{self._address!r} changed while it was read: ask again")
        self._data += data
        self.size_bytes, self.modified, self._new = total, _day(headers.get("last-modified")), True

    def keep(self) -> None:
        """Keep what was read, where that is wished and it is new."""
        if self._new:
            self._kept.write(bytes(self._data), self.size_bytes, self.modified)


def _day(text: str | None) -> date:
    with suppress(ValueError, TypeError):
        return parsedate_to_datetime(text or "").date()
    return datetime.now(UTC).date()


class _Kept:
    """The bytes of one file that were read before, if that is not long ago."""

    def __init__(self, folder: Path | None, address: str) -> None:
        name = hashlib.sha256(address.encode()).hexdigest()
        self._path = folder / f"{name}.header" if folder else None
        self.data, self.size_bytes, self.modified = b"", 0, datetime.now(UTC).date()
        with suppress(OSError, ValueError, KeyError, TypeError):
            if self._path and 0 <= time.time() - self._path.stat().st_mtime < KEPT_S:
                about, _, data = self._path.read_bytes().partition(b"\n")
                told = json.loads(about)
                if told["bytes"] == len(data):
                    self.size_bytes, self.modified = int(told["size"]), date.fromisoformat(told["day"])
                    self.data = data

    def write(self, data: bytes, size_bytes: int, modified: date) -> None:
        """Keep bytes; what cannot be kept is read again another time."""
        if self._path:
            about = json.dumps({"bytes": len(data), "size": size_bytes, "day": modified.isoformat()}).encode()
            with suppress(InputError, OSError):
                write_whole(self._path, about + b"\n" + data)


def file_name(address: str) -> str:
    """The name of the file at an address.

    >>> file_name("https://example.org/a/model-Q4_K_M.gguf?download=true")
    'model-Q4_K_M.gguf'
    """
    return unquote(urlsplit(address).path.rpartition("/")[2]) or "model.gguf"
