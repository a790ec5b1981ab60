"""Builds named by their parts, as one line of text: "RTX 3060 12GB | Ryzen 7 5800X | DDR4-3600 2x16".

A whole machine is "machine: Apple M4 Max | 64GB". Such a build is completed and priced from its parts alone; what
completes it may be named too: "RTX 3090 | Ryzen 5 5600 | DDR4-3200 2x16 | psu: Corsair RM850e". So are the builds of an
article that people come from.
"""

import csv
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from advisor.answer import Prediction
from advisor.buying.builds import Cards, whole_machines
from advisor.buying.platforms import platforms_of
from advisor.buying.recommendation import RankedBuild, ranked_build
from advisor.buying.search import Offer, Search
from advisor.buying.stock import Stock
from advisor.buying.wish import Wish
from advisor.errors import InputError
from advisor.machines.memory import ram_request
from advisor.physics.knowledge import Knowledge
from advisor.prediction.capacity import capacity_of
from advisor.prediction.case import case_of
from advisor.prediction.prediction import predict
from advisor.question import GpuRequest, Hardware, RamRequest, StorageRequest
from advisor.sizes.quality import default_quant
from catalog.names.cpus import resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.llms import resolve_llm
from catalog.names.machines import resolve_machine

MACHINE = "machine:"
SHELVES = {"board": "boards", "psu": "psus", "case": "cases", "cooler": "coolers", "ssd": "ssds"}
"""Where a stock has the parts that a line may name beside card, processor and memory."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a visitor says of a build; empty texts are left to what is common."""

    gpu: str = ""
    cpu: str = ""
    ram: str = ""
    machine: str = ""
    cards: int = 1
    disk: str = ""
    more: tuple[tuple[str, str], ...] = ()
    """Kind and name of other parts that are to be in it: board, psu, case, cooler, ssd."""

    @property
    def text(self) -> str:
        """The parts in one line."""
        if self.machine:
            return f"{MACHINE} {self.machine} | {self.ram}".rstrip(" |")
        gpu = f"{self.cards}x {self.gpu}" if self.gpu and self.cards > 1 else self.gpu
        return " | ".join((gpu, self.cpu, self.ram, *(f"{kind}: {name}" for kind, name in self.more)))


@dataclass(frozen=True, slots=True)
class DescribedBuild:
    """A build by name with its prediction, and, where its parts have prices and go together, the whole build."""

    text: str
    prediction: Prediction
    build: RankedBuild | None
    why_not: str
    """Why there is no price."""
    offer: Offer | None = None
    """The whole build before it is told: what other builds are compared with."""


def parts_of(text: str) -> Parts:
    """The parts that a line of text names. Raises `InputError` for a line without a name.

    >>> parts_of("2x RTX 3090 | Ryzen 7 5800X | DDR4-3600 2x16").cards
    2
    """
    words = [word.strip() for word in text.split("|")]
    first, second, third, *others = *words[:3], *[""] * (3 - len(words)), *words[3:]
    more = tuple((kind.strip(), name.strip()) for kind, _, name in (text.partition(":") for text in others))
    unread = [text for text, (kind, name) in zip(others, more, strict=True) if kind not in SHELVES or not name]
    if unread:
        raise InputError(f"{unread[0]!r} names no part: write one of {', '.join(SHELVES)}, a colon and its name")
    whole = first.lower().startswith(MACHINE)
    machine = first[len(MACHINE) :].strip() if whole else ""
    if not (machine if whole else any(words)):
        raise InputError("name a graphics card, a processor or a whole machine")
    if whole:
        return Parts(machine=machine, ram=second)
    count, times, name = first.partition("x ")
    several = times and count.strip().isdigit() and 1 <= int(count) <= 16
    cards = int(count) if several else 1
    return Parts(gpu=name.strip() if several else first, cpu=second, ram=third, cards=cards, more=more)


def hardware_of(parts: Parts) -> Hardware:
    """The parts as a scenario says them. Raises `InputError` for memory that cannot be read."""
    storage, ram = StorageRequest(name=parts.disk or None), RamRequest()
    if parts.ram:
        try:
            ram = ram_request(parts.ram, parts.cpu or None)
        except ValueError as error:
            raise InputError(str(error)) from error
    if parts.machine:
        return Hardware(machine=parts.machine, ram=RamRequest(gb=ram.gb), storage=storage)
    gpus = (GpuRequest(name=parts.gpu, count=parts.cards),) if parts.gpu else ()
    return Hardware(gpus=gpus, cpu=parts.cpu or None, ram=ram, storage=storage)


def described(text: str, wish: Wish, stock: Stock, knowledge: Knowledge) -> DescribedBuild:
    """A named build, priced from the stock. Raises `UnknownName` and `InputError` for parts that cannot be read."""
    parts = parts_of(text)
    hardware = hardware_of(parts)
    quant = wish.quant or default_quant(resolve_llm(wish.model).row.llm)
    search = Search(wish, quant, _only(stock, parts, hardware), knowledge)
    offers = _offers(search, parts, hardware)
    if not offers:
        return DescribedBuild(text, predict(search.scenario(hardware), knowledge), None, _why_not(stock, parts))
    best = min(offers, key=lambda offer: offer.build.price_usd if parts.cpu else offer.usd_per_tok_s)
    context = capacity_of(case_of(best.prediction.scenario)).longest_context_replanned
    build = ranked_build(1, best, None, efficient=False, context=context)
    return DescribedBuild(text, best.prediction, build, "", best)


