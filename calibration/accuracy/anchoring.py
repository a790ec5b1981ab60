"""How wrong the predictions are once runs of the same rig are told, and how far people who measure the same differ.

Each rig was left out of the fit; the runs that are told move its levels by the very posterior that `measured` runs of a
question do (`advisor.physics.rigs`), from the errors and shares of time that were shipped with the fit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import cast

import numpy as np

from advisor.documents import Paragraph, Section, Table, columns
from advisor.physics.coefficients import COLUMNS, Efficiencies
from advisor.physics.rigs import LEVELS, PREFILL, Seen, Vector, levels_of
from calibration.accuracy.accuracy import AccuracyTable, quantile
from calibration.fit.evidence import MeasuredRun
from calibration.fit.leaving_out import PARTS, LeftOutError

TOLD = (1, 3)
"""So many runs of a rig are told on the page."""
BESIDE = 2
"""So many more than are told a rig must have."""


@dataclass(frozen=True, slots=True)
class Anchored:
    """Errors |predicted - measured| / measured of one kind and regime, as the median of the rigs' medians."""

    speed: str
    regime: str
    """Where the rows say that the weights lay, or all."""
    told: int
    rigs: int
    rows: int
    error: float
    error_without: float


@dataclass(frozen=True, slots=True)
class Floor:
    """How far two people's speeds for one kind of cards, model, quantisation and depth lie apart: |a / b - 1|."""

    speed: str
    pairs: int
    median: float
    p90: float


def anchored(found: AccuracyTable, told: int, efficiencies: Efficiencies) -> list[Anchored]:
    """Errors of the other runs of each rig that has at least `told` + 2 of a kind, where `told` of them are known."""
    run_of = {(id(row.case), row.kind): row.run for row in found.comparisons}
    groups: dict[tuple[str, str], dict[object, list[LeftOutError]]] = {}
    for error in found.errors:
        item = error.observation
        run = run_of[id(item.case), item.kind]
        groups.setdefault((item.kind, run.regime), {}).setdefault(_rig(error, run), []).append(error)
    every: dict[tuple[str, str], list[list[tuple[float, float]]]] = {}
    for (speed, regime), rigs in groups.items():
        for errors in rigs.values():
            if len(errors) >= told + BESIDE:
                apes = [_apes(errors, place, told, efficiencies) for place in range(len(errors))]
                for name in (regime, "all"):
                    every.setdefault((speed, name), []).append(apes)
    return [
        Anchored(speed, regime, told, len(rigs), sum(map(len, rigs)), *(
            median(median(ape[which] for ape in apes) for apes in rigs) for which in (0, 1)
        ))
        for (speed, regime), rigs in sorted(every.items())
    ]


def _rig(error: LeftOutError, run: MeasuredRun) -> tuple[object, ...]:
    ram = error.observation.case.machine.ram
    return error.observation.machine, ram.capacity_bytes, ram.bandwidth_gb_s, run.source.partition("#")[0]


def _apes(errors: Sequence[LeftOutError], place: int, told: int, efficiencies: Efficiencies) -> tuple[float, float]:
    """Error of the run at a place with others of its rig known, spread over what there is, and with none known."""
    step = max(1, len(errors) // (told + 1))
    known = [errors[(place + step * turn) % len(errors)] for turn in range(1, told + 1)]
    asked, known = errors[place], [item for item in known if item is not errors[place]]
    levels = levels_of([_seen(item) for item in known], _prior(known, efficiencies)).log_levels
    faster = -math.log(sum(
        seconds * math.exp(levels[LEVELS.index(level)] if level in LEVELS else 0.0)
        for level, seconds in _parts(asked).items()
    ))
    return abs(math.expm1(asked.log_ratio + faster)), abs(math.expm1(asked.log_ratio))


def _parts(error: LeftOutError) -> dict[str, float]:
    """Shares of the predicted time by level; what has none, the disk's, is last."""
    prefix = PREFILL if error.observation.kind == "prefill" else ""
    shares = {f"{prefix}{part.rstrip('_')}_level": share for part, share in zip(PARTS, error.shares, strict=True)}
    return shares | {"disk": max(0.0, 1.0 - sum(error.shares))}


def _seen(error: LeftOutError) -> Seen:
    """A run in units of the time predicted for it."""
    stages = {name.removeprefix(PREFILL).removesuffix("_level"): share for name, share in _parts(error).items()}
    return Seen(error.observation.kind, stages, math.exp(error.log_ratio))


def _prior(known: Sequence[LeftOutError], efficiencies: Efficiencies) -> Vector:
    """Deviations of the levels as `advisor.prediction.measured` takes them."""
    unsaid = efficiencies.deviations(known[-1].observation.case.setting._replace(rig=""))
    between = np.array([unsaid[cast(int, COLUMNS[name])] for name in LEVELS])
    return np.asarray(np.hypot(between, max(item.unsaid for item in known)))


def floors(found: AccuracyTable) -> list[Floor]:
    """How far people differ who measured the same kind of cards, model, quantisation, depth and length, all of it in
    cards or one memory: nothing can be predicted better.
    """
    by_question: dict[tuple[object, ...], dict[str, list[float]]] = {}
    for row in found.comparisons:
        if row.run.regime not in {"full_gpu", "multi_gpu", "unified"}:
            continue
        load = row.run.scenario.workload
        cards, author = row.machine.partition(" | ")[0], row.case.setting.rig.rpartition(" @ ")[2]
        length = load.prompt_tokens if row.kind == "prefill" else load.gen_tokens
        asked: tuple[object, ...] = (
            row.kind, cards, row.case.llm.name, row.case.quant.name, load.context_depth, length
        )
        by_question.setdefault(asked, {}).setdefault(author, []).append(row.measured)
    apart: dict[str, list[float]] = {}
    for asked, authors in by_question.items():
        speeds = [median(found_) for found_ in authors.values()]
        apart.setdefault(str(asked[0]), []).extend(max(a / b, b / a) - 1 for a, b in combinations(speeds, 2))
    return [Floor(speed, len(of), median(of), quantile(of, 0.9)) for speed, of in sorted(apart.items()) if of]


def section(found: AccuracyTable, efficiencies: Efficiencies, words: Mapping[str, str], told: Sequence[int]) -> Section:
    """The figures of both as a section; `words` say of each regime where the weights lie."""
    titles = ("speed", "where", "runs told", "rigs", "rows", "balanced", "with none told")
    table = [
        (row.speed, words.get(row.regime, row.regime), str(row.told), str(row.rigs), str(row.rows),
         f"{row.error * 100:.1f} %", f"{row.error_without * 100:.1f} %")
        for count in told for row in anchored(found, count, efficiencies)
    ]
    floor = "; ".join(
        f"{of.speed}: {of.median * 100:.0f} % at the median, {of.p90 * 100:.0f} % at the 90th percentile of {of.pairs} "
        "pairs" for of in floors(found)
    )
    remark = (
        "A rig (a machine, its memory and a source) was left out of the fit, then some of its runs were told as "
        "`measured` runs are: errors on its other runs, as the median of the rigs' medians. The floor, two people with "
        f"the same cards, model, quantisation and depth: {floor}."
    )
    return Section("Given runs of the machine", [Paragraph(remark), Table(columns(*titles), table)])
