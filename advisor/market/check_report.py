"""How far estimates are from what was seen, by kind of part and condition, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.documents import Document, Paragraph, Section, Table, columns
from advisor.market.checking import Agreement, LeftOut, agreement, left_out
from advisor.market.market import Market

INTRODUCTION = (
    "Every observation left out in turn and estimated from what other sources had told of its part by its day. Error: "
    "how far what was seen, on the estimates' basis, lies from the estimate, as a factor less one. Inside: share of "
    "what was seen within the interval that should hold 80 %. Alone: no other source had told anything of the part. "
    "Bias: the median of the signed error; above 0, what was seen cost more."
)
ALL = "all"


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One line: of which kind and condition, and the figures. Errors are shares: 0.1 is 10 %."""

    kind: str
    condition: str
    observations: int
    alone: int
    median_error: float
    p80_error: float
    bias: float
    inside: float


def checked(market: Market) -> list[CheckRow]:
    """Figures by kind and condition, then of each condition, then of all."""
    rows, alone = left_out(market.observations, market.basis, market.rates)
    conditions = ("new", "used")
    kinds: list[str] = sorted({row.part.kind for row in rows})
    groups = [(kind, condition) for kind in kinds for condition in conditions]
    groups += [(ALL, condition) for condition in (*conditions, ALL)]
    found = []
    for kind, condition in groups:
        mine = [row for row in rows if _of(row, kind, condition)]
        single = sum(
            count for part, count in alone.items()
            if kind in (part.kind, ALL) and condition in (part.condition, ALL)
        )
        if mine:
            found.append(_row(kind, condition, agreement(mine, single)))
    return found


def _of(row: LeftOut, kind: str, condition: str) -> bool:
    return kind in (row.part.kind, ALL) and condition in (row.part.condition, ALL)


def _row(kind: str, condition: str, told: Agreement) -> CheckRow:
    return CheckRow(
        kind, condition, told.observations, told.alone, told.median_error, told.p80_error, told.bias, told.inside
    )


def table(found: Sequence[CheckRow]) -> Table:
    """The figures in per cent."""
    titles = ("Kind", "Condition", "Seen", "Alone", "Median error", "80 % within", "Bias", "Inside")
    return Table(columns(*titles, numbers=6), [
        (row.kind, row.condition, f"{row.observations}", f"{row.alone}", f"{row.median_error:.1%}",
         f"{row.p80_error:.1%}", f"{row.bias:+.1%}", f"{row.inside:.0%}")
        for row in found
    ])


def document(found: Sequence[CheckRow]) -> Document:
    """The table and what it says."""
    return Document("How far estimates of prices are from what was seen", [
        Section("", [Paragraph(INTRODUCTION), table(found)]),
    ])
