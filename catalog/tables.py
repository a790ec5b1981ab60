"""The only code that opens the shipped tables; each is read once per process."""

import csv
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from catalog.efficiency import Effect, LeftOutRow, PublicRun, RunsBehind, Spread, WiderRow
from catalog.llms import (
    Acceptance,
    DraftHead,
    Llm,
    ModelFacts,
    ModelQuality,
    ModelScore,
    Projector,
    RefusedLlm,
    Standin,
)
from catalog.parts import (
    Accessory,
    Board,
    CardPort,
    Cooler,
    Cpu,
    EndedSupport,
    Gpu,
    Laptop,
    LivingFact,
    OfficePc,
    PcCase,
    Psu,
    RamKit,
    Ssd,
    UnifiedMachine,
)
from catalog.prices import (
    ApiPrice,
    ClosedPrice,
    ExchangeRate,
    Observation,
    PowerPrice,
    PriceFactor,
    PriceTrend,
    Rental,
)
from catalog.quants import Quant, QuantQuality, TensorType

DATA = Path(__file__).parent / "data"
R = TypeVar("R", bound=BaseModel)


def _lines(path: Path) -> Iterator[list[str]]:
    """The lines of a CSV table, its header first; lines that begin with # are remarks."""
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.reader(line for line in file if not line.startswith("#"))


