"""Cards, seals, ranges and tables as HTML, which the browser draws at once; how they look is in pages/style.css.

All pure. Every text is escaped here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import log
from typing import Any
from urllib.parse import urlsplit

from advisor.answer import Range
from advisor.documents import number
from webapp.words import WORDS_A_TOKEN

LEVELS = {
    "this machine": ("measured", "measured by you"),
    "this card and model": ("measured", "measured on this hardware"),
    "this card": ("measured", "this hardware was measured"),
    "its architecture": ("alike", "hardware like it was measured"),
    "nobody": ("unproven", "nobody measured it"),
}
"""Class and words of a seal by the level of evidence."""
ANSWER = (
    "Paris is the capital of France. It lies on the Seine, in the north of the country, and about two million people "
    "live in the city itself. If you have one day, start early at Notre-Dame, walk along the river to the Louvre, eat "
    "at noon in the Marais, and see the city from Montmartre when the lights go on. With two days, add Versailles: the "
    "train takes forty minutes, and the gardens are free on most days of the year."
)
"""What the demonstration writes: some hundred tokens."""


@dataclass(frozen=True, slots=True)
class PickCard:
    """A build as a buyer first sees it; texts are plain."""

    tag: str
    name: str
    contents: str
    price: str
    spread: str
    speed: str
    speed_below: str
    bar: str
    """HTML of `range_bar`."""
    reads: str
    goods: Sequence[str]
    bads: Sequence[str]
    seal: str
    """HTML of `seal`."""


def seal(level: str, runs: int = 0) -> str:
    """How a number is known: by runs on this card, by cards like it, or by none."""
    kind, words = LEVELS.get(level, LEVELS["nobody"])
    count = f": {runs:,} run{'s' * (runs != 1)}" if runs and kind != "unproven" else ""
    return f'<span class="seal {kind}">{escape(words)}{count}</span>'


def range_bar(speed: Range, most: float, measured: Sequence[float] = ()) -> str:
    """Where nine of ten runs fall, on a line up to `most` tok/s; dots for what was measured.

    >>> range_bar(Range(p50=50, p05=25, p95=75), 100).count("left:25.0%;width:50.0%")
    1
    """
    span = max(most, speed.p95, *measured, 1e-9)

    def at(value: float) -> float:
        return min(1.0, max(0.0, value / span)) * 100

    words = f"9 of 10 runs between {number(speed.p05)} and {number(speed.p95)} tokens a second, half above "
    words += number(speed.p50) + "".join(f"; measured {number(value)}" for value in measured)
    dots = "".join(f'<s style="left:{at(value):.1f}%"></s>' for value in measured)
    return (
        f'<div class="range" role="img" aria-label="{escape(words)}"><i style="left:{at(speed.p05):.1f}%;'
        f'width:{at(speed.p95) - at(speed.p05):.1f}%"></i><u style="left:{at(speed.p50):.1f}%"></u>{dots}</div>'
    )


def card(told: PickCard) -> str:
    """A card of a build; its heading is the build's name."""
    points = "".join(f"<li>{escape(text)}</li>" for text in told.goods)
    points += "".join(f'<li class="against">{escape(text)}</li>' for text in told.bads)
    return (
        f'<div class="card"><p class="tag"><b>{escape(told.tag)}</b></p><h2>{escape(told.name)}</h2>'
        f'<p class="sub">{escape(told.contents)}</p><div class="two">{_big(told.price, told.spread)}'
        f"{_big(told.speed, told.speed_below)}</div>{told.bar}"
        f'<div class="ends">{told.reads}</div><ul class="points">{points}</ul>{told.seal}</div>'
    )


def _big(value: str, below: str) -> str:
    return f'<p class="big">{escape(value)}<span class="below">{escape(below)}</span></p>'


def choice(label: str, name: str, size: str, speed: str, speed_below: str, lost: str, beside: str) -> str:
    """A quantisation to take or not."""
    return (
        f'<div class="card"><p class="tag"><b>{escape(label)}</b></p><h3>{escape(name)}</h3>'
        f'<div class="two">{_big(size, lost)}{_big(speed, speed_below)}</div><p class="sub">{escape(beside)}</p></div>'
    )


def ends(left: str, right: str) -> str:
    """Two remarks below a bar."""
    return f"<span>{escape(left)}</span><span>{escape(right)}</span>"


