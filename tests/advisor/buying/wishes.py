"""Wishes that people have, and the laws that every answer to one must hold."""

from collections.abc import Iterator
from typing import Any

from advisor.buying.recommendation import RankedBuild, Recommendation
from advisor.buying.wish import Wish
from advisor.choosing.tasks import TASKS, TaskName
from advisor.market.market import Choice
from catalog.tables import gpus
from tests.advisor.buying.rules import memory_is_enough, problems

WANTED: tuple[dict[str, Any], ...] = (
    *({"task": task} for task in TASKS), {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M"},
)
BUDGETS = (500.0, 700.0, 1000.0, 1500.0, 2000.0, 3000.0, 5000.0, 10_000.0)
CONDITIONS: tuple[Choice, ...] = ("new", "used", "any")
SPENT, FASTER = 0.7, 1.1
OLD = {"kepler", "maxwell", "pascal", "volta", "gcn", "vega"}
"""Generations whose drivers have ended."""


def every_wish() -> Iterator[Wish]:
    """All 144."""
    for condition in CONDITIONS:
        for budget in BUDGETS:
            for wanted in WANTED:
                yield Wish(**wanted, budget_usd=budget, condition=condition)


def broken(wish: Wish, found: Recommendation) -> Iterator[str]:
    """The laws that an answer does not hold, in words."""
    if not found.builds:
        if not found.ways_out:
            yield "neither an answer nor a way out"
        return
    picks = {pick.pick: found.builds[pick.build] for pick in found.picks}
    if not picks:
        yield "builds, and no pick"
    cards = [card(build) for build in picks.values()]
    if len(set(cards)) < len(cards):
        yield f"a card twice: {cards}"
    for name, build in picks.items():
        if build.price_usd > (wish.budget_usd or 0):
            yield f"{name} is beyond the budget"
        yield from (f"{name} {build.name}: {problem}" for problem in problems(build))
        if not memory_is_enough(build):
            yield f"{name} {build.name}: {build.prediction.scenario.hardware.ram.gb} GiB of memory"
        row = next((row for row in gpus() if row.name == card(build)), None)
        if row and (row.form == "datacentre" or row.architecture in OLD):
            yield f"{name} is a tinkerer's card: {row.name}"
    yield from _unspent(wish, found, picks)


def _unspent(wish: Wish, found: Recommendation, picks: dict[Any, RankedBuild]) -> Iterator[str]:
    """Faster builds with as good a model within the budget, where the fastest pick leaves much of it."""
    fastest = picks.get("fastest", picks["value"])
    if wish.budget_usd is None or fastest.price_usd >= SPENT * wish.budget_usd:
        return
    for build in found.builds:
        alike = (build.model, build.quant) == (fastest.model, fastest.quant)
        safe = build in picks.values() or (not list(problems(build)) and memory_is_enough(build))
        row = next((row for row in gpus() if row.name == card(build)), None)
        sound = row is not None and row.form != "datacentre" and row.architecture not in OLD
        task = wish.task or "chat"
        quicker = all(step_s(build, task, end) * FASTER < step_s(fastest, task, end) for end in ("p05", "p50"))
        if alike and safe and sound and quicker:
            yield f"{build.name} at {build.price_usd:.0f} is faster than {fastest.name} at {fastest.price_usd:.0f}"


def card(build: RankedBuild) -> str:
    """Its card, or the machine."""
    return next((part.name for part in build.parts if part.kind == "gpu"), build.name)


def step_s(build: RankedBuild, task: TaskName, end: str) -> float:
    """Seconds of a typical step of a task at one end of the ranges of its speeds, or at their medians."""
    asked, told = TASKS[task], build.prediction
    assert told.decode_tok_s
    assert told.prefill_tok_s
    decode, prefill = (float(getattr(speed, end)) for speed in (told.decode_tok_s, told.prefill_tok_s))
    return asked.writes / decode + asked.new / prefill
