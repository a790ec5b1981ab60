"""What another part in a build would change: what there is to choose from, and whether it goes together, in words.

The rules are those of `advisor.buying.compatibility`; a part that no longer fits is exchanged with the one that asks
it. All pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from advisor.buying import compatibility
from advisor.buying.pricing import price_of
from advisor.buying.recommendation import RankedBuild
from advisor.buying.stock import Stock
from catalog.names.gpus import resolve_gpu
from catalog.parts import Board, Cooler, Cpu, Gpu, PcCase, Psu
from catalog.prices import PartKind
from webapp.described import Parts

CHOSEN: tuple[PartKind, ...] = ("gpu", "cpu", "ram", "board", "psu", "case", "cooler", "ssd")
"""Kinds of parts that a line of text can name."""
ROOM_MM = 10.0


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
    modules: int


@dataclass(frozen=True, slots=True)
class Swap:
    """A part to take, its price in USD, and what to know of it beside the rest of the build."""

    name: str
    price_usd: float
    words: str


def whole(build: RankedBuild, stock: Stock) -> Whole | None:
    """The rows of a build's parts; None for a machine that is sold whole."""
    names = {part.kind: part.name for part in build.parts}
    shelves = {"cpu": stock.cpus, "board": stock.boards, "psu": stock.psus, "case": stock.cases,
               "cooler": stock.coolers}  # fmt: skip
    rows = {
        kind: next((row for row in shelf if row.name == names.get(kind)), None) for kind, shelf in shelves.items()
    }
    cpu, board, psu, case, cooler = (rows[kind] for kind in shelves)
    if not (isinstance(cpu, Cpu) and isinstance(board, Board) and isinstance(psu, Psu)):
        return None
    if not (isinstance(case, PcCase) and isinstance(cooler, Cooler)):
        return None
    gpu = resolve_gpu(names["gpu"]).row if "gpu" in names else None
    kits = [kit for part in build.parts if part.kind == "ram" for kit in stock.ram_kits if kit.name == part.name]
    count = sum(part.kind == "gpu" for part in build.parts)
    return Whole(gpu, count, cpu, board, psu, case, cooler, sum(kit.modules for kit in kits))


def checks(of: Whole, memory_gib: float | None) -> list[tuple[bool, str]]:
    """Whether things go together with room to spare, each in words: power, length, slots, memory, cooling."""
    load, needed = (
        compatibility.load_w(of.gpu, of.count, of.cpu), compatibility.psu_watts_needed(of.gpu, of.count, of.cpu)
    )  # fmt: skip
    found = [
        (of.psu.watts >= needed, f"power: {load:.0f} W under load, {needed:.0f} W asked for, {of.psu.watts:g} W there")
    ]
    cables = compatibility.cables_problem(of.psu, of.gpu, of.count)
    if of.gpu:
        found.append((cables is None, cables or f"cables: enough for {of.gpu.power_connectors or 'the card'}"))
        length, room = of.gpu.length_mm, of.case.max_gpu_length_mm
        if length:
            words = f"length: card {length:.0f} of {room:.0f} mm"
            found.append((length <= room, words + (", tight" if room - length < ROOM_MM else "")))
        else:
            found.append((True, f"length: {of.gpu.name} differs by maker, {room:.0f} mm there: check it"))
    size = f"{memory_gib or 0:g} of {of.board.max_memory_gib:g} GB"
    slots = f"memory: {of.modules} of {of.board.dimm_slots} slots, {size}"
    found.append((of.modules <= of.board.dimm_slots, slots))
    cooling = compatibility.cooler_problem(of.cooler, of.cpu)
    found.append((cooling is None, cooling or f"cooling: made for {of.cooler.max_tdp_w:g} W, {of.cpu.tdp_w:g} W there"))
    return found


