"""A device on another host: an RPC server of ggml in a process of its own, and its devices in this process.

ggml's RPC has neither passwords nor encryption: whoever reaches the port can use the device and read what is computed
there. So a server listens on the loopback unless told otherwise. llama.cpp ends the process when a server does not
answer as it should, so whoever wants to go on asks `protocol_at` first, and `connect` tries the server in a process of
its own: `python -m advisor.engine.remote serve HOST:PORT THREADS [DEVICE ...]` or `... try HOST:PORT`.
"""

import ctypes
import errno
import ipaddress
import re
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self, TextIO

from advisor.children import Child, Ended, module, own_output, requests
from advisor.engine.library import GRAPHICS, LlamaCpp, how_to_install, require_engine
from advisor.errors import InputError

RPC: Final = "RPC"
"""ggml's name of the backend."""
LOOPBACK: Final = "127.0.0.1"
PORT: Final = 50052
"""Port that llama.cpp's rpc-server takes unless told otherwise. Source: tools/rpc/rpc-server.cpp (read 2026-11-25)."""
LARGEST_PORT: Final = 65535
_WRITTEN: Final = re.compile(r"(?P<host>[^:\s]+)(:(?P<port>[0-9]{1,5}))?")
START_S: Final = 60.0
"""How long a server may take to answer: drivers of graphics cards take seconds to load, more on a busy computer."""
_POLL_S: Final = 0.02
# A request is a command, the size of its data and the data; an answer is a size and the data. HELLO carries 24 bytes
# of capabilities and is answered by the version and as many. Source: ggml/src/ggml-rpc/ggml-rpc.cpp (read 2026-11-25).
_CAPABILITIES_BYTES = 24
_HELLO = struct.pack("<BQ", 14, _CAPABILITIES_BYTES) + bytes(_CAPABILITIES_BYTES)
_ANSWER_BYTES = 4 + _CAPABILITIES_BYTES
_SIZE_BYTES = 8


class RemoteError(InputError):
    """A remote device cannot be used or offered; the message says why and what to do."""


class RpcMissing(RemoteError):
    """This build of llama.cpp has no RPC; the message names the command that builds one with it."""


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
    wished, answer = _SIZE_BYTES + _ANSWER_BYTES, b""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout_s) as connection:
            connection.sendall(_HELLO)
            while len(answer) < wished and (part := connection.recv(wished - len(answer))):
                answer += part
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
    size, *version = struct.unpack_from("<Q3B", answer.ljust(wished))
    if len(answer) < wished or size != _ANSWER_BYTES:
        raise RemoteError(f"what answers at {endpoint} is no RPC server of this kind of llama.cpp")
    return Protocol(*version)


@dataclass(frozen=True, slots=True)
class RpcServer:
    """A running server. Leaving its context stops it; it also ends when the process that started it does."""

    endpoint: Endpoint
    protocol: Protocol
    child: Child

    @classmethod
    def start(
        cls,
        at: Endpoint = Endpoint(LOOPBACK, 0),
        *,
        threads: int | None = None,
        devices: Sequence[str] = (),
        log: TextIO | None = None,
    ) -> Self:
        """Offer devices of this computer (else its graphics cards, else its CPU) and wait until the server answers.

        Port 0 takes a free one. `threads` is for the CPU: its cores if not given. `log` receives the server's words.
        Raises RemoteError, EngineMissing and DeviceMissing.
        """
        engine = require_engine()
        rpc_function(engine, "start_server")
        for name in devices:
            engine.device(name)
        endpoint = _bindable(at)
        command = module("advisor.engine.remote", "serve", str(endpoint), str(_checked(threads)), *devices)
        try:
            child = Child(command, log=log)
        except Ended as ended:
            raise RemoteError(f"the RPC server at {endpoint} {ended}") from None
        try:
            return cls(endpoint, _awaited(endpoint, child), child)
        except BaseException:
            child.close()
            raise

    def wait(self) -> str:
        """Wait until the server ends by itself, and say how it did."""
        return self.child.end()

    def stop(self) -> None:
        """End the server."""
        self.child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def connect(endpoint: Endpoint) -> tuple[str, ...]:
    """Names of the devices of the RPC server at an endpoint, after making them devices of llama.cpp in this process.

    Whether the server can be used is tried in another process first, as llama.cpp ends a process that fails.
    Raises RemoteError and EngineMissing.
    """
    engine = require_engine()
    rpc_function(engine, "add_server")
    protocol = protocol_at(endpoint)
    try:
        with Child(module("advisor.engine.remote", "try", str(endpoint))) as trial:
            list(trial.replies(START_S))
    except Ended:
        raise RemoteError(
            f"the RPC server at {endpoint} speaks version {protocol} of the protocol and llama.cpp here cannot use it: "
            f"run the same version of llama-cpp-python ({engine.version} here) on both hosts"
        ) from None
    return register(engine, endpoint)


