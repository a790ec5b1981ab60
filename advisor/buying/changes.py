"""What would another part change? The one answer, for whoever asks.

A `Change` is a machine with one part exchanged or added. Three questions are asked of changes:

- `next_dollars`: which swap of a build gains most speed for its price (power, case and cooling completed anew);
- `single_purchases`: what can be bought for a machine by itself;
- `usual_changes`: which changes of a machine are worth a look where nothing is known of prices.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import BaseModel, ConfigDict

from advisor.answer import Prediction
from advisor.buying.combinations import Vector, Whole
from advisor.buying.docks import docked_cards
from advisor.buying.pricing import Quote
from advisor.buying.search import Offer, Search
from advisor.buying.stock import Stock
from advisor.machines.from_parts import machine_of, possible
from advisor.prediction.prediction import predict_many
from advisor.question import GpuRequest, Hardware, RamRequest
from catalog.names.cpus import resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.index import UnknownName
from catalog.parts import Cpu
from catalog.tables import ram_kits

LEAST_GAIN = 0.10
"""A change that improves less is not worth opening the case for."""
CHANNELS = 2
"""Memory channels of a desktop processor, where the processor does not tell."""
MOST_MODULES = 4
"""Memory slots of a desktop board."""


@dataclass(frozen=True, slots=True)
class Change:
    """A machine with another part. `instead`: what goes out, "" for a part that is added; `mind`: what to check, or
    what was assumed; `quotes`: of what goes in, where it is to be bought.
    """

    hardware: Hardware
    buy: str
    instead: str = ""
    mind: str = ""
    quotes: tuple[Quote, ...] = ()
    other_card: bool = False
    """Whether graphics cards of another kind take the place of those there are."""
    platform: bool = False
    """Whether board and processor are exchanged too."""

    def said(self, between: str) -> str:
        """What goes in and, after the word `between`, what goes out."""
        return f"{self.buy} {between} {self.instead}" if self.instead else self.buy


def speed_tok_s(answer: Prediction) -> float | None:
    """Median decode speed of a model that is held in memory; None where it is not."""
    return answer.decode_tok_s.p50 if answer.decode_tok_s and answer.placement.storage_gb <= 0 else None


def gain_share(before_tok_s: float | None, after_tok_s: float | None) -> float | None:
    """Decode speed gained, as share of that before; None where the model is held in memory only before or after."""
    return after_tok_s / before_tok_s - 1 if before_tok_s and after_tok_s else None


def _with_card(hardware: Hardware, card: GpuRequest, mind: str, quotes: tuple[Quote, ...] = ()) -> Change:
    """One such card in place of those there are."""
    instead = hardware.gpus[0].name if hardware.gpus else ""
    return Change(hardware.model_copy(update={"gpus": (card,)}), card.name, instead, mind, quotes, other_card=True)


def _one_more(hardware: Hardware, mind: str, quotes: tuple[Quote, ...] = ()) -> Change:
    """One more of the cards there are, which are of one kind."""
    (there,) = hardware.gpus
    more = there.model_copy(update={"count": there.count + 1})
    return Change(hardware.model_copy(update={"gpus": (more,)}), f"another {there.name}", "", mind, quotes)


def _with_ram(hardware: Hardware, **fields: object) -> Hardware:
    return hardware.model_copy(update={"ram": hardware.ram.model_copy(update=fields)})


def _cpu(hardware: Hardware) -> Cpu | None:
    try:
        return resolve_cpu(hardware.cpu_name).row if hardware.cpu_name else None
    except UnknownName:
        return None


# The next dollar: the single swap of a build that gains most speed for its price.

DEAREST_SHARE = 1.0
"""A swap that costs more than the whole build is another build."""
SPEED_KINDS = ("gpu", "cpu", "board", "ram")


class Upgrade(BaseModel):
    """A swap: what goes in for what, its price and the speed after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    extra_usd: float
    gain_share: float
    """Decode speed gained, as share of the build's."""
    decode_tok_s: float
    """Median after the swap."""
    instead: tuple[str, ...]
    """Parts that it replaces."""
    buy: tuple[str, ...]
    text: str


def next_dollars(offers: Sequence[Offer], search: Search) -> list[Upgrade | None]:
    """The best swap of each offer, None where no swap gains enough.

    An offer that is a machine with numbers of its own is compared as all others are: its swaps have none.
    """
    plain = _plainly(offers, search)
    alike = search.alike([offer.build for offer in plain], 1 + DEAREST_SHARE)
    best = [_best_swap(offer, *columns) for offer, columns in zip(plain, alike, strict=True)]
    builds = [search.desktop(place) for place in best if place is not None]
    usual = replace(search.knowledge, own=())
    swaps = iter(search.predicted(builds, usual))
    return [None if place is None else upgrade(offer, next(swaps)) for offer, place in zip(plain, best, strict=True)]