def _offers(search: Search, parts: Parts, hardware: Hardware) -> list[Offer]:
    """Builds of the named parts; where the processor is left open, the best."""
    gib = hardware.ram.gb
    if parts.machine:
        builds = [build for build in whole_machines(search.stock) if gib in (None, build.hardware.ram.gb)]
        return search.predicted(builds)
    cards = Cards(search.stock.gpus[0], parts.cards) if search.stock.gpus else Cards(None, 0)
    if not parts.cpu:
        return _best_with(search, cards, gib)
    platforms = [
        platform for platform in platforms_of(search.stock)
        if gib in (None, platform.memory.gib) and hardware.ram.modules in (None, platform.memory.modules)
    ]
    if parts.gpu and cards.gpu is None:
        return []
    completed = (search.assembler.complete(cards, platform) for platform in platforms)
    return search.predicted([build for build in completed if build])


def _best_with(search: Search, cards: Cards, gib: float | None) -> list[Offer]:
    """The best build with the cards and, where it is told, so much memory."""
    table, found = search.combinations, search.candidates
    sizes = np.array([memory.gib for memory, _ in table.platforms.memories])
    labels = np.array([item.label == cards.label for item in table.cards])
    rows = search.ranked(None, 0.0)
    rows = rows[found.desktop_at[rows] >= 0]
    cards_at, platform_at = np.divmod(found.desktop_at[rows], max(1, len(table.platforms)))
    wanted = labels[cards_at] & ((gib is None) | (sizes[table.platforms.memory_at[platform_at]] == gib))
    rows = rows[wanted]
    return search.offers(rows[:1])


def _only(stock: Stock, parts: Parts, hardware: Hardware) -> Stock:
    """The stock of the named parts alone, with all that completes them. Raises `UnknownName`."""
    ram = hardware.ram
    if parts.machine:
        row = resolve_machine(parts.machine, ram.gb).row
        machines = tuple(item for item in stock.machines if item[0].name == row.name)
        return replace(stock, gpus=(), cpus=(), machines=machines)
    gpu = resolve_gpu(parts.gpu).row if parts.gpu else None
    cpu = resolve_cpu(parts.cpu).row if parts.cpu else None
    named = {SHELVES[kind]: name for kind, name in parts.more}
    for shelf, name in named.items():
        rows = tuple(row for row in getattr(stock, shelf) if row.name == name)
        if not rows:
            raise InputError(f"{name!r} is none of the {shelf} with a price here")
        only: dict[str, Any] = {shelf: rows}
        stock = replace(stock, **only)
    return replace(
        stock,
        gpus=tuple(item for item in stock.gpus if gpu and item.name == gpu.name),
        cpus=tuple(item for item in stock.cpus if cpu is None or item.name == cpu.name),
        ram_kits=tuple(
            kit for kit in stock.ram_kits if ram.type in (None, kit.ram_type) and ram.mt_s in (None, kit.mt_s)
        ),
        machines=(),
    )


def _why_not(stock: Stock, parts: Parts) -> str:
    """Why there is no whole build: what has no price, or that the parts do not make one."""
    if parts.machine:
        return f"no price in the catalog for {resolve_machine(parts.machine, None).row.name} in this memory size"
    named = [resolve_gpu(parts.gpu).row.name] if parts.gpu else []
    named += [resolve_cpu(parts.cpu).row.name] if parts.cpu else []
    missing = [name for name in named if any(name in names for names in stock.unpriced.values())]
    if missing:
        return f"no price in the catalog for {', '.join(missing)}"
    return "no board, memory or disk with a price completes these parts, or the model finds no room in their memory"


@dataclass(frozen=True, slots=True)
class ArticleBuild:
    """A build as an article describes it, with what it claims of it."""

    id: str
    label: str
    text: str
    """As `described` reads it."""
    model: str
    quant: str
    context: int
    claimed_tok_s: float
    claimed: str
    """Price as the article puts it."""


@cache
def article_builds() -> tuple[ArticleBuild, ...]:
    """The builds of the claims table, as they stand there."""
    found = []
    with (files("calibration") / "evidence" / "article_claims.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["table"] != "build":
                continue
            text = f"{row['gpu']} | {row['cpu']} | {row['ram']}"
            if row["gpu"].startswith("Mac"):
                name, _, size = row["gpu"].rpartition(" ")
                text = f"{MACHINE} {name} | {size}"
            found.append(ArticleBuild(
                id=row["claim_id"], label=row["gpu"], text=text, model=row["model"], quant=row["quant"],
                context=int(row["context_tokens"]), claimed_tok_s=float(row["value"]),
                claimed=row["note"].partition(";")[0],
            ))
    return tuple(found)
