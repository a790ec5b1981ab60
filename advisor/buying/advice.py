"""A friend's advice: which model, which computer, and why. Read this module first.

`advise(wish, knowledge)` is the one entry for whoever asks: a wish with a task (or nothing: chat) has its model chosen,
one with a model has its ranking; both have named picks with reasons, what lies just beside, and, where nothing serves,
the nearest ways out.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from advisor.answer import REGIMES, Prediction
from advisor.buying.costs import Power, Rented, RunningCosts, cost_words, power_of, rented_cards, running_costs
from advisor.buying.ownership import Owned, knowing_owned, owned_parts, runs_unused
from advisor.buying.picking.picks import (
    BEYOND,
    Goal,
    Pairing,
    PickName,
    candidates,
    models_for,
    near_misses,
    picked,
    shortlist,
)
from advisor.buying.picking.practice import living_with
from advisor.buying.picking.reasons import against, beside_words, model_sentence, near_words, way_words, why
from advisor.buying.picking.shelf import Shelf, ShelfOf
from advisor.buying.recommendation import (
    Beside,
    ChosenModel,
    Near,
    NothingServes,
    Pick,
    RankedBuild,
    Recommendation,
    SearchOf,
    WayOut,
    contexts_of,
    left_out,
    ranked_build,
    recommend_from,
    ties_of,
)
from advisor.buying.search import Offer, Search
from advisor.buying.stock import Stock, stock_at
from advisor.buying.wish import ALL_KINDS, MOST_BUDGET_USD, Wish
from advisor.choosing.tasks import Purpose
from advisor.errors import InputError
from advisor.market.market import Market, shipped_market, today
from advisor.market.money import Exchange
from advisor.physics.knowledge import Knowledge
from advisor.prediction.prediction import predict
from advisor.question import GpuRequest, Hardware, RamRequest, Scenario
from catalog.names.gpus import resolve_gpu

MOST_WAYS = 3
SHORT_CONTEXT = 8192
"""The context of a chat: the way out of a longer one."""
MORE_MONEY = (1.25, 1.6, 2.2, 4.0, 16.0)
"""Times the budget that are tried in turn, before any price."""
SLOWEST_TOK_S = 2.0
"""Slower than this is no way out."""


ORDER: Mapping[str, Callable[[Pairing], float]] = {
    "value": lambda item: -item.value, "speed": lambda item: -item.decode_tok_s,
    "price": lambda item: item.build.price_usd, "prompt": lambda item: -item.prefill_tok_s,
}


@dataclass(frozen=True, eq=False)
class Advice:
    """What was found for a wish: candidates and the picks among them."""

    goal: Goal
    candidates: tuple[Pairing, ...]
    picks: dict[PickName, Pairing]
    near: tuple[tuple[str, Pairing], ...]
    tried: int


def advise(wish: Wish, knowledge: Knowledge, market: Market | None = None) -> Recommendation:
    """The answer to a wish, by the prices of a market, else those shipped: builds, picks with reasons, or ways out.

    Where the wish names a model, `builds` is its ranking and the builds of picks are among it. Where it does not, the
    models are chosen for its task. Where nothing serves, `builds` and `picks` are empty and `ways_out` is not.
    Raises `UnknownName` for unknown names and `InputError` for a wish that cannot be answered.
    """
    owned, market, day = owned_parts(wish.own), market or shipped_market(), wish.as_of or today()
    exchange = Exchange(wish.currency, market.rates.per_usd(wish.currency, day))
    stock = stock_at(market, day, wish.condition, wish.own)
    knowledge = knowing_owned(wish.measured, owned, knowledge)

    def used() -> Stock:
        return stock_at(market, day, "any", wish.own)

    found = advise_from(stock, owned, wish, knowledge, exchange, used if wish.condition == "new" else None)
    said = runs_unused(wish.measured, (build.prediction for build in found.builds))
    return found.model_copy(update={"assumptions": (*found.assumptions, *said)}) if said else found


def advise_from(
    stock: Stock, owned: Owned, wish: Wish, knowledge: Knowledge, exchange: Exchange,
    used: Stock | Callable[[], Stock] | None = None, shelf_of: ShelfOf = Shelf,
    search_of: SearchOf = Search.within_budget, *, ranked: bool = True,
) -> Recommendation:
    """The same from a stock; `used` is or gives the stock with used parts, where the wish is for new ones. Shelves and
    searches may be such as remember what they worked out. Not `ranked`: of a named model too the candidates of the
    picks are the list, which takes a tenth of the time.
    """
    base: Recommendation | None = None
    if wish.model is not None and ranked:
        try:
            base = recommend_from(stock, owned, wish, knowledge, search_of, exchange)
        except NothingServes:
            base = None
        else:
            wish = Wish.model_validate(wish.model_dump(exclude_unset=True) | {"quant": base.builds[0].quant})
    found = advice_from(wish, stock, knowledge, shelf_of)
    if not found.picks and base is None:
        return _nothing(wish, ways_out(wish, stock, used, knowledge, shelf_of), exchange, stock, owned)
    if base is None:
        base = _ranking(found, stock, owned, exchange)
    return _with_picks(base, found, exchange, knowledge)


def advice_from(wish: Wish, stock: Stock, knowledge: Knowledge, shelf_of: ShelfOf = Shelf) -> Advice:
    """Candidates and picks of a wish. Raises `UnknownName` and `InputError` for what cannot be answered."""
    goal = Goal.of(wish)
    limit = math.inf if wish.budget_usd is None else wish.budget_usd * BEYOND
    shelf = shelf_of(stock, wish.kinds, None if wish.budget_usd is None else limit, tinkerer=wish.tinkerer)
    listed = shortlist(goal, models_for(goal), shelf, knowledge)
    found = candidates(goal, listed, knowledge)
    picks = picked(found, wish.budget_usd)
    near = tuple(near_misses(found, picks, wish.budget_usd))
    tried = sum(int(np.count_nonzero(item.asked.price_usd <= limit)) for item in listed)
    return Advice(goal, tuple(found), picks, near, tried)


# The candidates of a task as a ranking.


def _ranking(found: Advice, stock: Stock, owned: Owned, exchange: Exchange) -> Recommendation:
    """The candidates that serve, those of the best value first, each card once."""
    wish = found.goal.wish
    serving = [item for item in found.candidates if item.serves and item.affordable(wish.budget_usd)]
    order = sorted(serving, key=ORDER[wish.sort])
    if not wish.every:
        firsts: dict[str, Pairing] = {}
        for item in order:
            firsts.setdefault(item.label, item)
        order = list(firsts.values())
    shown = order[: wish.limit]
    shown += [item for item in found.picks.values() if item not in shown]
    builds = _built(shown, exchange)
    first = next(iter(found.picks.values()), order[0])
    return Recommendation(
        scenario=_question(found, first), builds=builds, tried=found.tried,
        quant_choice=f"{first.choice.quant}, the best that is worth its size", quant_source="",
        left_out=left_out(stock, wish), unpriced=stock.unpriced, assumptions=owned.assumptions,
        currency=exchange.currency, per_usd=exchange.per_usd, task=found.goal.task.name,
    )


def _built(shown: Sequence[Pairing], exchange: Exchange, first_rank: int = 1) -> tuple[RankedBuild, ...]:
    offers = [Offer(item.build, item.prediction) for item in shown]
    ties = ties_of(offers) if offers else []
    efficient = [
        not any(other.build.price_usd <= item.build.price_usd and other.step_s < item.step_s for other in shown)
        for item in shown
    ]
    return tuple(
        ranked_build(
            rank, offer, None, ties[place], efficient=efficient[place],
            context=_longest_context(offer.prediction.scenario), exchange=exchange,
        )
        for place, (rank, offer) in enumerate(enumerate(offers, first_rank))
    )


def _longest_context(scenario: Scenario) -> int | None:
    return contexts_of(scenario.model_copy(update={"hardware": NO_HARDWARE})).of(scenario)


def _question(found: Advice, first: Pairing | None) -> dict[str, Any]:
    """The question of the first build, with the wish's limits and the task's."""
    goal = found.goal
    asked = first.prediction.scenario.model_dump(mode="json", exclude={"hardware"}) if first else {}
    limits = goal.wish.model_dump(mode="json", exclude={"limit", "every"})
    limits |= {"context": goal.context, "min_tok_s": goal.least_tok_s, "task": goal.task.name}
    return asked | {"wish": limits}


# Picks with their reasons.


def _with_picks(base: Recommendation, found: Advice, exchange: Exchange, knowledge: Knowledge) -> Recommendation:
    """A ranking with its picks, whose builds are among its builds."""
    builds = list(base.builds)
    places: dict[PickName, int] = {}
    for name, item in found.picks.items():
        place = next((at for at, build in enumerate(builds) if same_build(build, item)), None)
        if place is None:
            builds += _built([item], exchange, len(builds) + 1)
            place = len(builds) - 1
        places[name] = place
    if not found.picks:
        return base
    first = found.picks["value"]
    wish = found.goal.wish
    budget = exchange.said(wish.budget_usd) if wish.budget_usd else "any money"
    distinct = {(item.choice.llm.id, item.choice.quant): item for item in found.picks.values()}
    near = tuple(
        Near(text=near_words(kind, item, first, wish.budget_usd or 0.0, exchange), build=_built([item], exchange)[0])
        for kind, item in found.near
    )
    more = next((item for kind, item in found.near if kind == "more"), None)
    beside = tuple(
        Beside(kind=kind, text=text, pick=name)
        for kind, text, name in beside_words(found.picks, more, wish.budget_usd, exchange)
    )
    power = power_of(wish.kwh_usd, wish.country, wish.hours_per_day)
    costs = {name: costs_of(item, power, knowledge) for name, item in found.picks.items()}
    running = tuple(cost_words(costs["value"], exchange, power.where))
    picks = tuple(
        Pick(
            pick=name, build=places[name], why=tuple(why(name, item, first, exchange)),
            against=tuple(against(item, first, exchange)), costs=costs[name],
            living=tuple(living_with(item.build)),
        )
        for name, item in found.picks.items()
    )
    models = tuple(_chosen(item, budget) for item in distinct.values())
    told = {"builds": tuple(builds), "picks": picks, "near": near, "models": models, "running": running}
    return base.model_copy(update=told | {"beside": beside})


def costs_of(item: Pairing, power: Power, knowledge: Knowledge) -> RunningCosts:
    """Running costs of a pick."""
    build, answer = item.build, item.prediction
    assert answer.decode_tok_s  # a pick runs
    assert answer.prefill_tok_s
    speeds = answer.decode_tok_s, answer.prefill_tok_s
    rented = rented_for(answer, item.goal.task, knowledge)
    users = item.goal.wish.users
    return running_costs(
        item.choice.llm.id, item.goal.task, build.power_w, build.interval_usd, speeds, power, users, rented
    )


def rented_for(answer: Prediction, task: Purpose, knowledge: Knowledge) -> Rented | None:
    """The computer's own card where its rent is known and it holds the model alone; else the cheapest that holds it and
    makes a step of the task in no more time, by the medians.
    """
    if answer.decode_tok_s is None or answer.prefill_tok_s is None:
        return None
    gpus = answer.scenario.hardware.gpus
    own = gpus[0].name if len(gpus) == 1 and gpus[0].count == 1 else ""
    step_s = task.step_s(answer.decode_tok_s.p50, answer.prefill_tok_s.p50 / answer.scenario.workload.users)
    needed = answer.placement.vram_gb + answer.placement.ram_gb
    for card in sorted(rented_cards(), key=lambda card: card.name != own):
        if card.name == own and not REGIMES[answer.placement.strategy].beside_ram:
            return card
        if resolve_gpu(card.name).row.usable_vram_gib < needed:
            continue
        rented = _on_card(answer.scenario.model_copy(update={"hardware": NO_HARDWARE}), card.name, knowledge)
        if not (rented.fits and rented.decode_tok_s and rented.prefill_tok_s):
            continue
        if task.step_s(rented.decode_tok_s.p50, rented.prefill_tok_s.p50 / answer.scenario.workload.users) <= step_s:
            return card
    return None


NO_HARDWARE = Hardware(ram=RamRequest(type="DDR5", gb=64))


@lru_cache(maxsize=512)
def _on_card(question: Scenario, card: str, knowledge: Knowledge) -> Prediction:
    """What a rented card does by itself."""
    hardware = question.hardware.model_copy(update={"gpus": (GpuRequest(name=card),)})
    return predict(question.model_copy(update={"hardware": hardware}), knowledge)


def same_build(build: RankedBuild, item: Pairing) -> bool:
    """Whether a ranked build is that of a candidate, with the same model."""
    parts = [(str(part.kind), part.name) for part in item.build.parts]
    same = [(part.kind, part.name) for part in build.parts] == parts
    return same and (build.model, build.quant) == (item.prediction.model, item.prediction.quant)


def _chosen(item: Pairing, budget: str) -> ChosenModel:
    choice = item.choice
    return ChosenModel(
        model=item.prediction.model, quant=item.prediction.quant,
        quality=round(choice.quality, 1) if choice.known else 0.0, low=round(choice.low, 1), high=round(choice.high, 1),
        how=choice.known.how if choice.known else "not measured",
        licence=choice.facts.licence if choice.facts else "", why=model_sentence(item, budget),
    )


# Ways out of a wish that nothing serves.


def _nothing(
    wish: Wish, found: Iterator[tuple[str, Pairing]], exchange: Exchange, stock: Stock, owned: Owned
) -> Recommendation:
    goal = Goal.of(wish)
    ways = []
    for change, item in found:
        ways.append(WayOut(change=way_words(change, item, exchange), build=_built([item], exchange)[0]))
        if len(ways) == MOST_WAYS:
            break
    return Recommendation(
        scenario=_question(Advice(goal, (), {}, (), 0), None) | {"model": wish.model, "quant": wish.quant}, builds=(),
        tried=0, quant_choice="", quant_source="", left_out=left_out(stock, wish), unpriced=stock.unpriced,
        assumptions=owned.assumptions, currency=exchange.currency, per_usd=exchange.per_usd, task=goal.task.name,
        ways_out=tuple(ways),
    )


def ways_out(
    wish: Wish, stock: Stock, used: Stock | Callable[[], Stock] | None, knowledge: Knowledge, shelf_of: ShelfOf = Shelf
) -> Iterator[tuple[str, Pairing]]:
    """Changes of a wish that nothing serves, each with the cheapest that then does, the least change first."""
    goal, said = Goal.of(wish), wish.model_dump(exclude_unset=True)
    changes: list[tuple[str, dict[str, object], Stock]] = []
    if used is not None:
        changes.append(("used", {"condition": "any"}, used() if callable(used) else used))
    if wish.budget_usd is not None:
        dearer = [*(min(wish.budget_usd * times, MOST_BUDGET_USD) for times in MORE_MONEY), None]
        changes += [("money", {"budget_usd": budget}, stock) for budget in dearer]
    if wish.model is not None:
        changes.append(("model", {"model": None, "quant": None, "task": wish.task or "chat"}, stock))
    if goal.context > SHORT_CONTEXT:
        changes.append(("context", {"context": SHORT_CONTEXT}, stock))
    changes.append(("speed", {"min_tok_s": min(SLOWEST_TOK_S, goal.least_tok_s)}, stock))
    if set(wish.kinds) != set(ALL_KINDS):
        changes.append(("kinds", {"kinds": ALL_KINDS}, stock))
    told: set[str] = set()
    for change, fields, parts in changes:
        if change in told:
            continue
        changed = Wish.model_validate(said | fields)
        try:
            found = advice_from(changed, parts, knowledge, shelf_of)
        except InputError:
            continue
        serving = [item for item in found.candidates if item.serves and item.affordable(changed.budget_usd)]
        if serving:
            told.add(change)
            yield change, min(serving, key=lambda item: (item.build.price_usd, item.step_s))
