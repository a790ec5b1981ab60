"""Which quantisation is better: by measured divergence from the original, else by bits per weight."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from catalog import tables
from catalog.llms import Llm
from catalog.names.index import UnknownName
from catalog.names.quants import resolve_quant

PUBLISHED = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "IQ3_XXS", "Q2_K")
"""Steps that publishers upload for nearly every model; what has more bits than Q8_0 differs from it in size only.
Source: llama.cpp tools/quantize/README.md, tools/perplexity/README.md (KL divergence of Q8_0 0.001), 2026-11-24."""
NATIVE = "MXFP4"
BEST = "best"
"""Word for the best quality that is fast enough, in place of a quantisation."""
COMMON = "Q4_K_M"
"""What llama.cpp's -hf downloads take where no quantisation is named. Source: llama.cpp common/arg.cpp, 2026-11-24."""
ENOUGH = 3
"""Fewer measured quantisations than this make no ranking."""


@dataclass(frozen=True, slots=True)
class QualityOrder:
    """Quantisations from best to worst, and how that is known."""

    quants: tuple[str, ...]
    basis: str
    source: str = ""
    """Who measured, where the basis is a measurement."""


def default_quant(llm: Llm) -> str:
    """The quantisation meant where none is named: the maker's own 4-bit type, else the one most people run."""
    return NATIVE if llm.native_expert_type else COMMON


def quality_order(llm: Llm) -> QualityOrder:
    """The usual quantisations of a model from best to worst.

    Models that the maker published in a 4-bit type have only that.
    """
    if llm.native_expert_type:
        return QualityOrder((NATIVE,), "the type in which the maker published the model")
    bits = {row.name: row.bits_per_weight for row in tables.quants()}
    usual = sorted((name for name in PUBLISHED if name in bits), key=lambda name: -bits[name])
    measured, source = _measured(llm)
    if len(measured) < ENOUGH:
        return QualityOrder(tuple(usual), "bits per weight")
    least, most = min(bits[name] for name in measured), max(bits[name] for name in measured)
    larger = [name for name in usual if bits[name] > most]
    smaller = [name for name in usual if bits[name] < least]
    order = (*larger, *sorted(measured, key=measured.__getitem__), *smaller)
    return QualityOrder(_ever_smaller(order, bits), "measured KL divergence from the original", source)


def _ever_smaller(order: Iterable[str], bits: Mapping[str, float]) -> tuple[str, ...]:
    """Without those that are larger than a better one: nobody wants them."""
    kept: list[str] = []
    for name in order:
        if not kept or bits[name] < bits[kept[-1]]:
            kept.append(name)
    return tuple(kept)


def _measured(llm: Llm) -> tuple[dict[str, float], str]:
    """Divergences by the source that measured most quantisations of this model, for those that llama.cpp runs."""
    found: dict[str, dict[str, float]] = {}
    for row in tables.quant_quality():
        name = _runnable(row.quant) if row.llm == llm.id and row.kld is not None else None
        if name and row.kld is not None:
            best = found.setdefault(row.source, {})
            best[name] = min(row.kld, best.get(name, row.kld))
    source = max(found, key=lambda key: len(found[key]), default="")
    return found.get(source, {}), source


def _runnable(label: str) -> str | None:
    """Name of the quants row for a label, None for unknown ones, unquantised ones and those of other programs."""
    try:
        row = resolve_quant(label).row
    except UnknownName:
        return None
    return row.name if row.engine == "llama.cpp" and row.kind in {"standard", "dynamic"} else None
