"""What living with a card is like: cooling, picture, driver; facts of its row and of its generation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from catalog.parts import Gpu

ENDED: Final[Mapping[str, str]] = {
    "kepler": "NVIDIA's drivers for it ended with branch 470 in 2024 and CUDA 12 does not run on it",
    "maxwell": "NVIDIA's driver branch 580 is the last for it and CUDA 13 does not run on it",
    "pascal": "NVIDIA's driver branch 580 is the last for it and CUDA 13 does not run on it",
    "volta": "NVIDIA's driver branch 580 is the last for it and CUDA 13 does not run on it",
    "gcn": "AMD's ROCm does not run on it; Vulkan does",
    "vega": "AMD's ROCm no longer supports it; older versions and Vulkan run",
    "cdna1": "AMD's ROCm is about to drop it",
}
"""By architecture. Source: NVIDIA, "Unix drivers: plans for Maxwell, Pascal and Volta" (branch 580 the last) and the
CUDA 13.0 release notes (compute capability 7.5 and up); AMD ROCm, "system requirements" (read 2026-11-29)."""


@dataclass(frozen=True, slots=True)
class Practice:
    """What a first-time builder would stumble over."""

    passive: bool
    """Without a fan of its own: made for the wind of a server case."""
    outputs: bool
    """Whether a screen can be plugged in."""
    ended: str
    """Why its driver or compute support has ended; empty where it has not."""

    @property
    def tinkerers(self) -> bool:
        """Whether it is for people who like to tinker: nobody else is offered it unasked."""
        return self.passive or not self.outputs or bool(self.ended)


def practice_of(gpu: Gpu) -> Practice:
    """What is known of a card."""
    passive = gpu.form == "datacentre"
    return Practice(passive, not passive, ENDED.get(gpu.architecture, ""))
