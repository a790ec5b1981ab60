"""The fitted coefficients in words: what each is, for whom, its value with its spread, and the runs that told it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from advisor.documents import Document, Paragraph, Section, Table, columns
from advisor.physics.coefficients import COEFFICIENTS
from catalog.efficiency import Effect

INTRODUCTION = """What the measured runs say of each coefficient of the physics. The base is in the coefficient's unit;
what holds for a backend, an architecture, a chip, a processor or an age of the build is a factor on it, and the factors
of all that apply are multiplied. Spread: one standard error either way, as a factor. Runs: those whose time moves with
it. What no run has narrowed is assumed and not listed."""
EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class LearnedEffect:
    """One effect: the base of a coefficient in its unit, or a factor on it for whom its label names."""

    coefficient: str
    what: str
    whom: str
    value: float
    unit: str
    """Of the base; "times" for factors."""
    spread: float
    """exp(standard error): 1.1 is 10 % either way."""
    runs: int


def learned(effects: Iterable[Effect]) -> list[LearnedEffect]:
    """What the runs have told, in the order of the coefficients: the base, then what moves it most."""
    by_name: dict[str, list[Effect]] = {}
    for effect in effects:
        if effect.informed:
            by_name.setdefault(effect.coefficient, []).append(effect)
    found = []
    for item in COEFFICIENTS:
        for row in sorted(by_name.get(item.name, ()), key=lambda row: (row.label != "", -abs(row.log_value))):
            unit = item.unit if not row.label else "times"
            value, spread = math.exp(row.log_value), math.exp(row.standard_error)
            whom = row.label or EVERYBODY
            found.append(LearnedEffect(item.name, item.words, whom, value, unit, spread, row.runs))
    return found


def document(found: Sequence[LearnedEffect]) -> Document:
    """The effects as a page."""
    table = [
        (f"{row.what} ({row.coefficient})" if row.whom == EVERYBODY else "", row.whom, f"{row.value:.3g}", row.unit,
         f"{row.spread:.2f}", str(row.runs))
        for row in found
    ]
    titles = columns("what", "for whom", "value", "unit", "spread", "runs")
    return Document("", [Section("Coefficients", [Paragraph(INTRODUCTION), Table(titles, table)])])


def as_data(found: Sequence[LearnedEffect]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [asdict(row) for row in found]
