"""A device on another host: an RPC server of ggml in a process of its own, and its devices in this process.

ggml's RPC has neither passwords nor encryption: whoever reaches the port can use the device and read what is computed
there. So a server listens on the loopback unless told otherwise.
"""

import ctypes
import errno
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TextIO

import psutil

from advisor.children import Child, Ended, module
from advisor.engine.endpoint import LOOPBACK, Endpoint, Protocol, RemoteError, protocol_at
from advisor.engine.library import Engine, how_to_install, require_engine

START_S: Final = 60.0
"""How long a server may take to answer: drivers of graphics cards take seconds to load, more on a busy computer."""
_POLL_S: Final = 0.02
_FREE: Final = Endpoint(LOOPBACK, 0)
_MODULE: Final = "advisor.engine.serving"


class RpcMissing(RemoteError):
    """This build of llama.cpp has no RPC; the message names the command that builds one with it."""


@dataclass(frozen=True, slots=True)
class RpcServer:
    """A running server. Leaving its context stops it; it also ends when the process that started it does."""

    endpoint: Endpoint
    protocol: Protocol
    child: Child

    @classmethod
    def start(
        cls,
        at: Endpoint = _FREE,
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
        command = module(_MODULE, "serve", str(endpoint), str(_checked(threads)), *devices)
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        with Child(module(_MODULE, "try", str(endpoint))) as trial:
            list(trial.replies(START_S))
    except Ended:
        raise RemoteError(
            f"the RPC server at {endpoint} speaks version {protocol} of the protocol and llama.cpp here cannot use it: "
            f"run the same version of llama-cpp-python ({engine.version} here) on both hosts"
        ) from None
    return register(engine, endpoint)


def register(engine: Engine, endpoint: Endpoint) -> tuple[str, ...]:
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


def rpc_function(engine: Engine, name: str) -> int:
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
            raise RemoteError(_refusal(at, error)) from None
        return Endpoint(*trial.getsockname())


def _refusal(at: Endpoint, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {at.port} of {at.host} is in use: stop the program that listens there, or take another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{at.host} is no address of this computer: take one of its own, {LOOPBACK}, or 0.0.0.0 for all of them"
    return f"nothing may listen at {at} ({error.strerror}): take another port, above 1023"


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
