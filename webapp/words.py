"""Words of the pages: text made safe for Markdown, ages of prices, and refusals in the page's own terms."""

import re
from collections.abc import Sequence
from datetime import date

from advisor.build_words import QUOTES, money
from advisor.recommendation import PartLine

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$:&^=@])")
_OPTIONS = (
    ("lower --min-tok-s", "lower the least speed"),
    ("or other --kinds", "or allow other kinds of computers"),
    ("--own: ", "Parts you have: "),
    ("--own ", "Parts you have: "),
    ("; --quant names another, --quant best takes the best that is fast enough", ""),
    ("; --quant chooses another", ""),
    (" with --gpu", ""),
    ("--min-tok-s", "the least speed"),
    ("--quant", "the quantisation"),
    ("--kinds", "the kinds of computers"),
)
"""Options of the command line and what stands for them on a page."""


def plain(text: str) -> str:
    r"""A text that Markdown shows as it is.

    >>> print(plain("<b>$5</b> *"))
    \<b\>\$5\</b\> \*
    """
    return _SPECIAL.sub(r"\\\1", text.replace("\n", " "))


def sentence(text: str) -> str:
    """A refusal or remark of the program as a sentence of the page.

    >>> sentence("no build runs it; lower --min-tok-s")
    'No build runs it; lower the least speed.'
    """
    for option, words in _OPTIONS:
        text = text.replace(option, words)
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}"


def age(as_of: date, today: date) -> str:
    """How old a quote is.

    >>> age(date(2026, 11, 1), date(2026, 11, 2)), age(date(2025, 7, 1), date(2026, 11, 1))
    ('1 day', '16 months')
    """
    days = (today - as_of).days
    if days < 1:
        return "today"
    count, unit = (days, "day") if days < 60 else (round(days / 30.4), "month")
    return f"{count} {unit}{'s' * (count != 1)}"


def quoted(part: PartLine, today: date) -> str:
    """What kind of price it is, its date and its age."""
    if part.condition == "owned":
        return "yours, no cost"
    if part.price_as_of is None:
        return part.price_judgement
    kind = QUOTES.get(part.price_judgement, part.price_judgement)
    return f"{part.condition}, {kind}, {part.price_as_of} ({_old(part.price_as_of, today)})"


def _old(as_of: date, today: date) -> str:
    words = age(as_of, today)
    return words if words == "today" else f"{words} old"


def price_dates(parts: Sequence[PartLine], today: date) -> str:
    """The span of a build's price dates with the age of the oldest."""
    dates = sorted(part.price_as_of for part in parts if part.price_as_of)
    if not dates:
        return "nothing to buy"
    span = f"{dates[0]}" if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return f"{span} ({_old(dates[0], today)})"


def thousands(count: float) -> str:
    """A count of tokens as people say it.

    >>> thousands(8192), thousands(1000)
    ('8K', '1,000')
    """
    return f"{count / 1024:.0f}K" if count % 1024 == 0 else f"{count:,.0f}"


__all__ = ["age", "money", "plain", "price_dates", "quoted", "sentence", "thousands"]
