"""In the probes' own process: how long transfers to and from a device of ggml take.

A transfer to a device counts until the device answers a read of one float after it: an RPC device acknowledges nothing
by itself. A round trip is a row of activations written and read back, as between two layers on different devices.
"""

import ctypes
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from advisor.engine.library import LlamaCpp, context, ggml, type_number
from catalog.units import KIB, MIB

SIZES_BYTES: Final = tuple(64 * KIB * 4**step for step in range(6))
"""64 KiB to 64 MiB: an expert's activations up to the weights of one."""
SMALL_BYTES: Final = 4 * KIB
"""The activations of one token in a layer of width 1024."""
FLOAT_BYTES: Final = 4
_PATIENCE_S: Final = 0.4
"""No larger size is tried once one transfer took longer."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a transfer is repeated: at most so many times, or fewer, but three, in so many seconds."""

    repeats: int
    seconds: float


def links_of(engine: LlamaCpp, pace: Pace, skipped: frozenset[str]) -> Iterator[dict[str, Any]]:
    """For each device with memory of its own, first its name as {"begun"}, then the seconds of its transfers."""
    for device in engine.device_handles():
        kind = ggml().ggml_backend_dev_buffer_type(device)
        name = engine.name(device)
        if name in skipped or ggml().ggml_backend_buft_is_host(kind):
            continue
        yield {"begun": name}
        yield {"device": name, "description": engine.description(device).strip(), **_timed(device, kind, pace)}


def _timed(device: int, kind: int, pace: Pace) -> dict[str, Any]:
    """Seconds of the transfers between a device and memory, pageable and pinned where there is such."""
    largest = SIZES_BYTES[-1]
    tensors = context(1)
    tensor = ggml().ggml_new_tensor_1d(tensors, type_number("F32"), largest // FLOAT_BYTES)
    memory = ggml().ggml_backend_alloc_ctx_tensors_from_buft(tensors, kind)
    if not memory:
        return {"failed": f"the device has no {largest // MIB} MiB free"}
    pageable = bytearray(b"\x11") * largest  # written, so that its pages are there
    host = (ctypes.c_char * largest).from_buffer(pageable)
    found = {"pageable": _seconds(tensor, ctypes.addressof(host), pace)}
    pinned_kind = ggml().ggml_backend_dev_host_buffer_type(device)
    pinned = ggml().ggml_backend_buft_alloc_buffer(pinned_kind, largest) if pinned_kind else None
    if pinned:
        ggml().ggml_backend_buffer_clear(pinned, 0x11)
        found["pinned"] = _seconds(tensor, ggml().ggml_backend_buffer_get_base(pinned), pace)
        ggml().ggml_backend_buffer_free(pinned)
    ggml().ggml_backend_buffer_free(memory)
    ggml().ggml_free(tensors)
    return found


def _seconds(tensor: int, host: int, pace: Pace) -> dict[str, Any]:
    send, receive = ggml().ggml_backend_tensor_set, ggml().ggml_backend_tensor_get
    answer = ctypes.addressof(ctypes.c_float())

    def send_and_wait(size: int) -> None:
        send(tensor, host, 0, size)
        receive(tensor, answer, 0, FLOAT_BYTES)

    def go_and_return(size: int) -> None:
        send(tensor, host, 0, size)
        receive(tensor, host, 0, size)

    return {
        "round_trip": _repeated(lambda: go_and_return(SMALL_BYTES), pace),
        "answer": _repeated(lambda: receive(tensor, answer, 0, FLOAT_BYTES), pace),
        "to_device": _over_sizes(send_and_wait, pace),
        "from_device": _over_sizes(lambda size: receive(tensor, host, 0, size), pace),
    }


def _over_sizes(transfer: Callable[[int], None], pace: Pace) -> dict[str, list[float]]:
    """Seconds of each repeat by size in bytes."""
    found: dict[str, list[float]] = {}
    for size in (SMALL_BYTES, *SIZES_BYTES):
        taken = _repeated(partial(transfer, size), pace)
        found[str(size)] = taken
        if min(taken) > _PATIENCE_S:
            break
    return found


def _repeated(work: Callable[[], None], pace: Pace) -> list[float]:
    work()  # the first one sets connections and mappings up
    taken: list[float] = []
    end = time.perf_counter() + pace.seconds
    while len(taken) < 3 or (len(taken) < pace.repeats and time.perf_counter() < end):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return taken
