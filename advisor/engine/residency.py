"""Hot experts stay in memory: which of them fit into a budget, and a process that keeps their bytes there."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence

from advisor.children import Child, Ended, module
from advisor.engine.experts import Expert
from advisor.engine.keeping import PAGE_BYTES, Keep, Kept, Span
from advisor.errors import EngineFailed, InputError
from advisor.gguf import Header
from catalog.units import GIB, MIB

WORKER = "advisor.engine.keeping"
SILENCE_S = 3600.0
"""A disk of 100 MB/s reads 300 GB in this time."""


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
def keep(header: Header, wished: Sequence[Span], wrapper: Sequence[str] = ()) -> Iterator[Kept]:
    """Keep these pages in memory meanwhile. `wrapper`: words in front of the keeper's command, such as a memory limit.

    Raises `InputError` where the system cannot lock pages and `EngineFailed` when the keeper dies, as it does where
    memory runs out.
    """
    if sys.platform == "win32":
        raise InputError("experts cannot be kept in memory on Windows: use Linux or macOS")
    asked = Keep(paths=tuple(str(part.path.resolve()) for part in header.parts), spans=tuple(wished))
    try:
        with Child(module(WORKER), wrapper) as child:
            child.ask(asked.model_dump_json())
            yield Kept.model_validate_json(child.reply(SILENCE_S))
    except Ended as ended:
        raise EngineFailed(f"the process that keeps experts of {header.path.name} in memory {ended}") from None


def complaint(kept: Kept) -> str:
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


def _page_start(offset: int) -> int:
    return offset // PAGE_BYTES * PAGE_BYTES


def _page_end(offset: int) -> int:
    return -(-offset // PAGE_BYTES) * PAGE_BYTES
