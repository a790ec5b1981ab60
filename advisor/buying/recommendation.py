"""What to buy: builds ranked by dollars per token per second. Read this module first.

wish -> `stock_at` (parts with a price) -> `Search.candidates` (every compatible build with price and speed, as columns)
-> `Search.ranked` (those that reach the wish, best first) -> the best of each card or machine as objects ->
`Recommendation`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from advisor.answer import Prediction, Warning
from advisor.buying.builds import Build, BuildKind, predict_command
from advisor.buying.changes import Upgrade, next_dollars
from advisor.buying.combinations import Whole
from advisor.buying.costs import RunningCosts
from advisor.buying.ownership import Owned, owned_parts
from advisor.buying.search import Offer, Search
from advisor.buying.stock import Stock, stock_at
from advisor.buying.wish import Wish
from advisor.choosing.tasks import TaskName
from advisor.errors import InputError
from advisor.market.market import Market, shipped_market, today
from advisor.market.money import Exchange
from advisor.physics.knowledge import Knowledge, load
from advisor.prediction.capacity import longest_context
from advisor.prediction.case import case_of
from advisor.prediction.splitting import Splits, splits_of
from advisor.question import Scenario
from advisor.sizes.quality import BEST, NATIVE, default_quant, quality_order
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant

KIND_WORDS = {
    "gpu": ("graphics card", "graphics cards"), "cpu": ("processor", "processors"), "board": ("board", "boards"),
    "ram": ("memory kit", "memory kits"), "ssd": ("disk", "disks"), "psu": ("power supply", "power supplies"),
    "case": ("case", "cases"), "cooler": ("cooler", "coolers"),
    "office": ("office PC", "office PCs"), "accessory": ("accessory", "accessories"),
    "unified": ("unified-memory machine", "unified-memory machines"), "laptop": ("laptop", "laptops"),
}
DESKTOP_KINDS = set(KIND_WORDS) - {"unified", "laptop"}
DOLLARS = Exchange()
SearchOf = Callable[[Wish, str, Stock, Knowledge], Search]
MOST_TIES = 20
UPGRADED = 20
"""Builds that are told what the next dollar buys: as many as a reader looks at."""


class _Ranked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PartLine(_Ranked):
    """One piece and its price with the 80 % interval; `condition` is new, used or owned; an owned part has no date."""

    kind: str
    name: str
    price_usd: float
    low_usd: float
    high_usd: float
    price_as_of: date | None
    """The newest observation."""
    price_source: str
    """Where the newest stands."""
    price_sources: int
    """Independent ones."""
    price_observations: int
    condition: str
    one_source: bool
    """All of it rests on a single source."""
    stale: bool
    """Of a kind whose prices move, and older than 45 days."""
    before_shortage: bool
    """From before memory, disks and graphics cards rose in 2025."""
    own: bool
    """The buyer's own figure."""


class RankedBuild(_Ranked):
    """A whole machine, what it costs and what it does."""

    rank: int
    model: str
    quant: str
    kind: BuildKind
    name: str
    parts: tuple[PartLine, ...]
    price_usd: float
    low_usd: float
    high_usd: float
    """The 80 % interval of the price: errors of different parts add up in squares."""
    price: float
    """In the currency of the answer."""
    price_observations: int
    price_newest: date | None
    usd_per_tok_s: float
    tie: tuple[str, ...]
    """Other builds of the answer that prices cannot tell from this one: more than half of the shorter of the two
    intervals of $/(tok/s) lies in the other."""
    pareto: bool
    """No build that was tried is both cheaper and faster."""
    prediction: Prediction
    longest_context_tokens: int | None
    power_w: float
    bottleneck: str | None
    next_dollar: Upgrade | None
    notes: tuple[Warning, ...]
    """What to mind when buying, with a code for programs."""
    predict_command: str
    """Shows this build by itself, with the same speeds."""


