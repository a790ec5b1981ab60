"""The process of an RPC server, and the trial of one; llama.cpp may end it at any time, which harms no other.

`python -m advisor.engine.serving serve HOST:PORT THREADS [DEVICE ...]` or `... try HOST:PORT`. A server ends when its
standard input does, so that none outlives the process that started it.
"""

import ctypes
import sys
from collections.abc import Sequence
from typing import Final

from advisor.children import own_output, requests
from advisor.engine.endpoint import Endpoint
from advisor.engine.library import Engine, require_engine
from advisor.engine.remote import register, rpc_function

GRAPHICS: Final = frozenset({1, 2})
"""GPU and integrated GPU. Source: enum ggml_backend_dev_type of ggml/include/ggml-backend.h (read 2026-11-25)."""


def main(arguments: Sequence[str]) -> None:
    """Serve until the standard input ends, or try a server."""
    verb, endpoint, *rest = arguments
    requests()  # it ends with its parent
    own_output()  # what the server prints is no reply
    engine = require_engine()
    if verb == "try":
        for name in register(engine, Endpoint.parse(endpoint)):
            engine.memory_bytes(engine.device(name))
        return
    serve(engine, endpoint, int(rest[0]), rest[1:])


def serve(engine: Engine, endpoint: str, threads: int, names: Sequence[str]) -> None:
    """Serve the devices of these names, else the graphics cards, else the CPU; returns only when the server failed."""
    handles = tuple(map(engine.device, names)) or _graphics(engine) or (engine.device("CPU"),)
    array = (ctypes.c_void_p * len(handles))(*handles)
    signature = ctypes.CFUNCTYPE(
        None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p)
    )
    start_server = signature(rpc_function(engine, "start_server"))
    start_server(endpoint.encode(), None, threads, len(handles), array)


def _graphics(engine: Engine) -> tuple[int, ...]:
    return tuple(device for device in engine.device_handles() if engine.ggml.ggml_backend_dev_type(device) in GRAPHICS)


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.exit(sys.argv[1] == "serve")
