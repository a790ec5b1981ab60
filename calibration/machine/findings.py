"""What a calibration found, as data: what the report in the terminal, the page and JSON all show.

First of all how far the machine's own fit lies from the runs that it did not see.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from advisor.physics.coefficients import COEFFICIENTS, COLUMNS
from advisor.physics.knowledge import Knowledge
from calibration.machine.outlook import Outlook, outlook
from catalog.profiles import Correlation, EngineRun, MeasuredSpeed, ProbeResult, Profile

KINDS = ("decode", "prefill")
_VOCABULARY = re.compile(r", \d+ tokens$")
"""Of how many tokens a cut model knows: every probe model as many."""
_THREADS = re.compile(r"ram_read_gb_s threads=(\d+)")
UNITS = {item.name: item.unit for item in COEFFICIENTS}


@dataclass(frozen=True, slots=True)
class OwnComparison:
    """One measured speed of a run beside what a fit without its configuration says; in tok/s."""

    kind: str
    run: EngineRun
    measured: MeasuredSpeed
    predicted: float

    @property
    def error(self) -> float:
        """(predicted - measured) / measured."""
        return self.predicted / self.measured.tok_s - 1


@dataclass(frozen=True, slots=True)
class OwnErrors:
    """Figures of some comparisons; shares of the measured speed. `spread` is the runs' own, from repeat to repeat."""

    rows: int
    median: float
    p90: float
    spread: float


def comparisons(profile: Profile) -> tuple[OwnComparison, ...]:
    """Every measured speed of which a prediction was kept, in the order of the runs, decode first."""
    found = []
    for kind in KINDS:
        for run in profile.runs:
            measured, predicted = getattr(run, kind), getattr(run, f"{kind}_left_out_tok_s")
            if measured is not None and predicted is not None:
                found.append(OwnComparison(kind, run, measured, predicted))
    return tuple(found)


def errors_of(rows: Sequence[OwnComparison]) -> OwnErrors | None:
    """Figures of comparisons; None without any."""
    if not rows:
        return None
    sizes = [abs(row.error) for row in rows]
    p90 = quantiles(sizes, n=10, method="inclusive")[-1] if len(sizes) > 1 else sizes[0]
    return OwnErrors(len(rows), median(sizes), p90, median(row.measured.spread for row in rows))


def errors_by_kind(profile: Profile) -> dict[str, OwnErrors]:
    """Figures of decode and of prefill, as far as there are any."""
    rows = comparisons(profile)
    found = {kind: errors_of([row for row in rows if row.kind == kind]) for kind in KINDS}
    return {kind: figures for kind, figures in found.items() if figures}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A fitted number: its factor on what all machines tell, with a standard error of the factor's logarithm."""

    coefficient: str
    label: str
    unit: str
    factor: float
    log_error: float
    informed: bool


@dataclass(frozen=True, slots=True)
class Point:
    """A place of a series: decode in tok/s, measured and, where it was kept, predicted without that run."""

    at: float
    measured: float
    predicted: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """Runs that differ in one setting alone."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """All of it; `use` is a sentence on what the profile is used for, `outlook` is None where it is of no use here.

    `bandwidth`: the RAM's read bandwidth in GB/s by threads.
    """

    profile: Profile
    use: str
    errors: Mapping[str, OwnErrors]
    comparisons: tuple[OwnComparison, ...]
    bandwidth: tuple[tuple[int, ProbeResult], ...]
    over_depth: tuple[Series, ...]
    over_experts: tuple[Series, ...]
    parameters: tuple[Parameter, ...]
    correlations: tuple[Correlation, ...]
    outlook: Outlook | None


def findings(profile: Profile, shipped: Knowledge, use: str, *, predicts: bool = True) -> Findings:
    """What a profile holds, and with `predicts` also what it says of models and upgrades. Raises as `outlook`."""
    bandwidth = ((int(match[1]), row) for row in profile.probes if (match := _THREADS.fullmatch(row.name)))
    return Findings(
        profile=profile,
        use=use,
        errors=errors_by_kind(profile),
        comparisons=comparisons(profile),
        bandwidth=tuple(sorted(bandwidth, key=lambda pair: pair[0])),
        over_depth=_series(profile, "workload", "context_depth"),
        over_experts=_series(profile, "engine", "n_cpu_moe"),
        parameters=tuple(_parameters(profile)),
        correlations=tuple(sorted(profile.correlations, key=lambda item: -abs(item.value))),
        outlook=outlook(profile, shipped) if predicts else None,
    )


def run_label(run: EngineRun, without: str = "") -> str:
    """A run in a few words: the model, and what of its settings is not the usual; `without` one of them."""
    asked = run.scenario
    model, engine = asked.get("model"), asked.get("engine") or {}
    name = _VOCABULARY.sub("", model) if isinstance(model, str) else "a model file"
    words = [f"{name} {asked.get('quant') or ''}".strip()]
    depth = (asked.get("workload") or {}).get("context_depth")
    settings: dict[str, Callable[[Any], str]] = {
        "n_gpu_layers": lambda value: ("on the CPU", f"{value} layers on the GPU", "on the GPU")[
            (value > 0) + (value >= 99)
        ],
        "n_cpu_moe": lambda value: f"experts of {value} layers in RAM" if engine.get("n_gpu_layers") else "",
        "threads": lambda value: f"{value} thread{'s' if value > 1 else ''}",
        "ubatch": lambda value: f"-ub {value}" if value != 512 else "",
        "kv_type": lambda value: f"context {value}" if {*str(value).split("/")} != {"f16"} else "",
    }
    words += [say(engine[key]) for key, say in settings.items() if key != without and engine.get(key) is not None]
    if depth and without != "context_depth":
        words.append(f"at {depth:,} tokens")
    return ", ".join(filter(None, words))


def _series(profile: Profile, part: str, field: str) -> tuple[Series, ...]:
    """Decode over a field of the scenario, for every set of runs that differ in it alone."""
    groups: dict[str, list[tuple[Point, EngineRun]]] = {}
    for run in profile.runs:
        settings = run.scenario.get(part) or {}
        at = settings.get(field, 0 if field == "context_depth" else None)
        if run.decode is not None and isinstance(at, int | float):
            rest = {**run.scenario, part: {name: value for name, value in settings.items() if name != field}}
            point = Point(float(at), run.decode.tok_s, run.decode_left_out_tok_s)
            groups.setdefault(json.dumps(rest, sort_keys=True, default=str), []).append((point, run))
    found = []
    for group in groups.values():
        ordered = sorted(group, key=lambda pair: pair[0].at)
        if ordered[0][0].at < ordered[-1][0].at:
            found.append(Series(run_label(ordered[0][1], field), tuple(point for point, _ in ordered)))
    return tuple(found)


def _parameters(profile: Profile) -> list[Parameter]:
    """In the order of the physics, a coefficient before what is said of single quant families."""
    order = list(COLUMNS)
    rows = [
        Parameter(
            shift.coefficient, shift.label, UNITS.get(shift.coefficient, ""), math.exp(shift.log_value),
            shift.standard_error, shift.informed,
        )
        for shift in profile.effects
    ]
    return sorted(rows, key=lambda row: (order.index(row.coefficient) if row.coefficient in order else 999, row.label))
