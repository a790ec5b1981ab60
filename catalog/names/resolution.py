"""What a resolution gives back: the row and what had to be assumed, or a refusal that names the nearest rows."""

from dataclasses import dataclass
from typing import Generic, TypeVar

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
