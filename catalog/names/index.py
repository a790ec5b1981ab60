"""What a resolution gives back: the row and what had to be assumed, or a refusal that names the nearest rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resolved(Generic[T]):
    """A catalog row found for a name; `assumptions` are short sentences, empty where the name says all."""

    row: T
    assumptions: tuple[str, ...] = ()


class UnknownName(ValueError):
    """No catalog row answers to the name, or several do: the message names the nearest ones."""

    def __init__(self, kind: str, text: str, nearest: tuple[str, ...], *, ambiguous: bool = False) -> None:
        self.kind, self.text, self.nearest, self.ambiguous = kind, text, nearest, ambiguous
        verb = "is ambiguous" if ambiguous else "is not in the catalog"
        hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
        super().__init__(f"{kind} {text!r} {verb}{hint}")


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