class Pick(_Ranked):
    """A build that is best at one thing, why, and what speaks against it."""

    pick: Literal["value", "cheapest", "fastest", "ready_made"]
    build: int
    """Its place in `builds`."""
    why: tuple[str, ...]
    against: tuple[str, ...]
    costs: RunningCosts | None = None
    """Electricity, and whether an API would be cheaper."""
    living: tuple[str, ...] = ()
    """Plugs, size, noise and warranty, where they are known, and what of them is not."""


class WayOut(_Ranked):
    """What to change of a wish that nothing serves, and what would then do."""

    change: str
    build: RankedBuild | None


class Near(_Ranked):
    """A build just beside the wish that is worth a word."""

    text: str
    build: RankedBuild


class Beside(_Ranked):
    """The answer to what a buyer asks next: a little more money, less money, or nothing to build."""

    kind: Literal["more", "less", "ready_made"]
    text: str
    pick: Literal["value", "cheapest", "fastest", "ready_made"] | None
    """Which of the picks it is about, if any."""


class ChosenModel(_Ranked):
    """The model of a build, and how good it is at the task: an index that is no percentage, with its range."""

    model: str
    quant: str
    quality: float
    low: float
    high: float
    how: str
    """Whether it was measured, or filled in from other benchmarks."""
    licence: str
    why: str
    """In a sentence."""


class Recommendation(_Ranked):
    """The ranked builds, best first, and how they were found."""

    scenario: dict[str, Any]
    """The question, with the wish's limits."""
    builds: tuple[RankedBuild, ...]
    tried: int
    """Builds that reached the wish."""
    quant_choice: str
    quant_source: str
    """Who measured the quality by which the quantisation was chosen; empty where it was not."""
    left_out: tuple[str, ...]
    """What was not considered, and why, in sentences."""
    unpriced: dict[str, tuple[str, ...]]
    """The same by name: parts of each kind without a price."""
    assumptions: tuple[str, ...]
    currency: str = "USD"
    """In which amounts are shown to people."""
    per_usd: float = 1.0
    """Units of it for one US dollar."""
    task: TaskName | None = None
    """What it is for, where that was asked."""
    picks: tuple[Pick, ...] = ()
    models: tuple[ChosenModel, ...] = ()
    """The models of the picks, in their order."""
    running: tuple[str, ...] = ()
    """What the first pick costs to run, in sentences."""
    near: tuple[Near, ...] = ()
    """Builds just beside the wish: a little above the budget, or with a better model that is slower."""
    beside: tuple[Beside, ...] = ()
    """What a little more and less money brings, and what needs no building, each in a sentence."""
    ways_out: tuple[WayOut, ...] = ()
    """Where nothing serves: the nearest three changes of the wish."""


class NothingServes(InputError):
    """No build does what is wished."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The first quantisation, from the best down, with builds that do."""

    search: Search
    rows: Whole
    """Of its candidates those that reach the wish, best first."""
    choice: str


def recommend(wish: Wish, knowledge: Knowledge, market: Market | None = None) -> Recommendation:
    """Ranked builds for a wish, by the prices of a market, else those shipped.

    Raises `UnknownName` for unknown names and `InputError` where nothing will do.
    """
    owned, market, day = owned_parts(wish.own), market or shipped_market(), wish.as_of or today()
    exchange = Exchange(wish.currency, market.rates.per_usd(wish.currency, day))
    stock = stock_at(market, day, wish.condition, wish.own)
    return recommend_from(stock, owned, wish, knowledge, exchange=exchange)


