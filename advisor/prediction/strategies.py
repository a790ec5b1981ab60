"""Ways to run a model whose experts find no room on the card, compared: whole layers of experts in RAM (`n_cpu_moe`),
the experts that are chosen most on the card, and a cache on the card that streams what it misses over the link.

llama.cpp does the first; the others are done by other programs. From which hit rate on they are faster follows from
what a token reads where: that is the break-even, and how local the choice of experts is decides on which side one is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from advisor.answer import Prediction
from advisor.documents import Labelled, Paragraph, Points, Section, Sourced, Table, TableColumn, number
from advisor.prediction.case import Case
from catalog.units import GB

PINNED_SHARE = 0.8
"""Of a link's peak that copies from pinned memory reach: 24 to 26 of 31.5 GB/s (PCIe 4.0 x16), 46 to 56 of 63 (5.0).
Source: design notes on the field, 2026-11-23.
"""
EXPERT_READ_SHARE = 0.6
"""Of a card's bandwidth that reading experts reaches, where none of them are read there yet."""
LISTED_OVER_CHANCE = 1.6
"""Hits of a list of favourites on another text, over those of as many experts at random: 10 to 6 % for 32 of 512."""
CACHED = ((0.0, 0.0), (0.125, 0.67), (0.25, 0.81), (0.4, 0.92), (1.0, 1.0))
"""Hits of a cache of the experts used last, by the share of experts that it holds, where the choice is local."""
SOURCES = (
    ("of 512 experts 32 that one half of a text likes have 10 % of the other, caches of 64 and 128 have 67 and 81 %",
     "llama.cpp pull 27861"),
    ("Qwen3-30B-A3B: a cache of 40 % of the experts has 90 to 95 %", "imp issue 1359"),
    ("elsewhere caches have 8 to 18 %: it depends on model and text", "FreeToken issue 174"),
    ("Qwen3.6-35B-A3B on an RTX 3060: 42.3 tok/s with n_cpu_moe, 51.3 with 124 of 256 experts resident by profile",
     "thecodacus/llama.cpp pull 5"),
    ("an early cache on the card lost to the CPU: 4.9 against 7.3 tok/s", "krasis, February 2026"),
)
"""What was measured, and where."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to place experts: tok/s where choices are spread evenly and where they are local, and the hit rate from
    which on it writes faster than whole layers in RAM (None: at none; 0: at any).
    """

    name: str
    words: str
    even_tok_s: float
    local_tok_s: float
    even_hits: float
    local_hits: float
    break_even_hits: float | None


@dataclass(frozen=True, slots=True)
class Compared:
    """The strategies of a case, the first that of llama.cpp, with what share of the experts the card has room for."""

    resident_share: float
    rows: tuple[Strategy, ...]


def compared(case: Case, seconds: dict[str, float]) -> Compared | None:
    """The strategies for a case, `seconds` being its decode step by stage; None where no experts lie in RAM beside a
    card that computes all else.
    """
    place, print_ = case.placement, case.demand.footprint
    if place.strategy != "expert_offload" or not print_.n_experts:
        return None
    each = print_.layer_expert_bytes.sum(axis=1)
    resident = float(each[~place.experts_on_cpu].sum() / each.sum())
    used_bytes = float(each.sum()) * print_.n_experts_used / print_.n_experts
    beside = seconds["cpu_weights"]
    waits = seconds["cpu_sync"] + seconds["link"]
    rest = sum(seconds.values()) - beside - waits - seconds["gpu_experts"]
    card = case.machine.main_gpu
    per_byte = (
        seconds["gpu_experts"] / (resident * used_bytes) if resident > 0
        else 1 / (card.bandwidth_gb_s * GB * EXPERT_READ_SHARE)
    )
    away = max(1 - resident, 1e-9)
    copying = used_bytes / (card.link_gb_s * GB * PINNED_SHARE)
    static_s = sum(seconds.values())

    def listed_s(hits: float) -> float:
        """Every layer has experts on both sides, so that each waits for both."""
        return rest + beside * (1 - hits) / away + waits / away + per_byte * used_bytes * hits

    def streamed_s(hits: float) -> float:
        return rest + per_byte * used_bytes + copying * (1 - hits)

    local = float(np.interp(resident, [share for share, _ in CACHED], [hits for _, hits in CACHED]))
    favourites = min(1.0, resident * LISTED_OVER_CHANCE)
    static = 1 / static_s
    return Compared(resident, (
        Strategy("n_cpu_moe", "experts of whole layers in RAM (llama.cpp)", static, static, resident, resident, 0.0),
        _strategy("hot_experts", "favourites of every layer on the card", listed_s, static_s, resident, favourites),
        _strategy("streaming", "a cache on the card, misses over the link", streamed_s, static_s, resident, local),
    ))


def _strategy(
    name: str, words: str, step_s: Callable[[float], float], static_s: float, even: float, local: float
) -> Strategy:
    start, end = step_s(0.0), step_s(1.0)
    # Time falls in a straight line with the hit rate.
    needed = None if end >= static_s else max(0.0, (start - static_s) / (start - end)) if start > end else 0.0
    return Strategy(name, words, 1 / step_s(even), 1 / step_s(local), even, local, needed)


def ways_of(case: Case, answer: Prediction) -> Compared | None:
    """The strategies for a case by its prediction's stages; as `compared`."""
    seconds = dict.fromkeys(("cpu_weights", "cpu_sync", "link", "gpu_experts"), 0.0)
    return compared(case, seconds | {stage.stage: stage.seconds_per_token for stage in answer.breakdown})


def section(found: Compared | None) -> Section:
    """The comparison as a part of a report."""
    title = "Ways to place experts"
    if found is None:
        return Section(title, [Paragraph("There is nothing to compare: no experts lie in RAM beside a graphics card.")])
    columns = (
        TableColumn("way", width=46), TableColumn("even", width=7, right=True),
        TableColumn("local", width=7, right=True), TableColumn("break-even", width=12, right=True),
    )
    rows = [(row.words, number(row.even_tok_s), number(row.local_tok_s), _needed(row)) for row in found.rows]
    told = (
        "tok/s where experts are chosen evenly and where the choice is local; the card has room for "
        f"{found.resident_share:.0%} of the experts. Break-even: hits from which on a way is faster than the first."
    )
    return Section(title, [
        Paragraph(told), Table(columns, rows), Labelled([("Verdict", verdict(found))]),
        Points([Sourced(*source) for source in SOURCES]),
    ])


def _needed(row: Strategy) -> str:
    if row.name == "n_cpu_moe":
        return "-"
    return "never" if row.break_even_hits is None else f"{row.break_even_hits:.0%}"


def verdict(found: Compared) -> str:
    """Which way to take, as a sentence."""
    static, *others = found.rows
    better = [row for row in others if row.local_tok_s > static.even_tok_s]
    sure = [row for row in better if row.even_tok_s > static.even_tok_s]
    if sure:
        return f"{max(sure, key=lambda row: row.even_tok_s).words}: faster whatever is chosen"
    if better:
        best = max(better, key=lambda row: row.local_tok_s)
        return f"{static.words}; {best.words} pays from {best.break_even_hits or 0:.0%} of hits on"
    return f"{static.words}: the others are slower even where the choice is local"

