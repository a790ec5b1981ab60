"""Which quantisation keeps most of a model: as one source measured them side by side, else by bits per weight."""

from collections.abc import Sequence

from catalog.llms import Llm
from catalog.quants import Quant
from catalog.tables import quant_quality


def measured_kld(llm: Llm) -> dict[str, dict[str, float]]:
    """Lowest mean KL divergence by quantisation, by source; the sources use different texts and do not compare."""
    found: dict[str, dict[str, float]] = {}
    for row in quant_quality():
        if row.llm == llm.id and row.kld is not None:
            of_source = found.setdefault(row.source, {})
            of_source[row.quant] = min(row.kld, of_source.get(row.quant, row.kld))
    return found


def quality_rank(llm: Llm, quants: Sequence[Quant]) -> tuple[Quant, ...]:
    """The quantisations, best first.

    They are put in order of bits per weight; those that the source with most of them measured then change places among
    themselves so that the lowest KL divergence comes first.
    """
    order = sorted(quants, key=lambda quant: -quant.bits_per_weight)
    sources = measured_kld(llm).values()
    kld = max(sources, key=lambda of_source: sum(q.name in of_source for q in order), default={})
    places = [i for i, quant in enumerate(order) if quant.name in kld]
    best_first = sorted((order[i] for i in places), key=lambda quant: kld[quant.name])
    for place, quant in zip(places, best_first, strict=True):
        order[place] = quant
    return tuple(order)
