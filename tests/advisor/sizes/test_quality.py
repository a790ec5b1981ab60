"""The order of quantisations by quality."""

from itertools import pairwise

from advisor.sizes.quality import quality_order
from catalog import tables
from catalog.names.llms import resolve_llm

BITS = {row.name: row.bits_per_weight for row in tables.quants()}


def order(name: str) -> tuple[str, ...]:
    return quality_order(resolve_llm(name).row.llm).quants


def test_measured_divergence_decides_where_one_source_measured_it() -> None:
    # Table of mudler/Qwen3.6-35B-A3B-APEX-GGUF: Q8_0 .0059, UD-Q5_K_XL .0083, UD-Q4_K_XL .0134, UD-Q3_K_M .0435.
    found = quality_order(resolve_llm("Qwen3.6-35B-A3B").row.llm)
    places = [found.quants.index(name) for name in ("Q8_0", "UD-Q5_K_XL", "UD-Q4_K_XL", "UD-Q3_K_M")]
    assert places == sorted(places)
    assert "KL divergence" in found.basis
    assert found.source


def test_bits_per_weight_decide_elsewhere() -> None:
    found = quality_order(resolve_llm("Llama-3.3-70B").row.llm)
    assert found.quants[0] == "Q8_0"
    assert found.basis == "bits per weight"


def test_sizes_fall_along_the_order_and_every_name_is_known() -> None:
    for llm in tables.llms():
        bits = [BITS[name] for name in quality_order(llm).quants]
        assert bits
        assert all(later < earlier for earlier, later in pairwise(bits)), llm.id


def test_a_model_published_in_four_bits_has_only_that() -> None:
    assert order("gpt-oss-120b") == ("MXFP4",)
