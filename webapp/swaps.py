"""What another part in a build would change: what there is to choose from, and whether it goes together, in words.

The rules are those of `advisor.buying.compatibility`; a part that no longer fits is exchanged with the one that asks
it, where it is one that is chosen for the other. All pure.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from advisor.buying import compatibility
from advisor.buying.compatibility import Memory
from advisor.buying.pricing import price_of
from advisor.buying.recommendation import KIND_WORDS, RankedBuild
from advisor.buying.stock import Stock
from catalog.names.gpus import resolve_gpu
from catalog.parts import Board, Cooler, Cpu, Gpu, PcCase, Psu, RamKit, Ssd
from catalog.prices import PartKind
from webapp.described import Parts

CHOSEN: tuple[PartKind, ...] = ("gpu", "cpu", "board", "ram", "ssd", "psu", "case", "cooler")
"""Kinds of parts that a line of text can name."""
FOLLOW: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "gpu": ("psu", "case"), "cpu": ("board", "cooler", "ram", "psu", "case"), "board": ("case",), "cooler": ("case",),
})
"""What is exchanged with a part where it no longer fits: all else is a reason not to take the part."""
ROOM_MM = 10.0
TOGETHER = "goes together"


@dataclass(frozen=True, slots=True)
class Whole:
    """The catalog's rows of a desktop build."""

    gpu: Gpu | None
    count: int
    cpu: Cpu
    board: Board
    psu: Psu
    case: PcCase
    cooler: Cooler
    ssd: Ssd | None
    kits: tuple[RamKit, ...]

    @property
    def memory_gib(self) -> float:
        """Size of all memory."""
        return Memory(self.kits).gib


@dataclass(frozen=True, slots=True)
class Swap:
    """A part to take, its price in USD, and what to know of it beside the rest of the build."""

    name: str
    price_usd: float
    words: str
    able: bool
    """Whether a whole computer can be made with it."""
    follow: tuple[str, ...]
    """Kinds of the other parts that are exchanged with it."""
    then: Whole
    """The build with it, the other parts as they were."""


def whole(build: RankedBuild, stock: Stock) -> Whole | None:
    """The rows of a build's parts; None for a machine that is sold whole."""
    names = {part.kind: part.name for part in build.parts}
    shelves = {"cpu": stock.cpus, "board": stock.boards, "psu": stock.psus, "case": stock.cases,
               "cooler": stock.coolers, "ssd": stock.ssds}
    rows = {
        kind: next((row for row in shelf if row.name == names.get(kind)), None) for kind, shelf in shelves.items()
    }
    cpu, board, psu, case, cooler, ssd = (rows[kind] for kind in shelves)
    if not (isinstance(cpu, Cpu) and isinstance(board, Board) and isinstance(psu, Psu)):
        return None
    if not (isinstance(case, PcCase) and isinstance(cooler, Cooler)):
        return None
    gpu = resolve_gpu(names["gpu"]).row if "gpu" in names else None
    kits = tuple(kit for part in build.parts if part.kind == "ram" for kit in stock.ram_kits if kit.name == part.name)
    count = sum(part.kind == "gpu" for part in build.parts)
    if not kits or not (ssd is None or isinstance(ssd, Ssd)):
        return None
    return Whole(gpu, count, cpu, board, psu, case, cooler, ssd, kits)


def checks(of: Whole, follow: Collection[str] = ()) -> list[tuple[bool, str]]:
    """Whether things go together with room to spare, each in words: socket, power, cables, length, memory, cooling;
    without those of parts that `follow`, as they are yet to be chosen.
    """
    found: list[tuple[str, str | None, str]] = []
    load, needed = (
        compatibility.load_w(of.gpu, of.count, of.cpu), compatibility.psu_watts_needed(of.gpu, of.count, of.cpu)
    )
    watts = f"power: {load:.0f} W under load, {needed:.0f} W asked for, {of.psu.watts:g} W there"
    found.append(("board", compatibility.socket_problem(of.cpu, of.board), f"socket: {of.board.socket} for both"))
    found.append(("psu", None if of.psu.watts >= needed else watts, watts))
    if of.gpu:
        cables = compatibility.cables_problem(of.psu, of.gpu, of.count)
        found.append(("psu", cables, f"cables: enough for {of.gpu.power_connectors or 'the card'}"))
        length, room = of.gpu.length_mm, of.case.max_gpu_length_mm
        words = f"length: {of.gpu.name} differs by maker, {room:.0f} mm there: check it"
        if length:
            words = f"length: card {length:.0f} of {room:.0f} mm{', tight' if 0 <= room - length < ROOM_MM else ''}"
        found.append(("case", words if (length or 0) > room else None, words))
    memory = Memory(of.kits)
    size = f"memory: {memory.modules} of {of.board.dimm_slots} slots, {memory.gib:g} of {of.board.max_memory_gib:g} GB"
    found.append(("ram", compatibility.memory_problem(memory, of.cpu, of.board), f"{size}, {memory.ram_type}"))
    cooling = f"cooling: made for {of.cooler.max_tdp_w:g} W, {of.cpu.tdp_w:g} W there"
    found.append(("cooler", compatibility.cooler_problem(of.cooler, of.cpu), cooling))
    return [(problem is None, problem or words) for kind, problem, words in found if kind not in follow]


