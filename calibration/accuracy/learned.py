"""The fitted coefficients in words: what each is, for whom, its value with its spread, and the runs that told it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from advisor.documents import Document, Paragraph, Section, Table, columns
from advisor.physics.coefficients import COEFFICIENTS
from catalog.efficiency import Effect

WORDS: Final[Mapping[str, str]] = {
    "gpu_stream": "part of a card's bandwidth that reading weights reaches",
    "gpu_expert": "the same for routed experts, of what dense weights reach",
    "gpu_kv": "part of a card's bandwidth that reading the context reaches",
    "gpu_matrix_us": "fixed time of a matrix on a card",
    "gpu_moe_us": "fixed time of choosing experts in a layer on a card",
    "gpu_recurrent_us": "fixed time of a recurrent layer on a card",
    "gpu_token_us": "fixed time of a token on a card",
    "ram_stream": "part of the memory's bandwidth that reading weights reaches",
    "core_gb_s": "what one thread reads",
    "cpu_unpack": "weights unpacked for each byte that the vector units take in",
    "cpu_kv": "part of the memory's bandwidth that reading the context reaches on the processor",
    "cpu_scores": "products of queries and keys for each byte that the vector units take in",
    "cpu_score_ns": "time of a score of the attention on the processor, beyond its products",
    "thread_loss": "what each further thread loses",
    "numa_share": "what a second socket's memory adds",
    "cpu_layer_us": "fixed time of a layer on the processor",
    "cpu_thread_us": "fixed time of a layer for each thread that waits",
    "crowding_cost": "what threads beyond the physical cores cost",
    "cpu_expert_share": "part of a layer's waits where its experts alone are in RAM",
    "cpu_recurrent_us": "fixed time of a recurrent layer on the processor",
    "crossing_us": "fixed time of a crossing between processor and card",
    "link_share": "part of the link's rate that small copies reach",
    "disk_gain": "reading from disk in use over single random reads",
    "fault_use": "part of what a page fault reads that is of use",
    "page_locality": "how much less often popular experts are missed in the page cache",
    "prefill_matmul": "part of a card's matrix compute that a prompt reaches",
    "prefill_expert": "the same for routed experts, of what dense weights reach",
    "prefill_half_rows": "rows for each expert at which half of that is reached",
    "prefill_attention": "part of a card's matrix compute that a prompt's attention reaches",
    "prefill_matrix_us": "fixed time of a matrix in a micro-batch on a card",
    "prefill_moe_us": "fixed time of choosing experts in a layer of a micro-batch",
    "prefill_recurrent_ns": "time of a token in a recurrent layer of a prompt on a card",
    "prefill_link": "part of the link's rate that weights copied for a prompt reach",
    "prefill_staging": "part of the memory's bandwidth that such copies reach",
    "prefill_cpu": "products for each byte that the vector units take in, in prompts",
    "prefill_cpu_expert": "the same for routed experts, of what dense weights reach",
    "prefill_cpu_recurrent_us": "time of a token in a recurrent layer of a prompt on the processor",
    "prefill_cpu_scores": "products of queries and keys for each byte, in prompts on the processor",
    "prefill_cpu_score_ns": "time of a score in prompts on the processor, beyond its products",
    "gpu_level": "how much longer the cards of one machine take than those of others, writing",
    "cpu_level": "the same of its processor and memory",
    "link_level": "the same of its links",
    "prefill_gpu_level": "the same of the cards, reading",
    "prefill_cpu_level": "the same of processor and memory, reading",
    "prefill_link_level": "the same of the links, reading",
    "prefill_pipeline": "how well prompts overlap on several cards: 0 not at all, 1 ideally",
    "row_cost": "what a further token of a step costs, of reading the weights",
    "row_many": "part of that which each costs where they are many",
    "row_expert": "the same as the first for routed experts",
    "row_routed": "what a further token costs that is routed to the same experts",
    "row_kv": "what a further token costs, of reading the context",
    "row_cpu": "what a further token costs on the processor, of unpacking",
    "user_us": "fixed time of each user of a step",
    "draft_us": "fixed time of a pass of the draft",
    "divided_loss": "what is lost where cards share layers, of the time saved",
    "reduce_us": "fixed time of a sum over cards that share layers",
}
"""By the coefficient's name (`advisor.physics.coefficients.COEFFICIENTS`)."""
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
            found.append(LearnedEffect(item.name, WORDS[item.name], whom, value, unit, spread, row.runs))
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