def _plainly(offers: Sequence[Offer], search: Search) -> list[Offer]:
    """The offers predicted with what all machines tell."""
    usual = search.knowledge.calibration
    own = [offer for offer in offers if offer.prediction.calibration != usual]
    asked = [search.scenario(offer.build.hardware) for offer in own]
    plain = iter(predict_many(asked, replace(search.knowledge, own=()), pitfalls=False) if own else ())
    return [Offer(offer.build, next(plain)) if offer in own else offer for offer in offers]


def _best_swap(offer: Offer, places: Whole, price_usd: Vector, tok_s: Vector) -> int | None:
    """Of the places with other cards or on another platform that which gains most of the build's speed per dollar, of
    those that gain enough; power, case and cooling are completed anew.
    """
    extra = price_usd - offer.build.price_usd
    gain = tok_s / offer.decode_tok_s - 1
    better = (gain >= LEAST_GAIN) & (extra > 0) & (extra <= offer.build.price_usd * DEAREST_SHARE)
    if not better.any():
        return None
    return int(places[better][np.argmax(gain[better] / extra[better])])


def upgrade(offer: Offer, swap: Offer) -> Upgrade:
    """The difference of two offers in words and numbers."""
    before, after = (
        Counter([(str(part.kind), part.name) for part in each.build.parts if part.kind in SPEED_KINDS])
        for each in (offer, swap)
    )
    kept = {name for _, name in before & after}
    bought = ", ".join(f"another {name}" if name in kept else name for name in _told(after - before))
    replaced = f" for {', '.join(_told(before - after))}" if before - after else ""
    extra = round(swap.build.price_usd - offer.build.price_usd, 2)
    gain = swap.decode_tok_s / offer.decode_tok_s - 1
    return Upgrade(
        extra_usd=extra, gain_share=gain, decode_tok_s=swap.decode_tok_s, instead=_named(before - after),
        buy=_named(after - before), text=f"+${extra:,.0f}: {bought}{replaced}: {gain:+.0%}",
    )


def _told(parts: Counter[tuple[str, str]]) -> tuple[str, ...]:
    """Names in a sentence: a board goes without saying where the processor changes too."""
    kinds = {kind for kind, _ in parts}
    return _named(Counter({part: count for part, count in parts.items() if part[0] != "board" or "cpu" not in kinds}))


def _named(parts: Counter[tuple[str, str]]) -> tuple[str, ...]:
    order = sorted(parts.items(), key=lambda item: SPEED_KINDS.index(item[0][0]))
    return tuple(name if count == 1 else f"{count} x {name}" for (_, name), count in order)


# Single purchases for a machine there is.


def sold_whole(hardware: Hardware) -> bool:
    """Whether no part of it can be exchanged: a machine by its name, or a laptop by the graphics in it."""
    return bool(hardware.machine) or any(_in_laptop(gpu) for gpu in hardware.gpus)


def _in_laptop(gpu: GpuRequest) -> bool:
    try:
        return not gpu.custom and resolve_gpu(gpu.name, gpu.vram_gb).row.form == "laptop"
    except UnknownName:
        return False


def single_purchases(hardware: Hardware, stock: Stock) -> Iterator[Change]:
    """Everything that can be bought for a hardware by itself: cards, one more of the same, memory; of a machine sold
    whole a card in a dock, where it takes one.
    """
    if sold_whole(hardware):
        for item in docked_cards(hardware, stock):
            yield Change(item.hardware, item.words, mind=item.mind, quotes=tuple(part.quote for part in item.parts))
    else:
        yield from _cards_for_sale(hardware, stock)
        yield from _memory_for_sale(hardware, stock)


def _cards_for_sale(hardware: Hardware, stock: Stock) -> Iterator[Change]:
    """Another card in place of those there are, and one more of the same."""
    there = hardware.gpus
    for gpu in stock.gpus:
        quotes = stock.prices.pieces("gpu", gpu.name, 1)
        if not quotes:
            continue
        mind = f"check length, slots and power supply: it draws up to {gpu.power_w:.0f} W"
        quotes += tuple(quote for _, quote in stock.beside(gpu, 1))
        yield _with_card(hardware, GpuRequest(name=gpu.name, vram_gb=gpu.vram_gib), mind, quotes)
        if len(there) == 1 and there[0].name == gpu.name:
            yield _one_more(hardware, mind, quotes)


