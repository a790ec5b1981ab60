"""What to take for a CPU, a RAM speed or a backend that a question does not name: the common choice of the platform.

Each choice is listed as an assumption of the prediction, widens its interval, and gives a measured run less weight.
"""

from collections.abc import Sequence
from functools import cache

from advisor.machine import GpuDevice
from catalog.parts import Cpu, Gpu
from catalog.tables import cpus

NEWEST_ARCHITECTURES = frozenset({"ada", "blackwell", "rdna3", "rdna4", "battlemage", "hopper"})
SERVER_FORMS = frozenset({"datacentre"})
COMMON_MT_S = {"DDR3": 1600.0, "DDR4": 3200.0, "DDR5": 5600.0, "LPDDR4X": 4266.0, "LPDDR5": 6400.0, "LPDDR5X": 7500.0}
"""Median data rate of the kits and soldered memories on sale per type. Source: BuildCores OpenDB, 2026-08-17."""
COMMON_CPUS = {"DDR3": "Core i7-4790", "DDR4": "Ryzen 7 5800X", "DDR5": "Ryzen 7 7700X"}
COMMON_SERVERS = {"DDR4": "EPYC 7543", "DDR5": "EPYC 9355"}


@cache
def _by_name(name: str) -> Cpu | None:
    return next((row for row in cpus() if row.name == name), None)


def common_ram_type(gpus: Sequence[Gpu]) -> str:
    """DDR5 beside a GPU of 2022 or later, else DDR4."""
    return "DDR5" if any(gpu.architecture in NEWEST_ARCHITECTURES for gpu in gpus) else "DDR4"


def cpu_by_platform(hint: str | None, ram_type: str | None, gpus: Sequence[Gpu], is_server: bool = False) -> Cpu:
    """A common CPU of the platform that the words hint at (a microarchitecture), else of the GPU's years.

    Raises `LookupError` when the catalog has no CPU for the memory type.
    """
    if hint:
        peers = sorted(
            (row for row in cpus() if row.microarchitecture == hint and (row.segment == "server") == is_server),
            key=lambda row: row.cores,
        )
        if peers:
            return peers[len(peers) // 2]
    kind = (
        (ram_type or common_ram_type(gpus))
        .replace("LPDDR5X", "DDR5")
        .replace("LPDDR5", "DDR5")
        .replace("LPDDR4X", "DDR4")
    )
    server = is_server or (bool(gpus) and all(gpu.form in SERVER_FORMS for gpu in gpus))
    name = (COMMON_SERVERS if server else COMMON_CPUS).get(kind, COMMON_CPUS["DDR4"])
    row = _by_name(name) or next((row for row in cpus() if kind in row.memory_types), None)
    if row is None:
        raise LookupError(f"no CPU of the catalog takes {kind}")
    return row


def ram_by_platform(row: Cpu | None, ram_type: str | None, gpus: Sequence[Gpu]) -> tuple[str, float, int]:
    """RAM type, data rate in MT/s and channels per socket for a CPU row (None: unknown CPU)."""
    if row is None:
        kind = ram_type or common_ram_type(gpus)
        return kind, COMMON_MT_S[kind], 2
    kind = ram_type or row.memory_types[-1]
    rated = row.mt_s_1dpc[row.memory_types.index(kind)]
    tuned = row.segment == "desktop" and not row.registered_memory
    return kind, max(rated, COMMON_MT_S[kind]) if tuned else rated, row.memory_channels


def default_backend(devices: Sequence[GpuDevice]) -> str:
    """The backend people use for these devices: CUDA, ROCm or Vulkan by maker, the CPU without any."""
    if not devices:
        return "cpu"
    return {"nvidia": "cuda", "amd": "rocm" if devices[0].form != "integrated" else "vulkan"}.get(
        devices[0].maker, "vulkan"
    )
