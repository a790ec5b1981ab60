"""Which model on which computer: candidates for a wish, and the named picks among them.

wish -> `Goal` (the task and its limits) -> `choices` (models that no other beats) -> `Shelf` (sensible builds as
columns, one for all models) -> `shortlist` (per model the best few of each card) -> predictions with their ranges ->
`picked`.

Ranking is by a cautious speed, which lies the lower in the predicted range the less was measured of such a computer.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from advisor.answer import Prediction, Range
from advisor.buying.builds import Build
from advisor.buying.combinations import Vector, Whole
from advisor.buying.picking.shelf import OnShelf, Shelf, card_of
from advisor.buying.wish import Wish
from advisor.choosing.quality import Choice, choice_of, choices
from advisor.choosing.tasks import TASKS, Purpose
from advisor.physics.knowledge import Knowledge
from advisor.prediction.case import case_of
from advisor.prediction.prediction import predict_many
from advisor.question import Scenario
from advisor.sizes.quality import default_quant
from catalog import tables
from catalog.llms import Llm
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant

PickName = Literal["value", "cheapest", "fastest", "ready_made"]
PRICE_WEIGHT: Final = 0.5
"""A computer at twice the price must be worth so many doublings more to be better value: this program's choice, between
"the best for any money" (0) and "the most per dollar" (1), which always ends at the cheapest."""
HARDER: Final = 0.85
"""What a computer that is harder to build is worth of another: this program's choice."""
MOST_OF_IT: Final = 0.8
"""A part that costs so much of a build decides its price."""
PRICE_FLOOR: Final = 200.0
"""Added to every price in US dollars before they are compared: a computer that is owned already is not worth any number
of others. This program's choice."""
LEAST_QUALITY: Final = 0.75
"""The cheaper pick is to be nearly as good: at least so much of the quality of the first."""
SLACK: Final = 0.9
"""Of models that much below even that nothing is asked."""
SAME_SPEED: Final = 1.03
"""Builds whose steps differ by less are equally fast: the cheaper is taken."""
FASTER: Final = 1.1
"""Less than this is not worth more money."""
BEYOND: Final = 1.15
"""So much above the budget is looked at for what a little more money buys."""
THINKS: Final = 3.0
"""A model that cannot but think writes so many times as much before it answers: this program's choice."""
PER_LABEL: Final[Mapping[PickName, int]] = {"value": 7, "fastest": 4, "cheapest": 4, "ready_made": 3}
"""Cards, or machines, that each model sends into the final choice."""
ENOUGH_RUNS: Final = 3
"""Fewer public runs that name a card say little of it."""
UNSEEN: Final = 0.85
"""A card that no run names counts as so fast until its range is known."""


@dataclass(frozen=True)
class Goal:
    """A task and the limits within which a computer serves it."""

    task: Purpose
    context: int
    least_tok_s: float
    longest_wait_s: float
    wish: Wish

    @classmethod
    def of(cls, wish: Wish) -> "Goal":
        """From a wish; what it says wins over the task's own limits."""
        task, said = TASKS[wish.task or "chat"], wish.model_fields_set
        named = wish.model is not None and wish.task is None
        return cls(
            task=task,
            context=wish.context if "context" in said or named else task.context,
            least_tok_s=wish.min_tok_s if "min_tok_s" in said or named else task.least_tok_s,
            longest_wait_s=math.inf if named else task.longest_wait_s,
            wish=wish,
        )

    def question(self, choice: Choice) -> Scenario:
        """What every computer is asked."""
        if self.wish.model is not None and self.wish.task is None:
            return self.wish.question(choice.quant)
        return self.task.question(choice.llm.name, choice.quant, self.context, self.wish.users)

    def writes(self, choice: Choice) -> float:
        """Tokens of a typical step that this model writes."""
        thinks = choice.known is not None and choice.known.reasons and not self.task.reasons
        return self.task.writes * (THINKS if thinks else 1.0)

    def step_s(self, choice: Choice, decode_tok_s: Vector, prefill_tok_s: Vector) -> Vector:
        """Seconds of a typical step, infinite where nothing runs; of several users each waits for what all read."""
        runs = (decode_tok_s > 0) & (prefill_tok_s > 0)
        written = self.writes(choice) / np.where(runs, decode_tok_s, 1.0)
        read = self.wish.users * self.task.new / np.where(runs, prefill_tok_s, 1.0)
        return np.where(runs, written + read, np.inf)

    def serves(self, decode_tok_s: Vector, prefill_tok_s: Vector) -> NDArray[np.bool_]:
        """Whether writing and reading are fast enough."""
        wait_s = self.task.reads / np.where(prefill_tok_s > 0, prefill_tok_s, 1e-9)
        fast = (decode_tok_s >= self.least_tok_s) & (wait_s <= self.longest_wait_s) & (prefill_tok_s > 0)
        return np.asarray(fast)

    def worth(self, choice: Choice, step_s: Vector) -> Vector:
        """Quality times how pleasant the wait is: half of it at the step that nobody waits for."""
        return choice.cautious * self.task.pleasant_s / (self.task.pleasant_s + step_s)


