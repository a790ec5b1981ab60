"""How good a model is at a task in a quantisation: the fitted figure, what the quantisation loses, and the models that
no other beats in quality, size and speed at once.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np

from advisor.choosing.tasks import Purpose, TaskName
from advisor.sizes.quality import default_quant, quality_order
from catalog import tables
from catalog.llms import Llm, ModelFacts, ModelQuality
from catalog.quants import QuantQuality

KEPT: Final = ((0.005, 1.0), (0.02, 0.99), (0.06, 0.96), (0.16, 0.88), (0.4, 0.7), (0.8, 0.45))
"""Share of the index that is left by mean KL divergence (nats), linear in its logarithm between the points. A judgement
within what was measured: 8 bits equal (arXiv 2411.02355), good 4 bits under 2 points of MMLU-Pro, 3 bits 2 to 8 %,
2 bits 10 to 30 % (catalog/data/quant_quality.csv; llama.cpp tools/quantize/README.md)."""
LEAST_KEPT = 0.6
"""A quantisation that keeps less is broken, and not to be recommended."""
SMALL_B = 4.0
"""Models of fewer parameters (10^9) lose twice: their share is squared, as that of agents and of long contexts
(arXiv 2505.20276: up to 59 % in the worst method)."""
LONG_CONTEXT = 32768
FURTHEST = math.log(4.5)
"""No measured model is larger than the reference by more than this factor."""
REFERENCE = "llama-3-8b"
"""The model of which all types were measured in one run."""
NEARLY = 1.12
"""A better model that is larger by less than this is the one to take."""
STEP = 1.15
"""The same of quantisations of one model."""
BASIC_INDEX = 5.0
"""Below this the order of models says nothing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A model in a quantisation for a task."""

    llm: Llm
    quant: str
    facts: ModelFacts | None
    known: ModelQuality | None
    """None where nobody measured it."""
    kept: float
    """Share of the quality that the quantisation leaves."""
    file_gb: float
    """By parameters and bits, 10^9 bytes."""
    read_gb: float
    """Of it what each token reads."""

    @classmethod
    def unknown(cls, llm: Llm, quant: str) -> "Choice":
        """A model of which nothing is known but its shapes."""
        return cls(llm, quant, None, None, 1.0, 0.0, 0.0)

    @property
    def quality(self) -> float:
        """On the scale of the index, quantised; 1 where nobody measured it."""
        return self.known.quality * self.kept if self.known else 1.0

    @property
    def cautious(self) -> float:
        """The same, the lower the less is known: midway (of logarithms) to the low end of its range, and that end where
        the index was not measured.
        """
        if self.known is None:
            return 1.0
        if self.known.how != "measured":
            return self.low
        return math.sqrt(self.known.quality * self.known.low) * self.kept

    @property
    def low(self) -> float:
        """Low end of the range, quantised."""
        return self.known.low * self.kept if self.known else 0.0

    @property
    def high(self) -> float:
        """High end of the range, quantised."""
        return self.known.high * self.kept if self.known else 100.0


def share_kept(divergence: float) -> float:
    """Share of the index that is left at a mean KL divergence from the unquantised model.

    >>> [round(share_kept(kl), 2) for kl in (0.001, 0.03, 0.09, 0.35)]
    [1.0, 0.98, 0.93, 0.73]
    """
    points, shares = zip(*KEPT, strict=True)
    return float(np.interp(math.log(max(divergence, 1e-6)), np.log(points), shares))


@cache
def _reference() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Ln bits per weight and ln KL divergence of the model of which all usual types were measured."""
    bits = {row.name: row.bits_per_weight for row in tables.quants()}
    least: dict[str, float] = {}
    for row in tables.quant_quality():
        if row.llm == REFERENCE and row.kld and row.quant in bits:
            least[row.quant] = min(row.kld, least.get(row.quant, math.inf))
    pairs = sorted((math.log(bits[name]), math.log(value)) for name, value in least.items())
    return tuple(x for x, _ in pairs), tuple(y for _, y in pairs)


@cache
def _usual_line() -> tuple[float, float]:
    slope, intercept = np.polyfit(*_reference(), 1)
    return slope, intercept


def _usual_log_divergence(bits_per_weight: float) -> float:
    slope, intercept = _usual_line()
    return float(slope * math.log(bits_per_weight) + intercept)


@cache
def size_slope() -> float:
    """By what ln KL falls for each ln of parameters beyond the reference's: larger models lose less at equal bits."""
    bits = {row.name: row.bits_per_weight for row in tables.quants()}
    sizes = {row.name: row.parameters_b for row in tables.model_facts()}
    pairs = [
        (math.log(sizes[row.llm] / sizes[REFERENCE]), math.log(row.kld) - _usual_log_divergence(bits[row.quant]))
        for row in tables.quant_quality()
        if row.kld and row.llm != REFERENCE and row.llm in sizes and row.quant in bits and sizes[row.llm] > SMALL_B
        and bits[row.quant] < 8
    ]
    x, y = (np.array(column) for column in zip(*pairs, strict=True))
    return min(0.0, float((x * y).sum() / (x * x).sum()))


