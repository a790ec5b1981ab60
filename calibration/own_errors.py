"""How far a machine's own fit lies from the runs that it did not see."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from catalog.profiles import EngineRun, MeasuredSpeed, Profile

KINDS = ("decode", "prefill")


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