@dataclass(frozen=True, eq=False)
class Pairing:
    """A model on a build, predicted."""

    choice: Choice
    build: Build
    prediction: Prediction
    goal: Goal

    @cached_property
    def label(self) -> str:
        """What must not stand twice among picks."""
        return card_of(self.build)

    @property
    def ready_made(self) -> bool:
        """Whether it is bought as it is."""
        return len(self.build.parts) == 1

    @cached_property
    def measured(self) -> int:
        """Public runs that name its card or machine."""
        return runs_by_card().get(self.label or "", 0)

    def cautious(self, speed: Range | None) -> float:
        """A speed in the lower half of its range: midway (of logarithms) to p05, and p05 where hardly a run names the
        card.
        """
        if speed is None:
            return 0.0
        return speed.p05 if self.label and self.measured < ENOUGH_RUNS else math.sqrt(speed.p05 * speed.p50)

    @cached_property
    def step_s(self) -> float:
        """Seconds of a typical step, cautiously."""
        answer = self.prediction
        speeds = (np.array([self.cautious(item)]) for item in (answer.decode_tok_s, answer.prefill_tok_s))
        return float(self.goal.step_s(self.choice, *speeds)[0])

    @cached_property
    def worth(self) -> float:
        """See `Goal.worth`."""
        return float(self.goal.worth(self.choice, np.array([self.step_s]))[0])

    @cached_property
    def value(self) -> float:
        """Worth for its price, cautiously: midway (of logarithms) to the high end of the interval; less where two cards
        or a used office PC ask more of who puts them together.
        """
        price: float = PRICE_FLOOR + math.sqrt(self.build.price_usd * self.build.interval_usd[1])
        harder = (self.build.cards is not None and self.build.cards.count > 1) or self.build.platform is None
        return self.worth / math.pow(price, PRICE_WEIGHT) * (HARDER if harder and not self.ready_made else 1.0)

    @property
    def decode_tok_s(self) -> float:
        """Median writing speed."""
        return self.prediction.decode_tok_s.p50 if self.prediction.decode_tok_s else 0.0

    @property
    def prefill_tok_s(self) -> float:
        """Median reading speed."""
        return self.prediction.prefill_tok_s.p50 if self.prediction.prefill_tok_s else 0.0

    @property
    def wait_s(self) -> float:
        """Until all that the task reads is read."""
        return self.goal.task.reads / self.prefill_tok_s

    @cached_property
    def serves(self) -> bool:
        """Whether it does what is wished, by its median speeds."""
        return bool(self.goal.serves(np.array([self.decode_tok_s]), np.array([self.prefill_tok_s]))[0])

    def affordable(self, budget_usd: float | None) -> bool:
        """Whether it costs no more than a budget; where nearly all of it is one part whose price a single source tells,
        not even at the high end of its interval.
        """
        if budget_usd is None:
            return True
        alone = any(
            part.quote.one_source and part.quote.price_usd >= MOST_OF_IT * self.build.price_usd
            for part in self.build.parts
        )
        return (self.build.interval_usd[1] if alone else self.build.price_usd) <= budget_usd

    @property
    def pleasant(self) -> bool:
        """Whether nobody waits for its writing."""
        return self.serves and self.cautious(self.prediction.decode_tok_s) >= self.goal.task.pleasant_tok_s


@cache
def runs_by_card() -> Mapping[str, int]:
    """How many public runs name each card, or machine."""
    found: dict[str, int] = {}
    for machine, gpus in tables.columns("public_runs.csv", "machine", "gpus"):
        for name in dict.fromkeys((gpus.split(" + ")[0], machine)):
            found[name] = found.get(name, 0) + 1
    return found


# Which models, and of each the builds that may be a pick.


