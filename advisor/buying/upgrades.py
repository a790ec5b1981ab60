"""What to buy for a computer there is: purchases and pairs of them, ranked by what they change for a goal.

Goals: faster (seconds of a typical step), larger (the best model that then serves the task), longer (the longest
context of the model), people (how many can write at once at a fair speed). A new card brings a supply that feeds it
wherever it draws more than the one before; cards for tinkerers are left out unless asked for. The answer is told as one
document for terminal and Markdown, and as a table.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from advisor.answer import Prediction
from advisor.buying.changes import LEAST_GAIN, Change, single_purchases, sold_whole, speed_tok_s
from advisor.buying.compatibility import SLOT_W, supply_problem
from advisor.buying.docks import unpriced_dock
from advisor.buying.picking.shelf import sensible
from advisor.buying.pricing import Quote, interval_of, price_of
from advisor.buying.purchases import added_memory, platform_swaps, second_cards
from advisor.buying.stock import Stock, stock_at
from advisor.buying.wish import MOST_BUDGET_USD
from advisor.choosing.quality import LOW_STEPS, Choice, choices
from advisor.choosing.tasks import TASKS, Purpose, TaskName
from advisor.documents import Cell, Document, Paragraph, Points, Section, Table, TableColumn, number, seconds
from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.market.market import Market, today
from advisor.physics.knowledge import Knowledge
from advisor.prediction.capacity import longest_context
from advisor.prediction.case import asked_of, case_of, cases_of
from advisor.prediction.own_parts import with_own_parts
from advisor.prediction.prediction import answers, predict_many
from advisor.question import Hardware, Scenario
from catalog.names.cpus import resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.index import UnknownName
from catalog.parts import Gpu
from catalog.units import GIB

Aim = Literal["faster", "larger", "longer", "people"]
PAIRED: Final = 6
"""Of cards, and of memories, so many of the best go into pairs."""
SIMPLER: Final = 0.9
"""Memory goes before a card that is cheaper by less: it asks for no supply and no room in the case."""
RESALE: Final = "what the old parts bring when sold is not counted"
TRIED_AT_ONCE: Final = 16
"""Models of a shelf that are worked out together, best first, until one serves."""
CROWDS: Final = (1, 2, 4, 8, 16)
TRIED_TOGETHER: Final = 4
"""Models that are asked at once, the best first: one of the first few serves mostly."""
UNITS: Mapping[Aim, str] = {
    "faster": "s for a typical step", "larger": "index of the best model", "longer": "tokens of context",
    "people": "people at once",
}
STANDING: Mapping[Aim, str] = {
    "faster": "{} for a typical step", "larger": "{} on the index of models' quality", "longer": "{} tokens of context",
    "people": "{} at once",
}
"""Where a computer stands for a goal, around its measure."""
TITLES: Mapping[Aim, str] = {
    "faster": "What makes it faster", "larger": "What runs a better model", "longer": "What gives a longer context",
    "people": "What serves more people",
}


class _OfUpgrades(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UpgradeWish(_OfUpgrades):
    """What should change about a computer, and what that may cost."""

    goal: Aim = "faster"
    """Speed, a larger model, a longer context, or more people at once."""
    task: TaskName = "chat"
    budget_usd: Annotated[float, Field(gt=0, le=MOST_BUDGET_USD, allow_inf_nan=False)] | None = None
    condition: Literal["new", "used", "any"] = "any"
    """Of what is bought."""
    tinkerer: bool = False
    """Also cards without a fan, a picture or a maintained driver."""


class Bought(_OfUpgrades):
    """What to buy, what it costs with all that it needs, and what it changes."""

    buy: str
    price_usd: float
    low_usd: float
    high_usd: float
    after: float
    """The goal's measure with it."""
    gain: float
    """Times better than now; 0 where nothing served before."""
    model: str
    """That then runs: for a larger model another one."""
    quant: str
    mind: str


class Purchase(Bought):
    """A purchase with all that is predicted of the computer that has it."""

    prediction: Prediction


class Upgrades(_OfUpgrades):
    """The purchases that help, cheapest first, each a tenth better than the one before."""

    goal: Aim
    unit: str
    now: float
    """The goal's measure today; 0 where nothing serves."""
    now_model: str
    prediction: Prediction | None
    """Of the model as the computer is; None where none serves."""
    purchases: tuple[Purchase, ...]
    best: int | None
    """Which of them a friend would buy: the most for its price."""
    said: tuple[str, ...]
    """What to know, and what to do where nothing helps."""


