"""What was learned, written back as facts: the fitted effects and the spreads of left-out errors, as catalog tables."""

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from io import TextIOWrapper
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from advisor.errors import InputError
from advisor.files import new_file
from advisor.physics.uncertainty import deviation_of
from advisor.prediction.nearest import described
from calibration.fit.evidence import MeasuredRun, observe
from calibration.fit.fitting import Fit, Observation
from calibration.fit.leaving_out import LeftOutError
from catalog.efficiency import Effect, LeftOutRow, PublicRun, Spread

SOURCE = "fit of calibration/evidence by `python -m calibration`"
LOW, HIGH = 0.05, 0.95
DIGITS = 5


def effects_of(fit: Fit, as_of: date) -> list[Effect]:
    """Rows of the efficiency table, by coefficient and label."""
    rows = [
        Effect(
            coefficient=column.coefficient.name,
            label=column.label,
            log_value=round(float(value), DIGITS),
            standard_error=round(float(error), DIGITS),
            prior=round(column.prior, DIGITS),
            prior_deviation=column.deviation,
            informed=bool(informed),
            source=SOURCE,
            as_of=as_of,
        )
        for column, value, error, informed in zip(fit.columns, fit.theta, fit.standard_error, fit.informed, strict=True)
    ]
    return sorted(rows, key=lambda row: (row.coefficient, row.label))


def spreads_of(errors: Sequence[LeftOutError], as_of: date) -> list[Spread]:
    """Quantiles of log(measured / predicted) per speed and regime, in predicted deviations."""
    groups: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for error in errors:
        item = error.observation
        regime = item.case.regime
        told = item.machine, -error.log_ratio / deviation_of(item.kind, regime, error.novelty)
        for name in ("all", regime):
            groups.setdefault((item.kind, name), []).append(told)
    return [_spread(groups[key], *key, as_of) for key in sorted(groups)]


def _spread(errors: Sequence[tuple[str, float]], speed: str, regime: str, as_of: date) -> Spread:
    ratios = np.array([ratio for _, ratio in errors])
    machines = {machine for machine, _ in errors}
    # The conformal rank (n + 1) p makes few rows give wide bounds.
    low, high = (float(np.quantile(ratios, min(1.0, max(0.0, share)))) for share in _conformal(len(ratios)))
    return Spread(
        speed=speed,
        regime=regime,
        low=round(min(low, 0.0), DIGITS),
        high=round(max(high, 0.0), DIGITS),
        rows=len(errors),
        machines=len(machines),
        source=SOURCE,
        as_of=as_of,
    )


def _conformal(rows: int) -> tuple[float, float]:
    reach = (rows + 1) / rows
    return 1 - (1 - LOW) * reach, HIGH * reach


def write_table(path: Path, rows: Iterable[BaseModel]) -> None:
    """A CSV table of rows, written whole or not at all."""
    dumped = [row.model_dump(mode="json") for row in rows]
    with new_file(path) as file, TextIOWrapper(file, encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, list(dumped[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(dumped)


# The errors on machines left out as a catalog table, because to leave them all out again takes minutes.

NOT_OF_THIS_EVIDENCE = (
    "catalog/data/left_out.csv is not of the evidence and the catalog as they are: run `python -m calibration`"
)
Key = tuple[str, str, str, str, float]


def rows_of(errors: Iterable[LeftOutError], as_of: date) -> list[LeftOutRow]:
    """Errors as rows of the table."""
    rows = []
    for error in errors:
        speed, machine, model, quant, measured = _key(error.observation)
        rows.append(
            LeftOutRow(
                speed=speed,
                machine=machine,
                model=model,
                quant=quant,
                measured_tok_s=measured,
                log_ratio=round(error.log_ratio, DIGITS),
                novelty=round(error.novelty, DIGITS),
                source=SOURCE,
                as_of=as_of,
            )
        )
    return rows


def errors_of(observations: Sequence[Observation], rows: Sequence[LeftOutRow]) -> list[LeftOutError]:
    """The errors that a table was written from, for the observations it was written of.

    Raises InputError where they are others: a run, a name or a speed has changed since.
    """
    ordered = sorted(observations, key=lambda item: item.kind)
    said = [(row.speed, row.machine, row.model, row.quant, row.measured_tok_s) for row in rows]
    if said != [_key(item) for item in ordered]:
        raise InputError(NOT_OF_THIS_EVIDENCE)
    return [LeftOutError(item, row.log_ratio, row.novelty) for item, row in zip(ordered, rows, strict=True)]


def _key(item: Observation) -> Key:
    return item.kind, item.machine, item.case.llm.name, item.case.quant.name, item.tok_s


# The measured runs as the light table that is shown beside predictions: names resolved, placement worked out.

SHOWN_DIGITS = 4


def public_runs(runs: Iterable[MeasuredRun], collected: str) -> list[PublicRun]:
    """Runs that the advisor has an answer for; `collected` dates those whose source names no date."""
    pairs = [(run, observe([run])[0]) for run in runs]
    return [_public(run, found, collected) for run, found in pairs if found]


def _public(run: MeasuredRun, found: list[Observation], collected: str) -> PublicRun:
    row = described(found[0].case)
    return row._replace(
        gpu_gb_s=round(row.gpu_gb_s, SHOWN_DIGITS),
        ram_gb_s=round(row.ram_gb_s, SHOWN_DIGITS),
        file_gb=round(row.file_gb, SHOWN_DIGITS),
        active_share=round(row.active_share, SHOWN_DIGITS),
        gpu_share=round(row.gpu_share, SHOWN_DIGITS),
        decode_tok_s=run.decode_tok_s,
        prefill_tok_s=run.prefill_tok_s,
        source=run.source,
        as_of=run.as_of or collected,
    )


def write_runs(path: Path, runs: Iterable[PublicRun]) -> None:
    """The table that `catalog.tables.public_runs` reads."""
    with new_file(path) as file, TextIOWrapper(file, encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(PublicRun._fields)
        writer.writerows(runs)
