"""How often each expert is chosen: Zipf's law, turned into sets of experts that have exactly that popularity."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_HALVINGS = 200
"""Of the search interval: more than a double's 53 bits, whatever its first width."""


def inclusion(n_experts: int, n_used: int, skew: float) -> Floats:
    """Probability that a token uses the expert of rank 0, 1, ...: its sum is `n_used`.

    `n_used` different experts are drawn one after another, each with a chance in proportion to (rank + 1) ** -skew: 0
    is uniform, 1 the usual Zipf law. With exponential clocks an expert of weight w is among the first with probability
    1 - exp(-c w), c such that they sum to `n_used`. No expert can be used twice by a token, so the law flattens at the
    top.

    Source: B. Rosén, Asymptotic theory for order sampling, J. Stat. Planning and Inference 62 (1997), sequential
    Poisson and successive sampling.

    >>> inclusion(4, 2, 0.0).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    if n_used >= n_experts:
        return np.ones(n_experts)
    log_weights = -skew * np.log(np.arange(1, n_experts + 1))
    low, high = -60.0, 60.0 - float(log_weights.min())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = -np.expm1(-np.exp(np.minimum(middle + log_weights, 700.0)))
        low, high = (middle, high) if found.sum() < n_used else (low, middle)
    result: Floats = found * (n_used / found.sum())
    return np.minimum(result, 1.0)


def chosen_sets(n_experts: int, n_used: int, skew: float, n_sets: int, rng: np.random.Generator) -> Integers:
    """So many sets of `n_used` experts [sets, used]: over all sets each expert has its popularity to within one use.

    First every expert gets its number of uses, then the uses are dealt out: a set takes different experts by chance, in
    proportion to the uses that they have left, and surely those that are needed in all sets to come. Which expert has
    which rank is drawn too.
    """
    left = _uses(inclusion(n_experts, n_used, skew)[rng.permutation(n_experts)], n_used, n_sets, rng)
    found = np.empty((n_sets, n_used), np.int64)
    for i in range(n_sets):
        with np.errstate(divide="ignore"):
            clocks = rng.exponential(size=n_experts) / left
        clocks[left == n_sets - i] = 0.0
        found[i] = np.argpartition(clocks, n_used - 1)[:n_used]
        left[found[i]] -= 1
    return found


def _uses(probabilities: Floats, n_used: int, n_sets: int, rng: np.random.Generator) -> Integers:
    """Whole numbers of uses that sum to that of all sets, each its expectation rounded up or down (systematically)."""
    ends = np.minimum(np.cumsum(probabilities), n_used) * n_sets
    ends[-1] = n_used * n_sets
    marks = np.floor(ends + rng.random()).astype(np.int64)
    uses: Integers = np.diff(marks, prepend=0)
    return np.minimum(uses, n_sets)


def busiest_share(n_experts: int, n_used: int, skew: float, tenths: int = 1) -> float:
    """Share of all uses that the busiest so many tenths of the experts have (at least one expert).

    >>> round(busiest_share(100, 10, 0.0), 9)
    0.1
    """
    probabilities = inclusion(n_experts, n_used, skew)
    return float(probabilities[: max(1, n_experts * tenths // 10)].sum() / n_used)