def recommend_from(
    stock: Stock, owned: Owned, wish: Wish, knowledge: Knowledge, search_of: SearchOf = Search.within_budget,
    exchange: Exchange = DOLLARS,
) -> Recommendation:
    """The same from a stock that may differ from the catalog, by searches that may remember. Raises as `recommend`."""
    llm = resolve_llm(named_model(wish))
    found = _find(wish, [search_of(wish, quant, stock, knowledge) for quant in _quants(wish)])
    search, ranked = found.search, sorted_rows(found.search, found.rows, wish)
    chosen = search.best_of_each(ranked) if wish.every else search.first_of_each(ranked)
    rows = chosen[: wish.limit]
    efficient = np.isin(rows, ranked[search.efficient(ranked)]).tolist()
    shown = search.offers(rows)
    upgrades = [*next_dollars(shown[:UPGRADED], search), *([None] * max(0, len(shown) - UPGRADED))]
    longest, ties = contexts_of(search.question).of, ties_of(shown)
    builds = tuple(
        ranked_build(
            rank, offer, swap, ties[rank - 1], efficient=best, context=longest(offer.prediction.scenario),
            exchange=exchange,
        )
        for rank, (best, offer, swap) in enumerate(zip(efficient, shown, upgrades, strict=True), 1)
    )
    return Recommendation(
        scenario=_question(wish, found.search), builds=builds,
        tried=search.count(wish.budget_usd, wish.min_tok_s), quant_choice=found.choice,
        quant_source=quality_order(llm.row.llm).source if _asks_best(wish) else "",
        left_out=left_out(stock, wish), unpriced=stock.unpriced,
        assumptions=(*llm.assumptions, *owned.assumptions, *_unused(owned, builds)),
        currency=exchange.currency, per_usd=exchange.per_usd,
    )


def sorted_rows(search: Search, rows: Whole, wish: Wish) -> Whole:
    """Rows of the candidates in the order that a wish asks; by prompt the best few of each card or machine alone."""
    if wish.sort == "speed":
        return rows[np.argsort(-search.decode_tok_s[rows], kind="stable")]
    if wish.sort == "price":
        return rows[np.argsort(search.candidates.price_usd[rows], kind="stable")]
    if wish.sort == "prompt":
        firsts = search.first_of_each(rows)
        reading = [
            offer.prediction.prefill_tok_s.p50 if offer.prediction.prefill_tok_s else 0.0
            for offer in search.offers(firsts)
        ]
        return firsts[np.argsort(-np.array(reading), kind="stable")]
    return rows


def named_model(wish: Wish) -> str:
    """The model that a wish names. Raises `InputError` for one that names none."""
    if wish.model is None:
        raise InputError("name the model, or ask `advise`, which chooses one for a task")
    return wish.model


def _quants(wish: Wish) -> tuple[str, ...]:
    """Names of the quantisations that are tried, the best first."""
    found = resolve_llm(named_model(wish)).row
    named = wish.quant or found.quant_text or default_quant(found.llm)
    return quality_order(found.llm).quants if _asks_best(wish) else (resolve_quant(named).row.name,)


def _asks_best(wish: Wish) -> bool:
    return (wish.quant or "").lower() == BEST


def _find(wish: Wish, searches: Sequence[Search]) -> _Found:
    """Offers that reach the wish, of the first quantisation that has any."""
    search = _first_that_does(wish, searches)
    rows = search.ranked(wish.budget_usd, wish.min_tok_s)
    if not len(rows):
        raise NothingServes(_nothing(wish, search, several=len(searches) > 1))
    named, best = resolve_llm(named_model(wish)).row, _asks_best(wish)
    basis, asked = (quality_order(named.llm).basis, None) if best else (None, wish.quant or named.quant_text)
    return _Found(search, rows, _choice(wish, str(search.question.quant), asked, basis))


def _first_that_does(wish: Wish, searches: Sequence[Search]) -> Search:
    """The first search with a build that reaches the wish, or else the last.

    By halving: sizes fall along the order, so what one does not reach none before it does.
    """
    first, last = 0, len(searches) - 1
    if last and searches[0].reaches(wish.budget_usd, wish.min_tok_s):
        return searches[0]
    while first < last:
        middle = (first + last) // 2
        if middle and searches[middle].reaches(wish.budget_usd, wish.min_tok_s):
            last = middle
        else:
            first = middle + 1
    return searches[last]


