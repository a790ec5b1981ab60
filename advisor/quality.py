"""Which quantisation is better: by measured divergence from the original where one source measured it, else by bits per weight."""

from dataclasses import dataclass

from catalog import tables
from catalog.llms import Llm
from catalog.names.quants import resolve_quant
from catalog.names.resolution import UnknownName

PUBLISHED = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "IQ3_XXS", "Q2_K")
"""Steps that publishers upload for nearly every model; Q8_0 is the best that differs measurably from more bits in size only.
Source: llama.cpp tools/quantize/README.md and tools/perplexity/README.md (KL divergence of Q8_0 0.001, read 2026-11-24)."""
NATIVE = "MXFP4"


@dataclass(frozen=True, slots=True)
class QualityOrder:
    """Quantisations from best to worst, and how that is known."""

    quants: tuple[str, ...]
    basis: str


def quality_order(llm: Llm) -> QualityOrder:
    """The usual quantisations of a model from best to worst.

    Models that the maker published in a 4-bit type have only that.
    """
    if llm.native_expert_type:
        return QualityOrder((NATIVE,), "the type in which the maker published the model")
    bits = {row.name: row.bits_per_weight for row in tables.quants()}
    order = sorted((name for name in PUBLISHED if name in bits), key=lambda name: -bits[name])
    measured, source = _measured(llm, set(order))
    if len(measured) < 2:
        return QualityOrder(tuple(order), "bits per weight")
    # Measured ones keep the places they hold together, in the order of their divergence.
    ranked = iter(sorted(measured, key=measured.__getitem__))
    return QualityOrder(tuple(next(ranked) if name in measured else name for name in order), f"KL divergence measured by {source}, else bits per weight")


def _measured(llm: Llm, names: set[str]) -> tuple[dict[str, float], str]:
    """Divergences of the source that measured most of the names for this model."""
    found: dict[str, dict[str, float]] = {}
    for row in tables.quant_quality():
        if row.llm != llm.id or row.kld is None:
            continue
        try:
            name = resolve_quant(row.quant).row.name
        except UnknownName:
            continue
        if name in names:
            best = found.setdefault(row.source, {})
            best[name] = min(row.kld, best.get(name, row.kld))
    source = max(found, key=lambda key: len(found[key]), default="")
    return found.get(source, {}), source
