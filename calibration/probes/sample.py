"""One measured quantity: the median of its repeats and how far they lie apart."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

from catalog.profiles import ProbeResult

MOST_SPREAD: Final = 100.0
"""What a profile takes: repeats that lie further apart say nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Median of repeats, their standard deviation over it, and how many there were."""

    value: float
    spread: float
    repeats: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """The sample of some repeats. Raises ValueError where one is not positive and finite, or there is none.

        >>> Sample.of([9.0, 10.0, 11.0])
        Sample(value=10.0, spread=0.1, repeats=3)
        """
        taken = tuple(values)
        if not taken or not all(math.isfinite(value) and value > 0 for value in taken):
            raise ValueError(f"a probe's repeats must be positive numbers, not {taken}")
        median = statistics.median(taken)
        deviation = statistics.stdev(taken) if len(taken) > 1 else 0.0
        return cls(median, min(deviation / median, MOST_SPREAD), len(taken))

    @classmethod
    def undisturbed(cls, rates: Iterable[float]) -> Self:
        """Of rates that others on the computer can only lower: the median of their higher half; the rest is of all.

        >>> Sample.undisturbed([9.0, 10.0, 11.0])
        Sample(value=10.5, spread=0.1, repeats=3)
        """
        taken = sorted(rates)
        return replace(cls.of(taken), value=statistics.median(taken[len(taken) // 2 :]))

    def result(self, name: str, unit: str) -> ProbeResult:
        """This sample as a row of a profile."""
        return ProbeResult(name=name, unit=unit, value=self.value, spread=self.spread, repeats=self.repeats)
