"""How long things take: the physics as small pure functions of named numbers, on floats and numpy arrays alike.

Bytes, seconds, bytes per second, FLOP per second throughout. `share`s are efficiencies: the part of a peak that is
reached.
Source of the structure: design notes "The performance model, in equations"; the shares and times come from the fitted
table.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

CAP_SHARPNESS = 12.0
"""How sharply a share bends below 1."""
Number = TypeVar("Number", float, NDArray[np.float64])

ROOFLINE_SHARPNESS = 4.0
"""Exponent that joins two limits: 1 would add the times, infinity would take the larger (overlap is good but not
perfect).
"""


def reached(share: Number) -> Number:
    """A fitted share of a peak held below 1: nearly unchanged up to 0.8, never above the peak.

    >>> round(reached(0.5), 3), round(reached(0.8), 3), round(reached(2.0), 3)
    (0.5, 0.796, 1.0)
    """
    held: Number = share / (1 + share**CAP_SHARPNESS) ** (1 / CAP_SHARPNESS)
    return held


def transfer_s(size_bytes: Number, bandwidth: Number, share: Number) -> Number:
    """Time to read `size_bytes` at a share of the peak bandwidth (bytes/s)."""
    return size_bytes / (bandwidth * share)


def compute_s(flops: Number, peak: Number, share: Number) -> Number:
    """Time for `flops` at a share of the peak (FLOP/s)."""
    return flops / (peak * share)


def slower_of(first_s: Number, second_s: Number) -> Number:
    """Time when two limits overlap: a little above the larger one.

    >>> round(slower_of(1.0, 0.0), 3)
    1.0
    """
    joined: Number = (first_s**ROOFLINE_SHARPNESS + second_s**ROOFLINE_SHARPNESS) ** (1 / ROOFLINE_SHARPNESS)
    return joined


def saturated(limit: Number, per_worker: Number, workers: Number) -> Number:
    """Bandwidth that `workers` threads reach together under a common limit: linear first, then flat."""
    return 1 / slower_of(1 / limit, 1 / (per_worker * workers))


def overhead_s(counts: Number, micros_each: Number) -> Number:
    """Time of `counts` fixed costs of `micros_each` microseconds."""
    return counts * micros_each * 1e-6


def filled_share(tokens_per_expert: Number, half_tokens: Number) -> Number:
    """Share of the matrix units that a batch of so many rows fills: half of it at `half_tokens`."""
    return tokens_per_expert / (tokens_per_expert + half_tokens)


def pipelined_s(sequential_s: Number, stages: Number, batches: Number, exponent: Number) -> Number:
    """Time of `batches` micro-batches through `stages` GPUs one behind the other; exponent 0 is no overlap, 1 the
    ideal pipeline.
    """
    ideal = stages * batches / (stages + batches - 1)
    overlap: Number = ideal**exponent
    return sequential_s / overlap


def missed_share(absent_share: Number, locality: Number) -> Number:
    """Share of the reads that a page cache misses which lacks a share of the pages and keeps those read often: the odds
    of a miss are `locality` times lower than those of a page's absence. 1: all pages are read alike.
    """
    return absent_share / (absent_share + locality * (1 - absent_share))


def diluted_locality(locality: Number, use: Number) -> Number:
    """Locality of a page cache of which the part `use` was read for its own sake: what the system read around that came
    along unasked, is as popular as the rest of the file and drops what was there.
    """
    return 1 + (locality - 1) * use


def missed_s(missed_bytes: Number, random_bandwidth: Number, gain: Number) -> Number:
    """Time to read from disk what the page cache does not hold; `gain` over single random reads (read-ahead, queue
    depth).
    """
    return missed_bytes / (random_bandwidth * gain)