@dataclass(frozen=True, eq=False)
class _OnHardware:
    """A goal's measure on one hardware; larger is better."""

    value: float
    shown: float
    answer: Prediction | None
    model: str = ""


Measure = Callable[[Sequence[Hardware]], list[_OnHardware]]


def upgrades(
    asked: Scenario, aim: Aim, task: TaskName, stock: Stock, knowledge: Knowledge, budget_usd: float | None = None,
    *, tinkerer: bool = False,
) -> Upgrades:
    """Purchases for the hardware of a question. `asked`: its model is meant by all goals but "larger".

    Runs of the computer, told with the question or by its profile, hold on for the parts that a purchase leaves.
    Raises `UnknownName` and `InputError` for hardware or a model that cannot be answered.
    """
    knowledge = with_own_parts(asked, knowledge)
    shelf = sensible(stock, budget_usd, tinkerer=tinkerer)
    measure = _measure(asked, aim, TASKS[task], knowledge)
    (now,) = measure([asked.hardware])
    single = [
        *single_purchases(asked.hardware, shelf), *second_cards(asked.hardware, shelf),
        *added_memory(asked.hardware, shelf), *platform_swaps(asked.hardware, shelf),
    ]
    whole = sold_whole(asked.hardware)
    if whole and not single:
        return _whole(aim, now, asked.hardware, shelf)
    if not whole:
        single = [fed for change in single if (fed := _fed(change, asked.hardware, shelf))]
    limit = float("inf") if budget_usd is None else budget_usd
    changes = [change for change in single if price_of(change.quotes) <= limit and _no_less(change, asked.hardware)]
    told = list(zip(changes, measure([change.hardware for change in changes]), strict=True))
    pairs = [pair for pair in _pairs(told, asked.hardware) if price_of(pair.quotes) <= limit]
    told += zip(pairs, measure([pair.hardware for pair in pairs]), strict=True)
    ladder = _ladder(told, now, asked.hardware)
    found = tuple(item for _, item in ladder)
    best = max(range(len(found)), key=lambda at: _per_money(found[at], now), default=None)
    return Upgrades(
        goal=aim, unit=UNITS[aim], now=now.shown, now_model=now.model, prediction=now.answer, purchases=found,
        best=best,
        said=(*_said([change for change, _ in ladder], asked.hardware, budget_usd),
              *_memory_alone(aim, now, told, [change for change, _ in ladder], asked.hardware),
              *_by_runs(asked, now, found)),
    )


def upgrades_wished(asked: Scenario, wish: UpgradeWish, market: Market, knowledge: Knowledge) -> Upgrades:
    """The same by the prices of a market today. Raises as `upgrades`."""
    stock = stock_at(market, today(), wish.condition)
    return upgrades(asked, wish.goal, wish.task, stock, knowledge, wish.budget_usd, tinkerer=wish.tinkerer)


def _per_money(item: Purchase, now: _OnHardware) -> float:
    """Doublings over the square root of the price: as picks weigh money."""
    gain = item.gain if now.value > 0 else 2.0
    return math.log2(gain) / math.sqrt(max(item.price_usd, 1.0))


def _ladder(
    told: Sequence[tuple[Change, _OnHardware]], now: _OnHardware, hardware: Hardware
) -> list[tuple[Change, Purchase]]:
    """Cheapest first, each better than the one before by a tenth at least."""

    def place(pair: tuple[Change, _OnHardware]) -> float:
        return price_of(pair[0].quotes) * (SIMPLER if _is_memory(pair[0], hardware) else 1.0)

    reached, rungs = now.value, list[tuple[Change, Purchase]]()
    for change, after in sorted(told, key=place):
        if after.value > reached * (1 + LEAST_GAIN) and after.value > 0 and after.answer is not None:
            low, high = interval_of(change.quotes)
            bought = Purchase(
                buy=change.said("in place of"), price_usd=round(price_of(change.quotes), 2), low_usd=round(low, 2),
                high_usd=round(high, 2), after=after.shown, gain=after.value / now.value if now.value else 0.0,
                model=after.answer.model, quant=after.answer.quant, mind=change.mind, prediction=after.answer,
            )
            if rungs and rungs[-1][1].price_usd > bought.price_usd:  # memory that something cheaper beats
                rungs.pop()
            rungs.append((change, bought))
            reached = after.value
    return rungs