def problems(of: Whole) -> list[tuple[str, str]]:
    """What does not go together, in words, each with the kind of part to exchange for it."""
    card = of.gpu
    no_slot = f"{of.board.name} has no slots for {of.count} cards"
    slots = None if card is None or compatibility.gpu_links(card, of.count, of.cpu, of.board) else no_slot
    no_m2 = f"{of.board.name} has no M.2 slot"
    found = [
        ("board", compatibility.socket_problem(of.cpu, of.board) or slots
         or compatibility.side_by_side_problem(of.board.form_factor, card, of.count)),
        ("ssd", no_m2 if of.ssd and of.ssd.form_factor == "M.2" and not of.board.m2_slots else None),
        ("ram", compatibility.memory_problem(Memory(of.kits), of.cpu, of.board)),
        ("psu", compatibility.psu_problem(of.psu, card, of.count, of.cpu)),
        ("cooler", compatibility.cooler_problem(of.cooler, of.cpu)),
        ("case", compatibility.case_problem(of.case, of.board, of.cooler, card, of.count)),
        ("", compatibility.display_problem(card, of.cpu)),
    ]
    return [(kind, words) for kind, words in found if words]


def options(kind: PartKind, of: Whole, stock: Stock) -> list[Swap]:
    """Other parts of a kind, cheapest first, with what each asks of the rest of the build."""
    if kind == "ram":
        found = _memories(of, stock)
    else:
        shelves: dict[str, Sequence[Any]] = {
            "gpu": stock.gpus, "cpu": stock.cpus, "board": stock.boards, "psu": stock.psus, "case": stock.cases,
            "cooler": stock.coolers, "ssd": stock.ssds,
        }
        count = 1 if kind == "gpu" else of.count
        wholes: Iterator[tuple[float, str, Whole]] = (
            (stock.usd(kind, row.name), row.name, replace(of, **{kind: row, "count": count})) for row in shelves[kind]
        )
        found = (_swap(kind, name, usd, of, then) for usd, name, then in wholes if usd < float("inf"))
    return sorted(found, key=lambda item: (item.price_usd, item.name))


def _memories(of: Whole, stock: Stock) -> Iterator[Swap]:
    """Ways to fill the memory slots of the board, as the line of a build writes them: a line does not say whether
    modules are registered, which is as the board asks.
    """
    registered = of.board.registered_memory and of.cpu.registered_memory
    for memory, quotes in stock.memories():
        kit = memory.kits[0]
        if (kit.form_factor, kit.ram_type, kit.registered) == ("DIMM", of.board.ram_type, registered):
            name = f"{memory.ram_type}-{memory.mt_s} {memory.modules}x{memory.gib / memory.modules:g}"
            swap = _swap("ram", name, price_of(quotes), of, replace(of, kits=memory.kits))
            runs = compatibility.running_mt_s(memory, of.cpu, of.board)
            slower = swap.words == TOGETHER and runs < memory.mt_s
            yield replace(swap, words=f"runs at {runs} MT/s here") if slower else swap


def _swap(kind: str, name: str, usd: float, before: Whole, then: Whole) -> Swap:
    """A part with what it takes with it, or why it cannot be taken."""
    already = problems(before)
    found = [problem for problem in problems(then) if problem not in already]
    follow = tuple(dict.fromkeys(of for of, _ in found if of in FOLLOW.get(kind, ())))
    if "board" in follow and "case" not in follow:
        follow = (*follow, "case")  # the size of that board is not known yet
    against = [words for of, words in found if of not in follow]
    if against:
        return Swap(name, usd, f"does not fit: {against[0]}", able=False, follow=(), then=then)
    others = [KIND_WORDS[of][0] for of in follow]
    listed = " and ".join(filter(None, (", ".join(others[:-1]), *others[-1:])))
    words = f"takes another {listed} with it" if others else TOGETHER
    return Swap(name, usd, words, able=True, follow=follow, then=then)


def with_part(parts: Parts, kind: str, name: str, follow: Collection[str] = ()) -> Parts:
    """The build with another part. A processor takes board, cooler and memory with it, a card supply and case, a board
    the case; and each what must `follow` it.
    """
    freed: dict[str, Sequence[str]] = {"cpu": ("board", "cooler"), "gpu": ("psu", "case"), "board": ("case",)}
    gone = {kind, *freed.get(kind, ()), *follow}
    kept = tuple((of, text) for of, text in parts.more if of not in gone)
    if kind == "gpu":
        return Parts(gpu=name, cpu=parts.cpu, ram=parts.ram, more=kept)
    if kind == "cpu":
        return Parts(gpu=parts.gpu, cpu=name, ram=parts.ram.rpartition(" ")[2], cards=parts.cards, more=kept)
    if kind == "ram":
        return Parts(gpu=parts.gpu, cpu=parts.cpu, ram=name, cards=parts.cards, more=kept)
    return Parts(gpu=parts.gpu, cpu=parts.cpu, ram=parts.ram, cards=parts.cards, more=(*kept, (kind, name)))
