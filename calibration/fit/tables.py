"""What was learned, written back as tables of facts: fitted effects, errors, their spreads, and the runs themselves.

The errors on machines left out are a table because to leave them all out again takes minutes; the runs are the light
table that is shown beside predictions, with names resolved and placements worked out.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from advisor.errors import InputError
from advisor.files import new_file
from advisor.physics.coefficients import BESIDE
from advisor.physics.uncertainty import deviation_of, regime_bounds
from advisor.prediction.nearest import described, stands_behind
from calibration.fit.evidence import MeasuredRun, observe
from calibration.fit.fitting import RIG, Fit, FitRow
from calibration.fit.leaving_out import LeftOutError, balance_of
from catalog.efficiency import Effect, LeftOutRow, PublicRun, RunsBehind, Spread, WiderRow

SOURCE = "fit of calibration/evidence by `python -m calibration`"
DIGITS = 5
SHOWN_DIGITS = 4
LEAST_SLOPE = 0.01
"""A run whose time moves by less than this part of a coefficient's change tells nothing of it."""
NOT_OF_THIS_EVIDENCE = (
    "catalog/data/left_out.csv is not of the evidence and the catalog as they are: run `python -m calibration`"
)


def effects_of(fit: Fit, as_of: date, *, beside: bool = False) -> list[Effect]:
    """Rows of the efficiency table, by coefficient and label; levels of single rigs say nothing of others. `beside`:
    those of several users, drafts and split modes, which the base fit leaves alone, in place of all others.
    """
    slopes = fit.problem.jacobian(fit.theta)
    moved = np.bincount(slopes.indices[np.abs(slopes.data) > LEAST_SLOPE], minlength=len(fit.theta))
    rows = [
        Effect(
            coefficient=column.coefficient.name, label=column.label, log_value=round(float(value), DIGITS),
            standard_error=round(float(error), DIGITS), prior=round(column.prior, DIGITS),
            prior_deviation=column.deviation, informed=bool(informed), runs=int(runs), source=SOURCE, as_of=as_of,
        )
        for column, value, error, informed, runs in zip(
            fit.columns, fit.theta, fit.standard_error, fit.informed, moved, strict=True
        )
        if not (column.label.startswith(RIG) and column.label != RIG) and (column.coefficient.name in BESIDE) == beside
    ]
    return sorted(rows, key=lambda row: (row.coefficient, row.label))


def spreads_of(errors: Sequence[LeftOutError], as_of: date) -> list[Spread]:
    """Quantiles of log(measured / predicted) per speed and regime, in predicted deviations: see `regime_bounds`."""
    found: list[Spread] = []
    for speed in sorted({error.observation.kind for error in errors}):
        ours = [error for error in errors if error.observation.kind == speed]
        regimes = np.array([error.observation.case.regime for error in ours])
        ratios = [
            -error.log_ratio / deviation_of(speed, regime, error.novelty)
            for error, regime in zip(ours, regimes.tolist(), strict=True)
        ]
        number: dict[str, int] = {}
        machines = np.array([number.setdefault(error.observation.machine, len(number)) for error in ours])
        for regime, (low, high) in sorted(regime_bounds(np.array(ratios), regimes, machines).items()):
            there = (regimes == regime) | (regime == "all")
            found.append(Spread(
                speed=speed, regime=regime, low=round(low, DIGITS), high=round(high, DIGITS), rows=int(there.sum()),
                machines=len(np.unique(machines[there])), source=SOURCE, as_of=as_of,
            ))
    return found


def wider_of(errors: Sequence[LeftOutError], left_out: str, as_of: date) -> list[WiderRow]:
    """Figures of errors where more than a machine was left out, by speed and regime."""
    found = []
    for speed in ("decode", "prefill"):
        ours = [item for item in errors if item.observation.kind == speed]
        for regime in ("all", *sorted({item.observation.case.regime for item in ours})):
            of = balance_of([item for item in ours if regime in ("all", item.observation.case.regime)])
            shares = {name: round(getattr(of, name), DIGITS) for name in ("balanced", "p90", "bias")}
            found.append(WiderRow(
                left_out=left_out, speed=speed, regime=regime, rows=of.rows, groups=of.machines, **shares,
                source=SOURCE, as_of=as_of,
            ))
    return found