def _said(found: Sequence[Change], hardware: Hardware, budget_usd: float | None) -> Iterator[str]:
    if found and all(change.platform for change in found):
        yield "no card and no memory helps by a tenth: nothing but another platform does"
    if not found:
        limit = "" if budget_usd is None else f" for ${budget_usd:,.0f}"
        yield f"no purchase and no pair of them helps by a tenth{limit}: another computer would (advisor recommend)"
    if not hardware.ram.modules and not sold_whole(hardware):
        yield 'how many memory slots are free is not said (as in --ram "DDR4-3200 2x8"): memory replaces what there is'
    yield RESALE


def _memory_alone(
    aim: Aim, now: _OnHardware, told: Sequence[tuple[Change, _OnHardware]], ladder: Sequence[Change], hardware: Hardware
) -> Iterator[str]:
    """What more memory and nothing else would bring, where it is none of the purchases that help."""
    more = [pair for pair in told if _is_memory(pair[0], hardware)]
    if not more or any(_is_memory(change, hardware) for change in ladder):
        return
    change, after = max(more, key=lambda pair: (pair[1].value, -price_of(pair[0].quotes)))
    before, then = (measured(aim, each.shown) for each in (now, after))
    buy = f"memory alone ({change.buy}, ${price_of(change.quotes):,.0f})"
    words = STANDING[aim].format(then)
    yield f"{buy} changes little: {words}, as it is" if then == before else f"{buy} brings {words}, instead of {before}"


def _is_memory(change: Change, hardware: Hardware) -> bool:
    """Whether a change is more memory and nothing else."""
    then = change.hardware
    more = (then.ram.gb or 0.0) > (hardware.ram.gb or 0.0)
    return more and then.gpus == hardware.gpus and then.cpu == hardware.cpu and not change.platform


def _by_runs(asked: Scenario, now: _OnHardware, found: Sequence[Purchase]) -> Iterator[str]:
    """For how many purchases what was measured on the computer holds on."""
    own, *bought = (
        answer is not None and any(note.code == "by_own_runs" for note in answer.warnings)
        for answer in (now.answer, *(item.prediction for item in found))
    )
    if own or asked.measured:
        yield f"what you measured counts for {sum(bought)} of {len(found)} purchases: those that leave a measured part"


def _whole(aim: Aim, now: _OnHardware, hardware: Hardware, stock: Stock) -> Upgrades:
    """Laptops, Macs and boxes: there is nothing to exchange."""
    name = hardware.machine or f"a laptop with {hardware.gpus[0].name}"
    whole = f"{name} is sold whole: neither its memory nor its processor can be exchanged"
    dock = unpriced_dock(hardware, stock)
    said = (f"{whole}; the next step is to sell it and buy (advisor recommend)", *([dock] if dock else []), RESALE)
    return Upgrades(goal=aim, unit=UNITS[aim], now=now.shown, now_model=now.model, prediction=now.answer, purchases=(),
                    best=None, said=said)


# Purchases that make sense for the hardware.


def _no_less(change: Change, hardware: Hardware) -> bool:
    """Whether nothing gets smaller: less memory than there is, in RAM or on the cards, is no upgrade."""
    ram, after = hardware.ram.gb or 0.0, change.hardware.ram.gb or 0.0
    try:
        before, then = (sum(gpu.vram_bytes for gpu in machine_of(item).gpus) for item in (hardware, change.hardware))
    except InputError:
        return False
    return after >= ram and then >= before


def _fed(change: Change, hardware: Hardware, stock: Stock) -> Change | None:
    """A change with a supply where its cards draw more than those there are; None where no supply feeds them."""
    before, after = (sum(gpu.power_w for gpu in cards_of(item)) for item in (hardware, change.hardware))
    if after <= max(before, SLOT_W):
        return change
    try:
        cpu = resolve_cpu(change.hardware.cpu_name or "").row
    except UnknownName:
        return replace(change, mind=f"{change.mind}; the supply is not in the price")
    cards = cards_of(change.hardware)
    fitting = [psu for psu in stock.psus if supply_problem(psu, cards, cpu) is None]
    psu = min(fitting, key=lambda psu: stock.usd("psu", psu.name), default=None)
    quote = stock.prices.quote("psu", psu.name) if psu else None
    if psu is None or quote is None:
        return None
    buy = f"{change.buy} and a supply of {psu.watts:.0f} W"
    return replace(change, buy=buy, quotes=(*change.quotes, quote), mind=f"{change.mind}; if yours has the watts and "
                   f"plugs, take ${quote.price_usd:,.0f} off")


