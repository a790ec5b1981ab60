"""From the sentence of wishes to a question, and what is said of the builds that answer it. All pure."""

from typing import Any, Final

from advisor.buying.wish import ALL_KINDS, Wish
from advisor.choosing.tasks import TASKS, TaskName
from advisor.errors import InputError
from webapp.links import BuyState, State

NAMES: Final = {
    "value": "Our pick", "cheapest": "Spend less", "fastest": "Fastest for your money",
    "ready_made": "Without building",
}
"""What a pick is called, by its code."""


MOST_KWH_USD: Final = 10.0
MOST_BUILDS: Final = 40
"""Cards and machines in the chart and the table: more are neither seen apart nor read."""


def context_of(task: TaskName) -> int:
    """Context that a task needs, in tokens."""
    return TASKS[task].context


def wish_of(state: BuyState, per_usd: float) -> Wish:
    """What is asked: what the visitor leaves open is the task's to say. `per_usd`: units of his currency for a dollar.

    Raises `InputError` and `ValidationError` as `Wish` does.
    """
    said: dict[str, Any] = {
        "task": state.task, "condition": state.condition, "kinds": state.kinds or ALL_KINDS, "own": state.own,
        "tinkerer": state.tinkerer, "limit": MOST_BUILDS, "currency": state.currency, "users": state.users,
        "country": state.country or None, "kwh_usd": kwh_usd(state, per_usd),
    }
    if state.model:
        said |= {"model": state.model, "quant": state.quant or None, "context": context_of(state.task)}
        said["min_tok_s"] = TASKS[state.task].least_tok_s
    if state.context:
        said["context"] = state.context
    if state.budget:
        said["budget_usd"] = state.budget / per_usd
    if state.speed is not None:
        said["min_tok_s"] = state.speed
    return Wish(**said)


def kwh_usd(state: State, per_usd: float) -> float | None:
    """What a kilowatt-hour costs in dollars, where the visitor said it. Raises `InputError` for more than is paid."""
    if state.kwh is None:
        return None
    usd = state.kwh / per_usd
    if usd > MOST_KWH_USD:
        most = f"{MOST_KWH_USD * per_usd:,.0f} {state.currency}"
        raise InputError(f"a kWh for {state.kwh:g} {state.currency} is more than anybody pays: set {most} or less")
    return usd
