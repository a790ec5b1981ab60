"""What a buyer asks for."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from advisor.buying.builds import BuildKind
from advisor.choosing.tasks import TaskName
from advisor.errors import InputError
from advisor.question import MOST_RUNS, Engine, Hardware, OwnRun, RamRequest, Scenario, Workload

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
READING_TOK_S = 5.0
"""Slower than this is slower than people read: 238 words a minute at 1.3 tokens per English word, 238 / 60 * 1.3 = 5.2.
Source: Brysbaert 2019, "How many words do we read per minute?", https://doi.org/10.1016/j.jml.2019.104047."""
MOST_BUDGET_USD = 1e7
"""Our choice: far above every build that is offered, so that a slip of the keyboard is refused."""
CONTEXT_TOKENS = 8192
"""Context that a build must hold where none is asked: a long chat, or a few files of code."""
PROMPT_TOKENS, ANSWER_TOKENS = 512, 128
ALL_KINDS: tuple[BuildKind, ...] = ("desktop", "laptop", "unified")


class Wish(BaseModel):
    """A model or a task, what it should do, and what it may cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Text | None = None
    """None: the model is chosen for the task."""
    task: TaskName | None = None
    """What it is for; None: chat where no model is named, else what the other fields say."""
    quant: Text | None = None
    """None: the one most people run; "best": the best quality that reaches `min_tok_s` within the budget."""
    context: Annotated[int, Field(ge=256, le=100_000_000)] = CONTEXT_TOKENS
    """Tokens a build must have room for; speeds are those with it nearly full, prompt and answer being its last."""
    budget_usd: Annotated[float, Field(gt=0, le=MOST_BUDGET_USD, allow_inf_nan=False)] | None = None
    min_tok_s: Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)] = READING_TOK_S
    """Least median decode speed."""
    condition: Literal["new", "used", "any"] = "new"
    as_of: date | None = None
    """Only prices that were known that day count; None: today."""
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    """Amounts of the answer are shown in it too, by the rate of the day; `budget_usd` stays in US dollars."""
    kinds: Annotated[tuple[BuildKind, ...], Field(min_length=1, max_length=16, fail_fast=True)] = ALL_KINDS
    own: tuple[Text, ...] = ()
    measured: Annotated[tuple[OwnRun, ...], Field(max_length=MOST_RUNS, fail_fast=True)] = ()
    """Runs that were measured on the computer that `own` names: builds that keep its parts are predicted by them."""
    sort: Literal["value", "speed", "price", "prompt"] = "value"
    """Order of the builds: dollars per token a second, writing speed, price, or reading speed."""
    kwh_usd: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = None
    """Price of electricity; None: that of the households of `country`."""
    country: Annotated[Text, Field(max_length=60)] | None = None
    hours_per_day: Annotated[float, Field(gt=0, le=24)] = 2.0
    """Of work: the computer writes or reads."""
    users: Annotated[int, Field(ge=1, le=64)] = 1
    """So many write at once, each with a context of its own; speeds and limits are those of each."""
    limit: Annotated[int, Field(ge=1, le=100_000)] = 10
    tinkerer: bool = False
    """Picks may have cards without a fan, a picture or a maintained driver."""
    every: bool = False
    """All builds that no cheaper one with the same cards beats, not only the best of each graphics card or machine."""

    def question(self, quant: str) -> Scenario:
        """The scenario that every build is asked; its hardware is to be filled in.

        Raises `InputError` without a model.
        """
        if self.model is None:
            raise InputError("name the model, or ask `advise`, which chooses one for a task")
        room = max(self.context, PROMPT_TOKENS + ANSWER_TOKENS)
        depth = room - PROMPT_TOKENS - ANSWER_TOKENS
        return Scenario(
            model=self.model, quant=quant, hardware=Hardware(ram=RamRequest(type="DDR4")), engine=Engine(n_ctx=room),
            workload=Workload(
                context_depth=depth, prompt_tokens=PROMPT_TOKENS, gen_tokens=ANSWER_TOKENS, users=self.users
            ),
        )
