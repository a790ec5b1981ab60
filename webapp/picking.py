"""From the sentence of wishes to a question, and from ranked builds to the few that are shown first. All pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.buying.recommendation import RankedBuild, Recommendation
from advisor.buying.wish import ALL_KINDS, Wish
from advisor.choosing.runnable import NEEDS, Task
from webapp.links import MODEL, BuyState

PASSIVE = "no_fan"
NAMES = {"value": "Our pick", "cheapest": "Spend less", "fastest": "Fastest for your money", "ready_made": "Ready made"}
PLEASANT = 2.0
"""So many times the least speed of a task is pleasant: our choice."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A build by what it is the best at, with what speaks for and against it."""

    pick: str
    build: RankedBuild
    goods: tuple[str, ...]
    bads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picked:
    """The answer of the page: the picks, and everything that was ranked."""

    picks: tuple[Pick, ...]
    ranking: Recommendation


def context_of(task: Task) -> int:
    """Context that a task needs."""
    return NEEDS[task].context


def wish_of(state: BuyState, per_usd: float) -> Wish:
    """What is asked of the ranking: every card and machine once."""
    return Wish(
        model=state.model or MODEL, quant=state.quant or None, context=state.context or context_of(state.task),
        budget_usd=state.budget / per_usd if state.budget else None,
        min_tok_s=NEEDS[state.task].tok_s if state.speed is None else state.speed, condition=state.condition,
        kinds=state.kinds or ALL_KINDS, own=state.own, limit=100,
    )


def picks_of(found: Recommendation, *, tinkerer: bool) -> Picked:
    """The best value, the cheapest that is pleasant, the fastest and the best that needs no building."""
    able = [
        build for build in found.builds if tinkerer or not any(note.code == PASSIVE for note in build.notes)
    ] or list(found.builds)
    least = PLEASANT * float(found.scenario["wish"]["min_tok_s"])
    pleasant = [build for build in able if speed_of(build) >= least] or able
    whole = [build for build in able if build.kind != "desktop"]
    wanted = (
        ("value", able[0]), ("cheapest", min(pleasant, key=lambda build: build.price_usd)),
        ("fastest", max(able, key=speed_of)), ("ready_made", whole[0] if whole else None),
    )  # fmt: skip
    picks: list[Pick] = []
    for name, build in wanted:
        if build is not None and all(pick.build.name != build.name for pick in picks):
            picks.append(Pick(name, build, _goods(build), _bads(build)))
    return Picked(tuple(picks), found)


def speed_of(build: RankedBuild) -> float:
    """Median writing speed."""
    return build.prediction.decode_tok_s.p50 if build.prediction.decode_tok_s else 0.0


def _goods(build: RankedBuild) -> tuple[str, ...]:
    place, longest = build.prediction.placement, build.longest_context_tokens
    whole = "all of the model on the card" if place.strategy == "full_gpu" else ""
    room = f"room for {longest // 1024}K of context" if longest else ""
    return tuple(filter(None, (", ".join(filter(None, (whole, room))),)))


def _bads(build: RankedBuild) -> tuple[str, ...]:
    used = "used, without warranty" if any(part.condition == "used" for part in build.parts) else ""
    ram = "part of the model lies in main memory" if build.prediction.placement.n_cpu_moe else ""
    words: Sequence[str] = list(filter(None, (used, ram, f"{build.power_w:.0f} W under load")))
    return ("; ".join(words),)
