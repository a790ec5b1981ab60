"""From the labels people write for a quantisation to its catalog row."""

import re
from functools import cache, lru_cache

from catalog.names.index import Resolved, UnknownName, nearest
from catalog.quants import Quant
from catalog.tables import quants

PREFIX = re.compile(r"^(?:gguf|ggml|i1|imat(?:rix)?)[-_. ]+")
REMARK = re.compile(r"\s*\([^)]*\)\s*$")
INTERLEAVED = re.compile(r"_r[48]$")


def _key(text: str) -> str:
    return re.sub(r"[-_\s]+", "_", text.strip().lower()).removesuffix(".gguf").strip("_")


@cache
def _index() -> dict[str, Quant]:
    index: dict[str, Quant] = {}
    for row in quants():
        for name in row.aliases:
            index.setdefault(_key(name), row)
    return index | {_key(row.name): row for row in quants()}


@lru_cache(maxsize=4096)
def resolve_quant(text: str) -> Resolved[Quant]:
    """The row of a quantisation's label. Raises `UnknownName`."""
    index = _index()
    plain = PREFIX.sub("", text.strip().lower())
    if row := index.get(_key(text)) or index.get(_key(plain)):
        return Resolved(row)
    bare = _key(REMARK.sub("", plain))
    if row := index.get(bare):
        return Resolved(row, (f"the remark in {text.strip()!r} is not modelled: taken as {row.name}",))
    if row := index.get(INTERLEAVED.sub("", bare)):
        return Resolved(row, (f"{text.strip()} interleaves the rows of {row.name}: same size",))
    raise UnknownName("quantisation", text, nearest(plain, [row.name for row in quants()]))