def behind_of(observations: Iterable[FitRow], as_of: date) -> list[RunsBehind]:
    """How many runs stand behind answers about each card and model, card and architecture."""
    cases = {id(item.case): item.case for item in observations}.values()
    counts = Counter(key for case in cases for key in stands_behind(case) if key[1] != "none")
    return [
        RunsBehind(level=level, name=name, model=model, runs=count, source=SOURCE, as_of=as_of)
        for (level, name, model), count in sorted(counts.items())
    ]


def write_table(path: Path, rows: Iterable[BaseModel]) -> None:
    """A CSV table of rows, written whole or not at all."""
    dumped = [row.model_dump(mode="json") for row in rows]
    with new_file(path) as file, TextIOWrapper(file, encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, list(dumped[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(dumped)


def rows_of(errors: Iterable[LeftOutError], as_of: date) -> list[LeftOutRow]:
    """Errors as rows of the table."""
    rows = []
    for error in errors:
        speed, machine, model, quant, measured = _key(error.observation)
        rows.append(LeftOutRow(
            speed=speed, machine=machine, model=model, quant=quant, measured_tok_s=measured,
            log_ratio=round(error.log_ratio, DIGITS), novelty=round(error.novelty, DIGITS),
            unsaid=round(error.unsaid, DIGITS), **_shares(error), source=SOURCE, as_of=as_of,
        ))
    return rows


def _shares(error: LeftOutError) -> dict[str, float]:
    names = ("gpu_share", "cpu_share", "link_share")
    return {name: round(share, DIGITS) for name, share in zip(names, error.shares, strict=True)}


def errors_of(observations: Sequence[FitRow], rows: Sequence[LeftOutRow]) -> list[LeftOutError]:
    """The errors that a table was written from, for the observations it was written of.

    Raises InputError where they are others: a run, a name or a speed has changed since.
    """
    ordered = sorted(observations, key=lambda item: item.kind)
    said = [(row.speed, row.machine, row.model, row.quant, row.measured_tok_s) for row in rows]
    if said != [_key(item) for item in ordered]:
        raise InputError(NOT_OF_THIS_EVIDENCE)
    return [
        LeftOutError(item, row.log_ratio, row.novelty, row.unsaid, (row.gpu_share, row.cpu_share, row.link_share))
        for item, row in zip(ordered, rows, strict=True)
    ]


def _key(item: FitRow) -> tuple[str, str, str, str, float]:
    return item.kind, item.machine, item.case.llm.name, item.case.quant.name, item.tok_s


def public_runs(runs: Iterable[MeasuredRun], collected: str) -> list[PublicRun]:
    """Runs that the advisor has an answer for; `collected` dates those whose source names no date."""
    found = []
    for run in runs:
        observations, _ = observe([run])
        if not observations:
            continue
        row = described(observations[0].case)
        names = ("gpu_gb_s", "ram_gb_s", "file_gb", "active_share", "gpu_share")
        rounded: dict[str, Any] = {name: round(getattr(row, name), SHOWN_DIGITS) for name in names}
        row = row._replace(decode_tok_s=run.decode_tok_s, prefill_tok_s=run.prefill_tok_s, **rounded)
        found.append(row._replace(source=run.source, as_of=run.as_of or collected))
    return found


def write_runs(path: Path, runs: Iterable[PublicRun]) -> None:
    """The table that `catalog.tables.public_runs` reads."""
    with new_file(path) as file, TextIOWrapper(file, encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(PublicRun._fields)
        writer.writerows(runs)
