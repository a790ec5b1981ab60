"""Words of the pages: hints, terms, text made safe for Markdown, ages of prices, refusals in the page's own terms."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Final, Literal

import streamlit as st

from advisor.buying.recommendation import PartLine
from advisor.documents import number, seconds
from advisor.sizes.quality import BEST, PUBLISHED, default_quant, quality_order
from catalog.names.index import UnknownName
from catalog.names.llms import resolve_llm

HINTS: Final[Mapping[str, str]] = {
    "model": "The language model you want to run. Type to search.",
    "quant": "Quantisation: how strongly the weights are compressed. Fewer bits: smaller and faster, but less exact.",
    "context": "How much text the model keeps in view, in tokens (about three quarters of a word each). "
    "8K is a long chat, 32K some files of code. Speeds are those with the context nearly full.",
    "budget": "The most the whole computer may cost. Choose or type an amount, such as 1200 or 900 EUR.",
    "speed": "The least writing speed, in tokens per second. People read about 5; coding agents want 30 and more.",
    "condition": "Used where quoted: used prices where there are any, else new ones. Used parts are fine: the cheaper.",
    "kinds": "Desktops are put together from parts; unified boxes (Mac, Strix Halo) share one memory.",
    "own": 'Parts you have cost nothing, for example "RTX 3060 12GB" or "DDR4-3200 2x16". Type a name and press Enter.',
    "makers": "Show only builds with graphics of these makers. Empty: all.",
    "best_only": "Show only builds that no other beats in price and speed at once.",
    "gpu": "The graphics card. Empty: none, the model runs on the processor.",
    "cpu": "The processor.",
    "ram": 'Type, speed and modules, for example "DDR4-3600 2x16" or "64GB DDR5".',
    "whole": "A unified-memory machine or a laptop, instead of parts.",
    "tinkerer": "Used server cards (P100, MI50): cheap and fast, but they need a fan, an adapter and patience.",
    "currency": "Amounts are turned at the newest rate known here; tax and duty are not in them.",
    "kwh": "What a kilowatt-hour costs you, in your currency. Empty: what households of the country pay.",
    "country": "Whose electricity counts for what a computer costs to run.",
    "disk": "The disk that the model lies on: it decides how long loading takes.",
}
WORDS_A_TOKEN: Final = 0.75
"""English words of a token, roughly. Source: OpenAI, "What are tokens and how to count them": 100 tokens are some 75
words, https://help.openai.com/en/articles/4936856."""
PAGE_WORDS: Final = 500
"""Of a page of text, closely written: our choice."""
TASKS: Final[Mapping[str, str]] = {
    "chat": "chat", "coding": "code", "agent": "code with an agent", "documents": "read long documents",
    "vision": "use images",
}
"""Tasks as they are asked for: "I want to ..."."""
TERMS: Final[Mapping[str, str]] = {
    "tok/s": "Tokens per second: how fast the model writes. A token is about three quarters of an English word; "
    "people read about 5 tok/s.",
    "90 % range": "Nine of ten real runs of such a build should fall between these speeds.",
    "$/(tok/s)": "Price of the whole computer for each token per second: the lower, the more speed for the money.",
    "Prompt": "How fast the model reads your text before it answers, in tokens per second (prefill).",
    "First token": "Time to the first token: until the answer begins, for a question of 512 tokens.",
    "Longest context": "The most text that fits beside the model, in tokens, with more of the model moved to RAM.",
    "Power": "Of the parts under load, estimated from their data sheets.",
    "Quality": "At the task, on the scale of the Artificial Analysis Intelligence Index v4.1, no percentage: models "
    "whose ranges overlap are equal, below 5 the order says nothing, ~ is an estimate.",
    "Grade": "Comfortable: so fast that nobody waits. Good: fast enough for the task. Slow: it runs.",
    "Compression": "Quantisation of the weights. Q4_K_M keeps about 4.8 bits of 16 for each weight; most use it.",
    "VRAM": "Memory on the graphics card: fast, and mostly too small.",
    "RAM": "Main memory beside the processor: larger and slower than VRAM.",
    "GiB": "2^30 bytes: the GB of a memory module.",
    "Experts": "Parts of a mixture-of-experts model, of which each token uses a few. They can stay in RAM while the "
    "rest lies on the graphics card.",
    "n_cpu_moe": "llama.cpp's setting for how many layers keep their experts in RAM.",
    "Pareto front": "The builds that no other beats in price and speed at once.",
    "KV cache": "Memory for the context: it grows with the text kept in view.",
    "PCIe": "The link between graphics card and processor.",
    "KL divergence": "How far a compressed model's choices of words stray from the original's: 0 is identical.",
    "Regime": "Where the weights lie: all on the graphics card, experts in RAM, and so on.",
}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$:&^=@])")
_BY_SIZE = re.compile(r";? ?its size alone can be asked too: .*?--custom-model [\w.-]+")
"""A way out for those who type commands."""
_OPTIONS = (
    ("lower --min-tok-s", "lower the least speed"),
    ("or other --kinds", "or allow other kinds of computers"),
    ("--own: ", "Parts you have: "),
    ("--own ", "Parts you have: "),
    ("; --quant names another, --quant best takes the best that is fast enough", ""),
    ("; --quant chooses another", ""),
    (" with --gpu", ""),
    (' (as in --ram "DDR4-3200 2x8")', ' (as in "DDR4-3200 2x8")'),
    (" (advisor recommend)", " (see Buy)"),
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
    text = _BY_SIZE.sub("", text)
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


def price_dates(parts: Sequence[PartLine], today: date) -> str:
    """The span of a build's price dates with the age of the oldest."""
    dates = sorted(part.price_as_of for part in parts if part.price_as_of)
    if not dates:
        return "nothing to buy"
    span = f"{dates[0]}" if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    old = age(dates[0], today)
    return f"{span} ({old if old == 'today' else f'{old} old'})"


def thousands(count: float) -> str:
    """A count of tokens as people say it.

    >>> thousands(8192), thousands(1000)
    ('8K', '1,000')
    """
    return f"{count / 1024:.0f}K" if count % 1024 == 0 else f"{count:,.0f}"


def note(text: str, width: Literal["stretch", "content"] = "stretch") -> None:
    """A remark in small print; the text is shown as it is.

    In the colour of the text: Streamlit's captions are too faint for WCAG 2.2 (1.4.3, 4.5:1).
    """
    st.markdown(f":small[{plain(text)}]", width=width)


def pace(tok_s: float, units: str) -> str:
    """A speed in the visitor's units.

    >>> pace(45.2, "tokens"), pace(45.2, "words")
    ('45 tok/s', '34 words/s')
    """
    return f"{number(tok_s)} tok/s" if units == "tokens" else f"{number(tok_s * WORDS_A_TOKEN)} words/s"


def span(low: float, high: float, units: str) -> str:
    """Where speeds lie, in the visitor's units, which are not said again.

    >>> span(20, 40, "tokens"), span(20, 40, "words")
    ('20 to 40', '15 to 30')
    """
    each = 1.0 if units == "tokens" else WORDS_A_TOKEN
    return f"{number(low * each)} to {number(high * each)}"


def page_time(tok_s: float) -> str:
    """How long a page of text takes to be written.

    >>> page_time(123)
    'a page of text in 5.4 s'
    """
    return f"a page of text in {seconds(PAGE_WORDS / WORDS_A_TOKEN / tok_s)}"


def listed(lines: Iterable[str]) -> None:
    """Lines as a list, in one piece: each piece of a page costs the browser some milliseconds."""
    st.markdown("\n".join(f"- {plain(line)}" for line in lines))


@cache
def quant_choices(model: str) -> tuple[str, ...]:
    """The usual one, the best that is fast enough, and the published steps from best to worst."""
    try:
        order = quality_order(resolve_llm(model).row.llm).quants
    except UnknownName:
        order = ()
    return ("", BEST, *dict.fromkeys((*order, *PUBLISHED)))


def quant_label(model: str, quant: str) -> str:
    """A choice in words."""
    if quant == BEST:
        return "The best that is fast enough"
    if quant:
        return quant
    try:
        return f"The usual ({default_quant(resolve_llm(model).row.llm)})"
    except UnknownName:
        return "The usual"
