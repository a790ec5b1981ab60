"""What the probe of ggml's kernels says of the coefficients that a machine has for each quant family."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from advisor.coefficients import COLUMNS, Efficiencies, Setting
from advisor.machine import CpuSide
from advisor.work import FAMILIES, family_of
from calibration.probes.compute import FLOP_PER_WEIGHT, ComputeProbe, Rate
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
