"""What keeping hot experts in memory gains or loses: paired runs with them kept, and with the file mapped alone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from pydantic import BaseModel, ConfigDict

from advisor.engine.experts import Expert, experts_of
from advisor.engine.keeping import Kept, Span
from advisor.engine.layout import Layout
from advisor.engine.page_cache import PageCache, can_tell, forget
from advisor.engine.residency import keep
from advisor.engine.session import Session
from advisor.engine.session.messages import Measure
from advisor.engine.settings import EngineSettings
from advisor.gguf import Header

LEAST_PAIRS = 3
"""Three agree by chance in a quarter of all cases, two in half of them."""


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Trial(_Result):
    """One run of decoding from a model whose file was out of memory before it was loaded."""

    tok_s: float
    major_faults_per_token: float | None
    disk_bytes_per_token: float | None
    """Read from disk by the engine, with all that the system read ahead; None where the system does not tell."""
    hit_share: float | None
    """Share of the bytes of experts that a token uses which are in memory, as it is at the end of the run."""


class Pair(_Result):
    """Both ways with the same tokens."""

    plain: Trial
    kept: Trial

    @property
    def gain(self) -> float:
        """Speed with hot experts kept over that without."""
        return self.kept.tok_s / self.plain.tok_s


class Comparison(_Result):
    """Repeated pairs, and what was kept."""

    keeping: Kept
    pairs: tuple[Pair, ...]

    @property
    def gain(self) -> float:
        """Median over the pairs."""
        return median(pair.gain for pair in self.pairs)

    @property
    def certain(self) -> bool:
        """Whether there are enough pairs and all agree on which is faster."""
        if len(self.pairs) < LEAST_PAIRS:
            return False
        return all(pair.gain > 1 for pair in self.pairs) or all(pair.gain < 1 for pair in self.pairs)


@dataclass(frozen=True, slots=True, eq=False)
class Rival:
    """A model to run both ways. `wrapper`: words in front of each child's command, such as a memory limit."""

    header: Header
    settings: EngineSettings
    spans: Sequence[Span]
    uses: Mapping[tuple[int, int], int]
    """How often each expert (layer, number) was used by other tokens."""
    layout: Layout | None = None
    wrapper: Sequence[str] = ()


def compare(rival: Rival, tokens: int, warm_up: int, pairs: int) -> Comparison:
    """Run the pairs, now the one way first, now the other. Raises as `Session` and `keep`."""
    found, keeping = [], Kept(locked_bytes=0, unlocked_bytes=0, reason="")
    for number in range(pairs):
        measure = Measure(prompt=0, gen=tokens, repeats=1, warm_up=warm_up, seed=number)
        trials = {}
        for kept in (False, True) if number % 2 else (True, False):
            forget(rival.header)
            with ExitStack() as stack:
                if kept:
                    keeping = stack.enter_context(keep(rival.header, rival.spans, rival.wrapper))
                trials[kept] = _trial(rival, measure)
        found.append(Pair(plain=trials[False], kept=trials[True]))
    return Comparison(keeping=keeping, pairs=tuple(found))


def hit_share(header: Header, experts: Sequence[Expert], uses: Mapping[tuple[int, int], int]) -> float | None:
    """Share of the bytes of experts that a token uses which are in memory now, by how often each expert is used.

    None where the system does not tell.
    """
    if not can_tell(header):
        return None
    cache = PageCache(header)
    weights = {expert: uses.get((expert.layer, expert.number), 0) * expert.size_bytes for expert in experts}
    hits = sum(weight * cache.share(expert.slices) for expert, weight in weights.items() if weight)
    return hits / sum(weights.values())


def _trial(rival: Rival, asked: Measure) -> Trial:
    with Session(rival.header.path, rival.settings, layout=rival.layout, wrapper=rival.wrapper) as session:
        warm_up = asked.model_copy(update={"gen": 0, "repeats": 0, "seed": asked.seed + 1_000_000})
        session.measure(warm_up)
        before = disk_bytes(session.pid)
        [phase] = session.measure(asked.model_copy(update={"warm_up": 0})).decode
        after = disk_bytes(session.pid)
        hits = hit_share(rival.header, experts_of(rival.header), rival.uses)
    read = (after - before) / phase.tokens if before is not None and after is not None else None
    return Trial(
        tok_s=phase.tok_s,
        major_faults_per_token=None if phase.major_faults is None else phase.major_faults / phase.tokens,
        disk_bytes_per_token=read,
        hit_share=hits,
    )


def disk_bytes(pid: int) -> int | None:
    """What a process has read from disks so far; None where the system does not tell."""
    import psutil

    counters = getattr(psutil.Process(pid), "io_counters", None)
    return int(counters().read_bytes) if counters else None


def medians(trials: Sequence[Trial]) -> Iterator[tuple[str, float | None]]:
    """Each figure of the runs by its name."""
    for name in Trial.model_fields:
        values = [value for trial in trials if (value := getattr(trial, name)) is not None]
        yield name, median(values) if values else None