def _choice(wish: Wish, quant: str, asked: str | None, basis: str | None) -> str:
    if asked:
        return f"{quant}, as asked"
    if basis is None:
        return f"{quant}, the usual choice; --quant names another, --quant best takes the best that is fast enough"
    if quant == NATIVE:
        return f"{quant}, {basis}; --quant chooses another"
    within = f" within ${wish.budget_usd:,.0f}" if wish.budget_usd else ""
    return (
        f"{quant}, the best quality that reaches {wish.min_tok_s:g} tok/s{within} (by {basis}); --quant chooses another"
    )


def _nothing(wish: Wish, search: Search, *, several: bool) -> str:
    """One sentence: what the cheapest build would be that does, or that none does."""
    search = search.unlimited
    every, quant = search.ranked(None, 0.0), str(search.question.quant)
    price, speed = search.candidates.price_usd, search.decode_tok_s
    enough = every[speed[every] >= wish.min_tok_s]
    what = f"{wish.model if several else f'{wish.model} {quant}'} with {wish.context:,} tokens of context"
    if len(enough):
        (best,) = search.offers(enough[[np.argmin(price[enough])]])
        does = f"{summary(best.build)} ({quant}, {best.decode_tok_s:.0f} tok/s)"
        return (
            f"no build for ${wish.budget_usd or 0:,.0f} or less runs {what} at {wish.min_tok_s:g} tok/s or more; "
            f"the cheapest that does costs ${best.build.price_usd:,.0f}: {does}"
        )
    if len(every):
        (best,) = search.offers(every[[np.argmax(speed[every])]])
        does = f"{best.decode_tok_s:.3g} tok/s for ${best.build.price_usd:,.0f}: {summary(best.build)}"
        return f"no build runs {what} at {wish.min_tok_s:g} tok/s; the fastest reaches {does}; lower --min-tok-s"
    return (
        f"no build of parts with a price holds {what} in its memory: take a smaller quant or context, or other --kinds"
    )


def summary(build: Build) -> str:
    """A build in a few words: what decides its speed."""
    if build.platform is None:
        return build.parts[0].name
    ram = build.platform
    return f"{build.label}, {ram.cpu.name}, {ram.memory.gib:g} GB {ram.memory.ram_type}-{ram.mt_s}"


