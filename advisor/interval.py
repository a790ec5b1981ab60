"""The interval around a predicted speed: quantiles of left-out errors, widened for what the scenario did not say."""

import math

from advisor.knowledge import Knowledge
from advisor.machine import Machine

UNFITTED_LOG_WIDTH = math.log(3.0)
"""Half width where no spread was ever fitted: a factor 3 either way, said to be assumed."""


def log_bounds(knowledge: Knowledge, speed: str, regime: str, machine: Machine) -> tuple[float, float]:
    """Logarithms of p05 / p50 and p95 / p50 of a speed ("decode" or "prefill") in a regime.

    Each unknown of the machine adds its own spread in quadrature to the regime's.
    """
    spreads = knowledge.spreads
    base = spreads.get((speed, regime, "")) or spreads.get((speed, "all", ""))
    if base is None:
        return -UNFITTED_LOG_WIDTH, UNFITTED_LOG_WIDTH
    low, high = base.log_low**2, base.log_high**2
    for code in machine.unknown:
        extra = spreads.get((speed, regime, code)) or spreads.get((speed, "all", code))
        if extra is not None:
            low, high = low + extra.log_low**2, high + extra.log_high**2
    return -math.sqrt(low), math.sqrt(high)
