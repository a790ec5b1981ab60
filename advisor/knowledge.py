"""What was learned from measurements and is handed to a prediction: fitted efficiencies and the spreads of their
errors.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from advisor.coefficients import Efficiencies
from catalog import tables
from catalog.efficiency import Spread


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Efficiencies and error spreads; `calibration` names where they come from ("global" or a machine's profile)."""

    efficiencies: Efficiencies = field(default_factory=Efficiencies)
    spreads: dict[tuple[str, str], Spread] = field(default_factory=dict)
    calibration: str = "global"

    @classmethod
    def of(cls, efficiencies: Efficiencies, spreads: Iterable[Spread], calibration: str = "global") -> "Knowledge":
        """From fitted efficiencies and spread rows."""
        return cls(efficiencies, {(row.speed, row.regime): row for row in spreads}, calibration)


@cache
def load() -> Knowledge:
    """The shipped tables, read once per process. For the faces only: everything below takes `Knowledge` as an
    argument.
    """
    return Knowledge.of(Efficiencies.of(tables.efficiencies()), tables.spreads())