def models_for(goal: Goal) -> Sequence[Choice]:
    """The model that is named, in the quantisation that is, or those worth trying for the task; best first."""
    wish = goal.wish
    if wish.model is None:
        return choices(goal.task, goal.context)
    found = resolve_llm(wish.model).row
    quant = resolve_quant(wish.quant or found.quant_text or default_quant(found.llm)).row.name
    return [named_choice(found.llm, quant, goal.task)]


def named_choice(llm: Llm, quant: str, task: Purpose) -> Choice:
    """A model that is asked for, whatever is known of its quality."""
    known = choice_of(llm, quant, task)
    return known or Choice.unknown(llm, quant)


@dataclass(frozen=True, eq=False)
class Entrant:
    """A model asked of the shelf, and which of its rows go into the final choice."""

    choice: Choice
    asked: OnShelf
    scenario: Scenario
    rows: Whole


def shortlist(goal: Goal, tried: Sequence[Choice], shelf: Shelf, knowledge: Knowledge) -> list[Entrant]:
    """Of each model the builds of the shelf that may be a pick. Models far below the best that serves are not tried."""
    found: list[Entrant] = []
    budget = goal.wish.budget_usd or math.inf
    best = 0.0
    for choices_of_one in _by_model(tried):
        for choice in choices_of_one:
            if choice.cautious < best * LEAST_QUALITY * SLACK:
                continue
            entrant = _entrant(goal, choice, shelf, knowledge)
            if entrant is None:
                break
            found.append(entrant)
            if (entrant.asked.price_usd[entrant.rows] <= budget).any():
                best = max(best, choice.cautious)
    return found


def _by_model(tried: Sequence[Choice]) -> Iterator[list[Choice]]:
    """The quantisations of each model, the smallest first: what does not serve in one does not in a larger one. Models
    come in the order of their best.
    """
    models: dict[str, list[Choice]] = {}
    for choice in tried:
        models.setdefault(choice.llm.id, []).append(choice)
    for some in models.values():
        yield sorted(some, key=lambda choice: choice.file_gb)


def _entrant(goal: Goal, choice: Choice, shelf: Shelf, knowledge: Knowledge) -> Entrant | None:
    """A model asked of the shelf; None where no build serves."""
    if choice.file_gb > shelf.stored(choice.file_gb).most_gb:
        return None
    scenario = goal.question(choice)
    asked = shelf.asked(case_of(scenario), knowledge.efficiencies)
    rows = _listed(goal, choice, asked)
    return Entrant(choice, asked, scenario, rows) if len(rows) else None


def _listed(goal: Goal, choice: Choice, asked: OnShelf) -> Whole:
    """The best rows of the best labels by each objective."""
    speeds, price = asked.speeds, asked.price_usd
    budget = goal.wish.budget_usd or math.inf
    fast = goal.serves(speeds.decode_tok_s, speeds.prefill_tok_s)
    rows = np.flatnonzero(fast & (price <= budget * BEYOND) & np.isfinite(price))
    if not len(rows):
        return rows
    step_s = goal.step_s(choice, speeds.decode_tok_s[rows], speeds.prefill_tok_s[rows])
    labels, usd = asked.label_at[rows], price[rows]
    seen = np.array([UNSEEN if not runs_by_card().get(name, 0) and name else 1.0 for name in asked.label_names])
    worth = goal.worth(choice, step_s / seen[labels])
    within, ready = usd <= budget, asked.ready_made[rows]
    wanted: dict[PickName, Vector] = {
        "value": np.where(within, -worth / (usd + PRICE_FLOOR) ** PRICE_WEIGHT, np.inf),
        "fastest": np.where(within, np.round(np.log(step_s / seen[labels]) / math.log(SAME_SPEED)) * 1e6 + usd, np.inf),
        "cheapest": np.where(within & (speeds.decode_tok_s[rows] >= goal.task.pleasant_tok_s), usd, np.inf),
        "ready_made": np.where(within & ready, -worth / (usd + PRICE_FLOOR) ** PRICE_WEIGHT, np.inf),
    }
    kept: list[int] = []
    for name, rank in wanted.items():
        kept += best_of_labels(rank, labels, PER_LABEL[name])
    beyond = np.where(within, np.inf, step_s)
    kept += best_of_labels(beyond, labels, 2)
    if not np.isfinite(wanted["cheapest"]).any():
        kept += best_of_labels(np.where(within, usd, np.inf), labels, 2)
    return rows[np.unique(kept)] if kept else rows[:0]


