"""The experts of one model file: how unequally each layer uses them, which to keep, and what keeping them does.

What keeping gains or loses is measured by paired runs with them kept, and with the file mapped alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from advisor.engine.keeping import KeptPages, Span
from advisor.engine.layout import Layout
from advisor.engine.preparation import free_ram_bytes, prepare
from advisor.engine.residency import Expert, PageCache, can_tell, experts_of, forget, hottest, keep, spans
from advisor.engine.routing import (
    LayerRoutes,
    counted,
    hottest_share,
    kept_share,
    reused_by_chance,
    reused_share,
    trace,
    zipf_exponent,
)
from advisor.engine.session import Session
from advisor.engine.session.messages import Measure, Trace
from advisor.engine.settings import EngineSettings, Record
from advisor.errors import InputError
from advisor.gguf import Header
from catalog.units import GIB

LEAST_PAIRS = 3
"""Three agree by chance in a quarter of all cases, two in half of them."""
WINDOW = 8
"""Tokens back to look for the same experts."""
WARM_UP = 32
"""Tokens before those that are timed, so that what the system keeps by itself has settled a little."""
TRACE_SEED = 1_000
"""Other random tokens than the timed ones: what is kept must do for tokens not seen."""


class DecodeRun(Record):
    """One run of decoding from a model whose file was out of memory before it was loaded."""

    tok_s: float
    major_faults_per_token: float | None
    disk_bytes_per_token: float | None
    """Read from disk by the engine, with all that the system read ahead; None where the system does not tell."""
    hit_share: float | None
    """Share of the bytes of experts that a token uses which are in memory, as it is at the end of the run."""


class Pair(Record):
    """Both ways with the same tokens."""

    plain: DecodeRun
    kept: DecodeRun

    @property
    def gain(self) -> float:
        """Speed with hot experts kept over that without."""
        return self.kept.tok_s / self.plain.tok_s


class PairedRuns(Record):
    """Repeated pairs, and what was kept."""

    keeping: KeptPages
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


class LayerReport(Record):
    """One layer; shares are of all its choices."""

    layer: int
    counts: tuple[int, ...]
    """Uses of each expert."""
    hottest_half_share: float
    zipf_exponent: float
    reused_share: float
    """Choices that fall on experts of the `window` tokens before."""
    reused_by_chance: float


class Residency(Record):
    """What is kept, and what the comparison found."""

    experts: int
    wished_bytes: int
    route_share: float
    """Share of choices that fall on the kept experts, of tokens that did not decide which."""
    comparison: PairedRuns | None


class ExpertReport(Record):
    """A model file's use of its experts."""

    file: str
    model: str
    tokens: int
    random_tokens: bool
    n_experts: int
    n_used: int
    expert_bytes: int
    window: int
    layers: tuple[LayerReport, ...]
    residency: Residency | None


