"""From the labels people write for a quantisation to its catalog row."""

import re
from functools import cache, lru_cache

from catalog.names.index import NameIndex, Resolved, Spelling
from catalog.quants import Quant
from catalog.tables import quants

PREFIX = re.compile(r"^(?:gguf|ggml|i1|imat(?:rix)?)[-_. ]+")
REMARK = re.compile(r"\s*\([^)]*\)\s*$")
INTERLEAVED = re.compile(r"_r[48]$")


def _key(text: str) -> str:
    return re.sub(r"[-_\s]+", "_", text.strip().lower()).removesuffix(".gguf").strip("_")


@cache
def _index() -> NameIndex[Quant, Spelling[Quant]]:
    """Spellings of one word: the rows' own names before other words for them."""
    written = [(row, row.name) for row in quants()] + [(row, alias) for row in quants() for alias in row.aliases]
    return NameIndex("quantisation", quants(), [Spelling(row, frozenset({_key(name)})) for row, name in written])


@lru_cache(maxsize=4096)
def resolve_quant(text: str) -> Resolved[Quant]:
    """The row of a quantisation's label. Raises `UnknownName`."""
    label, plain = text.strip(), PREFIX.sub("", text.strip().lower())
    bare = REMARK.sub("", plain)
    remark = tuple(re.findall(r"[a-z0-9]+", plain[len(bare) :]))
    for written, unread, assumption in (
        (text, (), None),
        (plain, (), None),
        (bare, remark, "the remark in {label!r} is not modelled: taken as {name}"),
        (INTERLEAVED.sub("", _key(bare)), remark, "{label} interleaves the rows of {name}: same size"),
    ):
        if found := _index().fitting({_key(written)}):
            row = found[0].row
            return Resolved(row, (assumption.format(label=label, name=row.name),) if assumption else (), unread)
    raise _index().unknown(text, asked=plain)
