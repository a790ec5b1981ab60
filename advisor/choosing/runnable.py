"""Which models a machine runs: for each the best quantisation that fits and is fast enough, its speed, its quality and
the context that it has room for; the best for a task first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from advisor.answer import REGIMES, PlacementSummary, Prediction, Range
from advisor.choosing.quality import Choice, choice_of, has_projector
from advisor.choosing.tasks import TASKS, Purpose, TaskName
from advisor.documents import Cell, Table, TableColumn, number
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.physics.knowledge import Knowledge
from advisor.prediction.capacity import longest_context
from advisor.prediction.case import Case, asked_of, cases_of
from advisor.prediction.pitfalls import TwoSpeeds
from advisor.prediction.prediction import answers, medians
from advisor.question import Hardware, Scenario
from advisor.sizes.footprint import footprint
from advisor.sizes.quality import COMMON, quality_order
from catalog import tables
from catalog.llms import Llm
from catalog.units import GIB

LENGTHS = ("context_depth", "prompt_tokens", "gen_tokens")
SLOW = 1.0
"""A model that writes less than this many tokens a second is not counted as running."""


@dataclass(frozen=True)
class Runnable:
    """A model on a machine, in the quantisation chosen for it."""

    llm: Llm
    case: Case
    answer: Prediction
    choice: Choice | None
    """How good it is at the task; None where nothing is known of that."""
    serves: bool
    """Whether it writes and reads fast enough for the task."""

    @cached_property
    def longest_context(self) -> int | None:
        """Tokens per user that this placement has room for: looked for once it is asked for."""
        place = self.case.placement
        return longest_context(self.case, place.n_gpu_layers, place.n_cpu_moe)

    @property
    def decode_tok_s(self) -> float:
        """Median writing speed."""
        return self.answer.decode_tok_s.p50 if self.answer.decode_tok_s else 0.0

    @property
    def quality(self) -> float:
        """At the task, quantised as it is; 0 where it is not known."""
        return self.choice.quality if self.choice else 0.0


class _ForPrograms(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IndexOfModel(_ForPrograms):
    """How good a model is at the task in its quantisation, on the scale of the Artificial Analysis Intelligence Index;
    two of three such models lie from low to high.
    """

    p50: float
    low: float
    high: float
    how: str
    """Whether it was measured, or filled in from other benchmarks, or from size and age."""
    source: str


class ModelOnMachine(_ForPrograms):
    """A model that a machine runs, with the quantisation to take; memory in GiB."""

    model: str
    id: str
    quant: str
    serves_task: bool
    """It is fast enough for the task and has room for its context."""
    index: IndexOfModel | None
    """None where nothing is known."""
    decode_tok_s: Range | None
    prefill_tok_s: Range | None
    time_to_first_token_s: float | None
    placement: PlacementSummary
    file_gb: float
    longest_context: int | None
    """Tokens per user."""


class ModelsOnMachine(_ForPrograms):
    """What a machine runs, the best for the task first."""

    task: TaskName
    hardware: Hardware
    models: tuple[ModelOnMachine, ...]


def models_on(scenario: Scenario, task: TaskName, knowledge: Knowledge, most: int | None = None) -> list[Runnable]:
    """The models that run on a scenario's hardware, best for the task first; its own model and quant say nothing. Where
    it does not say a length of prompt or answer, it is the task's.

    Of each the best quantisation is taken that needs no disk and is fast enough for the task, else the fastest that
    runs. `most` bounds the list. Raises `UnknownName` and `InputError` for hardware that cannot be answered.
    """
    needs = TASKS[task]
    context = scenario.engine.n_ctx or needs.context
    seeing = scenario.engine.mmproj or ("F16" if needs.sees else None)
    engine = scenario.engine.model_copy(update={"n_ctx": context, "mmproj": seeing})
    workload = scenario.workload
    said = {name: getattr(workload, name) for name in LENGTHS if name in workload.model_fields_set}
    workload = workload.model_copy(update=lengths_of(needs, context, said))
    asked = scenario.model_copy(update={"engine": engine, "workload": workload})
    able = [llm for llm in tables.llms() if not needs.sees or has_projector(llm.id)]
    fitting = [llm for llm in able if (llm.max_context or context) >= context]
    machine = machine_of(asked.hardware, engine.backend)
    wished = [(llm, quant) for llm in fitting for quant in worth_trying(llm, machine)]
    cases = cases_of([
        asked_of(asked.model_copy(update={"model": llm.name, "quant": quant})) for llm, quant in wished
    ])
    runs = [case for case in cases if case.placement.fits and case.placement.storage_bytes <= 0]
    by_model: dict[str, list[tuple[Case, TwoSpeeds]]] = {}
    for case, speeds in zip(runs, medians(runs, knowledge), strict=True):
        if speeds.decode >= SLOW:
            by_model.setdefault(case.llm.id, []).append((case, speeds))
    picked = [_picked(some, needs) for some in by_model.values()]
    told = answers([case for case, _ in picked], knowledge, pitfalls=False)
    found = [
        Runnable(case.llm, case, answer, choice_of(case.llm, case.quant.name, needs), serves)
        for (case, serves), answer in zip(picked, told, strict=True)
    ]

    def rank(item: Runnable) -> tuple[bool, bool, float, float]:
        """Those that serve first, then by quality, then by speed; a model without a known one behind all others."""
        return not item.serves, item.choice is None, -item.quality, -item.decode_tok_s

    return sorted(found, key=rank)[:most]


def lengths_of(task: Purpose, context: int | None, said: Mapping[str, int]) -> dict[str, int]:
    """Tokens of a prompt and an answer: as `said`, else the task's, where beside what is said there is room for so
    many. `context`: tokens there are in all; None: what the task takes.
    """
    usual = task.question(COMMON, COMMON, context).workload
    room = max((context or task.context) - said.get("context_depth", 0), 2)
    gen = said.get("gen_tokens")
    left = room // 2 if gen is None else 1
    prompt = said.get("prompt_tokens", min(usual.prompt_tokens, max(room - (gen or usual.gen_tokens), left)))
    return {"prompt_tokens": prompt, "gen_tokens": gen or max(min(usual.gen_tokens, room - prompt), 1)}


def worth_trying(llm: Llm, machine: Machine) -> tuple[str, ...]:
    """Of a model's quantisations, best first, those that may be the one to take: the best that finds room in memory,
    the best that finds it on the GPUs, the next smaller one, and what most people run. Sizes are parameters times bits,
    which is near enough to leave out what cannot be.
    """
    order, kinds = quality_order(llm).quants, {row.name: row for row in tables.quants()}
    bits = {name: kinds[name].bits_per_weight for name in order}
    smallest = kinds[order[-1]]
    parameters = llm.parameters_published or footprint(llm, smallest).file_bytes * 8 / smallest.bits_per_weight
    on_gpus = 0.0 if machine.backend == "cpu" else sum(gpu.vram_bytes for gpu in machine.gpus)
    ram = machine.ram.capacity_bytes or 0.0
    everywhere = max(ram, on_gpus) if machine.unified else ram + on_gpus

    def from_best(room: float) -> tuple[str, ...]:
        return tuple(name for name in order if parameters * bits[name] / 8 <= room)

    there, fast = from_best(everywhere), from_best(on_gpus)
    if fast[:1] == order[:1]:
        return order[:2]
    tried = {*there[:1], *fast[:2], *(name for name in there if name == COMMON), *there[-1:]}
    return tuple(name for name in order if name in tried)


def _picked(some: Sequence[tuple[Case, TwoSpeeds]], task: Purpose) -> tuple[Case, bool]:
    """Of a model's quantisations, best first, the first that serves, else the fastest; and whether it serves."""
    for case, speeds in some:
        if speeds.decode >= task.least_tok_s and speeds.prefill * task.longest_wait_s >= task.reads:
            return case, True
    return max(some, key=lambda item: item[1].decode)[0], False


