"""What each quantisation of a model takes, loses and gives on one machine."""

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.answer import Prediction
from advisor.documents import Cell, Table, TableColumn, number
from advisor.physics.knowledge import Knowledge
from advisor.prediction.capacity import Capacity, capacity_of
from advisor.prediction.case import asked_of, cases_of
from advisor.prediction.prediction import answers
from advisor.question import Scenario
from advisor.sizes.quality import PUBLISHED, quality_order
from catalog import tables
from catalog.llms import Llm
from catalog.quants import Quant
from catalog.units import GIB

STANDARD = ("float", "standard", "native")
RARE = ("F32", "TQ")
"""Nobody publishes whole models in 32 bits, and the ternary types are for models trained that way."""
PROXY = "llama-3-8b"
"""Model of which most quantisations are measured, named where the model itself was not measured."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Quality lost by a quantisation as someone measured it; `of` is the id of the model that was measured."""

    kld: float | None
    perplexity_share: float | None
    """Rise of the perplexity over the original's."""
    of: str
    source: str


@dataclass(frozen=True, slots=True)
class QuantRow:
    """One quantisation of a model on a machine; sizes of memories are in GiB."""

    quant: Quant
    file_bytes: float
    room: Capacity
    answer: Prediction
    loss: Loss | None

    @property
    def measured_on(self) -> str:
        """Name of the model that the loss was measured on."""
        names = {row.id: row.name for row in tables.llms()}
        return names.get(self.loss.of, self.loss.of) if self.loss else "not measured"


def loss_of(llm: Llm, quant: str) -> Loss | None:
    """The quality lost, measured on this model, else on the one with most measurements, else None."""
    for of in (llm.id,) if llm.native_expert_type else (llm.id, PROXY):
        rows = [row for row in tables.quant_quality() if row.llm == of and row.quant == quant]
        if rows:
            best = min(rows, key=lambda row: (row.kld is None, row.kld or 0.0))
            rise = best.ppl / best.ppl_reference - 1 if best.ppl and best.ppl_reference else None
            return Loss(best.kld, rise, of, best.source)
    return None


def quants_of(llm: Llm) -> tuple[Quant, ...]:
    """Quantisations worth a row: those usual, those of the standard set, and those measured for this model."""
    measured = {row.quant for row in tables.quant_quality() if row.llm == llm.id}
    usual = {*quality_order(llm).quants, *PUBLISHED, *measured}
    runnable = [row for row in tables.quants() if row.engine == "llama.cpp"]
    rows = [row for row in runnable if row.name in usual or (row.kind in STANDARD and not row.name.startswith(RARE))]
    return tuple(sorted(rows, key=lambda row: -row.bits_per_weight))


def quant_matrix(scenario: Scenario, knowledge: Knowledge) -> list[QuantRow]:
    """One row per quantisation, the widest first. Raises as `case_of`."""
    first = asked_of(scenario)
    quants = quants_of(first.llm)
    cases = cases_of([asked_of(scenario.model_copy(update={"quant": quant.name})) for quant in quants])
    return [
        QuantRow(quant, case.demand.footprint.file_bytes, capacity_of(case), answer, loss_of(case.llm, quant.name))
        for quant, case, answer in zip(quants, cases, answers(cases, knowledge, pitfalls=False), strict=True)
    ]


TITLES = ("Quantisation", "Bits", "Size GiB", "Least VRAM", "VRAM for all", "Least RAM", "Writes tok/s", "Range",
          "Reads tok/s", "KL divergence", "Perplexity", "Measured on", "Source")
BRIEF = len(TITLES) - 1
"""Columns that a terminal has room for: a source is an address."""


def as_table(rows: Sequence[QuantRow]) -> Table:
    """The matrix as people read it; memories in GiB."""
    figures = range(1, 11)
    columns = [TableColumn(title, right=i in figures, whole=True) for i, title in enumerate(TITLES)]
    return Table(columns, [_cells(row) for row in rows], brief=BRIEF)


def _cells(row: QuantRow) -> list[Cell]:
    decode, prefill, lost = row.answer.decode_tok_s, row.answer.prefill_tok_s, row.loss
    rooms = (row.room.vram_floor_gib, row.room.vram_for_everything_gib, row.room.ram_floor_gib)
    kld = f"{lost.kld:.4f}" if lost and lost.kld is not None else ""
    rise = f"{lost.perplexity_share:.1%}" if lost and lost.perplexity_share is not None else ""
    return [
        row.quant.name, f"{row.quant.bits_per_weight:.2f}", f"{row.file_bytes / GIB:.1f}",
        *("" if room is None else f"{room:.1f}" for room in rooms),
        number(decode.p50) if decode else "does not run",
        f"{number(decode.p05)}-{number(decode.p95)}" if decode else "", number(prefill.p50) if prefill else "",
        kld, rise, row.measured_on, lost.source if lost else "",
    ]
