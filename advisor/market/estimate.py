"""One honest estimate of what a part costs: pure functions of observations, on arrays of all parts at once.

The basis is what a buyer without luck pays now, before tax, to a seller one would trust. Each observation is brought to
it by the factor of its kind, each independent source has one vote a month, votes fade with age, and the weighted median
counts. The interval holds 80 % of observations left out; it grows with the age of the newest.
Source of the method: design notes "What a part costs"; its figures: catalog/data/price_factors.csv and
price_trends.csv, fitted by `python -m calibration.prices`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.market.money import Rates
from catalog.prices import Condition, Kind, Observation, PartKind, PriceFactor, PriceTrend, Seller

DAYS_A_MONTH = 30.44
NORMAL_80 = 1.2816
"""Half width of the 80 % interval of a normal distribution, in standard deviations."""
STALE_DAYS = 45
"""Memory, disks and graphics cards move by a tenth in this time: older estimates of them are called stale.
Source: design notes "What a part costs", ageing."""
MOVING_KINDS = frozenset({"gpu", "ram", "ssd", "unified", "laptop"})
SHORTAGE = date(2025, 9, 1)
"""Memory, and all that holds much of it, began to rise then. Source: https://github.com/KazooKat/ram-price-outlook."""
OUTLIER_LOG = math.log(2.0)
"""Votes further than this factor from the median are dropped, where so many others lie nearer:"""
OTHERS = 3
RANGE_WEIGHT = 0.5
"""A source that says "x to y" counts half: its middle is nobody's price."""
LONGEST_DRIFT_MONTHS = 3.0
"""Prices of a longer time ago are not carried forward by the drift of this year beyond that."""
OWN_LOG_SD = 0.02
"""A price that the person entered holds for him; shops round."""

Vector = NDArray[np.float64]


class Part(NamedTuple):
    """What an estimate is of."""

    kind: PartKind
    name: str
    memory_gib: float | None
    condition: Condition


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a part costs, in US dollars; low to high is the 80 % interval."""

    price_usd: float
    low_usd: float
    high_usd: float
    observations: int
    sources: int
    """Independent ones."""
    newest: date
    stale: bool
    """Of a kind that moves, and older than `STALE_DAYS`."""
    source: str
    """Where the newest stands."""
    own: bool = False
    """The person's own figure."""
    before_shortage: bool = False
    """All of it is from before memory rose in 2025."""

    @property
    def one_source(self) -> bool:
        """Whether all of it rests on a single source."""
        return self.sources < 2 and not self.own


@dataclass(frozen=True)
class Basis:
    """How observations are brought to one basis and fade."""

    factors: Mapping[tuple[Kind, Seller, PartKind | None], float | None]
    trends: Mapping[tuple[PartKind, Condition], PriceTrend]

    @classmethod
    def of(cls, factors: Iterable[PriceFactor], trends: Iterable[PriceTrend]) -> "Basis":
        """From the rows of the tables."""
        table = {(row.kind, row.seller, row.part_kind): row.factor for row in factors}
        return cls(table, {(row.part_kind, row.condition): row for row in trends})

    def key(self, kind: Kind, seller: Seller, part_kind: PartKind) -> tuple[Kind, Seller, PartKind | None]:
        """The row of the factors that holds for such a price: the closest there is."""
        tried: tuple[tuple[Kind, Seller, PartKind | None], ...]
        tried = ((kind, seller, part_kind), (kind, seller, None), (kind, "", part_kind), (kind, "", None))
        return next((key for key in tried if key in self.factors), tried[-1])

    def factor(self, kind: Kind, seller: Seller, part_kind: PartKind) -> float | None:
        """To the basis; None where such a price says nothing of this kind of part."""
        return self.factors.get(self.key(kind, seller, part_kind))


@dataclass(frozen=True, eq=False)
class Votes:
    """Observations as columns, ends of ranges joined, those that say nothing left out. All arrays of shape (n,)."""

    parts: tuple[Part, ...]
    part: NDArray[np.intp]
    """Index into `parts`."""
    source: NDArray[np.intp]
    """Same number: same independent source."""
    kind: NDArray[np.intp]
    log_usd: Vector
    """Natural logarithm of the price on the basis, in dollars of its own day."""
    day: Vector
    """Day of the observation, as an ordinal."""
    weight: Vector
    own: NDArray[np.bool_]
    address: tuple[str, ...]
    """Where each stands."""