@cache
def _measured() -> Mapping[tuple[str, str], float]:
    """Least mean KL divergence that was measured, by model and type."""
    found: dict[tuple[str, str], float] = {}
    rows: Sequence[QuantQuality] = tables.quant_quality()
    for row in rows:
        if row.kld is not None:
            key = row.llm, row.quant
            found[key] = min(row.kld, found.get(key, math.inf))
    return found


def divergence(llm: Llm, quant: str, parameters_b: float) -> tuple[float, bool]:
    """Mean KL divergence of a quantised model, and whether it was measured on it, else by its bits and size."""
    if (llm.id, quant) in _measured():
        return _measured()[llm.id, quant], True
    if llm.native_expert_type and quant == default_quant(llm):
        return 0.0, True
    bits = next(row.bits_per_weight for row in tables.quants() if row.name == quant)
    beyond = min(max(0.0, math.log(parameters_b / _facts()[REFERENCE].parameters_b)), FURTHEST)
    return math.exp(_usual_log_divergence(bits) + size_slope() * beyond), False


@cache
def _facts() -> Mapping[str, ModelFacts]:
    return {row.name: row for row in tables.model_facts()}


def facts_of(llm_id: str) -> ModelFacts | None:
    """What else is known of a model."""
    return _facts().get(llm_id)


@cache
def _qualities() -> Mapping[tuple[str, str], ModelQuality]:
    return {(row.name, row.task): row for row in tables.model_quality()}


def quality_at(llm_id: str, task: TaskName) -> ModelQuality | None:
    """How good a model is at a task, unquantised; None where nothing is known."""
    return _qualities().get((llm_id, task))


def choice_of(llm: Llm, quant: str, task: Purpose) -> Choice | None:
    """A model in a quantisation with its quality; None where nothing is known of the model."""
    facts, known = facts_of(llm.id), quality_at(llm.id, task.name)
    if facts is None or known is None:
        return None
    row = next(row for row in tables.quants() if row.name == quant)
    lost, _ = divergence(llm, quant, facts.parameters_b)
    kept = share_kept(lost)
    if task.uses_tools or task.name == "coding" or task.context >= LONG_CONTEXT or facts.parameters_b < SMALL_B:
        kept **= 2
    bytes_per = row.bits_per_weight / 8
    return Choice(llm, quant, facts, known, kept, facts.parameters_b * bytes_per, facts.active_b * bytes_per)


def able(task: Purpose, context: int) -> Iterator[Llm]:
    """Models that a task can be given: whose quality was measured, with the context, eyes and tools that it takes."""
    for llm in tables.llms():
        facts, known = facts_of(llm.id), quality_at(llm.id, task.name)
        if facts is None or known is None or known.how == "size_and_age" or known.quality < BASIC_INDEX:
            continue
        if llm.max_context < context or (task.uses_tools and facts.tools == "no"):
            continue
        if not task.sees or has_projector(llm.id):
            yield llm


@cache
def _seeing() -> frozenset[str]:
    return frozenset(llm for row in tables.projectors() for llm in row.llms)


def has_projector(llm_id: str) -> bool:
    """Whether a projector that turns images into tokens is known of a model."""
    return llm_id in _seeing()


def files_of(llm_id: str) -> str:
    """The repository on Hugging Face with a model's usual GGUF files, "" where none is known.

    >>> files_of("gpt-oss-20b")
    'unsloth/gpt-oss-20b-GGUF'
    """
    return next((row.gguf_repo for row in tables.model_facts() if row.name == llm_id), "")


STEPS: Final = (8.5, 6.6, 4.85, 4.3, 3.9)
"""Bits per weight that are tried: steps between them change little."""
LOW_STEPS: Final = (*STEPS, 3.3, 2.9)
"""The same with those that a computer is left with whose memory is small."""


@lru_cache(maxsize=64)
def choices(task: Purpose, context: int, steps: tuple[float, ...] = STEPS) -> tuple[Choice, ...]:
    """Models and quantisations worth trying, best first: no other is as good and no larger and reads no more. `steps`:
    the bits per weight near which quantisations are tried.
    """
    found = [
        choice
        for llm in able(task, context)
        for quant in _tried(llm, steps)
        if (choice := choice_of(llm, quant, task)) and choice.kept >= LEAST_KEPT
    ]
    return tuple(front(found))


def _tried(llm: Llm, steps: Sequence[float]) -> tuple[str, ...]:
    """Of the usual quantisations of a model those nearest to the steps, or the maker's own type."""
    order = quality_order(llm).quants
    bits = {row.name: row.bits_per_weight for row in tables.quants() if row.name in order}
    near = (min(order, key=lambda name: abs(math.log(bits[name] / step))) for step in steps)
    return tuple(dict.fromkeys(near))


def front(found: Sequence[Choice]) -> list[Choice]:
    """Those that no better one nearly equals in size and in bytes read by a token at once; best first."""
    kept: list[Choice] = []
    for item in sorted(found, key=lambda item: (-item.cautious, item.file_gb)):
        beaten = (
            other.file_gb <= item.file_gb * near and other.read_gb <= item.read_gb * near
            for other in kept for near in (STEP if other.llm is item.llm else NEARLY,)
        )
        if not any(beaten):
            kept.append(item)
    return kept