def register(engine: LlamaCpp, endpoint: Endpoint) -> tuple[str, ...]:
    """Names of the devices of an RPC server, made devices of llama.cpp; ends this process when the server fails.

    Raises RemoteError when llama.cpp does not see them afterwards.
    """
    add_server = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p)(rpc_function(engine, "add_server"))
    registry = add_server(str(endpoint).encode())
    if registry:
        engine.ggml.ggml_backend_register(registry)
    # An RPC device describes itself by its endpoint.
    found = tuple(map(engine.name, (h for h in engine.device_handles() if engine.description(h) == str(endpoint))))
    if not found:
        raise RemoteError(f"the RPC server at {endpoint} offers no device that llama.cpp sees")
    return found


def rpc_function(engine: LlamaCpp, name: str) -> int:
    """Address of a function of ggml's RPC backend.

    Raises RpcMissing.
    """
    registry = engine.ggml.ggml_backend_reg_by_name(b"RPC")
    found = registry and engine.ggml.ggml_backend_reg_get_proc_address(registry, f"ggml_backend_rpc_{name}".encode())
    if not found:
        raise RpcMissing(
            "llama-cpp-python was built without RPC here, so no remote device can be offered or used; "
            f"{how_to_install(anew=True)}"
        )
    return int(found)


def exposure(endpoint: Endpoint) -> str | None:
    """What to tell the user before a server listens there; None on the loopback."""
    if endpoint.is_loopback:
        return None
    return (
        f"whoever can reach {endpoint} can use this computer's memory and read the work on it: ggml's RPC has no "
        "password and no encryption; let only hosts you trust through the firewall"
    )


def _checked(threads: int | None) -> int:
    """The number of threads, the physical cores if not given."""
    import psutil

    most = psutil.cpu_count() or 1
    if threads is None:
        return psutil.cpu_count(logical=False) or most
    if not 1 <= threads <= most:
        raise RemoteError(f"{threads} threads cannot be had: this computer runs 1 to {most} at a time")
    return threads


def _bindable(at: Endpoint) -> Endpoint:
    """The endpoint, with a free port where it names none, if a server may listen there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((at.host, at.port))
            trial.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                what = f"port {at.port} of {at.host} is in use"
                remedy = "stop the program that listens there, or take another port"
            elif error.errno == errno.EADDRNOTAVAIL:
                what = f"{at.host} is no address of this computer"
                remedy = f"take one of its own, {LOOPBACK}, or 0.0.0.0 for all of them"
            else:
                what, remedy = f"nothing may listen at {at} ({error.strerror})", "take another port, above 1023"
            raise RemoteError(f"{what}: {remedy}") from None
        return Endpoint(*trial.getsockname())


def _awaited(endpoint: Endpoint, child: Child) -> Protocol:
    """The protocol of the server once it answers."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if not child.runs:
            raise RemoteError(f"the RPC server at {endpoint} {child.end()}")
        try:
            return protocol_at(endpoint)
        except RemoteError:
            time.sleep(_POLL_S)
    raise RemoteError(f"the RPC server at {endpoint} did not answer within {START_S:g} s")


def main(arguments: Sequence[str]) -> None:
    """Serve until the parent ends, or try a server."""
    requests()  # it ends with its parent
    own_output()  # what the server prints is no reply
    verb, endpoint, *rest = arguments
    engine = require_engine()
    if verb == "try":
        for name in register(engine, Endpoint.parse(endpoint)):
            engine.memory_bytes(engine.device(name))
    else:
        serve(engine, endpoint, int(rest[0]), rest[1:])


def serve(engine: LlamaCpp, endpoint: str, threads: int, names: Sequence[str]) -> None:
    """Serve the devices of these names, else the graphics cards, else the CPU; returns only when the server failed."""
    graphics = tuple(device for device in engine.device_handles() if engine.kind(device) in GRAPHICS)
    handles = tuple(map(engine.device, names)) or graphics or (engine.device("CPU"),)
    array = (ctypes.c_void_p * len(handles))(*handles)
    signature = ctypes.CFUNCTYPE(
        None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p)
    )
    start_server = signature(rpc_function(engine, "start_server"))
    start_server(endpoint.encode(), None, threads, len(handles), array)


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.exit(sys.argv[1] == "serve")
