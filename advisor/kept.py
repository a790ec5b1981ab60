"""Results kept for whoever asks the same again, up to a sum of bytes: what strangers ask must not fill the memory.

`functools.lru_cache` counts results, which bounds memory only where each is small. These are about questions, whose
size is whatever was sent.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import fields, is_dataclass
from functools import update_wrapper
from threading import Lock
from typing import Any, Generic, ParamSpec, TypeVar

from pydantic import BaseModel

T = TypeVar("T")
P = ParamSpec("P")
WEIGHED_TOGETHER = 512
"""Entries of unknown size that may wait to be weighed."""
ENTRY_BYTES = 200
"""Of an entry itself, beside its key and its value: its place in the order, a tuple of value and size. Measured with
tracemalloc on CPython 3.11."""


class Kept(Generic[T]):
    """Values by key, those used last; as many as `most_bytes` allows, keys included. Safe for several threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._entries: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = Lock()
        self._size_bytes = 0
        self._unweighed: list[Hashable] = []
        """Keys of entries whose size is not counted yet: weighing takes as long as many an answer, and a command that
        keeps few has no need of it.
        """

    def __len__(self) -> int:
        with self._lock:
            self._weigh()
            return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """Of all that is kept."""
        with self._lock:
            self._weigh()
            return self._size_bytes

    def get(self, key: Hashable) -> T | None:
        """The value kept for a key."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def keep(self, key: Hashable, value: T, size_bytes: int | None = None) -> None:
        """Keep a value, and drop those not used for longest. `size_bytes`: what of it is not shared with others."""
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = value, -1 if size_bytes is None else size_bytes
            self._unweighed.append(key)
            if size_bytes is not None or len(self._unweighed) >= WEIGHED_TOGETHER:
                self._weigh()

    def _weigh(self) -> None:
        """Count what is not counted yet, and drop what is too much; within the lock."""
        for key in self._unweighed:
            value, said = self._entries[key]
            size = ENTRY_BYTES + size_of(key) + (size_of(value) if said < 0 else said)
            self._entries[key] = value, size
            self._size_bytes += size
        self._unweighed.clear()
        while self._size_bytes > self._most:
            self._size_bytes -= self._entries.popitem(last=False)[1][1]


class KeptFunction(Generic[P, T]):
    """A function whose results are kept by its arguments; what it raises is not."""

    def __init__(self, function: Callable[P, T], most_bytes: int) -> None:
        self._function = function
        self.results: Kept[tuple[T]] = Kept(most_bytes)
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result that is kept, or that of the function now."""
        key = (args, *sorted(kwargs.items()))
        known = self.results.get(key)
        if known is None:
            known = (self._function(*args, **kwargs),)
            self.results.keep(key, known)
        return known[0]


def kept(most_bytes: int) -> Callable[[Callable[P, T]], KeptFunction[P, T]]:
    """Keep a function's results by its arguments, up to `most_bytes`; what it raises is not kept."""
    return lambda function: KeptFunction(function, most_bytes)


def size_of(value: object) -> int:
    """Bytes of memory that a value takes with all it holds, each object once: texts, numbers, collections, dataclasses
    and pydantic models. What it shares with others is counted too.
    """
    seen: set[int] = set()
    waiting, total = [value], 0
    while waiting:
        item = waiting.pop()
        if id(item) not in seen and item is not None:
            seen.add(id(item))
            total += sys.getsizeof(item)
            waiting += _held_by(item)
    return total


def _held_by(item: object) -> Iterable[Any]:
    if isinstance(item, tuple | list | set | frozenset):
        return item
    if isinstance(item, dict):
        return (*item.keys(), *item.values())
    if isinstance(item, BaseModel):
        return (item.__dict__, item.__pydantic_fields_set__)
    names = _FIELDS.get(type(item))
    if names is None:
        names = _FIELDS[type(item)] = tuple(field.name for field in fields(item)) if is_dataclass(item) else ()
    return [getattr(item, name) for name in names]


_FIELDS: dict[type, tuple[str, ...]] = {}
"""Names of the fields of each type met, none where it is no dataclass."""
