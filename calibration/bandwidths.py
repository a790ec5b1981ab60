"""What the probes of links and of the disk say of the coefficients that count them."""

import math
from collections.abc import Mapping
from typing import Final

from advisor.coefficients import COLUMNS, Efficiencies, Setting
from advisor.machine import Machine
from calibration.probes.disk import AROUND, DiskProbe
from catalog.profiles import DeviceFacts
from catalog.units import GB

MOST_SHARE: Final = 0.9
"""A link that carries more than its peak is told wrongly: shares bend below 1 (see `advisor.speed.reached`)."""


def link_shifts(
    facts: DeviceFacts, machine: Machine, known: Efficiencies, setting: Setting
) -> Mapping[tuple[str, str], float]:
    """Log of the share that the link to the first device reached over what is known of it.

    Not of a crossing: the engine does more in one than the probe, so its runs alone tell.
    """
    share = min(facts.link_gb_s / machine.gpus[0].link_gb_s, MOST_SHARE)
    return {(name, ""): math.log(share / _known(known, setting, name)) for name in ("link_share", "prefill_link")}


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
    expected = machine.storage.random_gb_s * GB * _known(known, setting, "disk_gain")
    found = {("disk_gain", ""): math.log(rate * GB / expected)}
    if probe.faults:
        use = min(1.0, probe.faults.value / rate)
        found["fault_use", ""] = math.log(use / _known(known, setting, "fault_use"))
    return found


def _known(known: Efficiencies, setting: Setting, name: str) -> float:
    return float(known.row(setting)[COLUMNS[name]])
