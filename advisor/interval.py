"""The interval around a predicted speed: quantiles of left-out errors in units of each scenario's own deviation.

Normalised conformal prediction: an error divided by its predicted deviation is exchangeable between scenarios that are
like the measured ones and scenarios that are not. Source: Lei et al. 2018, "Distribution-Free Predictive Inference for
Regression", section 5.2.
"""

import math

from advisor.knowledge import Knowledge

UNFITTED_LOG_WIDTH = math.log(3.0)
"""Half width where no spread was ever fitted: a factor 3 either way, said to be assumed."""
ON_GPUS = frozenset({"full_gpu", "unified", "multi_gpu"})
"""Regimes whose weights are read by graphics processors alone."""
KNOWN_DEVIATION = {("decode", True): 0.1, ("decode", False): 0.4, ("prefill", True): 0.1, ("prefill", False): 0.8}
"""Deviation of log speed where the runs told all, by speed and whether in a regime of `ON_GPUS`: chosen by the coverage
of left-out runs in each regime (0.02 to 1 tried). Only its ratio to the novelty counts, the quantiles do the rest.
"""
MOST_NOVEL = 1.0
"""A novelty beyond this says nothing more: the speed is not known."""


def deviation_of(speed: str, regime: str, novelty: float) -> float:
    """Predicted deviation of log(measured / predicted) for a scenario of that novelty (see `advisor.novelty`)."""
    return math.hypot(KNOWN_DEVIATION[speed, regime in ON_GPUS], min(novelty, MOST_NOVEL))


def log_bounds(knowledge: Knowledge, speed: str, regime: str, novelty: float) -> tuple[float, float]:
    """Logarithms of p05 / p50 and p95 / p50 of a speed ("decode" or "prefill") in a regime, for a scenario of that
    novelty.
    """
    row = knowledge.spreads.get((speed, regime)) or knowledge.spreads.get((speed, "all"))
    if row is None:
        return -UNFITTED_LOG_WIDTH, UNFITTED_LOG_WIDTH
    deviation = deviation_of(speed, regime, novelty)
    return row.low * deviation, row.high * deviation