def votes_of(observations: Sequence[Observation], basis: Basis, rates: Rates) -> Votes:
    """Columns of what observations say. Raises `InputError` for a currency without a rate."""
    parts: dict[tuple[PartKind, str, float | None, Condition], int] = {}
    sources: dict[str, int] = {}
    kinds: dict[str, int] = {}
    rows: list[tuple[int, int, int, float, int, float, bool, str]] = []
    ends: dict[tuple[int, str, date, str], tuple[Kind, float]] = {}
    site, worth = cache(independent), cache(basis.factor)
    for item in observations:
        kind, seller, source, day = item.kind, item.seller, item.source, item.as_of
        factor = worth(kind, seller, item.part_kind)
        if factor is None:
            continue
        usd = item.price * factor
        if item.currency != "USD":
            usd /= rates.per_usd(item.currency, day)
        part = parts.setdefault((item.part_kind, item.part, item.memory_gib, item.condition), len(parts))
        weight = 1.0
        if kind in ("range_low", "range_high"):
            end = (part, source, day, item.note)
            other = ends.pop(end, None)
            if other is None or other[0] == kind:
                ends[end] = (kind, usd)
                continue
            usd, weight, kind = math.sqrt(usd * other[1]), RANGE_WEIGHT, "range_low"
        number = sources.setdefault(site(source), len(sources))
        rows.append((
            part, number, kinds.setdefault(kind, len(kinds)), usd, day.toordinal(), weight, seller == "own", source
        ))
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * 8
    part_, source_, kind_ = (np.array(column, dtype=np.intp) for column in columns[:3])
    usd_, day_, weight_ = (np.array(column, dtype=np.float64) for column in columns[3:6])
    known = tuple(Part(*key) for key in parts)
    own = np.array(columns[6], dtype=bool)
    return Votes(known, part_, source_, kind_, np.log(usd_), day_, weight_, own, tuple(columns[7]))


def independent(source: str) -> str:
    """What counts as one source: the site, of shared sites the author's folder, of posts each post.

    >>> independent("https://gpupoet.com/gpu/market-report/may-2026/")
    'gpupoet.com'
    >>> independent("https://github.com/KazooKat/ram-price-outlook/blob/main/x.csv")
    'github.com/kazookat/ram-price-outlook'
    """
    address = source.lower().partition("://")[2] or source.lower()
    host, *path = address.split("/")
    host = host.removeprefix("www.")
    if host in ("github.com", "huggingface.co"):
        return "/".join([host, *path[:2]]).partition(" ")[0]
    return address if "reddit" in host else host


