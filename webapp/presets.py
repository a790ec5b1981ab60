"""Questions and builds in one click: common wishes, and the four builds of the article that people come from."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from webapp.described import MACHINE
from webapp.links import FindState


@dataclass(frozen=True, slots=True)
class ArticleBuild:
    """A build as an article describes it, with what it claims of it."""

    id: str
    label: str
    text: str
    """As `described` reads it."""
    model: str
    quant: str
    context: int
    claimed_tok_s: float
    claimed: str
    """Price as the article puts it."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A wish in one click."""

    label: str
    hint: str
    state: FindState


@cache
def article_builds() -> tuple[ArticleBuild, ...]:
    """The builds of the claims table, as they stand there."""
    table = files("calibration") / "evidence" / "article_claims.csv"
    with table.open(encoding="utf-8") as file:
        return tuple(_build(row) for row in csv.DictReader(file) if row["table"] == "build")


def _build(row: dict[str, str]) -> ArticleBuild:
    if row["gpu"].startswith("Mac"):
        name, _, size = row["gpu"].rpartition(" ")
        text = f"{MACHINE} {name} | {size}"
    else:
        text = f"{row['gpu']} | {row['cpu']} | {row['ram']}"
    return ArticleBuild(
        row["claim_id"], row["gpu"], text, row["model"], row["quant"], int(row["context_tokens"]),
        float(row["value"]), row["note"].partition(";")[0],
    )  # fmt: skip


def wishes() -> tuple[Preset, ...]:
    """Common wishes."""
    return (
        Preset("Under $900, used", "Cheapest way to a usable speed, with used parts",
               FindState(budget=900, condition="used")),
        Preset("Chat, $1,500", "New parts, faster than anyone reads", FindState(budget=1500, speed=20)),
        Preset("Coding agent", "32K tokens of context at 40 tok/s or more",
               FindState(context=32768, speed=40, condition="any")),
        Preset("Best quality, $3,000", "The least compressed model that still writes 10 tok/s",
               FindState(quant="best", budget=3000, speed=10)),
    )  # fmt: skip


def article_state(build: ArticleBuild) -> FindState:
    """The view that shows an article's build among the others."""
    return FindState(
        model=build.model, quant=build.quant, context=build.context, condition="any", article=build.id, speed=5
    )