def _memory_for_sale(hardware: Hardware, stock: Stock) -> Iterator[Change]:
    """Other memory of the type there is, or else of those that the processor takes."""
    row = None if hardware.ram.type else _cpu(hardware)
    types = {hardware.ram.type} if hardware.ram.type else set(row.memory_types if row else ())
    for memory, quotes in stock.memories():
        kit, modules = memory.kits[0], memory.modules
        if memory.ram_type in types and kit.form_factor == "DIMM" and not kit.registered and modules <= MOST_MODULES:
            ram = RamRequest(type=memory.ram_type, mt_s=memory.mt_s, channels=min(modules, CHANNELS), gb=memory.gib)
            if not hardware.ram.mt_s and modules > 1:  # no gain from a speed that was only not said
                ram = hardware.ram.model_copy(update={"gb": memory.gib, "modules": None})
            text = f"{memory.gib:g} GB {memory.ram_type}-{memory.mt_s} ({modules} module{'s' * (modules > 1)})"
            mind = "in place of the memory there is"
            yield Change(hardware.model_copy(update={"ram": ram}), text, mind=mind, quotes=quotes)


# Changes worth a look, whatever they cost.

CARDS = ("RTX 3060 12GB", "RTX 5060 Ti 16GB", "RTX 3090", "RTX 5090")
"""A card of each common size of memory: 12, 16, 24 and 32 GiB."""
FEWEST_KITS = 5
"""A memory speed counts as usual when the catalog has so many kits of it."""
OTHER_CARD = "this card was not measured here: its side is as on other machines"
OTHER_RAM = "the share of the memory's peak that is reached stays as measured, up to what the cores can read"


def usual_changes(hardware: Hardware) -> tuple[list[Change], tuple[str, ...]]:
    """Single changes of the parts, and sentences on those that cannot be told."""
    if hardware.machine:
        return [], ("a whole machine is not upgraded part by part",)
    ram, gaps = hardware.ram, []
    told = {"type": ram.type, "speed": ram.mt_s, "channels": ram.channels}
    unsaid = [word for word, value in told.items() if not value]
    if unsaid:
        gaps.append(
            f"the RAM's {' and '.join(unsaid)} are not told by the system, so upgrades of it cannot be judged: "
            'give them when calibrating, as in --ram "DDR5-6000 2x16"'
        )
    changes = [*_other_ram(hardware), *_other_cards(hardware)]
    return [change for change in changes if possible(change.hardware)], tuple(gaps)


def _other_ram(hardware: Hardware) -> Iterator[Change]:
    """Twice the channels where the processor has as many, the fastest usual memory of its type, and twice as much."""
    row, ram = _cpu(hardware), hardware.ram
    if ram.channels and ram.type and 2 * ram.channels <= (row.memory_channels if row else CHANNELS):
        double = _with_ram(hardware, channels=2 * ram.channels, gb=2 * ram.gb if ram.gb else None)
        if ram.channels == 1:
            yield Change(double, "a second RAM channel", mind=OTHER_RAM)
        else:
            yield Change(double, f"{2 * ram.channels} RAM channels", str(ram.channels), OTHER_RAM)
    desktop = row is None or (not row.registered_memory and row.segment in {"desktop", "hedt"})
    if ram.type and ram.mt_s and desktop:
        alike = (ram.type, "DIMM", False)
        kits = Counter(kit.mt_s for kit in ram_kits() if (kit.ram_type, kit.form_factor, kit.registered) == alike)
        fastest = max((mt_s for mt_s, count in kits.items() if count >= FEWEST_KITS), default=0)
        if fastest > ram.mt_s:
            faster = _with_ram(hardware, mt_s=fastest)
            yield Change(faster, f"{ram.type}-{fastest}", f"{ram.type}-{ram.mt_s}", OTHER_RAM)
    if ram.gb and (row is None or 2 * ram.gb <= row.max_memory_gib):
        larger = _with_ram(hardware, gb=2 * ram.gb)
        yield Change(larger, f"{2 * ram.gb:.0f} GiB of RAM", f"{ram.gb:.0f}", "of the same speed")


def _other_cards(hardware: Hardware) -> Iterator[Change]:
    """One more of the same card, and faster cards in place of those there are."""
    if len(hardware.gpus) == 1:
        yield _one_more(hardware, "in a slot like the first")
    fastest = max((gpu.bandwidth_gb_s for gpu in machine_of(hardware).gpus), default=0.0)
    for name in CARDS:
        change = _with_card(hardware, GpuRequest(name=name), OTHER_CARD)
        if machine_of(change.hardware).gpus[0].bandwidth_gb_s > fastest:
            yield change
