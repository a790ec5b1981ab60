"""Cards beside machines sold whole: docks that go to a machine's ports; card, dock and supply with their prices.

A dock is offered for the ports that a source tells of a box. Where none does, a laptop is taken to have Thunderbolt 4
or USB4, and an x86 box an OCuLink port or a free M.2 slot; what must be there is said with each offer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from advisor.answer import Warning
from advisor.buying.builds import Build, Cards, PricedPart, fan_notes, machine_build, parts_beside
from advisor.buying.compatibility import HEADROOM, cables_problem
from advisor.buying.stock import Stock, machine_quote
from advisor.machines.from_parts import machine_of, possible
from advisor.question import GpuRequest, Hardware, Link
from catalog import tables
from catalog.parts import Gpu, Laptop, UnifiedMachine

WORDS: Final[Mapping[Link, str]] = {
    "oculink": "OCuLink", "usb4": "USB4", "usb4v2": "USB4 v2", "thunderbolt3": "Thunderbolt 3",
    "thunderbolt4": "Thunderbolt 4", "thunderbolt5": "Thunderbolt 5",
}
TUNNELS: Final[Mapping[Link, int]] = {"thunderbolt3": 0, "thunderbolt4": 1, "usb4": 1, "thunderbolt5": 2, "usb4v2": 2}
"""Links over a USB-C cable by their speed: port and dock of two of them go together, at the slower one's.
Source: USB4 specification 2.0, chapter 1 (compatible with Thunderbolt 3 and USB4 1.0); Intel, "Thunderbolt 5"."""
ASSUMED: Final[Mapping[Link, str]] = {
    "usb4": "a Thunderbolt or USB4 port", "oculink": "an OCuLink port, or a free M.2 slot and adapter",
}


@dataclass(frozen=True, slots=True)
class Docked:
    """A card in a dock beside a machine: what has to be bought, the hardware with it, and what to mind."""

    gpu: Gpu
    words: str
    """Such as "RTX 3090 in an OCuLink dock"."""
    parts: tuple[PricedPart, ...]
    """Card, dock, supply, and what cools the card."""
    hardware: Hardware
    mind: str


def ports_of(machine: str) -> tuple[Link, ...]:
    """The ports for a card of a machine as it is named; empty where no source tells them.

    >>> ports_of("Framework Desktop 128GB"), ports_of("some other box")
    (('usb4',), ())
    """
    named = [row for row in tables.card_ports() if row.name.lower() in machine.lower()]
    found = max(named, key=lambda row: len(row.name)).ports if named else ()
    return tuple(port for port in WORDS if port in found)


def _joined(port: Link, dock: str) -> Link | None:
    """The link of a port and a dock; None where they do not go together."""
    of_dock = next((link for link in WORDS if link == dock), None)
    if port == "oculink" or of_dock == "oculink" or of_dock is None:
        return port if port == of_dock else None
    return port if TUNNELS[port] <= TUNNELS[of_dock] else of_dock


def _docks(ports: tuple[Link, ...], stock: Stock) -> Iterator[tuple[PricedPart, Link]]:
    """Docks with a price that go to one of the ports, each with the fastest link it gets."""
    for row in tables.accessories():
        links = [link for port in ports if (link := _joined(port, row.link))]
        quote = stock.prices.quote("accessory", row.name) if links else None
        if quote:
            yield PricedPart("accessory", row.name, quote), max(links, key=lambda link: TUNNELS.get(link, 3))


def _usual_ports(hardware: Hardware) -> tuple[Link, ...]:
    """What is assumed of a machine whose ports no source tells; nothing of Apple's, Qualcomm's and NVIDIA's."""
    machine = machine_of(hardware.model_copy(update={"gpus": ()}))
    if not machine.unified:
        return ("usb4",)
    return ("oculink",) if machine.backend in ("vulkan", "rocm") else ()


def docked_cards(hardware: Hardware, stock: Stock, written: str | None = None) -> Iterator[Docked]:
    """Each card of a stock in each dock beside a machine sold whole; none where the machine takes none, or where no
    dock for its ports has a price. `written`: the machine as its owner names it.
    """
    told = ports_of(written or hardware.machine or "")
    ports = told or _usual_ports(hardware)
    for dock, link in _docks(ports, stock):
        need = ASSUMED.get(ports[0], "") if not told else f"its {WORDS[ports[0]]} port"
        mind = f"dock and supply are in the price; {'it goes to' if told else 'the machine must have'} {need}"
        for gpu in stock.gpus:
            card = GpuRequest(name=gpu.name, vram_gb=gpu.vram_gib, link=link)
            beside = hardware.model_copy(update={"gpus": (card,)})
            parts = _parts(gpu, dock, stock)
            if parts and possible(beside):
                words = f"{gpu.name} in {'an' if link == 'oculink' else 'a'} {WORDS[link]} dock"
                yield Docked(gpu, words, parts, beside, mind)


def _parts(gpu: Gpu, dock: PricedPart, stock: Stock) -> tuple[PricedPart, ...] | None:
    """Card, dock, the cheapest supply with its plugs, and cooling; None where one of them cannot be had."""
    cards = stock.prices.pieces("gpu", gpu.name, 1)
    supplies = [
        PricedPart("psu", psu.name, quote) for psu in stock.psus
        if psu.watts >= gpu.power_w * (1 + HEADROOM) and cables_problem(psu, gpu, 1) is None
        and (quote := stock.prices.quote("psu", psu.name))
    ]
    supply = min(supplies, key=lambda part: part.quote.price_usd, default=None)
    if not cards or supply is None:
        return None
    return (PricedPart("gpu", gpu.name, cards[0]), dock, supply, *parts_beside(stock, Cards(gpu, 1)))


def unpriced_dock(hardware: Hardware, stock: Stock) -> str | None:
    """In words that a card would go beside a machine, but no dock for it has a price; None where one has, or where the
    machine takes no card.
    """
    ports = ports_of(hardware.machine or "") or _usual_ports(hardware)
    if not ports or any(True for _ in _docks(ports, stock)):
        return None
    docks = " or ".join(WORDS[port] for port in ports)
    return f"a card could stand beside it in a dock for {docks}, but no such dock has a price: ask what one costs"


def docked_builds(stock: Stock) -> Iterator[Build]:
    """The machines sold whole that the buyer owns, each with each card in a dock; he buys card, dock and supply."""
    for row, gib in stock.machines:
        owned = machine_quote(stock.prices, row, gib)
        if owned is not None and owned.condition == "owned":
            alone = machine_build(row, gib, owned)
            written = stock.written.get(row.name, row.name)
            for item in docked_cards(alone.hardware, stock, written):
                yield _beside(alone, row, item)


def _beside(alone: Build, row: UnifiedMachine | Laptop, item: Docked) -> Build:
    notes = (Warning(code="dock", message=item.mind), *fan_notes(item.gpu))
    return replace(
        alone, label=f"{item.words} beside {row.name}", parts=(*item.parts[:1], *alone.parts, *item.parts[1:]),
        hardware=item.hardware, power_w=alone.power_w + item.gpu.power_w, notes=notes,
    )