def cards_of(hardware: Hardware) -> tuple[Gpu, ...]:
    """The cards as rows, each with its own draw or the limit set for it; without those that no row describes."""
    found: list[Gpu] = []
    for asked in hardware.gpus:
        name, gib = (asked.custom.like or "", None) if asked.custom else (asked.name, asked.vram_gb)
        try:
            row = resolve_gpu(name, gib).row
        except UnknownName:
            continue
        watts = min(row.power_w, asked.power_limit_w or row.power_w)
        found += [row.model_copy(update={"power_w": watts})] * asked.count
    return tuple(found)


def _pairs(told: Sequence[tuple[Change, _OnHardware]], hardware: Hardware) -> Iterator[Change]:
    """A card and memory together: of each the few that make the most of their price."""
    ranked = sorted(told, key=lambda pair: -pair[1].value / max(price_of(pair[0].quotes), 1.0) ** 0.5)
    cards = [change for change, _ in ranked if change.hardware.gpus != hardware.gpus][:PAIRED]
    memories = [change for change, _ in ranked if change.hardware.gpus == hardware.gpus][:PAIRED]
    for card in cards:
        for memory in memories:
            both = card.hardware.model_copy(update={"ram": memory.hardware.ram, "cpu": memory.hardware.cpu})
            buy = f"{card.said('in place of')}, with {memory.buy}"
            quotes: tuple[Quote, ...] = (*card.quotes, *memory.quotes)
            yield Change(both, buy, mind=f"{card.mind}; {memory.mind}", quotes=quotes)


# What a goal measures.


def _measure(asked: Scenario, aim: Aim, task: Purpose, knowledge: Knowledge) -> Measure:
    if aim == "larger":
        return lambda many: _best_models(asked, task, many, knowledge)
    if aim == "people":
        return lambda many: _crowds(asked, task, many, knowledge)
    if aim == "longer":
        return lambda many: _contexts(asked, many, knowledge)
    return lambda many: _steps(asked, task, many, knowledge)


def _on(asked: Scenario, hardware: Hardware) -> Scenario:
    """The question of another hardware: runs are of the one that they were measured on."""
    runs = asked.measured if hardware == asked.hardware else ()
    return asked.model_copy(update={"hardware": hardware, "measured": runs})


def _steps(asked: Scenario, task: Purpose, many: Sequence[Hardware], knowledge: Knowledge) -> list[_OnHardware]:
    """Seconds of a typical step; steps a second are what is larger for better."""
    found = []
    for answer in predict_many([_on(asked, hardware) for hardware in many], knowledge, pitfalls=False):
        decode, prefill = speed_tok_s(answer), answer.prefill_tok_s
        if not decode or prefill is None:
            found.append(_OnHardware(0.0, 0.0, None))
            continue
        seconds = task.step_s(decode, prefill.p50)
        found.append(_OnHardware(1 / seconds, seconds, answer, answer.model))
    return found


def _contexts(asked: Scenario, many: Sequence[Hardware], knowledge: Knowledge) -> list[_OnHardware]:
    """The longest context of the model that the memory has room for."""
    found = []
    answers_to = predict_many([_on(asked, item) for item in many], knowledge, pitfalls=False)
    for hardware, answer in zip(many, answers_to, strict=True):
        longest = longest_context(case_of(_on(asked, hardware)), None, None) or 0
        found.append(_OnHardware(float(longest), float(longest), answer if longest else None, answer.model))
    return found


def _crowds(asked: Scenario, task: Purpose, many: Sequence[Hardware], knowledge: Knowledge) -> list[_OnHardware]:
    """How many people can write at once, each at the task's least speed; between the counts tried by the speed left."""
    found = [_OnHardware(0.0, 0.0, None) for _ in many]
    for users in CROWDS:
        load = asked.workload.model_copy(update={"users": users})
        crowd = [_on(asked.model_copy(update={"workload": load}), hardware) for hardware in many]
        for place, answer in enumerate(predict_many(crowd, knowledge, pitfalls=False)):
            speed = speed_tok_s(answer)
            if answer.fits and speed and speed >= task.least_tok_s:
                found[place] = _OnHardware(float(users), float(users), answer, answer.model)
    return found


