"""What sums up to the logarithm of a coefficient: effects of labels that machines share, or shifts of one machine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from advisor.physics.coefficients import COEFFICIENTS, COLUMNS, Coefficient, Efficiencies, Setting, labels_of
from advisor.physics.task import FAMILIES

FAMILY_DEVIATION = 0.3
"""By how much (log) one machine's quant families differ from those of all machines, beyond what they share: the prior
deviation of a family's own effect (0.1 to 0.5 in `advisor.physics.coefficients`), all of them taken together.
"""

PROBED_DEVIATION = 0.15
"""By how much (log) a part in the midst of a model's run differs from the same part probed alone."""

OWN_ROBUST_FROM = 1.345
"""The deviations of one machine's runs were measured with them: a run far from what is known of all machines tells of
this one. Huber's constant, with which 95 % of the precision is kept where noise is normal. Source: Huber and Ronchetti,
"Robust Statistics", 2009, chapter 4; on runs left out of a calibration of 54 runs 0.35 to 2 erred alike (decode 5.6 to
6.2 %, prefill 4.5 to 5.3 %; 2026-11-29).
"""


@dataclass(frozen=True, slots=True)
class Column:
    """One parameter of the fit: the effect of a label on a coefficient, with its prior."""

    coefficient: Coefficient
    label: str
    prior: float
    deviation: float


class Pooling(Protocol):
    """How a coefficient's logarithm is put together in a setting, for one quant family ("" where it has none)."""

    @property
    def robust_from(self) -> float:
        """Residuals beyond so many noise deviations pull like a Huber loss, linearly."""
        ...

    def labels(self, item: Coefficient, setting: Setting, family: str) -> tuple[str, ...]:
        """Labels whose effects are summed up."""
        ...

    def priors(self, item: Coefficient, family: str) -> Sequence[tuple[float, float]]:
        """Mean and deviation of the effect of each label, in the order of `labels`."""
        ...

    def offset(self, item: Coefficient, setting: Setting, family: int | None) -> float:
        """What is added to their sum."""
        ...


class AllMachines:
    """Every label that a setting has, pulled towards zero by its prior: partial pooling."""

    robust_from = 0.35
    """Nearly a fit of medians: what people report has mistakes in it that nobody can see."""

    def labels(self, item: Coefficient, setting: Setting, family: str) -> tuple[str, ...]:
        """As `advisor.physics.coefficients` predicts with them."""
        return labels_of(item, setting, family)

    def priors(self, item: Coefficient, family: str) -> Sequence[tuple[float, float]]:  # noqa: ARG002
        """The start value for the base, no effect for all else."""
        base = (float(np.log(item.start)), item.deviation)
        return (base, *((0.0, deviation) for _, deviation in item.pools))

    def offset(self, item: Coefficient, setting: Setting, family: int | None) -> float:  # noqa: ARG002
        """Nothing."""
        return 0.0


ALL_MACHINES = AllMachines()


@dataclass(frozen=True, eq=False)
class OneMachine:
    """What one machine adds to the efficiencies known so far: to a coefficient, and to single quant families of it."""

    known: Efficiencies
    probed: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Log shift of a coefficient ("" for all of it, or for one quant family) as a probe has it."""
    robust_from: float = OWN_ROBUST_FROM

    def labels(self, item: Coefficient, setting: Setting, family: str) -> tuple[str, ...]:  # noqa: ARG002
        """All of the coefficient, and the family."""
        return ("", family) if item.per_family else ("",)

    def priors(self, item: Coefficient, family: str) -> Sequence[tuple[float, float]]:
        """No shift, within the coefficient's own deviation; what a probe told of it, more narrowly."""
        base = self.probed.get((item.name, ""))
        own = (0.0, item.deviation) if base is None else (base, PROBED_DEVIATION)
        if not item.per_family:
            return (own,)
        found = self.probed.get((item.name, family))
        return (own, (0.0, FAMILY_DEVIATION) if found is None else (found, PROBED_DEVIATION))

    def offset(self, item: Coefficient, setting: Setting, family: int | None) -> float:
        """The logarithm that is known so far."""
        place = COLUMNS[item.name]
        at = place.start + (family or 0) if isinstance(place, slice) else place
        return float(np.log(self.known.row(setting)[at]))


def columns_of(settings: Iterable[Setting], pooling: Pooling = ALL_MACHINES) -> list[Column]:
    """Every label of every coefficient that the settings show, with its prior."""
    found: dict[tuple[str, str], Column] = {}
    distinct = sorted(set(settings))
    for item in COEFFICIENTS:
        for setting in distinct:
            for family in FAMILIES if item.per_family else ("",):
                priors = pooling.priors(item, family)
                for label, prior in zip(pooling.labels(item, setting, family), priors, strict=True):
                    if (item.name, label) not in found:
                        found[item.name, label] = Column(item, label, *prior)
    return list(found.values())