def options(kind: PartKind, of: Whole, stock: Stock) -> list[Swap]:
    """Other parts of a kind, cheapest first, with what each asks of the rest of the build."""
    found = []
    if kind == "ram":
        return _memories(of, stock)
    for name, words in _told(kind, of, stock):
        usd = stock.usd(kind, name)
        if usd < float("inf"):
            found.append(Swap(name, usd, words or "goes together"))
    return sorted(found, key=lambda item: (item.price_usd, item.name))


def _memories(of: Whole, stock: Stock) -> list[Swap]:
    """Ways to fill the memory slots of the board, as the line of a build writes them."""
    found = []
    for memory, quotes in stock.memories():
        if memory.kits[0].form_factor == "DIMM" and memory.ram_type == of.board.ram_type:
            problem = compatibility.memory_problem(memory, of.cpu, of.board)
            runs = compatibility.running_mt_s(memory, of.cpu, of.board)
            slower = f"runs at {runs} MT/s here" if runs < memory.mt_s else "goes together"
            name = f"{memory.ram_type}-{memory.mt_s} {memory.modules}x{memory.gib / memory.modules:g}"
            found.append(Swap(name, price_of(quotes), problem or slower))
    return sorted(found, key=lambda item: (item.price_usd, item.name))


def _told(kind: str, of: Whole, stock: Stock) -> Iterator[tuple[str, str | None]]:
    """Parts of a kind by name, with what keeps each from going into the build."""
    if kind == "gpu":
        yield from ((gpu.name, _card_words(gpu, of)) for gpu in stock.gpus)
    if kind == "cpu":
        with_it = "takes another board and memory with it"
        yield from ((cpu.name, compatibility.socket_problem(cpu, of.board) and with_it) for cpu in stock.cpus)
    if kind == "board":
        yield from ((board.name, compatibility.socket_problem(of.cpu, board)) for board in stock.boards)
    if kind == "psu":
        yield from ((psu.name, compatibility.psu_problem(psu, of.gpu, of.count, of.cpu)) for psu in stock.psus)
    if kind == "case":
        shown = (of.board, of.cooler, of.gpu, of.count)
        yield from ((case.name, compatibility.case_problem(case, *shown)) for case in stock.cases)
    if kind == "cooler":
        yield from ((cooler.name, compatibility.cooler_problem(cooler, of.cpu)) for cooler in stock.coolers)
    if kind == "ssd":
        none = f"{of.board.name} has no M.2 slot"
        fits = bool(of.board.m2_slots)
        yield from ((ssd.name, None if fits or ssd.form_factor != "M.2" else none) for ssd in stock.ssds)


def _card_words(gpu: Gpu, of: Whole) -> str | None:
    """What a card takes with it: a larger supply or case, or a processor that shows the picture."""
    with_it = [
        word for word, problem in (
            ("power supply", compatibility.psu_problem(of.psu, gpu, 1, of.cpu)),
            ("case", compatibility.card_problem(of.case, gpu, 1)),
        ) if problem
    ]  # fmt: skip
    shown = compatibility.display_problem(gpu, of.cpu)
    if shown:
        return shown
    return f"takes another {' and '.join(with_it)} with it" if with_it else None


def with_part(parts: Parts, kind: str, name: str) -> Parts:
    """The build with another part; a processor takes board, cooler and memory with it, a card supply and case."""
    freed: dict[str, Sequence[str]] = {"cpu": ("board", "cooler"), "gpu": ("psu", "case"), "board": ("case",)}
    kept = tuple((of, text) for of, text in parts.more if of != kind and of not in freed.get(kind, ()))
    if kind == "gpu":
        return Parts(gpu=name, cpu=parts.cpu, ram=parts.ram, more=kept)
    if kind == "cpu":
        return Parts(gpu=parts.gpu, cpu=name, ram=parts.ram.rpartition(" ")[2], cards=parts.cards, more=kept)
    if kind == "ram":
        return Parts(gpu=parts.gpu, cpu=parts.cpu, ram=name, cards=parts.cards, more=kept)
    return Parts(gpu=parts.gpu, cpu=parts.cpu, ram=parts.ram, cards=parts.cards, more=(*kept, (kind, name)))
