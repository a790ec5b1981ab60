"""The catalog names most like a name that was not found: for messages only, never to choose a row."""

from collections.abc import Sequence


def nearest(text: str, names: Sequence[str], count: int = 4) -> tuple[str, ...]:
    """Up to `count` of `names`, the most similar first."""
    from rapidfuzz import fuzz, process, utils

    found = process.extract(text, names, scorer=fuzz.WRatio, processor=utils.default_process, limit=count)
    return tuple(name for name, _, _ in found)