def figures(cells: Sequence[tuple[str, str, str]]) -> str:
    """Labels, values and remarks of one build, in as many columns as there is room for."""
    items = "".join(
        f'<div><dt>{escape(label)}</dt><dd><span class="big">{escape(value)}</span>'
        f'<span class="below">{escape(below)}</span></dd></div>'
        for label, value, below in cells
    )
    return f'<dl class="figures">{items}</dl>'


def streamed(tok_s: float) -> str:
    """A text that appears as fast as the machine would write it, by the browser alone.

    >>> "animation-delay:0.67s" in streamed(2.0)
    True
    """
    words, delay, spans = ANSWER.split(), 0.0, []
    for word in words:
        spans.append(f'<span style="animation-delay:{delay:.2f}s">{escape(word)} </span>')
        delay += 1 / WORDS_A_TOKEN / tok_s
    label = f"An answer written at {number(tok_s)} tokens a second"
    return f'<div class="answer" role="group" aria-label="{escape(label)}">{"".join(spans)}</div>'


def spark(values: Sequence[float], label: str) -> str:
    """Small bars of a series, the highest as high as the line."""
    most = max(values, default=0.0) or 1.0
    bars = "".join(f'<i style="height:{max(0.06, value / most):.0%}"></i>' for value in values)
    return f'<span class="spark" role="img" aria-label="{escape(label)}">{bars}</span>' if values else ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of a comparison: values as they are said, the columns that are best, and the difference in words."""

    name: str
    values: Sequence[str]
    best: frozenset[int] = frozenset()
    difference: str = ""
    group: str = ""


def compared(titles: Sequence[str], facts: Sequence[Fact], label: str) -> str:
    """Builds side by side: the best value of each row is bold, and said to be."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in (*titles, "In words"))
    rows, group = [], ""
    for fact in facts:
        if fact.group != group:
            group = fact.group
            rows.append(f'<tr><th class="group" scope="rowgroup" colspan="{len(titles) + 2}">{escape(group)}</th></tr>')
        cells = "".join(
            f'<td class="best">{escape(value)} <span class="below">best</span></td>' if at in fact.best
            else f"<td>{escape(value)}</td>" for at, value in enumerate(fact.values)
        )
        rows.append(f'<tr><th scope="row">{escape(fact.name)}</th>{cells}<td>{escape(fact.difference)}</td></tr>')
    above = f'<thead><tr><th scope="col">What</th>{head}</tr></thead>'
    grid = f'<table class="even">{above}<tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="wide" role="region" aria-label="{escape(label)}" tabindex="0">{grid}</div>'


def part(row: Mapping[str, Any]) -> str:
    """A part of a build as a line: what it is, its price and on what that rests.

    Row: Part, Name, Price, 8 of 10 pay, Condition, Seen, Age, Link, Source; what is not known is empty.
    """
    age = "" if row["Age"] in {"", "today"} else " old"
    seen = f"{row['Seen']} seen, the newest {row['Age']}{age}" if row["Age"] else ""
    told = (f"8 of 10 pay {row['8 of 10 pay']}" if row["8 of 10 pay"] and row["Age"] else "", seen)
    below = escape(", ".join(filter(None, (row["Condition"], *told))))
    if row["Link"]:
        site = escape(urlsplit(row["Link"]).netloc.removeprefix("www."))
        below += f', <a href="{escape(row["Link"])}" title="{escape(row["Source"])}" target="_blank" rel="noopener">'
        below += f"{site}</a>"
    elif row["Source"]:
        below += f", {escape(row['Source'])}"
    return (
        f'<div class="part" role="group" aria-label="{escape(row["Part"])}"><span class="sub">{escape(row["Part"])}'
        f'</span><b>{escape(row["Name"])}</b><b class="price">{escape(row["Price"])}</b>'
        f'<span class="below">{below}</span></div>'
    )


def times(larger: float, smaller: float) -> str:
    """How much more, in words.

    >>> times(2.0, 1.0), times(1.3, 1.0), times(1.02, 1.0), times(1.0, 0.0)
    ('2x', '30 % more', 'the same', 'only there')
    """
    if smaller <= 0:
        return "only there" if larger > 0 else "the same"
    share = larger / smaller
    if log(share) < 0.05:
        return "the same"
    return f"{share:.2g}x" if share >= 1.6 else f"{round((share - 1) * 100):d} % more"
