"""Which models a machine runs: for each the best quantisation that fits and is fast enough, its speed, its quality and
the context that it has room for; the best for a task first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Final, Literal, get_args

from advisor.answer import REGIMES, Prediction
from advisor.documents import Cell, Table, TableColumn, number
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.physics.knowledge import Knowledge
from advisor.prediction.capacity import longest_context
from advisor.prediction.case import Case, asked_of, cases_of
from advisor.prediction.prediction import answers
from advisor.question import Scenario
from advisor.sizes.footprint import footprint
from advisor.sizes.quality import COMMON, quality_order
from catalog import tables
from catalog.llms import Llm, ModelIndex
from catalog.units import GIB

Task = Literal["chat", "coding", "agent", "documents", "vision"]
TASKS: Final = get_args(Task)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a task asks of a model and of the machine."""

    tok_s: float
    """Writing speed below which nobody waits for it. People read 4 to 5 words a second, some 6 to 7 tokens (Brysbaert
    2019, "How many words do we read per minute?"); an agent writes much that nobody reads.
    """
    context: int
    """Tokens of context that it needs at least."""
    sees: bool = False


NEEDS: Mapping[Task, Needs] = MappingProxyType({
    "chat": Needs(7.0, 4096),
    "coding": Needs(10.0, 8192),
    "agent": Needs(20.0, 32768),
    "documents": Needs(7.0, 32768),
    "vision": Needs(7.0, 8192, sees=True),
})  # fmt: skip
SLOW = 1.0
"""A model that writes less than this many tokens a second is not counted as running."""


@dataclass(frozen=True, slots=True)
class Runnable:
    """A model on a machine, in the quantisation chosen for it."""

    llm: Llm
    case: Case
    answer: Prediction
    index: ModelIndex | None
    serves: bool
    """Whether it is fast enough for the task."""
    longest_context: int | None
    """Tokens per user that this placement has room for."""

    @property
    def decode_tok_s(self) -> float:
        """Median writing speed."""
        return self.answer.decode_tok_s.p50 if self.answer.decode_tok_s else 0.0


@cache
def _indices() -> Mapping[str, ModelIndex]:
    return {row.name: row for row in tables.model_index()}


def models_on(scenario: Scenario, task: Task, knowledge: Knowledge, most: int | None = None) -> list[Runnable]:
    """The models that run on a scenario's hardware, best for the task first; its own model and quant say nothing.

    Of each the best quantisation is taken that needs no disk and is fast enough for the task, else the fastest that
    runs. `most` bounds the list. Raises `UnknownName` and `InputError` for hardware that cannot be answered.
    """
    needs, context = NEEDS[task], scenario.engine.n_ctx or NEEDS[task].context
    engine = scenario.engine.model_copy(update={"n_ctx": context})
    asked = scenario.model_copy(update={"engine": engine})
    seeing = {row.name for row in tables.model_index() if "image" in row.modalities}
    able = [llm for llm in tables.llms() if llm.id in seeing or not needs.sees]
    fitting = [llm for llm in able if (llm.max_context or context) >= context]
    machine = machine_of(asked.hardware, engine.backend)
    wished = [(llm, quant) for llm in fitting for quant in worth_trying(llm, machine)]
    cases = cases_of([
        asked_of(asked.model_copy(update={"model": llm.name, "quant": quant})) for llm, quant in wished
    ])  # fmt: skip
    runs = [case for case in cases if case.placement.fits and case.placement.storage_bytes <= 0]
    told = answers(runs, knowledge)
    by_model: dict[str, list[tuple[Case, Prediction]]] = {}
    for case, answer in zip(runs, told, strict=True):
        if answer.decode_tok_s and answer.decode_tok_s.p50 >= SLOW:
            by_model.setdefault(case.llm.id, []).append((case, answer))
    found = [_chosen(some, needs.tok_s) for some in by_model.values()]

    def rank(item: Runnable) -> tuple[bool, bool, float, float]:
        """Those that serve first, then by index, then by speed; a model without an index behind all that have one."""
        index = quality_of(item.index, task) if item.index else 0.0
        return not item.serves, item.index is None, -index, -item.decode_tok_s

    return [
        replace(item, longest_context=longest_context(item.case, where.n_gpu_layers, where.n_cpu_moe))
        for item in sorted(found, key=rank)[:most]
        for where in (item.case.placement,)
    ]


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


def _chosen(some: Sequence[tuple[Case, Prediction]], enough: float) -> Runnable:
    """Of a model's quantisations, best first, the first that is fast enough, else the fastest."""

    def speed(item: tuple[Case, Prediction]) -> float:
        return item[1].decode_tok_s.p50 if item[1].decode_tok_s else 0.0

    case, answer = next((item for item in some if speed(item) >= enough), None) or max(some, key=speed)
    return Runnable(case.llm, case, answer, _indices().get(case.llm.id), speed((case, answer)) >= enough, None)


def quality_of(row: ModelIndex, task: Task) -> float:
    """The index that counts for a task: who chats does not wait for a model to think, where it can do without."""
    if task == "chat" and row.index_without_reasoning is not None:
        return row.index_without_reasoning
    return row.index


TITLES = ("Model", "Quant", "Index", "Range", "Writes tok/s", "Range", "Reads tok/s", "GiB", "Context", "Where")
NOTE = (
    "Index: Artificial Analysis Intelligence Index v4.1 (2026-07-10), no percentage; models whose ranges overlap are "
    "equal, below 5 the order says nothing, ~ is estimated from other benchmarks or from size and age. Measured "
    "without quantisation."
)


def as_table(rows: Sequence[Runnable], task: Task) -> Table:
    """The models as people read them; memory in GiB, context in tokens per user."""
    columns = [TableColumn(title, right=2 <= i <= 8, whole=True) for i, title in enumerate(TITLES)]
    return Table(columns, [_cells(row, task) for row in rows])


def _cells(row: Runnable, task: Task) -> list[Cell]:
    decode, prefill, where = row.answer.decode_tok_s, row.answer.prefill_tok_s, row.answer.placement
    known, held = row.index, where.vram_gb + where.ram_gb
    estimated = "~" if known and known.how == "filled" else ""
    return [
        row.llm.name, row.answer.quant or "",
        f"{estimated}{quality_of(known, task):.0f}" if known else "not measured",
        f"{known.low:.0f}-{known.high:.0f}" if known else "",
        number(decode.p50) if decode else "", f"{number(decode.p05)}-{number(decode.p95)}" if decode else "",
        number(prefill.p50) if prefill else "", f"{held:.1f}",
        f"{row.longest_context:,}" if row.longest_context else "", REGIMES[row.case.regime].words,
    ]  # fmt: skip


def told(row: Runnable, task: Task) -> dict[str, object]:
    """A model for programs; memory in GiB."""
    answer, known = row.answer, row.index
    return {
        "model": row.llm.name, "id": row.llm.id, "quant": answer.quant, "serves_task": row.serves,
        "index": known and {
            "p50": quality_of(known, task), "low": known.low, "high": known.high, "how": known.how,
            "source": known.source,
        },
        "decode_tok_s": answer.decode_tok_s and answer.decode_tok_s.model_dump(),
        "prefill_tok_s": answer.prefill_tok_s and answer.prefill_tok_s.model_dump(),
        "time_to_first_token_s": answer.time_to_first_token_s, "placement": answer.placement.model_dump(),
        "file_gb": row.case.demand.footprint.file_bytes / GIB, "longest_context": row.longest_context,
    }  # fmt: skip
