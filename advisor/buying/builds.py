"""Whole builds: cards and a platform completed with the cheapest parts that go with them, and machines sold whole."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from advisor.answer import Warning
from advisor.buying.compatibility import (
    Link,
    case_problem,
    cooler_problem,
    display_problem,
    gpu_links,
    is_module,
    is_passive,
    load_w,
    pair_problem,
    psu_problem,
    side_by_side_problem,
)
from advisor.buying.costs import machine_draws_w
from advisor.buying.platforms import Platform
from advisor.buying.pricing import Quote, interval_of, price_of
from advisor.buying.stock import Stock, machine_quote
from advisor.question import GpuRequest, Hardware, RamRequest, Scenario, StorageRequest
from catalog.parts import Board, Cpu, Gpu, Laptop, Psu, Ssd, UnifiedMachine
from catalog.prices import PartKind

BuildKind = Literal["desktop", "laptop", "unified"]
SYSTEM_GB = 60.0
"""Room on the disk beside the model for an operating system and programs, an estimate."""


NO_FAN = "{} has no fan of its own: a printed shroud and a fan go with it; the board must offer Above 4G Decoding"
ADAPTED = "{} has no PCIe plug: an adapter with a fan goes with it; the board must offer Above 4G Decoding"
FRAME = "Open frame for 8 cards"
RISERS = ("PCIe 4.0 x16 riser", "PCIe 5.0 x16 riser")
"""Of accessories.csv: cards of generation 4 and older take the first."""
FRAMED = "the cards hang on risers in an open frame, for no case has room for them"
TWO_SUPPLIES = (
    "two supplies, each for half of the cards, since no single one has the watts; the adapter that starts both is "
    "not in the price: what it costs is not in our tables"
)


@dataclass(frozen=True, slots=True)
class PricedPart:
    """One piece of a build with the quote that counts for it."""

    kind: PartKind
    name: str
    quote: Quote


@dataclass(frozen=True, eq=False)
class Build:
    """A whole machine with all its parts."""

    kind: BuildKind
    label: str
    """Its cards, or its name: builds of one label are variants of each other."""
    parts: tuple[PricedPart, ...]
    hardware: Hardware
    power_w: float
    """Under load, the sum of the parts."""
    notes: tuple[Warning, ...] = ()
    platform: Platform | None = None
    cards: "Cards | None" = None

    @cached_property
    def price_usd(self) -> float:
        """Sum of the parts."""
        return round(price_of(part.quote for part in self.parts), 2)

    @cached_property
    def interval_usd(self) -> tuple[float, float]:
        """The 80 % interval of the price."""
        low, high = interval_of(part.quote for part in self.parts)
        return round(low, 2), round(high, 2)


@dataclass(frozen=True, slots=True)
class Cards:
    """Up to four equal graphics cards, or none."""

    gpu: Gpu | None
    count: int

    @property
    def label(self) -> str:
        """As a person would say it."""
        if self.gpu is None:
            return "CPU only"
        return self.gpu.name if self.count == 1 else f"{self.count} x {self.gpu.name}"


def parts_beside(stock: Stock, cards: Cards) -> tuple[PricedPart, ...]:
    """What cools passive cards and carries modules, with its price."""
    found = stock.beside(cards.gpu, cards.count) if cards.gpu else ()
    return tuple(PricedPart("accessory", name, quote) for name, quote in found)


def fan_notes(gpu: Gpu | None) -> tuple[Warning, ...]:
    """What to mind of a card without a fan of its own."""
    if gpu is None or not is_passive(gpu):
        return ()
    return (Warning(code="no_fan", message=(ADAPTED if is_module(gpu) else NO_FAN).format(gpu.name)),)


def framed(stock: Stock, cards: Cards) -> tuple[PricedPart, ...] | None:
    """An open frame and a riser for each of several cards that have no room side by side, with their prices; None for
    one card, and where one of them has no price.
    """
    if cards.gpu is None or cards.count < 2:
        return None
    names = (FRAME, *[RISERS[cards.gpu.pcie_gen > 4]] * cards.count)
    quoted = [(name, stock.prices.quote("accessory", name)) for name in names]
    found = tuple(PricedPart("accessory", name, quote) for name, quote in quoted if quote)
    return found if len(found) == len(names) else None


def joined_supplies(stock: Stock, psu: Psu) -> tuple[PricedPart, ...] | None:
    """Two such supplies with their prices; None where they have none."""
    pieces = stock.prices.pieces("psu", psu.name, 2)
    return None if pieces is None else tuple(PricedPart("psu", psu.name, quote) for quote in pieces)


class Assembler:
    """Completes cards and a platform to a build; remembers the parts it chose."""

    def __init__(self, stock: Stock, model_gb: float) -> None:
        self.stock, self.model_gb = stock, model_gb
        self._disks = sorted(
            (ssd for ssd in stock.ssds if ssd.capacity_gb >= model_gb + SYSTEM_GB),
            key=lambda ssd: stock.usd("ssd", ssd.name),
        )
        self._psus = sorted(stock.psus, key=lambda psu: (stock.usd("psu", psu.name), psu.watts))
        self._chosen_supplies: dict[tuple[str | None, int, str], tuple[PricedPart, ...] | None] = {}
        self._chosen_shell: dict[tuple[str, str, str | None, int, bool], tuple[PricedPart, ...] | None] = {}

    def complete(self, cards: Cards, platform: Platform) -> Build | None:
        """The cheapest compatible build, or None where parts do not go together or cannot be had."""
        gpu, count = cards.gpu, cards.count
        links = gpu_links(gpu, count, platform.cpu, platform.board) if gpu else ()
        if links is None or display_problem(gpu, platform.cpu):
            return None
        supplies, disk = self._supplies(cards, platform.cpu), self.disk(platform.board)
        if supplies is None or disk is None:
            return None
        shell = self._shell(cards, platform, framed_only=len(supplies) > 1)
        if shell is None:
            return None
        parts = self._parts(cards, platform, disk, supplies, shell)
        return None if parts is None else Build(
            kind="desktop", label=cards.label, parts=parts, hardware=hardware_of(cards, links, platform, disk),
            power_w=load_w(gpu, count, platform.cpu), notes=_notes(cards, platform, parts), platform=platform,
            cards=cards,
        )

    def _parts(
        self, cards: Cards, platform: Platform, disk: Ssd, supplies: tuple[PricedPart, ...],
        shell: tuple[PricedPart, ...],
    ) -> tuple[PricedPart, ...] | None:
        prices = self.stock.prices
        cards_quotes = prices.pieces("gpu", cards.gpu.name, cards.count) if cards.gpu else ()
        rest: tuple[tuple[PartKind, str], ...] = (
            ("cpu", platform.cpu.name), ("board", platform.board.name), ("ssd", disk.name),
        )
        quoted = [(kind, name, prices.quote(kind, name)) for kind, name in rest]
        if cards_quotes is None or any(quote is None for _, _, quote in quoted):
            return None
        singles = [PricedPart(kind, name, quote) for kind, name, quote in quoted if quote]
        kits = [kit.name for kit in platform.memory.kits]
        memory = [
            PricedPart("ram", name, quote)
            for name, quote in zip(sorted(kits, key=kits.index), platform.memory_quotes, strict=True)
        ]
        gpus = [PricedPart("gpu", cards.gpu.name, quote) for quote in cards_quotes] if cards.gpu else []
        return (*gpus, singles[0], *memory, *singles[1:], *supplies, *shell, *parts_beside(self.stock, cards))

    def _supplies(self, cards: Cards, cpu: Cpu) -> tuple[PricedPart, ...] | None:
        """The cheapest supply that feeds all; where none does, for several cards two equal ones and what joins them."""
        key = (cards.gpu.name if cards.gpu else None, cards.count, cpu.name)
        if key not in self._chosen_supplies:
            gpu, count = cards.gpu, cards.count
            one = next((psu for psu in self._psus if not psu_problem(psu, gpu, count, cpu)), None)
            fitting = [] if one else [psu for psu in self._psus if not pair_problem(psu, gpu, count, cpu)]
            pairs = [pair for psu in fitting if (pair := joined_supplies(self.stock, psu))]
            pair = min(pairs, key=lambda pair: price_of(part.quote for part in pair), default=None)
            self._chosen_supplies[key] = self._priced(("psu", one.name)) if one else pair
        return self._chosen_supplies[key]

    def _shell(self, cards: Cards, platform: Platform, *, framed_only: bool) -> tuple[PricedPart, ...] | None:
        """Case and cooler; where no case takes the cards side by side an open frame with risers, and the cooler.
        `framed_only`: no case has room for the supplies.
        """
        name, form = cards.gpu.name if cards.gpu else None, platform.board.form_factor
        key = (platform.cpu.name, form, name, cards.count, framed_only)
        if key not in self._chosen_shell:
            coolers = [cooler for cooler in self.stock.coolers if not cooler_problem(cooler, platform.cpu)]
            beside = not framed_only and side_by_side_problem(form, cards.gpu, cards.count) is None
            pairs = [
                (cooler, case) for cooler in coolers for case in (self.stock.cases if beside else ())
                if not case_problem(case, platform.board, cooler, cards.gpu, cards.count)
            ]
            usd, frame = self.stock.usd, None if pairs else framed(self.stock, cards)
            if pairs:
                cooler, case = min(pairs, key=lambda pair: usd("cooler", pair[0].name) + usd("case", pair[1].name))
                self._chosen_shell[key] = self._priced(("case", case.name), ("cooler", cooler.name))
            elif coolers and frame:
                cooler = min(coolers, key=lambda cooler: usd("cooler", cooler.name))
                self._chosen_shell[key] = (*frame, *self._priced(("cooler", cooler.name)))
            else:
                self._chosen_shell[key] = None
        return self._chosen_shell[key]

    def _priced(self, *parts: tuple[PartKind, str]) -> tuple[PricedPart, ...]:
        quoted = [(kind, name, self.stock.prices.quote(kind, name)) for kind, name in parts]
        return tuple(PricedPart(kind, name, quote) for kind, name, quote in quoted if quote)

    def disk(self, board: Board) -> Ssd | None:
        """The cheapest disk with room for the model that goes onto a board."""
        return next((ssd for ssd in self._disks if board.m2_slots or ssd.form_factor != "M.2"), None)


def cards_requests(cards: Cards, links: Sequence[Link]) -> tuple[GpuRequest, ...]:
    """The cards as a scenario says them; two with unlike links are two entries."""
    counted = {link: links.count(link) for link in links}
    return tuple(
        GpuRequest(
            name=cards.gpu.name, vram_gb=cards.gpu.vram_gib, count=count,
            pcie_gen=link.generation, pcie_lanes=link.lanes,
        )
        for link, count in counted.items() if cards.gpu
    )


def hardware_of(cards: Cards, links: Sequence[Link], platform: Platform, disk: Ssd) -> Hardware:
    """The build as a scenario says it."""
    storage = StorageRequest(name=disk.name, read_gb_s=disk.sequential_read_gb_s)
    return Hardware(gpus=cards_requests(cards, links), cpu=platform.cpu.name, ram=platform.ram, storage=storage)


def _notes(cards: Cards, platform: Platform, parts: Sequence[PricedPart] | None) -> tuple[Warning, ...]:
    gpu, rated, runs = cards.gpu, platform.memory.mt_s, platform.mt_s
    named, kinds = [part.name for part in parts or ()], [part.kind for part in parts or ()]
    found = [("open_frame", FRAMED)] if FRAME in named else []
    found += [("two_supplies", TWO_SUPPLIES)] if kinds.count("psu") > 1 else []
    if gpu and gpu.length_mm is None and not is_module(gpu):
        found.append(("check_length", f"the length of {gpu.name} differs by maker: check it against the case"))
    if runs < rated:
        found.append(("memory_slower", f"memory rated {rated} MT/s runs at {runs} on this board and processor"))
    return (*fan_notes(gpu), *(Warning(code=code, message=message) for code, message in found))


def whole_machines(stock: Stock) -> Iterable[Build]:
    """Unified-memory boxes and laptops in the sizes that are quoted."""
    for row, gib in stock.machines:
        quote = machine_quote(stock.prices, row, gib)
        if quote:
            yield machine_build(row, gib, quote)


def machine_build(row: UnifiedMachine | Laptop, gib: float, quote: Quote) -> Build:
    """A machine as it is sold, in one size of memory (GiB)."""
    ram = RamRequest(gb=gib)
    name = row.name if f"{gib:g}GB" in row.name.replace(" ", "") else f"{row.name} {gib:g} GB"
    return Build(
        kind=row.kind, label=row.name, parts=(PricedPart(row.kind, name, quote),),
        hardware=Hardware(machine=row.name, ram=ram), power_w=machine_draws_w(row),
    )


# The command that shows one build by itself, with the same numbers.

def predict_command(build: Build, asked: Scenario) -> str:
    """`advisor predict` for a build and the scenario it was asked."""
    words = [
        "advisor",
        "predict",
        "--model",
        str(asked.model),
        "--quant",
        str(asked.quant),
        *_hardware(build, asked.hardware),
    ]
    users = ("--users", str(asked.workload.users)) if asked.workload.users > 1 else ()
    return shlex.join([*words, "--context", str(asked.context_tokens()), *users])


def _hardware(build: Build, hardware: Hardware) -> Iterator[str]:
    if hardware.machine:
        yield from ("--machine", hardware.machine, "--ram", f"{hardware.ram.gb:g}GB")
    for gpu in hardware.gpus:
        yield from ("--gpu", gpu.name if gpu.count == 1 else f"{gpu.count}x {gpu.name}")
    for gpu in hardware.gpus:
        yield from ("--pcie", gpu.link or f"{gpu.pcie_gen}x{gpu.pcie_lanes}")
    if build.platform:
        memory, ram = build.platform.memory, hardware.ram
        yield from ("--cpu", build.platform.cpu.name)
        yield from ("--ram", f"{ram.type}-{ram.mt_s} {memory.modules}x{memory.gib / memory.modules:g}")
    elif hardware.cpu:
        said = f"{hardware.ram.type}-{hardware.ram.mt_s} {hardware.ram.gb:g}GB"
        yield from ("--cpu", hardware.cpu_name or "", "--ram", said)
    if hardware.storage.name:
        yield from ("--storage", hardware.storage.name)
