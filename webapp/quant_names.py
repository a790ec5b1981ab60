"""The quantisations to choose from for a model, and what they are called."""

from functools import cache

from advisor.quality import BEST, PUBLISHED, default_quant, quality_order
from catalog.names.llms import resolve_llm
from catalog.names.resolution import UnknownName


@cache
def quant_choices(model: str) -> tuple[str, ...]:
    """The usual one, the best that is fast enough, and the published steps from best to worst."""
    try:
        order = quality_order(resolve_llm(model).row.llm).quants
    except UnknownName:
        order = ()
    return ("", BEST, *dict.fromkeys((*order, *PUBLISHED)))


def quant_label(model: str, quant: str) -> str:
    """A choice in words."""
    if quant == BEST:
        return "The best that is fast enough"
    if quant:
        return quant
    try:
        return f"The usual ({default_quant(resolve_llm(model).row.llm)})"
    except UnknownName:
        return "The usual"
