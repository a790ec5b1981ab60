"""The catalog names most like a name that was not found: for messages only, never to choose a row."""

from collections.abc import Sequence
from typing import Any


def nearest(text: str, names: Sequence[str], count: int = 4) -> tuple[str, ...]:
    """Up to `count` of `names`, the most similar first: by parts and order of words, and by the whole of the text.

    >>> nearest("RTX 3061", ["Quadro RTX 4000", "RTX 2060 SUPER", "RTX 3060 12GB"], 1)
    ('RTX 3060 12GB',)
    """
    from rapidfuzz import fuzz, process, utils

    def likeness(first: str, second: str, **_: Any) -> float:
        return fuzz.WRatio(first, second) + fuzz.ratio(first, second)

    found = process.extract(text, names, scorer=likeness, processor=utils.default_process, limit=count)
    return tuple(name for name, _, _ in found)
