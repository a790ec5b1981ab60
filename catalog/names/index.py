"""How every name finds its row: spellings by the words that they need, and what is said of a name that finds none.

Each kind of name (a card, a model, a disk) reads a text into words in its own way, lists the spellings of its rows in a
`NameIndex`, and asks it for those whose words are all there. A spelling knows which words of a name it does not answer
for: `Resolved.unread` hands them on.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Generic, Protocol, TypeVar


class Named(Protocol):
    """A row of a table: what it is called there."""

    @property
    def name(self) -> str:
        """The row's name."""


T = TypeVar("T")
MOST_CHARACTERS = 60
"""The longest name of the catalog has as many; what is longer takes longer to compare with all of them."""
N = TypeVar("N", bound=Named)


@dataclass(frozen=True, slots=True)
class Resolved(Generic[T]):
    """A catalog row found for a name; `assumptions` are short sentences, empty where the name says all."""

    row: T
    assumptions: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    """Words of the name that say nothing of this row, in lower case: a remark, a shop, a misprint."""


class UnknownName(ValueError):
    """No catalog row answers to the name, or several do, or one that says why not: the message names the nearest ones,
    or the reason, and another way to ask.
    """

    def __init__(
        self,
        kind: str,
        text: str,
        nearest: tuple[str, ...] | Callable[[], tuple[str, ...]],
        *,
        ambiguous: bool = False,
        why: str = "",
        way_out: str = "",
    ) -> None:
        super().__init__(kind, text)
        self.kind, self.text, self.ambiguous, self.why, self.way_out = kind, text, ambiguous, why, way_out
        self._nearest = nearest

    @cached_property
    def nearest(self) -> tuple[str, ...]:
        """Names that may be meant, looked for when they are asked for: many a name is tried that may be none."""
        return self._nearest() if callable(self._nearest) else self._nearest

    def __str__(self) -> str:
        verb = "is ambiguous" if self.ambiguous else "is not in the catalog"
        hint = f"; nearest: {', '.join(self.nearest)}" if self.nearest else ""
        said = f"cannot be answered: {self.why}" if self.why else f"{verb}{hint}"
        return f"{self.kind} {self.text!r} {said}{f'; {self.way_out}' if self.way_out else ''}"


@dataclass(frozen=True, slots=True)
class Spelling(Generic[N]):
    """One way to write a row: `words` must all be in a name, `besides` may be there too and mean the same."""

    row: N
    words: frozenset[str]
    besides: frozenset[str] = frozenset()

    def unread(self, words: Iterable[str]) -> tuple[str, ...]:
        """Those of a name's words that this spelling does not answer for, in their order, each once."""
        return tuple(dict.fromkeys(word for word in words if word not in self.words and word not in self.besides))


S = TypeVar("S", bound=Spelling[Any])


class NameIndex(Generic[N, S]):
    """The spellings of one kind of rows, in the order given; `kind` is its word in messages ("GPU"), `names` what they
    may say is near: the rows' own names if not given. `spell` makes the spellings, for the first name that is not
    exactly a row's.
    """

    def __init__(
        self, kind: str, rows: Iterable[N], spell: Callable[[], Iterable[S]], names: Iterable[str] = ()
    ) -> None:
        rows = tuple(rows)
        self.kind = kind
        self.names = tuple(names) or tuple(row.name for row in rows)
        self._rows = {row.name.lower(): row for row in rows}
        self._spell = spell

    @cached_property
    def spellings(self) -> tuple[S, ...]:
        """All of them."""
        return tuple(self._spell())

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for place, spelling in enumerate(self.spellings):
            for word in spelling.words:
                places.setdefault(word, []).append(place)
        return places

    def exact(self, text: str) -> N | None:
        """The row of exactly this name, but for case and blanks around it."""
        return self._rows.get(text.strip().lower())

    def fitting(self, words: Collection[str]) -> list[S]:
        """The spellings whose words are all among `words`."""
        given = frozenset(words)
        return [spelling for spelling in self.sharing(given) if spelling.words <= given]

    def sharing(self, words: Collection[str]) -> list[S]:
        """The spellings that need at least one of `words`."""
        places = {place for word in words for place in self._places.get(word, ())}
        return [self.spellings[place] for place in sorted(places)]

    def unknown(
        self, text: str, rows: Iterable[N] = (), *, asked: str = "", most: int | None = None, way_out: str = ""
    ) -> UnknownName:
        """The refusal of a name of no row: with `rows`, else with the names nearest to what was `asked`."""
        found = tuple(dict.fromkeys(row.name for row in rows))[:most]
        return UnknownName(self.kind, text, found or (lambda: nearest(asked or text, self.names)), way_out=way_out)

    def ambiguous(self, text: str, rows: Iterable[N], *, most: int | None = None) -> UnknownName:
        """The refusal of a name that says too little to choose among `rows`."""
        found = tuple(dict.fromkeys(row.name for row in rows))
        return UnknownName(self.kind, text, found[:most], ambiguous=len(found) > 1)


