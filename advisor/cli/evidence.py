"""`advisor evidence check`: what somebody offers as evidence, row by row beside its prediction."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from advisor.cli.app import Entry, Tree
from advisor.errors import InputError
from advisor.files import beginning

if TYPE_CHECKING:
    from advisor.answer import Range
    from calibration.fit.checking import CheckedRow

MOST_BYTES = 10_000_000
HELP = """Check a table of measured runs before it is added to the evidence.

FILE is CSV in the columns that calibration/evidence/README.md describes, as `advisor calibrate export --evidence`
writes it. Each row's names are resolved and its speeds are set beside their prediction; rows that would be left out,
and those that can hardly be, are told with the reason.
"""


command = Tree(
    "evidence", {"check": Entry("advisor.cli.evidence", "Check a table before it is added.", "check_table")},
    help="Measured runs of many machines, which the predictions are fitted to.",
)


@click.command("check", help=HELP)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON alone.")
def check_table(file: Path, *, as_json: bool) -> None:
    """Check; the help that users see is above."""
    from advisor.pasted.lines import decoded
    from advisor.physics.knowledge import load
    from calibration.fit.checking import check, counted

    content = beginning(file, MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"{str(file)!r} has more than {MOST_BYTES:,} bytes: check it in parts")
    rows = check(decoded(content), load())
    counts = counted(rows)
    if as_json:
        import json

        click.echo(json.dumps({"rows": [_data(row) for row in rows], "counts": counts}, indent=2))
        return
    from advisor.documents import Table, aligned, columns

    titles = ("line", "model", "machine", "writes", "predicted", "reads", "predicted", "verdict")
    click.echo("\n".join(aligned(Table(columns(*titles), [_words(row) for row in rows]), indent="")))
    for row in rows:
        if row.why:
            click.echo(f"line {row.line}: {row.verdict}: {row.why}")
    click.echo(", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "the table has no rows")


def _words(row: "CheckedRow") -> list[str]:
    named = (row.model or row.row["model"], row.machine or row.row["gpu"] or row.row["cpu"])
    speeds = (row.row["decode_tok_s"], _range(row.decode), row.row["prefill_tok_s"], _range(row.prefill))
    return [str(row.line), *named, *(text or "-" for text in speeds), row.verdict]


def _range(told: "Range | None") -> str:
    return f"{told.p50:.4g} ({told.p05:.4g}-{told.p95:.4g})" if told else ""


def _data(row: "CheckedRow") -> dict[str, Any]:
    ranges = {name: told and told.model_dump() for name, told in (("decode", row.decode), ("prefill", row.prefill))}
    return {"line": row.line, "model": row.model, "machine": row.machine, **ranges, "row": dict(row.row),
            "verdict": row.verdict, "why": row.why}
