"""What was learned from measurements and is handed to a prediction: fitted efficiencies and the spreads of their
errors.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Protocol

from advisor.answer import Warning
from advisor.physics.coefficients import BESIDE, Efficiencies
from advisor.question import Hardware, OwnRun, Scenario
from catalog import tables
from catalog.efficiency import Spread


class Calibrated(Protocol):
    """A machine with numbers of its own."""

    @property
    def hardware(self) -> Hardware:
        """The machine that was measured."""
        ...

    @property
    def knowledge(self) -> "Knowledge":
        """What to predict that machine with."""
        ...

    def covers(self, scenario: Scenario) -> bool:
        """Whether a question is of that machine."""
        ...

    def fault_for(self, scenario: Scenario) -> str | None:
        """Why it does not cover a question that is of that machine; None of another machine."""
        ...


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Efficiencies and error spreads; `calibration` names where they come from ("global" or a machine's profile).

    `own`: machines that are predicted with knowledge of their own instead.
    """

    efficiencies: Efficiencies = field(default_factory=Efficiencies)
    spreads: dict[tuple[str, str], Spread] = field(default_factory=dict)
    calibration: str = "global"
    own: tuple[Calibrated, ...] = ()
    runs: tuple[OwnRun, ...] = ()
    """Runs that the owner of the machine measured: they are taken with those of the question."""
    own_runs: int = 0
    """How many runs of the very machine were learned from, those of the question not counted."""
    behind: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """How many fitted runs stand behind answers, by level, name and model (`catalog.efficiency.RunsBehind`)."""
    warnings: tuple[Warning, ...] = ()
    """What is said beside each answer, such as that a profile which was asked for is not used."""

    def about(self, scenario: Scenario) -> "Knowledge":
        """What to answer a question with: the own knowledge of its machine, or else this. A profile of its machine that
        would go before it and cannot be used is one of the warnings.
        """
        found, faults = self, list[str]()
        for machine in self.own:
            if machine.covers(scenario):
                found = machine.knowledge
                break
            if fault := machine.fault_for(scenario):
                faults.append(fault)
        if not faults:
            return found
        warnings = (Warning(code="profile_unusable", message=fault) for fault in faults)
        return replace(found, warnings=(*found.warnings, *warnings))

    @classmethod
    def of(cls, efficiencies: Efficiencies, spreads: Iterable[Spread], calibration: str = "global") -> "Knowledge":
        """From fitted efficiencies and spread rows."""
        return cls(efficiencies, {(row.speed, row.regime): row for row in spreads}, calibration)


@cache
def load() -> Knowledge:
    """The shipped tables, read once per process. For the faces only: everything below takes `Knowledge` as an
    argument.
    """
    told = tables.columns("runs_behind.csv", "level", "name", "model", "runs")
    behind = {(level, name, model): int(runs) for level, name, model, runs in told}
    spreads = (*tables.spreads(), *tables.spreads_beside())
    return replace(Knowledge.of(shipped(), spreads), behind=behind)


@cache
def shipped() -> Efficiencies:
    """The shipped coefficients: of their thousands of rows what a prediction needs."""
    wanted = ("coefficient", "label", "log_value", "informed")
    base = (row for row in tables.columns("efficiencies.csv", *wanted) if row[0] not in BESIDE)
    rows = (*base, *tables.columns("beside.csv", *wanted))
    effects = {(coefficient, label): float(log_value) for coefficient, label, log_value, _ in rows}
    informed = ((coefficient, label) for coefficient, label, _, told in rows if told == "True")
    return Efficiencies(effects, frozenset(informed))
