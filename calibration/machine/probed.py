"""What the probe of ggml's kernels says of the coefficients that a machine has for each quant family."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from advisor.machines.machine import CpuSide, Machine
from advisor.physics.coefficients import COLUMNS, Efficiencies, Setting
from advisor.physics.task import FAMILIES, family_of
from calibration.probes.compute import FLOP_PER_WEIGHT, ComputeProbe, Rate
from calibration.probes.disk import AROUND, DiskProbe
from catalog.profiles import DeviceFacts
from catalog.units import GB

UNPACK: Final = "cpu_unpack"
MULTIPLY: Final = "prefill_cpu"
EXPERTS: Final = "prefill_cpu_expert"


def probed_shifts(
    probe: ComputeProbe, cpu: CpuSide, known: Efficiencies, setting: Setting
) -> Mapping[tuple[str, str], float]:
    """Log of what the kernels of each family reached over what is known of them, by coefficient and family.

    A single column at one thread is a decoded token, where unpacking limits; many at all threads are a prompt.
    """
    found: dict[tuple[str, str], float] = {}
    rates = [rate for rate in probe.rates if _as_loaded(rate, probe)]
    for name, chosen in ((UNPACK, _single(rates)), (MULTIPLY, _many(rates))):
        for rate in chosen:
            family = family_of(rate.weight_type)
            lost = rate.threads ** -_known(known, setting, "thread_loss", 0)
            vector_bytes_s = cpu.vector_gb_s * GB * min(1.0, rate.threads / cpu.cores) * lost
            weights_s = rate.gflop_s.value * GB / FLOP_PER_WEIGHT
            value = _known(known, setting, name, FAMILIES.index(family))
            found[name, family] = math.log(weights_s / vector_bytes_s / value)
    for family, share in _expert_shares(rates):
        value = _known(known, setting, EXPERTS, FAMILIES.index(family))
        found[EXPERTS, family] = math.log(share / value)
        # A share of two rates probed together leaves little open, whatever the machine did meanwhile.
        found[EXPERTS, ""] = 0.0
    return found


def _expert_shares(rates: list[Rate]) -> Iterator[tuple[str, float]]:
    """By family, the speed of products through routed experts as a share of that of whole matrices."""
    whole = {rate.weight_type: rate.gflop_s.value for rate in _many(rates)}
    for rate in rates:
        if rate.routed and rate.weight_type in whole:
            yield family_of(rate.weight_type), rate.gflop_s.value / whole[rate.weight_type]


def _as_loaded(rate: Rate, probe: ComputeProbe) -> bool:
    """Whether weights of this type lie so when a model is loaded: repacked where they can be."""
    layouts = {item.layout for item in probe.rates if item.weight_type == rate.weight_type}
    return rate.layout != "plain" or layouts == {"plain"}


def _single(rates: list[Rate]) -> list[Rate]:
    return [rate for rate in rates if rate.columns == 1 and rate.threads == 1 and not rate.routed]


def _many(rates: list[Rate]) -> list[Rate]:
    batches = [rate for rate in rates if rate.columns > 1 and not rate.routed]
    most = max((rate.threads for rate in batches), default=0)
    return [rate for rate in batches if rate.threads == most]


def _known(known: Efficiencies, setting: Setting, name: str, family: int) -> float:
    place = COLUMNS[name]
    return float(known.row(setting)[place.start + family if isinstance(place, slice) else place])


# What the probes of links and of the disk say of the coefficients that count them.

MOST_SHARE: Final = 0.9
"""A link that carries more than its peak is told wrongly: shares bend below 1 (`advisor.physics.stages.reached`)."""


def link_shifts(
    facts: DeviceFacts, machine: Machine, known: Efficiencies, setting: Setting
) -> Mapping[tuple[str, str], float]:
    """Log of the share that the link to the first device reached over what is known of it.

    Not of a crossing: the engine does more in one than the probe, so its runs alone tell.
    """
    share = min(facts.link_gb_s / machine.gpus[0].link_gb_s, MOST_SHARE)
    names = ("link_share", "prefill_link")
    return {(name, ""): math.log(share / _common_value(known, setting, name)) for name in names}


def disk_shifts(
    probe: DiskProbe, machine: Machine, known: Efficiencies, setting: Setting
) -> Mapping[tuple[str, str], float]:
    """Log of what reads of a fault's size reach over what is known, and of the part of them that a fault in experts
    strewn over the file has use for; nothing where they were not probed.

    A probe that reads on by itself gets more by faults than by direct reads where the system reads ahead well; the
    engine does not (2026-11-29: 0.45 GB/s, where it got 0.9 and direct reads 0.58), so no more than all is of use.
    """
    rate = next((sample.value for pattern, sample in probe.rates if pattern == AROUND), None)
    if rate is None:
        return {}
    expected = machine.storage.random_gb_s * GB * _common_value(known, setting, "disk_gain")
    found = {("disk_gain", ""): math.log(rate * GB / expected)}
    if probe.faults:
        use = min(1.0, probe.faults.value / rate)
        found["fault_use", ""] = math.log(use / _common_value(known, setting, "fault_use"))
    return found


def _common_value(known: Efficiencies, setting: Setting, name: str) -> float:
    return float(known.row(setting)[COLUMNS[name]])
