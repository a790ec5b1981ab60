"""Purchases that keep what there is, and those that exchange all but the cards: a second card of another kind, memory
beside that in the slots, and another platform (processor, board, memory and cooler).
"""

import math
from collections.abc import Iterator
from typing import Final

from advisor.buying.changes import CHANNELS, MOST_MODULES, Change, sold_whole
from advisor.buying.compatibility import cooler_problem
from advisor.buying.picking.shelf import unbeaten_platforms
from advisor.buying.platforms import Platform, platforms_of
from advisor.buying.pricing import Quote
from advisor.buying.stock import Stock
from advisor.machines.from_parts import possible
from advisor.machines.processor import product_of
from advisor.question import GpuRequest, Hardware, RamRequest
from catalog.names.gpus import resolve_gpu
from catalog.names.index import UnknownName
from catalog.parts import Cpu

SECOND_SLOT_LANES: Final = 4
"""Of a desktop board's second long slot, which the chipset feeds: the fewest of the boards in boards.csv that have one;
an owner's board is not known."""
PLATFORMS: Final = 24
"""Platforms that are tried: the cheapest of each type, size and speed of memory."""
RATE_STEP: Final = 25.0
"""Memories whose bandwidth differs by less (GB/s) are alike when platforms are chosen."""


def second_cards(hardware: Hardware, stock: Stock) -> Iterator[Change]:
    """A card of another kind beside the one there is; of the same maker, for one backend computes on both."""
    if sold_whole(hardware) or len(hardware.gpus) != 1 or hardware.gpus[0].count != 1 or hardware.gpus[0].custom:
        return
    (there,) = hardware.gpus
    try:
        maker = resolve_gpu(there.name, there.vram_gb).row.maker
    except UnknownName:
        return
    for gpu in stock.gpus:
        quotes = stock.prices.pieces("gpu", gpu.name, 1)
        if gpu.name == there.name or gpu.maker != maker or not quotes:
            continue
        card = GpuRequest(name=gpu.name, vram_gb=gpu.vram_gib, pcie_lanes=SECOND_SLOT_LANES)
        beside = hardware.model_copy(update={"gpus": (there, card)})
        room = f", {math.ceil(gpu.slots)} free places in the case" if gpu.slots else ""
        mind = (
            f"it needs a second long slot (counted with {SECOND_SLOT_LANES} lanes){room} and plugs: it draws up to "
            f"{gpu.power_w:.0f} W"
        )
        if possible(beside):
            cooling = tuple(quote for _, quote in stock.beside(gpu, 1))
            yield Change(beside, f"{gpu.name} beside the {there.name}", mind=mind, quotes=(*quotes, *cooling))


def added_memory(hardware: Hardware, stock: Stock) -> Iterator[Change]:
    """Modules beside those there are, where it is said how many that is; the slower of both sets the speed."""
    ram, row = hardware.ram, product_of(hardware.cpu)
    if sold_whole(hardware) or not ram.modules or not ram.type or not ram.gb or (row and row.registered_memory):
        return
    channels = row.memory_channels if row else CHANNELS
    for memory, quotes in stock.memories():
        kit, modules = memory.kits[0], ram.modules + memory.modules
        alike = memory.ram_type == ram.type and kit.form_factor == "DIMM" and not kit.registered
        if not alike or modules > MOST_MODULES or modules % channels:
            continue
        gib = ram.gb + memory.gib
        if row and gib > row.max_memory_gib:
            continue
        mt_s = min(ram.mt_s or memory.mt_s, memory.mt_s)
        more = RamRequest(type=ram.type, mt_s=mt_s, channels=channels, gb=gib, modules=modules)
        count = f"{memory.modules} module{'s' * (memory.modules > 1)}"
        text = f"{memory.gib:g} GB {ram.type}-{memory.mt_s} ({count}) beside the {ram.gb:g} GB there are"
        slots = f"it needs {memory.modules} free memory slot{'s' * (memory.modules > 1)}"
        mind = f"{slots}; modules of two kits may run below their rated speed"
        yield Change(hardware.model_copy(update={"ram": more}), text, mind=mind, quotes=quotes)


def platform_swaps(hardware: Hardware, stock: Stock) -> Iterator[Change]:
    """Another processor, board, memory and cooler under the cards there are, with at least as much memory."""
    if sold_whole(hardware):
        return
    tried: set[tuple[object, ...]] = set()
    for platform in unbeaten_platforms(platforms_of(stock)):
        gb_s = platform.mt_s * platform.channels * 0.008
        key = (platform.memory.ram_type, platform.memory.gib, gb_s // RATE_STEP)
        quotes = _quotes(platform, stock)
        if key in tried or quotes is None or platform.memory.gib < (hardware.ram.gb or 0.0):
            continue
        tried.add(key)
        swapped = hardware.model_copy(update={"cpu": platform.cpu.name, "ram": platform.ram})
        modules = f"({platform.memory.modules} modules)"
        memory = f"{platform.memory.gib:g} GB {platform.memory.ram_type}-{platform.mt_s} {modules}"
        mind = f"the case must take a board of {platform.board.form_factor}"
        if possible(swapped):
            yield Change(
                swapped, f"{platform.cpu.name}, {platform.board.name} and {memory}", "board, processor and memory",
                mind, quotes, platform=True,
            )
        if len(tried) == PLATFORMS:
            return


def _quotes(platform: Platform, stock: Stock) -> tuple[Quote, ...] | None:
    """Of all its parts, with the cheapest cooler that fits; None where one has no price."""
    cooler = _cooler(platform.cpu, stock)
    single = (stock.prices.quote("cpu", platform.cpu.name), stock.prices.quote("board", platform.board.name), cooler)
    found = tuple(quote for quote in single if quote)
    return (*found, *platform.memory_quotes) if len(found) == len(single) else None


def _cooler(cpu: Cpu, stock: Stock) -> Quote | None:
    fitting = (stock.prices.quote("cooler", row.name) for row in stock.coolers if cooler_problem(row, cpu) is None)
    return min((quote for quote in fitting if quote), key=lambda quote: quote.price_usd, default=None)
