"""Probes that were not measured: round numbers of an ordinary machine, for what comes after the probes."""

from pathlib import Path

from calibration.probes import Probes
from calibration.probes.compute import ComputeProbe, Rate
from calibration.probes.disk import PATTERNS, DiskProbe
from calibration.probes.link import LinkProbe
from calibration.probes.ram import RamProbe
from calibration.probes.sample import Sample
from catalog.units import GIB


def probes(links: tuple[LinkProbe, ...] = (), warnings: tuple[str, ...] = ()) -> Probes:
    """20 GB/s of RAM, 1 GB/s of disk, and products of 8-bit weights."""
    disk = DiskProbe(Path(), GIB, True, tuple((pattern, sample(1.0)) for pattern in PATTERNS), sample(0.5))
    rates = (
        Rate("Q8_0", "plain", 1, 1, sample(40.0), sample(20.0)),
        Rate("Q8_0", "plain", 512, 2, sample(200.0), sample(1.0)),
    )
    ram = RamProbe(((1, sample(15.0)), (2, sample(20.0))), None, "memcmp", GIB, True)
    return Probes(ram, links, disk, ComputeProbe(rates), sample(20.0), warnings)


def sample(value: float) -> Sample:
    return Sample(value, 0.02, 5)
