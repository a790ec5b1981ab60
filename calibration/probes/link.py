"""How fast data goes between memory and each device of ggml beside the CPU, and how long the shortest transfer takes.

A remote device counts like a card. The transfers are made in a process of their own: a driver may end it, and llama.cpp
ends it when an RPC server fails.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from advisor.engine.remote import Endpoint, protocol_at
from calibration.probes.child import ProbeFailed, told_by_child
from calibration.probes.sample import Sample
from catalog.profiles import ProbeResult
from catalog.units import GB

MICROSECONDS: Final = 1e6


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
                    found[line["device"]] = _link(line)
        except ProbeFailed as error:
            if begun is None or begun in found:
                raise
            found[begun] = LinkProbe(begun, "", failed=str(error))
        else:
            return tuple(found.values())


def _link(told: Mapping[str, Any]) -> LinkProbe:
    pageable, pinned = (_route(told[memory]) if memory in told else None for memory in ("pageable", "pinned"))
    return LinkProbe(told["device"], told["description"], pageable, pinned, told.get("failed"))


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