def best_of_labels(rank: Vector, labels: Whole, most: int) -> list[int]:
    """Places of the least finite rank of each label, of the labels with the least."""
    order = np.argsort(rank, kind="stable")
    order = order[np.isfinite(rank[order])]
    _, first = np.unique(labels[order], return_index=True)
    return [int(place) for place in order[np.sort(first)[:most]]]


def candidates(goal: Goal, listed: Sequence[Entrant], knowledge: Knowledge) -> list[Pairing]:
    """The rows of a shortlist as builds with predictions; those that do not hold the model after all are left out."""
    pairs = [(item, item.asked.predicted(knowledge), row) for item in listed for row in item.rows.tolist()]
    new = [(item, known, row, item.asked.build(row)) for item, known, row in pairs if row not in known]
    asked = [item.scenario.model_copy(update={"hardware": build.hardware}) for item, _, _, build in new]
    for (_, known, row, build), answer in zip(new, predict_many(asked, knowledge) if asked else [], strict=True):
        known[row] = build, answer
    return [
        Pairing(item.choice, build, answer, goal)
        for item, build, answer in ((item, *known[row]) for item, known, row in pairs)
        if answer.fits and answer.decode_tok_s and answer.prefill_tok_s and answer.placement.storage_gb <= 0
    ]


# The picks: each from another objective, no card twice.


def picked(found: Sequence[Pairing], budget_usd: float | None) -> dict[PickName, Pairing]:
    """The named picks among candidates, in the order in which they are shown."""
    serving = [item for item in found if item.serves and item.affordable(budget_usd)]
    if not serving:
        return {}
    value = max(serving, key=lambda item: item.value)
    as_good = [item for item in serving if item.choice.cautious >= 0.98 * value.choice.cautious]
    fastest = _fastest(as_good)
    if fastest.label == value.label and fastest is not value and value.step_s > FASTER * fastest.step_s:
        # The same card in a better computer: the money is better spent there, or on another card.
        others = [item for item in serving if item.label != fastest.label]
        value = max(others, key=lambda item: item.value, default=fastest)
    picks: dict[PickName, Pairing] = {"value": value}
    if value.step_s > FASTER * fastest.step_s and fastest.label != value.label:
        picks["fastest"] = fastest
    near = [item for item in serving if item.choice.cautious >= LEAST_QUALITY * value.choice.cautious]
    free = _free(near, picks)
    pleasant = [item for item in free if item.pleasant]
    cheap = min(pleasant, key=lambda item: (item.build.price_usd, item.step_s), default=None)
    if cheap and cheap.build.price_usd < value.build.price_usd:
        picks["cheapest"] = cheap
    ready = [item for item in _free(near, picks) if item.ready_made]
    if ready:
        picks["ready_made"] = max(ready, key=lambda item: item.value)
    order: tuple[PickName, ...] = ("value", "cheapest", "fastest", "ready_made")
    return {name: picks[name] for name in order if name in picks}


def _fastest(found: Iterable[Pairing]) -> Pairing:
    """The fastest; of those nearly as fast the cheapest."""
    listed = list(found)
    least = min(item.step_s for item in listed)
    return min((item for item in listed if item.step_s <= SAME_SPEED * least), key=lambda item: item.build.price_usd)


def _free(found: Iterable[Pairing], picks: Mapping[PickName, Pairing]) -> list[Pairing]:
    taken = {item.label for item in picks.values()}
    return [item for item in found if item.label not in taken]


# What lies just beside the wish, and what to change of a wish that nothing serves.


def near_misses(
    found: Sequence[Pairing], picks: Mapping[PickName, Pairing], budget_usd: float | None
) -> Iterator[tuple[str, Pairing]]:
    """What a little more money buys, and what much less does: the kind of it, and the candidate."""
    if not picks or budget_usd is None:
        return
    first, fast = picks["value"], min(picks.values(), key=lambda item: item.step_s)
    more = [
        item for item in found
        if budget_usd < item.build.price_usd <= BEYOND * budget_usd and item.serves
        and item.choice.cautious >= 0.98 * first.choice.cautious and item.step_s * FASTER < fast.step_s
    ]
    if more:
        yield "more", min(more, key=lambda item: item.build.price_usd)
    better = [
        item for item in found
        if item.serves and item.affordable(budget_usd) and item.choice.cautious > FASTER * first.choice.cautious
    ]
    if better:
        yield "better", max(better, key=lambda item: item.value)
