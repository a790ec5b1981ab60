"""The upgrade ladder of a machine: single purchases, each faster than the one before it, cheapest first."""

from collections.abc import Iterable
from dataclasses import dataclass

from advisor.answer import Prediction
from advisor.buying.compatibility import Memory
from advisor.buying.pricing import Quote
from advisor.buying.stock import Stock, price_of
from advisor.buying.upgrades import LEAST_GAIN
from advisor.errors import InputError
from advisor.physics.knowledge import Knowledge
from advisor.prediction.prediction import predict, predict_many
from advisor.question import GpuRequest, Hardware, RamRequest, Scenario
from catalog.names.cpus import resolve_cpu
from catalog.names.index import UnknownName
from webapp.explorer import question

CHANNELS = 2
"""Memory channels of a desktop processor, where the processor does not tell."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One purchase and what the machine does after it."""

    buy: str
    price_usd: float
    quote: Quote
    prediction: Prediction
    gain_share: float
    """Writing speed gained over the machine as it is."""
    mind: str


@dataclass(frozen=True, slots=True)
class _Purchase:
    buy: str
    quotes: tuple[Quote, ...]
    hardware: Hardware
    mind: str = ""


def ladder(model: str, hardware: Hardware, context: int, stock: Stock, knowledge: Knowledge) -> list[Rung]:
    """Purchases, cheapest first, each at least a tenth faster than the last. Raises `InputError` for whole machines."""
    if hardware.machine:
        raise InputError("a whole machine cannot be upgraded part by part")
    asked = question(model, None, hardware, context)
    now = predict(asked, knowledge)
    purchases = [*_cards(hardware, stock), *_memories(hardware, stock)]
    found = predict_many([_with(asked, purchase.hardware) for purchase in purchases], knowledge)
    pairs = sorted(zip(purchases, found, strict=True), key=lambda pair: price_of(pair[0].quotes))
    return _rungs(pairs, now.decode_tok_s.p50 if now.decode_tok_s and now.placement.storage_gb <= 0 else 0.0)


def _with(asked: Scenario, hardware: Hardware) -> Scenario:
    return asked.model_copy(update={"hardware": hardware})


def _rungs(pairs: Iterable[tuple[_Purchase, Prediction]], start_tok_s: float) -> list[Rung]:
    rungs: list[Rung] = []
    reached = start_tok_s
    for purchase, answer in pairs:
        speed = answer.decode_tok_s.p50 if answer.decode_tok_s and answer.placement.storage_gb <= 0 else 0.0
        if speed > reached * (1 + LEAST_GAIN):
            gain = speed / start_tok_s - 1 if start_tok_s else 0.0
            rungs.append(Rung(purchase.buy, price_of(purchase.quotes), purchase.quotes[0], answer, gain, purchase.mind))
            reached = speed
    return rungs


def _cards(hardware: Hardware, stock: Stock) -> Iterable[_Purchase]:
    """Another card in place of those there are, and one more of the same."""
    for gpu in stock.gpus:
        quotes = stock.prices.pieces("gpu", gpu.name, 1)
        if not quotes:
            continue
        mind = f"check length, slots and power supply: it draws up to {gpu.power_w:.0f} W"
        one = GpuRequest(name=gpu.name, vram_gb=gpu.vram_gib)
        instead = f" for {hardware.gpus[0].name}" if hardware.gpus else ""
        yield _Purchase(f"{gpu.name}{instead}", quotes, hardware.model_copy(update={"gpus": (one,)}), mind)
        if hardware.gpus and hardware.gpus[0].name == gpu.name and len(hardware.gpus) == 1:
            more = hardware.gpus[0].model_copy(update={"count": hardware.gpus[0].count + 1})
            yield _Purchase(f"another {gpu.name}", quotes, hardware.model_copy(update={"gpus": (more,)}), mind)


def _memories(hardware: Hardware, stock: Stock) -> Iterable[_Purchase]:
    """Other memory of the type that the processor takes."""
    types = _types(hardware)
    for memory, quotes in stock.memories():
        kit = memory.kits[0]
        if memory.ram_type in types and kit.form_factor == "DIMM" and not kit.registered and memory.modules <= 4:
            ram = _request(memory)
            text = f"{memory.gib:g} GB {memory.ram_type}-{memory.mt_s} ({memory.modules} modules)"
            yield _Purchase(text, quotes, hardware.model_copy(update={"ram": ram}), "in place of the memory there is")


def _request(memory: Memory) -> RamRequest:
    channels = min(memory.modules, CHANNELS)
    return RamRequest(type=memory.ram_type, mt_s=memory.mt_s, channels=channels, gb=memory.gib)


def _types(hardware: Hardware) -> frozenset[str]:
    """Memory types that fit: the one there is, else those of the processor."""
    if hardware.ram.type:
        return frozenset({hardware.ram.type})
    try:
        return frozenset(resolve_cpu(hardware.cpu).row.memory_types) if hardware.cpu else frozenset()
    except UnknownName:
        return frozenset()
