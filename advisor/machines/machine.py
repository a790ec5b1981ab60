"""The machine a model runs on, as the physics sees it: devices, memories and links with their peak rates.

Rates are GB/s (10^9 B/s) of the data sheet; what share of a peak is reached is the business of the efficiencies.
"""

import math
from dataclasses import dataclass, field

PCIE_GB_S_PER_LANE = {1: 0.25, 2: 0.5, 3: 0.985, 4: 1.969, 5: 3.938, 6: 7.563, 7: 15.125}
"""One direction, after line coding. Source: PCI-SIG, PCI Express base specifications 1.0 to 7.0 (read 2026-11-24)."""


def pcie_gb_s(generation: int, lanes: int) -> float:
    """Peak of a PCIe link in one direction.

    >>> round(pcie_gb_s(4, 16), 1)
    31.5
    """
    return PCIE_GB_S_PER_LANE[generation] * lanes


def dram_gb_s(mt_s: float, channels: int) -> float:
    """Peak of `channels` 64-bit DRAM channels.

    >>> dram_gb_s(3200, 2)
    51.2
    """
    return mt_s * channels * 8 / 1000


@dataclass(frozen=True, slots=True)
class GpuDevice:
    """One graphics card, or the graphics part of a unified machine."""

    name: str
    maker: str
    architecture: str
    form: str
    vram_bytes: float
    """What programs may allocate in all before anything runs."""
    bandwidth_gb_s: float
    fp16_tflops: float
    """Dense matrix units where there are any, else the faster of the FP16 and FP32 shaders (Pascal's FP16 runs at
    1/64).
    """
    link_gb_s: float
    peer_gb_s: float = 0.0
    """To the others of its kind in one direction, where they are joined by NVLink; 0: over `link_gb_s`."""

    @property
    def peaks(self) -> tuple[float, float]:
        """Bandwidth in GB/s and matrix compute in TFLOP/s."""
        return self.bandwidth_gb_s, self.fp16_tflops


NO_GPU = GpuDevice("none", "none", "none", "none", 0.0, math.inf, math.inf, math.inf)
"""Stands where nothing is done by a GPU: at its rates all takes no time."""


@dataclass(frozen=True, slots=True)
class CpuSide:
    """The processors and how wide they compute."""

    name: str
    microarchitecture: str
    cores: int
    """Physical cores of all sockets."""
    vector_bytes: int
    """Width of a vector register that llama.cpp's kernels use: 64 AVX-512, 32 AVX2, 16 older or ARM NEON."""
    ghz: float
    sockets: int
    features: frozenset[str]
    segment: str = "desktop"
    """desktop, laptop, hedt, server or embedded."""

    @property
    def vector_gb_s(self) -> float:
        """Bytes that all cores' vector units take in per second at one vector per cycle: the yardstick of CPU
        compute.
        """
        return self.cores * self.ghz * self.vector_bytes


@dataclass(frozen=True, slots=True)
class Ram:
    """System memory of all sockets together."""

    type: str
    bandwidth_gb_s: float
    """Lower of the DRAM peak and the fabric's read limit."""
    capacity_bytes: float


@dataclass(frozen=True, slots=True)
class Storage:
    """The disk that the model file lies on."""

    sequential_gb_s: float
    random_gb_s: float
    most_gb_s: float = math.inf
    """What it gives at most in any order, where its speed or name is said."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Parts put together."""

    name: str
    gpus: tuple[GpuDevice, ...]
    cpu: CpuSide
    ram: Ram
    storage: Storage
    unified: bool = False
    backend: str = "cpu"
    assumptions: tuple[str, ...] = ()
    """What the question did not say and had to be filled in, as sentences."""
    unknown: frozenset[str] = field(default_factory=frozenset)
    """The same as codes that widen the interval: cpu, ram_speed, vram, variant."""

    @property
    def main_gpu(self) -> GpuDevice:
        """The GPU that computes for layers in RAM."""
        return self.gpus[0] if self.gpus else NO_GPU

    @property
    def offloads(self) -> bool:
        """Whether a GPU beside the CPU can compute what lies in RAM."""
        return bool(self.gpus) and self.backend != "cpu" and not self.unified