def _best_models(asked: Scenario, task: Purpose, many: Sequence[Hardware], knowledge: Knowledge) -> list[_OnHardware]:
    """The best model that serves the task, by its cautious quality."""
    tried = choices(task, task.context, LOW_STEPS)
    found: list[_OnHardware] = []
    for hardware in many:
        holds = [choice for choice in tried if choice.file_gb * 1e9 <= _room_bytes(hardware)]
        shelves = (holds[at : at + TRIED_AT_ONCE] for at in range(0, len(holds), TRIED_AT_ONCE))
        tries = (_first_that_serves(asked, task, hardware, shelf, knowledge) for shelf in shelves)
        found.append(next((item for item in tries if item.answer), _OnHardware(0.0, 0.0, None)))
    return found


def _room_bytes(hardware: Hardware) -> float:
    machine = machine_of(hardware)
    vram = sum(gpu.vram_bytes for gpu in machine.gpus)
    ram = machine.ram.capacity_bytes or 0.0
    return max(vram, ram) if machine.unified else vram + max(0.0, ram - 4 * GIB)


def _first_that_serves(
    asked: Scenario, task: Purpose, hardware: Hardware, tried: Sequence[Choice], knowledge: Knowledge
) -> _OnHardware:
    engine = {"name": asked.engine.name, "backend": asked.engine.backend}
    for start in range(0, len(tried), TRIED_TOGETHER):
        some = tried[start : start + TRIED_TOGETHER]
        questions = [task.question(choice.llm.name, choice.quant) for choice in some]
        cases = cases_of([
            asked_of(_on(question.model_copy(update={"engine": question.engine.model_copy(update=engine)}), hardware))
            for question in questions
        ])
        pairs = [
            (choice, case) for choice, case in zip(some, cases, strict=True)
            if case.placement.fits and case.placement.storage_bytes <= 0
        ]
        found = answers([case for _, case in pairs], knowledge, pitfalls=False)
        for (choice, _), answer in zip(pairs, found, strict=True):
            decode, prefill = speed_tok_s(answer), answer.prefill_tok_s
            if decode and prefill and decode >= task.least_tok_s and task.reads <= task.longest_wait_s * prefill.p50:
                return _OnHardware(choice.cautious, round(choice.quality, 1), answer, answer.model)
    return _OnHardware(0.0, 0.0, None)


def upgrades_table(found: Upgrades) -> Table:
    """A row for each purchase, cheapest first."""
    head = [
        TableColumn("Buy", fills=True), TableColumn("Price", right=True, whole=True),
        TableColumn("80 %", right=True, whole=True), TableColumn("Then", right=True, whole=True),
        TableColumn("Gain", right=True, whole=True), TableColumn("Writes tok/s", right=True, whole=True),
        TableColumn("Model", whole=True),
    ]
    return Table(head, [_row(found, item) for item in found.purchases])


def _row(found: Upgrades, item: Purchase) -> list[Cell]:
    speed = item.prediction.decode_tok_s
    gain = f"{item.gain:.1f}x" if item.gain else "runs"
    return [
        item.buy, f"${item.price_usd:,.0f}", f"${item.low_usd:,.0f}-{item.high_usd:,.0f}", shown(found, item.after),
        gain, number(speed.p50) if speed else "", f"{item.model} {item.quant}",
    ]


def shown(found: Upgrades, value: float) -> str:
    """A goal's measure as people read it."""
    return measured(found.goal, value)


def measured(aim: Aim, value: float) -> str:
    """The same of a goal."""
    if aim == "faster":
        return seconds(value) if value else "does not run"
    if aim == "longer":
        return f"{value / 1024:.0f}K" if value else "does not fit"
    return f"{value:g}" if value else "none"


def standing(found: Upgrades) -> str:
    """Where the computer stands today, with the model that it is so with."""
    measure = shown(found, found.now)
    words = STANDING[found.goal].format(measure) if found.now else measure
    return f"{words}, with {found.now_model}" if found.now_model else words


def upgrades_document(found: Upgrades) -> Document:
    """Where it stands, the one to buy, all that help, and what to know."""
    head = Paragraph(f"Today: {standing(found)}.")
    blocks: list[Paragraph] = [head]
    if found.best is not None:
        best = found.purchases[found.best]
        gain = f"{best.gain:.1f} times today's" if best.gain else "it then runs"
        text = f"We would buy: {best.buy}, ${best.price_usd:,.0f}: {shown(found, best.after)}, {gain}."
        blocks.append(Paragraph(text, strong=True))
    minds = [f"{item.mind}." for place, item in enumerate(found.purchases) if item.mind and place == found.best]
    return Document(TITLES[found.goal], [
        Section("", blocks),
        Section("", [upgrades_table(found)] if found.purchases else []),
        Section("To mind", [Points([*minds, *(f"{line}." for line in found.said)])]),
    ])
