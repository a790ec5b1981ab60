"""The measured runs as the light table that is shown beside predictions: names resolved, placement worked out."""

import csv
from collections.abc import Iterable
from pathlib import Path

from advisor.nearest import described
from calibration.fitting import Observation
from calibration.observations import observe
from calibration.runs import MeasuredRun
from catalog.measured import PublicRun

DIGITS = 4


def public_runs(runs: Iterable[MeasuredRun], collected: str) -> list[PublicRun]:
    """Runs that the advisor has an answer for; `collected` dates those whose source names no date."""
    pairs = [(run, observe([run])[0]) for run in runs]
    return [_public(run, found, collected) for run, found in pairs if found]


def _public(run: MeasuredRun, found: list[Observation], collected: str) -> PublicRun:
    row = described(found[0].case)
    return row._replace(
        gpu_gb_s=round(row.gpu_gb_s, DIGITS),
        ram_gb_s=round(row.ram_gb_s, DIGITS),
        file_gb=round(row.file_gb, DIGITS),
        active_share=round(row.active_share, DIGITS),
        gpu_share=round(row.gpu_share, DIGITS),
        decode_tok_s=run.decode_tok_s,
        prefill_tok_s=run.prefill_tok_s,
        source=run.source,
        as_of=run.as_of or collected,
    )


def write_runs(path: Path, runs: Iterable[PublicRun]) -> None:
    """The table that `catalog.tables.public_runs` reads."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(PublicRun._fields)
        writer.writerows(runs)