@dataclass(frozen=True, slots=True)
class ExpertQuestion:
    """What to find out. `text`: whose first tokens to trace, else random ones."""

    tokens: int
    text: str | None = None
    keep_bytes: float | None = None
    pairs: int = 3
    measure: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The report, and what is needed to keep the experts that it names."""

    report: ExpertReport
    rival: Rival


def examine(path: Path, settings: EngineSettings, asked: ExpertQuestion) -> Chosen:
    """Trace the routes, choose what to keep, compare. Raises as `prepare`, `Session` and `residency.keep`."""
    prepared = prepare(path, settings)
    header = prepared.file.header
    experts = experts_of(header)
    if not experts:
        raise InputError(f"{path.name} is a dense model: it has no experts that a router chooses")
    free_gib = free_ram_bytes() / GIB
    if asked.keep_bytes and asked.keep_bytes > free_gib * GIB:
        wished = f"--keep {asked.keep_bytes / GIB:g}"
        raise InputError(f"{wished} is more than the {free_gib:.1f} GiB of memory that are free: give less")
    each = {expert.layer: expert.number + 1 for expert in experts}
    layers = trace(path, settings, Trace(tokens=asked.tokens, text=asked.text, seed=TRACE_SEED), each)
    uses = dict(counted(layers))
    kept = hottest(experts, uses, asked.keep_bytes or 0.0)
    rival = Rival(header, prepared.settings, spans(kept, header), uses, prepared.layout)
    residency = None
    if asked.keep_bytes:
        comparison = compare(rival, asked.tokens, min(WARM_UP, asked.tokens), asked.pairs) if asked.measure else None
        share = _share_of_unseen(experts, layers, asked.keep_bytes)
        size = sum(span.size_bytes for span in rival.spans)
        residency = Residency(experts=len(kept), wished_bytes=size, route_share=share, comparison=comparison)
    report = ExpertReport(
        file=prepared.path.name, model=prepared.file.llm.name, tokens=len(layers[0].chosen),
        random_tokens=asked.text is None, n_experts=layers[0].n_experts, n_used=layers[0].n_used,
        expert_bytes=sum(expert.size_bytes for expert in experts), window=WINDOW,
        layers=tuple(map(_layer, layers)), residency=residency,
    )
    return Chosen(report, rival)


def _share_of_unseen(experts: tuple[Expert, ...], layers: tuple[LayerRoutes, ...], budget_bytes: float) -> float:
    """Hits of the second half of the tokens on what the first half would have kept."""
    halves = [routes.halves() for routes in layers]
    kept = hottest(experts, dict(counted(first for first, _ in halves)), budget_bytes)
    return kept_share((second for _, second in halves), ((expert.layer, expert.number) for expert in kept))


def _layer(routes: LayerRoutes) -> LayerReport:
    share = hottest_share(routes)
    return LayerReport(
        layer=routes.layer, counts=tuple(routes.counts().tolist()), hottest_half_share=share,
        zipf_exponent=zipf_exponent(routes.n_experts, routes.n_used, share),
        reused_share=reused_share(routes, WINDOW), reused_by_chance=reused_by_chance(routes, WINDOW),
    )


def compare(rival: Rival, tokens: int, warm_up: int, pairs: int) -> PairedRuns:
    """Run the pairs, now the one way first, now the other. Raises as `Session` and `keep`."""
    found, keeping = [], KeptPages(locked_bytes=0, unlocked_bytes=0, reason="")
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
    return PairedRuns(keeping=keeping, pairs=tuple(found))


def _trial(rival: Rival, asked: Measure) -> DecodeRun:
    with Session(rival.header.path, rival.settings, layout=rival.layout, wrapper=rival.wrapper) as session:
        warm_up = asked.model_copy(update={"gen": 0, "repeats": 0, "seed": asked.seed + 1_000_000})
        session.measure(warm_up)
        before = disk_bytes(session.pid)
        [phase] = session.measure(asked.model_copy(update={"warm_up": 0})).decode
        after = disk_bytes(session.pid)
        hits = hit_share(rival.header, experts_of(rival.header), rival.uses)
    read = (after - before) / phase.tokens if before is not None and after is not None else None
    return DecodeRun(
        tok_s=phase.tok_s,
        major_faults_per_token=None if phase.major_faults is None else phase.major_faults / phase.tokens,
        disk_bytes_per_token=read,
        hit_share=hits,
    )


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


def disk_bytes(pid: int) -> int | None:
    """What a process has read from disks so far; None where the system does not tell."""
    import psutil

    counters = getattr(psutil.Process(pid), "io_counters", None)
    return int(counters().read_bytes) if counters else None


def medians(trials: Sequence[DecodeRun]) -> Iterator[tuple[str, float | None]]:
    """Each figure of the runs by its name."""
    for name in DecodeRun.model_fields:
        values = [value for trial in trials if (value := getattr(trial, name)) is not None]
        yield name, median(values) if values else None
