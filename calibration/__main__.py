"""`python -m calibration`: refit the shipped efficiencies from the shipped evidence, and list its runs and errors.

`python -m calibration beside` fits what several users, drafts and split modes add, which the first leaves alone.
"""

import sys

from calibration.fit.beside import (
    effects_beside,
    errors_beside,
    figures,
    fitted_beside,
    load_beside,
    spreads_beside,
)
from calibration.fit.evidence import EVIDENCE_READ, load_runs, observe
from calibration.fit.fitting import fit
from calibration.fit.leaving_out import architectures_out, balance_of, left_out_errors, sources_out
from calibration.fit.tables import (
    behind_of,
    effects_of,
    public_runs,
    rows_of,
    spreads_of,
    wider_of,
    write_runs,
    write_table,
)
from catalog.tables import DATA

WIDER_LOTS = 5
"""Lots of sources, and of architectures: what is left out is much more, and the time is that of the refits."""


def beside() -> None:
    """Fit what comes beside, assess it on machines left out, and write its two tables."""
    runs, reasons = load_beside()
    print(f"{len(runs)} runs kept; left out: {dict(reasons)}", file=sys.stderr)
    found = fitted_beside(runs)
    errors = errors_beside(found, runs)
    for name, value in figures(errors).items():
        print(f"{name:24} {value:.4g}", file=sys.stderr)
    write_table(DATA / "beside.csv", effects_beside(found, EVIDENCE_READ))
    write_table(DATA / "spreads_beside.csv", spreads_beside(errors, EVIDENCE_READ))


def main() -> None:
    """Fit, assess on machines left out, and write the tables of what was learned and of the runs."""
    runs, left_out = load_runs()
    observations, refused = observe(runs)
    print(f"{len(runs)} runs kept, {len(left_out)} left out, {len(refused)} not answered", file=sys.stderr)
    fitted = fit(observations)
    print("fitted", file=sys.stderr)
    errors = left_out_errors(fitted, observations)
    by_source, by_architecture = (
        left_out_errors(fitted, observations, choices, WIDER_LOTS) for choices in (sources_out, architectures_out)
    )
    wider = [*wider_of(by_source, "source", EVIDENCE_READ), *wider_of(by_architecture, "architecture", EVIDENCE_READ)]
    for kind in ("decode", "prefill"):
        ours = [item for item in errors if item.observation.kind == kind]
        for regime in ("all", *sorted({item.observation.case.regime for item in ours})):
            figures = balance_of([item for item in ours if regime in ("all", item.observation.case.regime)])
            text = "  ".join(f"{name} {value:.3g}" for name, value in figures._asdict().items())
            print(f"{kind:8} {regime:15} {text}", file=sys.stderr)
    write_table(DATA / "efficiencies.csv", effects_of(fitted, EVIDENCE_READ))
    write_table(DATA / "spreads.csv", spreads_of(errors, EVIDENCE_READ))
    write_table(DATA / "left_out.csv", rows_of(errors, EVIDENCE_READ))
    write_table(DATA / "left_out_wider.csv", wider)
    write_table(DATA / "runs_behind.csv", behind_of(observations, EVIDENCE_READ))
    write_runs(DATA / "public_runs.csv", public_runs(runs, EVIDENCE_READ.isoformat()))


if __name__ == "__main__":
    beside() if sys.argv[1:] == ["beside"] else main()