TITLES = ("Model", "Quant", "Index", "Range", "Writes tok/s", "Range", "Reads tok/s", "GiB", "Context", "Where")
NOTE = (
    "Speeds are those of the task's usual prompt and answer, where no other lengths are given. Index: how good the "
    "model is at the task in this quantisation, on the scale of the Artificial Analysis Intelligence Index v4.1 "
    "(2026-07-10); no percentage. Two of three such models lie in the range: where ranges overlap, models are equal. "
    "~ is estimated from other benchmarks, or from size and age."
)


def as_table(rows: Sequence[Runnable]) -> Table:
    """The models as people read them; memory in GiB, context in tokens per user."""
    columns = [TableColumn(title, right=2 <= i <= 8, whole=True) for i, title in enumerate(TITLES)]
    return Table(columns, [_cells(row) for row in rows])


def _cells(row: Runnable) -> list[Cell]:
    decode, prefill, where = row.answer.decode_tok_s, row.answer.prefill_tok_s, row.answer.placement
    known, held = row.choice, where.vram_gb + where.ram_gb
    estimated = "~" if known and known.known and known.known.how != "measured" else ""
    return [
        row.llm.name, row.answer.quant or "",
        f"{estimated}{known.quality:.0f}" if known else "not measured",
        f"{known.low:.0f}-{known.high:.0f}" if known else "",
        number(decode.p50) if decode else "", f"{number(decode.p05)}-{number(decode.p95)}" if decode else "",
        number(prefill.p50) if prefill else "", f"{held:.1f}",
        f"{row.longest_context:,}" if row.longest_context else "", REGIMES[row.case.regime].words,
    ]


def index_of(choice: Choice | None) -> IndexOfModel | None:
    """How good a choice is, for programs; None where nothing is known."""
    if choice is None or choice.known is None:
        return None
    return IndexOfModel(
        p50=round(choice.quality, 2), low=round(choice.low, 2), high=round(choice.high, 2), how=choice.known.how,
        source=choice.known.source,
    )


def told(row: Runnable) -> ModelOnMachine:
    """A model for programs."""
    answer = row.answer
    return ModelOnMachine(
        model=row.llm.name, id=row.llm.id, quant=answer.quant, serves_task=row.serves, index=index_of(row.choice),
        decode_tok_s=answer.decode_tok_s, prefill_tok_s=answer.prefill_tok_s,
        time_to_first_token_s=answer.time_to_first_token_s, placement=answer.placement,
        file_gb=row.case.demand.footprint.file_bytes / GIB, longest_context=row.longest_context,
    )


def models_told(scenario: Scenario, task: TaskName, knowledge: Knowledge, most: int | None = None) -> ModelsOnMachine:
    """`models_on` for programs. Raises as that."""
    rows = models_on(scenario, task, knowledge, most)
    return ModelsOnMachine(task=task, hardware=scenario.hardware, models=tuple(told(row) for row in rows))
