"""Platforms rated for one model: which of them are worth trying beside given graphics cards."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from advisor.knowledge import Knowledge
from advisor.platforms import Platform, Vector, front
from advisor.prediction import predict_many
from advisor.scenario import Hardware, RamRequest, Scenario

DECODE_STEP, PREFILL_STEP = 0.05, 0.15
"""Decode speeds that differ by less than 5 %, and prefill speeds that differ by less than 15 %, well below any
prediction's error, count as equal where prices are compared."""
EXACT = 1e-6
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Need:
    """What a build asks of its platform: links for so many cards with a link of their own, and memory.

    Memory beyond `useful_gib` counts for nothing; where the model lies on the cards alone (not `memory_counts`) neither
    memory nor the processor's speed counts.
    """

    cards: int
    link_gb_s: float
    useful_gib: float
    memory_counts: bool


@dataclass(frozen=True, eq=False)
class RatedPlatforms:
    """Platforms with the speeds that processor and memory would reach alone, given enough memory; one row each."""

    platforms: tuple[Platform, ...]
    decode_tok_s: Vector
    prefill_tok_s: Vector

    @cached_property
    def price_usd(self) -> Vector:
        """Prices."""
        return np.array([platform.price_usd for platform in self.platforms])

    @cached_property
    def gib(self) -> Vector:
        """Memory sizes."""
        return np.array([platform.memory.gib for platform in self.platforms])

    @cached_property
    def links_gb_s(self) -> NDArray[np.float64]:
        """Links of the first and of the second slot, the latter 0 without one."""
        return np.array([(platform.slot1_gb_s, platform.slot2_gb_s) for platform in self.platforms]).reshape(-1, 2)

    @cached_property
    def graphics(self) -> NDArray[np.bool_]:
        """Whether the processor has graphics of its own."""
        return np.array([platform.cpu.integrated_gpu for platform in self.platforms], dtype=bool)

    def take(self, rows: Rows) -> "RatedPlatforms":
        """Some of the rows."""
        return RatedPlatforms(
            tuple(self.platforms[row] for row in rows), self.decode_tok_s[rows], self.prefill_tok_s[rows]
        )

    def worth_trying(self, rows: Rows, need: Need) -> Rows:
        """Of the rows, those that no cheaper one beats."""
        return (
            rows[front(self.price_usd[rows], self._merits(rows, need, DECODE_STEP, PREFILL_STEP))]
            if len(rows)
            else rows
        )

    def strongest(self, rows: Rows, need: Need) -> Rows:
        """Of the rows, those that no other beats whatever it costs."""
        return rows[front(np.zeros(len(rows)), self._merits(rows, need, EXACT, EXACT))] if len(rows) else rows

    def _merits(self, rows: Rows, need: Need, *steps: float) -> NDArray[np.float64]:
        columns = [np.minimum(self.links_gb_s[rows, slot], need.link_gb_s) for slot in range(need.cards)]
        if need.memory_counts:
            speeds = (self.decode_tok_s[rows], self.prefill_tok_s[rows])
            columns.append(np.minimum(self.gib[rows], need.useful_gib))
            columns += [np.floor(np.log(np.maximum(v, 1e-9)) / step) for v, step in zip(speeds, steps, strict=True)]
        return np.array(columns).reshape(len(columns), len(rows)).T


def rate(platforms: Sequence[Platform], question: Scenario, knowledge: Knowledge) -> RatedPlatforms:
    """Speeds of processor and memory alone for the model asked, predicted once per distinct pair."""
    pairs = [(p.cpu.name, p.memory.ram_type, p.mt_s, p.channels) for p in platforms]
    engine = question.engine.model_copy(update={"backend": "cpu"})
    distinct = list(dict.fromkeys(pairs))
    asked = [question.model_copy(update={"hardware": _alone(*pair), "engine": engine}) for pair in distinct]
    answers = dict(zip(distinct, predict_many(asked, knowledge), strict=True))
    decode = [found.p50 if (found := answers[pair].decode_tok_s) else 0.0 for pair in pairs]
    prefill = [found.p50 if (found := answers[pair].prefill_tok_s) else 0.0 for pair in pairs]
    return RatedPlatforms(tuple(platforms), np.array(decode), np.array(prefill))


def _alone(cpu: str, ram_type: str, mt_s: int, channels: int) -> Hardware:
    return Hardware(cpu=cpu, ram=RamRequest(type=ram_type, mt_s=mt_s, channels=channels))
