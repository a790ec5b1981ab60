"""How fast data goes between memory and each device of ggml beside the CPU, and how long the shortest transfer takes.

A remote device counts like a card. The transfers are made in a process of their own (`links_of` and all below it): a
driver may end it, and llama.cpp ends it when an RPC server fails. A transfer to a device counts until the device
answers a read of one float after it: an RPC device acknowledges nothing by itself. A round trip is a row of activations
written and read back, as between two layers on different devices.
"""

import ctypes
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, Final

import numpy as np

from advisor.engine.library import LlamaCpp, context, ggml
from advisor.engine.remote import Endpoint, protocol_at
from advisor.gguf.encodings import NUMBERS
from calibration.probes.child import ProbeFailed, told_by_child
from calibration.probes.sample import Sample
from catalog.profiles import ProbeResult
from catalog.units import GB, KIB, MIB

MICROSECONDS: Final = 1e6
SIZES_BYTES: Final = tuple(64 * KIB * 4**step for step in range(6))
"""64 KiB to 64 MiB: an expert's activations up to the weights of one."""
SMALL_BYTES: Final = 4 * KIB
"""The activations of one token in a layer of width 1024."""
FLOAT_BYTES: Final = 4
_PATIENCE_S: Final = 0.4
"""No larger size is tried once one transfer took longer."""


@dataclass(frozen=True, slots=True)
class Direction:
    """One way of a link: GB/s of long transfers, microseconds of a short one (4 KiB), median seconds by bytes.

    To a device, the time ends when the device has answered a read of one float after it.
    """

    bandwidth_gb_s: Sample
    latency_us: Sample
    seconds: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Both ways of a link from one kind of memory; `round_trip_us` is 4 KiB there and back."""

    to_device: Direction
    from_device: Direction
    round_trip_us: Sample


@dataclass(frozen=True, slots=True)
class LinkProbe:
    """The link to one device; `pinned` is None where its backend has no pinned memory, both are where it `failed`."""

    device: str
    description: str
    pageable: Route | None = None
    pinned: Route | None = None
    failed: str | None = None

    def results(self) -> Iterator[ProbeResult]:
        """Rows of a profile."""
        for memory, route in (("pageable", self.pageable), ("pinned", self.pinned)):
            if route is None:
                continue
            place = f"device={self.device} memory={memory}"
            for way, direction in (("to_device", route.to_device), ("from_device", route.from_device)):
                yield direction.bandwidth_gb_s.result(f"link_{way}_gb_s {place}", "GB/s")
                yield direction.latency_us.result(f"link_{way}_latency_us {place}", "us")
            yield route.round_trip_us.result(f"link_round_trip_us {place}", "us")


def probe_links(
    rpc: Sequence[str] = (), *, repeats: int = 9, seconds_each: float = 0.15, patience_s: float = 120.0
) -> tuple[LinkProbe, ...]:
    """The link to each device that llama.cpp has here, those of the RPC servers at `rpc` ("host:port") among them.

    A device whose driver ends the process is told as failed, and the others are measured. Raises RemoteError when no
    server answers at an endpoint, and EngineMissing.
    """
    for text in rpc:
        protocol_at(Endpoint.parse(text))
    found: dict[str, LinkProbe] = {}
    while True:
        task = {"rpc": list(rpc), "repeats": repeats, "seconds": seconds_each, "skipped": list(found)}
        begun = None
        try:
            for line in told_by_child("link", task, patience_s):
                begun = line.get("begun", begun)
                if "device" in line:
                    routes = {memory: _route(line[memory]) for memory in ("pageable", "pinned") if memory in line}
                    name = line["device"]
                    found[name] = LinkProbe(name, line["description"], failed=line.get("failed"), **routes)
        except ProbeFailed as error:
            if begun is None or begun in found:
                raise
            found[begun] = LinkProbe(begun, "", failed=str(error))
        else:
            return tuple(found.values())


def _route(told: Mapping[str, Any]) -> Route:
    return Route(
        direction_of(told["to_device"]),
        direction_of(told["from_device"]),
        Sample.of(seconds * MICROSECONDS for seconds in told["round_trip"]),
    )


def direction_of(seconds: Mapping[str, Sequence[float]]) -> Direction:
    """One way of a link from the seconds of each repeat by bytes: t = latency + bytes / bandwidth.

    The latency is that of the smallest size; the bandwidth, one for each repeat, is the median of the slopes between
    every two sizes (Theil and Sen's line), which a bend at one end, as of a buffer or of an allocation, does not sway.
    """
    sizes = np.array(sorted(map(int, seconds)))
    count = min(map(len, seconds.values()))
    times = np.array([seconds[str(size)][:count] for size in sizes])
    rates = (_rate(sizes, column) for column in times.T)
    return Direction(
        Sample.of(rate / GB for rate in rates),
        Sample.of(seconds_ * MICROSECONDS for seconds_ in seconds[str(sizes[0])]),
        tuple((int(size), float(np.median(row))) for size, row in zip(sizes, times, strict=True)),
    )


def _rate(sizes: np.ndarray[Any, Any], seconds: np.ndarray[Any, Any]) -> float:
    """Bytes per second; the plain quotient of the largest where noise hides the slope."""
    points = list(zip(sizes, seconds, strict=True))
    slopes = [(after - before) / (large - small) for (small, before), (large, after) in combinations(points, 2)]
    slope = float(np.median(slopes)) if slopes else 0.0
    return 1 / slope if slope > 0 else float(sizes[-1] / seconds[-1])


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
    tensor = ggml().ggml_new_tensor_1d(tensors, NUMBERS["F32"], largest // FLOAT_BYTES)
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
