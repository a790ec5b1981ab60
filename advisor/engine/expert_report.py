"""The experts of one model file: how unequally each layer uses them, which to keep, and what keeping them does."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from advisor.engine.experts import Expert, experts_of
from advisor.engine.kept_and_plain import Comparison, Rival, compare
from advisor.engine.preparation import Prepared, free_ram_bytes, prepare
from advisor.engine.residency import hottest, spans
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
from advisor.engine.session.messages import Route
from advisor.engine.settings import EngineSettings
from advisor.errors import InputError
from catalog.units import GIB

WINDOW = 8
"""Tokens back to look for the same experts."""
WARM_UP = 32
"""Tokens before those that are timed, so that what the system keeps by itself has settled a little."""
TRACE_SEED = 1_000
"""Other random tokens than the timed ones: what is kept must do for tokens not seen."""


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LayerReport(_Result):
    """One layer; shares are of all its choices."""

    layer: int
    counts: tuple[int, ...]
    """Uses of each expert."""
    hottest_half_share: float
    zipf_exponent: float
    reused_share: float
    """Choices that fall on experts of the `window` tokens before."""
    reused_by_chance: float


class Residency(_Result):
    """What is kept, and what the comparison found."""

    experts: int
    wished_bytes: int
    route_share: float
    """Share of choices that fall on the kept experts, of tokens that did not decide which."""
    comparison: Comparison | None


class ExpertReport(_Result):
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
class Asked:
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


def examine(path: Path, settings: EngineSettings, asked: Asked) -> Chosen:
    """Trace the routes, choose what to keep, compare. Raises as `prepare`, `Session` and `residency.keep`."""
    prepared = prepare(path, settings)
    experts = experts_of(prepared.file.header)
    if not experts:
        raise InputError(f"{path.name} is a dense model: it has no experts that a router chooses")
    _check_budget(asked.keep_bytes)
    each = {expert.layer: expert.number + 1 for expert in experts}
    layers = trace(path, settings, Route(tokens=asked.tokens, text=asked.text, seed=TRACE_SEED), each)
    uses = dict(counted(layers))
    kept = hottest(experts, uses, asked.keep_bytes or 0.0)
    header = prepared.file.header
    rival = Rival(header, prepared.settings, spans(kept, header), uses, prepared.layout)
    residency = None
    if asked.keep_bytes:
        comparison = compare(rival, asked.tokens, min(WARM_UP, asked.tokens), asked.pairs) if asked.measure else None
        share = _share_of_unseen(experts, layers, asked.keep_bytes)
        size = sum(span.size_bytes for span in rival.spans)
        residency = Residency(experts=len(kept), wished_bytes=size, route_share=share, comparison=comparison)
    return Chosen(_report(prepared, asked, experts, layers, residency), rival)


def _check_budget(keep_bytes: float | None) -> None:
    free = free_ram_bytes()
    if keep_bytes and keep_bytes > free:
        raise InputError(
            f"--keep {keep_bytes / GIB:g} is more than the {free / GIB:.1f} GiB of memory that are free: give less"
        )


def _share_of_unseen(experts: tuple[Expert, ...], layers: tuple[LayerRoutes, ...], budget_bytes: float) -> float:
    """Hits of the second half of the tokens on what the first half would have kept."""
    halves = [routes.halves() for routes in layers]
    kept = hottest(experts, dict(counted(first for first, _ in halves)), budget_bytes)
    return kept_share((second for _, second in halves), ((expert.layer, expert.number) for expert in kept))


def _report(
    prepared: Prepared, asked: Asked, experts: tuple[Expert, ...], layers: tuple[LayerRoutes, ...],
    residency: Residency | None,
) -> ExpertReport:  # fmt: skip
    return ExpertReport(
        file=prepared.path.name, model=prepared.file.llm.name, tokens=len(layers[0].chosen),
        random_tokens=asked.text is None, n_experts=layers[0].n_experts, n_used=layers[0].n_used,
        expert_bytes=sum(expert.size_bytes for expert in experts), window=WINDOW,
        layers=tuple(map(_layer, layers)), residency=residency,
    )  # fmt: skip


def _layer(routes: LayerRoutes) -> LayerReport:
    share = hottest_share(routes)
    return LayerReport(
        layer=routes.layer, counts=tuple(routes.counts().tolist()), hottest_half_share=share,
        zipf_exponent=zipf_exponent(routes.n_experts, routes.n_used, share),
        reused_share=reused_share(routes, WINDOW), reused_by_chance=reused_by_chance(routes, WINDOW),
    )  # fmt: skip
