"""Where an RPC server of ggml listens, and whether one answers there.

llama.cpp ends the process when a server does not answer as it should, so whoever wants to go on asks here first.
"""

import ipaddress
import re
import socket
import struct
from dataclasses import dataclass
from typing import Final, Self

from advisor.errors import InputError

LOOPBACK: Final = "127.0.0.1"
PORT: Final = 50052
"""Port that llama.cpp's rpc-server takes unless told otherwise. Source: tools/rpc/rpc-server.cpp (read 2026-11-25)."""
LARGEST_PORT: Final = 65535
_WRITTEN: Final = re.compile(r"(?P<host>[^:\s]+)(:(?P<port>[0-9]{1,5}))?")

# A request is a command, the size of its data and the data; an answer is a size and the data. HELLO carries 24 bytes
# of capabilities and is answered by the version and as many. Source: ggml/src/ggml-rpc/ggml-rpc.cpp (read 2026-11-25).
_CAPABILITIES_BYTES = 24
_HELLO = struct.pack("<BQ", 14, _CAPABILITIES_BYTES) + bytes(_CAPABILITIES_BYTES)
_ANSWER_BYTES = 4 + _CAPABILITIES_BYTES
_SIZE_BYTES = 8


class RemoteError(InputError):
    """A remote device cannot be used or offered; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An IPv4 address and a port: ggml's RPC knows no other kind of address."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The endpoint in "host:port" or "host", the name of the host resolved.

        Raises RemoteError.
        """
        found = _WRITTEN.fullmatch(text.strip())
        port = int(found["port"] or PORT) if found else None
        if not found or port is None or port > LARGEST_PORT:
            raise RemoteError(f"{text!r} is no endpoint: give HOST:PORT with an IPv4 host, such as 192.168.1.20:{PORT}")
        return cls(address_of(found["host"]), port)

    @property
    def is_loopback(self) -> bool:
        """Whether only this computer can reach it."""
        return ipaddress.IPv4Address(self.host).is_loopback

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Protocol:
    """The version of ggml's RPC protocol that a server speaks."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def address_of(host: str) -> str:
    """The IPv4 address of a host.

    Raises RemoteError.

    >>> address_of("127.0.0.1")
    '127.0.0.1'
    """
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise RemoteError(f"no IPv4 address is known of the host {host!r}: give one, such as 192.168.1.20") from None
    return str(found[0][4][0])


def protocol_at(endpoint: Endpoint, timeout_s: float = 5.0) -> Protocol:
    """The protocol of the RPC server that answers at an endpoint.

    A server talks to one client at a time: while it serves another, it does not answer. Raises RemoteError.
    """
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout_s) as connection:
            connection.sendall(_HELLO)
            answer = _received(connection, _SIZE_BYTES + _ANSWER_BYTES)
    except TimeoutError:
        raise RemoteError(
            f"the RPC server at {endpoint} does not answer within {timeout_s:g} s: it may be serving another client, "
            "or the host does not exist"
        ) from None
    except OSError as error:
        raise RemoteError(
            f"no RPC server can be reached at {endpoint} ({error.strerror or error}): "
            "start one there with 'advisor engine serve-device'"
        ) from None
    size, *version = struct.unpack_from("<Q3B", answer.ljust(_SIZE_BYTES + _ANSWER_BYTES))
    if len(answer) < _SIZE_BYTES + _ANSWER_BYTES or size != _ANSWER_BYTES:
        raise RemoteError(f"what answers at {endpoint} is no RPC server of this kind of llama.cpp")
    return Protocol(*version)


def _received(connection: socket.socket, size: int) -> bytes:
    """As many bytes, or fewer where the other side closes before."""
    received = b""
    while len(received) < size and (part := connection.recv(size - len(received))):
        received += part
    return received