def estimates(votes: Votes, basis: Basis, as_of: date) -> dict[Part, Estimate]:
    """The estimate of every part of which something was known on a day."""
    keep = np.flatnonzero(votes.day <= as_of.toordinal())
    if not len(keep):
        return {}
    tables = [basis.trends.get((part.kind, part.condition)) or _UNKNOWN for part in votes.parts]
    tau, drift, log_sd, log_sd_month = np.array(
        [(row.tau_months, row.drift_per_month, row.log_sd, row.log_sd_per_month) for row in tables]
    ).T
    part, day = votes.part[keep], votes.day[keep]
    age = (as_of.toordinal() - day) / DAYS_A_MONTH
    logs = votes.log_usd[keep] + drift[part] * np.minimum(age, LONGEST_DRIFT_MONTHS)
    # Beside the newest of its part, since weights count among each other alone: none vanishes, however old all are.
    youngest = np.full(len(votes.parts), np.inf)
    np.minimum.at(youngest, part, age)
    weights = votes.weight[keep] * np.exp((youngest[part] - age) / tau[part])

    # One vote a source, kind and month: the median of what it said then.
    month = np.floor(day / DAYS_A_MONTH).astype(np.intp)
    ballot = _numbered(part, votes.source[keep], votes.kind[keep], month)
    one = _weighted_medians(ballot, logs, np.ones(len(ballot)))
    first = np.argsort(ballot, kind="stable")[_starts(ballot)]
    part_b, weight_b = part[first], np.maximum.reduceat(weights[np.argsort(ballot, kind="stable")], _starts(ballot))

    # The weighted median of the votes; what lies far from three others is dropped first.
    middle = _weighted_medians(part_b, one, weight_b)
    order = np.unique(part_b)
    place = np.searchsorted(order, part_b)
    near = np.abs(one - middle[place]) <= OUTLIER_LOG
    kept = near | (np.bincount(place, near)[place] < OTHERS)
    middle = _weighted_medians(part_b[kept], one[kept], weight_b[kept])

    last = _last_of_each(part, day)
    newest = day[last]
    spread = np.sqrt(log_sd[order] ** 2 + log_sd_month[order] ** 2 * (as_of.toordinal() - newest) / DAYS_A_MONTH)
    counts = np.bincount(part, minlength=len(votes.parts))[order]
    of_source = np.unique(part * (int(votes.source.max()) + 1) + votes.source[keep]) // (int(votes.source.max()) + 1)
    sources = np.bincount(of_source, minlength=len(votes.parts))[order]
    entered = sorted(keep[votes.own[keep]].tolist(), key=lambda index: float(votes.day[index]))
    own = {int(votes.part[index]): float(votes.log_usd[index]) for index in entered}  # the newest by the person himself
    found: dict[Part, Estimate] = {}
    for i, index in enumerate(order.tolist()):
        what, day_seen = votes.parts[index], date.fromordinal(int(newest[i]))
        log, sd = (own[index], OWN_LOG_SD) if index in own else (float(middle[i]), float(spread[i]))
        stale = what.kind in MOVING_KINDS and (as_of - day_seen).days > STALE_DAYS
        low, high = math.exp(log - NORMAL_80 * sd), math.exp(log + NORMAL_80 * sd)
        found[what] = Estimate(
            math.exp(log),
            low,
            high,
            int(counts[i]),
            int(sources[i]),
            day_seen,
            stale,
            votes.address[keep[last[i]]],
            own=index in own,
            before_shortage=day_seen < SHORTAGE,
        )
    return found


_UNKNOWN = PriceTrend.model_validate(
    {
        "part_kind": "gpu", "condition": "new", "tau_months": 6, "drift_per_month": 0, "log_sd": 0.25,
        "log_sd_per_month": 0.13, "observations": 0, "source": "design notes: What a part costs", "as_of": "2026-11-29",
    }
)
"""For kinds of which too little was seen to fit a trend: wider than any that was fitted."""


def _numbered(*columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """One number for each different row of columns."""
    number = np.zeros(len(columns[0]), dtype=np.intp)
    for column in columns:
        number = np.unique(number * (int(column.max(initial=0)) + 1) + column, return_inverse=True)[1]
    return number


def _starts(group: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where each group begins once sorted."""
    ordered = np.sort(group, kind="stable")
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])


def _last_of_each(group: NDArray[np.intp], day: Vector) -> NDArray[np.intp]:
    """Index of the newest of each group, in rising order of the groups; of one day the last."""
    order = np.lexsort((day, group))
    return order[np.r_[_starts(group)[1:] - 1, len(group) - 1]]


def _weighted_medians(group: NDArray[np.intp], values: Vector, weights: Vector) -> Vector:
    """The weighted median of each group, in rising order of the groups; between two values it is interpolated."""
    order = np.lexsort((values, group))
    group, values, weights = group[order], values[order], weights[order]
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    sizes = np.diff(np.r_[starts, len(group)])
    total = np.add.reduceat(weights, starts)
    before = np.cumsum(weights) - weights
    middle = (before - np.repeat(before[starts], sizes) + weights / 2) / np.repeat(total, sizes)
    # Each group's middles rise from 0 to 1: one search over all, each group moved by its number.
    rank = np.repeat(np.arange(len(starts)), sizes)
    right = np.clip(np.searchsorted(middle + 2 * rank, 0.5 + 2 * np.arange(len(starts))), starts, starts + sizes - 1)
    left = np.maximum(right - 1, starts)
    span = middle[right] - middle[left]
    share = np.clip(np.where(span > 0, (0.5 - middle[left]) / np.where(span > 0, span, 1.0), 1.0), 0.0, 1.0)
    return np.asarray(values[left] + share * (values[right] - values[left]))