class Contexts:
    """Longest contexts by what decides them: the memories of a build, not their speeds."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], int | None] = {}

    def of(self, scenario: Scenario) -> int | None:
        """The longest context that fits as the planner would place it, in tokens."""
        hardware = scenario.hardware
        key = (tuple((gpu.name, gpu.vram_gb, gpu.count) for gpu in hardware.gpus), hardware.ram.gb, hardware.machine)
        if key not in self._known:
            self._known[key] = longest_context(case_of(scenario), n_gpu_layers=None, n_cpu_moe=None)
        return self._known[key]


@lru_cache(maxsize=64)
def contexts_of(_question: Scenario) -> Contexts:
    """Those of one question, kept for the next ranking that asks it."""
    return Contexts()


def ties_of(offers: Sequence[Offer]) -> list[tuple[str, ...]]:
    """For each offer the labels of others whose interval of $/(tok/s) shares more than half of the shorter of the two,
    those nearest in rank first, `MOST_TIES` at most.
    """
    speeds = np.array([offer.decode_tok_s for offer in offers])
    low, high = np.array([offer.build.interval_usd for offer in offers]).reshape(-1, 2).T / speeds
    found: list[tuple[str, ...]] = []
    for place, offer in enumerate(offers):
        shared = np.minimum(high, high[place]) - np.maximum(low, low[place])
        tied = np.flatnonzero(shared > np.minimum(high - low, high[place] - low[place]) / 2)
        near = tied[np.argsort(np.abs(tied - place), kind="stable")].tolist()
        labels = dict.fromkeys(offers[other].build.label for other in near)
        found.append(tuple(label for label in labels if label != offer.build.label)[:MOST_TIES])
    return found


@lru_cache(maxsize=256)
def _split_of(scenario: Scenario) -> Splits | None:
    """How to split a model over cards: asked again for the same build within another budget."""
    return splits_of(scenario, load())


def ranked_build(
    rank: int, offer: Offer, swap: Upgrade | None, tie: tuple[str, ...] = (), *, efficient: bool, context: int | None,
    exchange: Exchange = DOLLARS,
) -> RankedBuild:
    """An offer as it is shown."""
    build, answer = offer.build, offer.prediction
    parts = tuple(
        PartLine(
            kind=part.kind, name=part.name, price_usd=quote.price_usd, low_usd=quote.low_usd, high_usd=quote.high_usd,
            price_as_of=quote.as_of, price_source=quote.source, price_sources=quote.sources,
            price_observations=quote.observations, condition=quote.condition, one_source=quote.one_source,
            stale=quote.stale, before_shortage=quote.before_shortage, own=quote.own,
        ) for part in build.parts for quote in (part.quote,)
    )
    low_usd, high_usd = build.interval_usd
    fallback = dict.fromkeys(KIND_WORDS[part.kind][0] for part in build.parts if part.quote.fallback)
    message = f"priced new for want of a used price: {', '.join(fallback)}"
    said: tuple[Warning, ...] = (Warning(code="priced_new", message=message),) if fallback else ()
    cards = sum(request.count for request in answer.scenario.hardware.gpus)
    if cards > 1 and (split := _split_of(answer.scenario)):
        said += (Warning(code="split_mode", message=f"run it with {split.best.flags}: {split.reason}"),)
    return RankedBuild(
        rank=rank, model=answer.model, quant=answer.quant, kind=build.kind, name=build.label, parts=parts,
        price_usd=build.price_usd,
        price=round(exchange.of(build.price_usd), 2), low_usd=low_usd, high_usd=high_usd,
        price_observations=sum(part.price_observations for part in set(parts)),
        price_newest=max((part.price_as_of for part in parts if part.price_as_of), default=None),
        usd_per_tok_s=offer.usd_per_tok_s, tie=tie, pareto=efficient, prediction=answer, longest_context_tokens=context,
        power_w=round(build.power_w), bottleneck=answer.bottleneck, next_dollar=swap, notes=(*build.notes, *said),
        predict_command=predict_command(build, answer.scenario),
    )


def _question(wish: Wish, search: Search) -> dict[str, Any]:
    asked = search.question.model_dump(mode="json", exclude={"hardware"})
    told = {"context", "budget_usd", "min_tok_s", "condition", "kinds", "own", "as_of", "sort", "users"}
    limits = wish.model_dump(mode="json", include=told)
    return asked | {"wish": limits}


def left_out(stock: Stock, wish: Wish) -> tuple[str, ...]:
    """What was not considered for want of a price, or of an adapter, in sentences."""
    asked = {"unified", "laptop"} & set(wish.kinds) | (DESKTOP_KINDS if "desktop" in wish.kinds else set())
    counts = [
        f"{len(names)} {KIND_WORDS[kind][len(names) > 1]}" for kind, names in stock.unpriced.items() if kind in asked
    ]
    kind = {"new": "new price", "used": "used or new price", "any": "price"}[wish.condition]
    unpriced = (f"for want of a {kind} in the catalog: {', '.join(counts)}",) if counts else ()
    modules = ", ".join(stock.modules) if "desktop" in wish.kinds else ""
    return (*unpriced, *([f"for want of an adapter to a PCIe slot with a price: {modules}"] if modules else []))


def _unused(owned: Owned, builds: Sequence[RankedBuild]) -> tuple[str, ...]:
    used = {(part.kind, part.name) for build in builds for part in build.parts}
    idle = [name for kind, name in owned.counts if (kind, name) not in used]
    return (f"owned, but in none of the builds shown: {', '.join(idle)}",) if idle else ()
