"""The errors on machines left out as a catalog table, because to leave them all out again takes minutes."""

from collections.abc import Iterable, Sequence
from datetime import date

from advisor.errors import InputError
from calibration.assessment import LeftOutError
from calibration.fitting import Observation
from calibration.publication import DIGITS, SOURCE
from catalog.efficiency import LeftOutRow

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
