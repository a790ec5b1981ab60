"""Experts in memory: where their bytes lie in a file, which fit into a budget, and a process that keeps them there.

Pages of a file are shared by all that map it, so llama.cpp finds in memory what another process (`keeping`) locks.
"""

import contextlib
import ctypes
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from advisor.children import LOADING_S, Child, Ended, module
from advisor.engine.keeping import PAGE_BYTES, Keep, KeptPages, Span, mapped
from advisor.errors import EngineFailed, InputError
from advisor.gguf import Header, TensorEntry
from advisor.gguf.layers import split_name
from catalog.units import GIB, MIB

_STACKED = re.compile(r"ffn_(up|down|gate|gate_up)_exps(\.bias)?")
_IN_MEMORY = 1
"""Lowest bit of a page's byte. Source: man 2 mincore."""


class Expert(NamedTuple):
    """One expert of one layer."""

    layer: int
    number: int
    slices: tuple[Span, ...]

    @property
    def size_bytes(self) -> int:
        """Of all its matrices."""
        return sum(item.size_bytes for item in self.slices)


def experts_of(header: Header) -> tuple[Expert, ...]:
    """All experts that a router chooses from, layer by layer; empty for a dense model.

    Experts are the last dimension of a layer's stacked matrices, one after another.
    """
    stacked: dict[int, list[TensorEntry]] = defaultdict(list)
    for entry in header.tensors:
        layer, stem = split_name(entry.name)
        if layer is not None and _STACKED.fullmatch(stem):
            stacked[layer].append(entry)
    found = []
    for layer, entries in sorted(stacked.items()):
        sizes = [entry.size_bytes // entry.shape[-1] for entry in entries]
        for number in range(entries[0].shape[-1]):
            starts = [entry.start + number * size for entry, size in zip(entries, sizes, strict=True)]
            parts = zip(entries, starts, sizes, strict=True)
            found.append(Expert(layer, number, tuple(Span(entry.part, at, at + size) for entry, at, size in parts)))
    return tuple(found)


def hottest(experts: Sequence[Expert], uses: Mapping[tuple[int, int], int], budget_bytes: float) -> tuple[Expert, ...]:
    """The experts with the most uses per byte whose pages fit into the budget; none that was never used.

    `uses`: by layer and number, as `routing.counted` gives them.
    """
    used = [expert for expert in experts if uses.get((expert.layer, expert.number), 0) > 0]
    kept, left = [], budget_bytes
    for expert in sorted(used, key=lambda item: -uses[item.layer, item.number] / item.size_bytes):
        cost = sum(_page_end(part.end) - _page_start(part.start) for part in expert.slices)
        if cost <= left:
            kept.append(expert)
            left -= cost
    return tuple(kept)


def spans(experts: Sequence[Expert], header: Header) -> tuple[Span, ...]:
    """The pages that hold these experts, neighbours joined."""
    found: list[Span] = []
    for part, start, end in sorted(item for expert in experts for item in expert.slices):
        first, last = _page_start(start), min(_page_end(end), header.parts[part].file_bytes)
        if found and found[-1].part == part and first <= found[-1].end:
            first, last = found[-1].start, max(last, found.pop().end)
        found.append(Span(part=part, start=first, end=last))
    return tuple(found)


@contextlib.contextmanager
def keep(header: Header, wished: Sequence[Span], wrapper: Sequence[str] = ()) -> Iterator[KeptPages]:
    """Keep these pages in memory meanwhile. `wrapper`: words in front of the keeper's command, such as a memory limit.

    Raises `InputError` where the system cannot lock pages and `EngineFailed` when the keeper dies, as it does where
    memory runs out.
    """
    if sys.platform == "win32":
        raise InputError("experts cannot be kept in memory on Windows: use Linux or macOS")
    asked = Keep(paths=tuple(str(part.path.resolve()) for part in header.parts), spans=tuple(wished))
    try:
        with Child(module("advisor.engine.keeping"), wrapper) as child:
            child.ask(asked.model_dump_json())
            yield KeptPages.model_validate_json(child.reply(LOADING_S))
    except Ended as ended:
        raise EngineFailed(f"the process that keeps experts of {header.path.name} in memory {ended}") from None


def complaint(kept: KeptPages) -> str:
    """What could not be locked, why, and what to do; empty where all was."""
    if not kept.unlocked_bytes:
        return ""
    limit = locking_limit_bytes()
    total = kept.locked_bytes + kept.unlocked_bytes
    if limit is not None and limit < total:
        remedy = (
            f"this user may lock {limit / MIB:.3g} MiB (ulimit -l): raise memlock in /etc/security/limits.conf "
            "and log in anew, or run as root"
        )
    else:
        remedy = f"the system says {kept.reason.lower()!r}: give a smaller --keep"
    return f"{kept.unlocked_bytes / GIB:.3g} of {total / GIB:.3g} GiB could be read ahead but not locked; {remedy}"


def locking_limit_bytes() -> int | None:
    """What a process of this user may lock; None: no limit is known."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return None if soft == resource.RLIM_INFINITY else soft


class PageCache:
    """The files of a model, mapped but not read, so that the system can be asked what of them is in memory."""

    def __init__(self, header: Header) -> None:
        self._maps = [mapped(part.path) for part in header.parts]
        self._addresses = [np.frombuffer(item, np.uint8).ctypes.data for item in self._maps]
        self._mincore = ctypes.CDLL(None, use_errno=True).mincore
        self._mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)

    def share(self, slices: Iterable[Span]) -> float:
        """Share of the pages of these bytes that are in memory; 1 of none."""
        pages = held = 0
        for part, start, end in slices:
            first = start // PAGE_BYTES * PAGE_BYTES
            found = np.zeros(-(-(end - first) // PAGE_BYTES), np.uint8)
            if self._mincore(self._addresses[part] + first, end - first, found.ctypes.data):
                error = ctypes.get_errno()
                raise OSError(error, os.strerror(error))
            pages, held = pages + len(found), held + int((found & _IN_MEMORY).sum())
        return held / pages if pages else 1.0


def can_tell(header: Header) -> bool:
    """Whether the system tells this user what is in memory: Linux does of files that the user owns or may write.

    Source: Linux mm/mincore.c can_do_mincore; of others it says that all of them is there.
    """
    return sys.platform != "win32" and all(
        os.access(part.path, os.W_OK) or part.path.stat().st_uid == os.geteuid() for part in header.parts
    )


def forget(header: Header) -> None:
    """Let the system drop what it holds of the files in memory; what another process maps stays."""
    if not hasattr(os, "posix_fadvise"):
        return
    for part in header.parts:
        with part.path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _page_start(offset: int) -> int:
    return offset // PAGE_BYTES * PAGE_BYTES


def _page_end(offset: int) -> int:
    return -(-offset // PAGE_BYTES) * PAGE_BYTES