def left_aside(kind: str, text: str, unread: Sequence[str]) -> tuple[str, ...]:
    """The sentence that names the words of a name which say nothing of its row; none where all were read.

    >>> left_aside("GPU", "RTX 3090 banana", ("banana",))
    ("'banana' in GPU 'RTX 3090 banana' is not understood and counts for nothing",)
    """
    words = ", ".join(repr(word) for word in unread)
    verb = "is" if len(unread) == 1 else "are"
    said = f"{words} in {kind} {text!r} {verb} not understood and {'counts' if verb == 'is' else 'count'} for nothing"
    return (said,) if unread else ()


_COUNTED = re.compile(
    r"^\s*(?:(?P<number>\d{1,2})\s*[x×*]\s*|(?P<bare>\d{1,2})\s+"
    r"|(?P<word>dual|two|twin|(?:a )?pair of|three|triple|four|quad|six|eight)\s+)(?=[a-z])(?P<name>.+)$",
    re.IGNORECASE,
)
_COUNTED_BEHIND = re.compile(
    r"^(?P<name>.*[a-z0-9)])\s*"
    r"(?:\s[x×*]\s?(?P<number>[236])|\s[(](?P<several>\d{1,2}) (?:gpus|cards)[)]|\s(?P<word>pair))\s*$",
    re.IGNORECASE,
)
_COUNTS = {
    "dual": 2, "two": 2, "twin": 2, "pair of": 2, "a pair of": 2, "pair": 2, "three": 3, "triple": 3, "four": 4,
    "quad": 4, "six": 6, "eight": 8,
}


def counted(text: str) -> tuple[int, str]:
    """How many of a part a text speaks of, and its name: a number or a word before it, or "x2" behind. What else is
    written behind ("x4", "x8", "x16") are lanes.

    >>> counted("2x RTX 3090"), counted("two RTX 3090s"), counted("RTX 3090 x2"), counted("RTX 3090")
    ((2, 'RTX 3090'), (2, 'RTX 3090'), (2, 'RTX 3090'), (1, 'RTX 3090'))
    """
    found = _COUNTED.match(text) or _COUNTED_BEHIND.match(text)
    if not found:
        return 1, text
    said = {name: value for name, value in found.groupdict().items() if value and name != "name"}
    value = next(iter(said.values())).lower()
    count = int(value) if value.isdigit() else _COUNTS[value]
    name = found["name"].strip()
    return count, re.sub(r"(?<=\d)s$", "", name) if count > 1 else name


def nearest(text: str, names: Sequence[str], count: int = 4) -> tuple[str, ...]:
    """Up to `count` of `names`, the most similar first: by parts and order of words, and by the whole of the text.

    For messages only, never to choose a row.

    >>> nearest("RTX 3061", ["Quadro RTX 4000", "RTX 2060 SUPER", "RTX 3060 12GB"], 1)
    ('RTX 3060 12GB',)
    """
    return _nearest(text[:MOST_CHARACTERS], tuple(names), count)


@lru_cache(maxsize=1024)
def _nearest(text: str, names: tuple[str, ...], count: int) -> tuple[str, ...]:
    from rapidfuzz import fuzz, process, utils

    likeness = [0.0] * len(names)
    for scorer in (fuzz.WRatio, fuzz.ratio):
        found = process.extract(text, names, scorer=scorer, processor=utils.default_process, limit=None)
        for _, score, place in found:
            likeness[place] += score
    best = sorted(range(len(names)), key=lambda place: -likeness[place])
    return tuple(names[place] for place in best[:count])