def cells(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV table as dictionaries of the cells that are not empty."""
    lines = _lines(path)
    header = next(lines)
    for row in lines:
        yield {column: cell for column, cell in zip(header, row, strict=True) if cell}


def columns(table: str, *names: str) -> Iterator[tuple[str, ...]]:
    """A few columns of a shipped table, as they are written: of thousands of rows who needs no more reads no more."""
    lines = _lines(DATA / table)
    return map(itemgetter(*map(next(lines).index, names)), lines)


def _read(row_type: type[R], table: str) -> tuple[R, ...]:
    return tuple(row_type.model_validate(row) for row in cells(DATA / table))


@cache
def gpus() -> tuple[Gpu, ...]:
    """Graphics cards and integrated GPUs."""
    return _read(Gpu, "gpus.csv")


@cache
def cpus() -> tuple[Cpu, ...]:
    """Processors."""
    return _read(Cpu, "cpus.csv")


@cache
def boards() -> tuple[Board, ...]:
    """Main boards."""
    return _read(Board, "boards.csv")


@cache
def ram_kits() -> tuple[RamKit, ...]:
    """Memory kits."""
    return _read(RamKit, "ram_kits.csv")


@cache
def ssds() -> tuple[Ssd, ...]:
    """Solid-state disks."""
    return _read(Ssd, "ssds.csv")


@cache
def psus() -> tuple[Psu, ...]:
    """Power supplies."""
    return _read(Psu, "psus.csv")


@cache
def cases() -> tuple[PcCase, ...]:
    """Cases."""
    return _read(PcCase, "cases.csv")


@cache
def coolers() -> tuple[Cooler, ...]:
    """CPU coolers."""
    return _read(Cooler, "coolers.csv")


@cache
def unified_machines() -> tuple[UnifiedMachine, ...]:
    """Unified-memory boxes."""
    return _read(UnifiedMachine, "unified_machines.csv")


@cache
def laptops() -> tuple[Laptop, ...]:
    """Laptops with a discrete GPU."""
    return _read(Laptop, "laptops.csv")


@cache
def office_pcs() -> tuple[OfficePc, ...]:
    """Used office PCs, workstations and servers."""
    return _read(OfficePc, "office_pcs.csv")


@cache
def living() -> tuple[LivingFact, ...]:
    """Noise, size and warranty of parts and machines, where somebody says them."""
    return _read(LivingFact, "living.csv")


@cache
def accessories() -> tuple[Accessory, ...]:
    """Fans, risers, docks and adapters."""
    return _read(Accessory, "accessories.csv")


@cache
def card_ports() -> tuple[CardPort, ...]:
    """Boxes and laptops whose ports for a card are known."""
    return _read(CardPort, "card_ports.csv")


@cache
def observations() -> tuple[Observation, ...]:
    """Prices that somebody saw or paid."""
    return _read(Observation, "observations.csv")


@cache
def price_factors() -> tuple[PriceFactor, ...]:
    """What each kind of price is multiplied by to be on one basis."""
    return _read(PriceFactor, "price_factors.csv")


@cache
def price_trends() -> tuple[PriceTrend, ...]:
    """How fast prices of each kind of part go stale."""
    return _read(PriceTrend, "price_trends.csv")


@cache
def electricity() -> tuple[PowerPrice, ...]:
    """What households of countries pay for electricity."""
    return _read(PowerPrice, "electricity.csv")


@cache
def api_prices() -> tuple[ApiPrice, ...]:
    """What open models cost over an interface."""
    return _read(ApiPrice, "api_prices.csv")


@cache
def closed_prices() -> tuple[ClosedPrice, ...]:
    """What models cost that only their makers run."""
    return _read(ClosedPrice, "closed_prices.csv")


@cache
def rentals() -> tuple[Rental, ...]:
    """What graphics cards cost by the hour."""
    return _read(Rental, "rentals.csv")


@cache
def ended_support() -> tuple[EndedSupport, ...]:
    """Generations of cards without drivers or libraries to come."""
    return _read(EndedSupport, "ended_support.csv")


@cache
def exchange_rates() -> tuple[ExchangeRate, ...]:
    """Dated exchange rates."""
    return _read(ExchangeRate, "exchange_rates.csv")


@cache
def efficiencies() -> tuple[Effect, ...]:
    """Fitted effects on the physics' coefficients."""
    return _read(Effect, "efficiencies.csv")


@cache
def beside() -> tuple[Effect, ...]:
    """Fitted effects of several users, drafts and split modes, which are fitted apart."""
    return _read(Effect, "beside.csv")


@cache
def spreads_beside() -> tuple[Spread, ...]:
    """Quantiles of their errors."""
    return _read(Spread, "spreads_beside.csv")


@cache
def spreads() -> tuple[Spread, ...]:
    """Quantiles of the prediction's errors on machines never fitted."""
    return _read(Spread, "spreads.csv")


@cache
def runs_behind() -> tuple[RunsBehind, ...]:
    """How many fitted runs stand behind answers about cards, processors and architectures."""
    return _read(RunsBehind, "runs_behind.csv")


@cache
def left_out() -> tuple[LeftOutRow, ...]:
    """Errors of the measured runs, each predicted by a fit that never saw its machine."""
    return _read(LeftOutRow, "left_out.csv")


@cache
def left_out_wider() -> tuple[WiderRow, ...]:
    """Errors where whole sources or architectures were left out."""
    return _read(WiderRow, "left_out_wider.csv")


@cache
def llms() -> tuple[Llm, ...]:
    """Language models."""
    return _read(Llm, "llms.csv")


@cache
def standins() -> tuple[Standin, ...]:
    """Models with the tensor shapes of a row of `llms`."""
    return _read(Standin, "llm_standins.csv")


@cache
def refused_llms() -> tuple[RefusedLlm, ...]:
    """Models that are known but cannot be answered."""
    return _read(RefusedLlm, "llms_refused.csv")


@cache
def draft_heads() -> tuple[DraftHead, ...]:
    """Layers for multi-token prediction, and drafts published beside a model."""
    return _read(DraftHead, "mtp.csv")


@cache
def model_scores() -> tuple[ModelScore, ...]:
    """What benchmarks say of models."""
    return _read(ModelScore, "model_scores.csv")


@cache
def model_quality() -> tuple[ModelQuality, ...]:
    """How good models are at each task, fitted to the scores."""
    return _read(ModelQuality, "model_quality.csv")


@cache
def model_facts() -> tuple[ModelFacts, ...]:
    """Licence, modalities, date and size of models."""
    return _read(ModelFacts, "model_facts.csv")


@cache
def acceptances() -> tuple[Acceptance, ...]:
    """How much of what is drafted is accepted."""
    return _read(Acceptance, "acceptance.csv")


@cache
def projectors() -> tuple[Projector, ...]:
    """Projectors for images and sound."""
    return _read(Projector, "mmproj.csv")


@cache
def tensor_types() -> dict[str, TensorType]:
    """Layouts of the ggml tensor types by name."""
    return {row.name: row for row in _read(TensorType, "tensor_types.csv")}


@cache
def quants() -> tuple[Quant, ...]:
    """Quantisations as files are named after them."""
    return _read(Quant, "quants.csv")


@cache
def quant_quality() -> tuple[QuantQuality, ...]:
    """Measured loss of quality by quantisation."""
    return _read(QuantQuality, "quant_quality.csv")


def _optional(cell: str) -> float | None:
    return float(cell) if cell else None


_READERS: Mapping[Any, Callable[[str], Any]] = {int: int, float: float, float | None: _optional}


@cache
def public_runs() -> tuple[PublicRun, ...]:
    """Measured public runs. Not checked row by row like the facts above: a test does that, and a start is quick."""
    lines = _lines(DATA / "public_runs.csv")
    next(lines)
    read = [
        column if kind is str else map(_READERS[kind], column)
        for kind, column in zip(PublicRun.__annotations__.values(), zip(*lines, strict=True), strict=True)
    ]
    return tuple(map(PublicRun._make, zip(*read, strict=True)))
