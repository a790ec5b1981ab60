"""How fast the CPU multiplies with ggml's own kernels, by type of weight and threads, in a process of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from calibration.probes.child import told_by_child
from calibration.probes.ram import buffer_size
from calibration.probes.sample import Sample
from catalog.profiles import ProbeResult
from catalog.units import GB

TYPES: Final = (
    "F16", "Q8_0", "Q4_0", "Q5_0", "Q4_K", "Q5_K", "Q6_K", "Q3_K", "Q2_K", "IQ4_XS", "MXFP4", "IQ3_XXS",
)  # fmt: skip
"""One of each quant family (see `advisor.physics.task.FAMILIES`)."""
COLUMNS: Final = (1, 512)
"""A decoded token, and llama.cpp's default batch of a prompt."""
FLOP_PER_WEIGHT: Final = 2
"""One multiplication and one addition for each weight and column."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Products of one type of weight with `columns` columns: operations per second, and weight bytes read per second.

    `layout` is "plain" for weights as the file has them, else the name of the buffer type that llama.cpp repacks into.
    """

    weight_type: str
    layout: str
    columns: int
    threads: int
    gflop_s: Sample
    read_gb_s: Sample
    routed: bool = False
    """Through routed experts."""


@dataclass(frozen=True, slots=True)
class ComputeProbe:
    """All rates measured."""

    rates: tuple[Rate, ...]

    def results(self) -> Iterator[ProbeResult]:
        """Rows of a profile: bytes read for one column, operations for many."""
        for rate in self.rates:
            place = f"type={rate.weight_type} layout={rate.layout} columns={rate.columns} threads={rate.threads}"
            if rate.routed:
                yield rate.gflop_s.result(f"cpu_expert_gflop_s {place}", "GFLOP/s")
            elif rate.columns == 1:
                yield rate.read_gb_s.result(f"cpu_product_read_gb_s {place}", "GB/s")
            else:
                yield rate.gflop_s.result(f"cpu_product_gflop_s {place}", "GFLOP/s")


def probe_compute(
    threads: Sequence[int],
    *,
    types: Sequence[str] = TYPES,
    columns: Sequence[int] = COLUMNS,
    weight_bytes: int | None = None,
    rounds: int = 3,
    repeats: int = 3,
    seconds_each: float = 0.1,
    patience_s: float = 180.0,
    routed: bool = False,
) -> ComputeProbe:
    """Multiply with each number of threads, `routed` through experts: `rounds` times all of it.

    `weight_bytes`: of the matrices for one column; what the RAM probe reads if not given. Repeats and seconds are those
    of a round. Raises EngineMissing, ProbeFailed, and InputError when too little memory is free.
    """
    task = {
        "types": list(types), "threads": list(threads), "columns": list(columns), "rounds": rounds, "repeats": repeats,
        "weight_bytes": weight_bytes or buffer_size()[0], "seconds": seconds_each, "routed": routed,
    }  # fmt: skip
    found: dict[tuple[str, str, int, int], list[dict[str, Any]]] = {}
    for line in told_by_child("compute", task, patience_s):
        found.setdefault((line["type"], line["layout"], line["columns"], line["threads"]), []).append(line)
    return ComputeProbe(tuple(_rate(lines, routed=routed) for lines in found.values()))


def _rate(lines: Sequence[dict[str, Any]], *, routed: bool) -> Rate:
    """Of the same product in each round."""
    first = lines[0]
    seconds = [each for line in lines for each in line["seconds"]]
    return Rate(
        first["type"], first["layout"], first["columns"], first["threads"],
        Sample.of(FLOP_PER_WEIGHT * first["weights"] * first["columns"] / each / GB for each in seconds),
        Sample.of(first["bytes"] / each / GB for each in seconds),
        routed,
    )  # fmt: skip
