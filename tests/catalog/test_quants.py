import gguf
import pytest

from advisor.sizes.quantisation import DEFAULT_TYPE
from catalog.quality import measured_kld, quality_rank
from catalog.tables import llms, quant_quality, quants, tensor_types

BY_NAME = {quant.name: quant for quant in quants()}
BY_ID = {llm.id: llm for llm in llms()}


def test_block_layouts_are_those_of_gguf():
    """gguf-py's GGML_QUANT_SIZES is the reference; every weight type it has in common with the table must agree."""
    shared = [kind for kind in gguf.GGMLQuantizationType if kind.name in tensor_types()]
    assert len(shared) >= 25
    for kind in shared:
        row = tensor_types()[kind.name]
        assert (row.block_elements, row.block_bytes) == gguf.GGML_QUANT_SIZES[kind], kind.name


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        # published with each type: github.com/ikawrakow/ik_llama.cpp pulls 85, 566, 83, 602, 185, 187
        ("IQ2_KS", 2.1875), ("IQ3_KS", 3.1875), ("IQ4_KS", 4.25), ("IQ5_KS", 5.25), ("IQ2_KL", 2.6875),
        ("IQ1_S_R4", 1.5), ("IQ1_M_R4", 1.75), ("IQ4_KSS", 4.0), ("IQ2_K", 2.375), ("IQ6_K", 6.625),
    ],
)  # fmt: skip
def test_published_bits_of_ik_types(name, bits):
    assert tensor_types()[name].bits_per_weight == bits
    assert tensor_types()[name].engine == "ik_llama.cpp"


def test_interleaved_rows_take_no_more_room():
    """But for IQ1_S_R4 and IQ1_M_R4, which are types of their own (ik_llama.cpp pulls 185 and 187)."""
    for name, row in tensor_types().items():
        plain, _, lanes = name.rpartition("_R")
        if lanes in {"4", "8"} and plain in tensor_types() and not name.startswith("IQ1"):
            of_plain = tensor_types()[plain]
            assert (row.block_bytes / row.block_elements, row.row_bytes) == (
                of_plain.block_bytes / of_plain.block_elements, of_plain.row_bytes,
            )  # fmt: skip


def test_every_quantisation_has_rules_and_known_types():
    for quant in quants():
        assert quant.base in DEFAULT_TYPE
        for entry in quant.overrides:
            assert set(entry.partition("=")[2].split("/")) <= set(tensor_types()), entry


def test_quality_names_rows_of_the_model_table():
    assert {row.llm for row in quant_quality()} <= set(BY_ID)
    assert sum(row.quant in BY_NAME for row in quant_quality()) > 60


def test_rank_by_measured_divergence_within_one_source():
    """Qwen3.6-35B-A3B: KLD 0.0059 Q8_0, 0.0083 UD-Q5_K_XL, 0.0134 UD-Q4_K_XL, 0.0138 UD-Q4_K_M, 0.0435 UD-Q3_K_M."""
    names = ["UD-Q4_K_M", "UD-Q3_K_M", "Q8_0", "UD-Q4_K_XL", "UD-Q5_K_XL"]
    ranked = quality_rank(BY_ID["qwen3.6-35b-a3b"], [BY_NAME[name] for name in names])
    assert [quant.name for quant in ranked] == ["Q8_0", "UD-Q5_K_XL", "UD-Q4_K_XL", "UD-Q4_K_M", "UD-Q3_K_M"]


def test_measurement_beats_bits():
    """bartowski's Q4_K_M of Qwen3-30B-A3B measured better (0.0101) than unsloth's wider UD-Q4_K_XL (0.0165)."""
    better, wider = BY_NAME["Q4_K_M"], BY_NAME["UD-Q4_K_XL"]
    assert wider.bits_per_weight > better.bits_per_weight
    assert quality_rank(BY_ID["qwen3-30b-a3b"], [wider, better]) == (better, wider)


def test_without_measurement_bits_decide():
    llm = BY_ID["gpt-oss-120b"]
    assert measured_kld(llm) == {}
    names = ["Q3_K_S", "Q8_0", "Q4_K_M", "IQ2_XS"]
    ranked = quality_rank(llm, [BY_NAME[name] for name in names])
    assert [quant.name for quant in ranked] == ["Q8_0", "Q4_K_M", "Q3_K_S", "IQ2_XS"]


def test_rank_keeps_every_quantisation():
    ranked = quality_rank(BY_ID["llama-3-8b"], quants())
    assert sorted(q.name for q in ranked) == sorted(BY_NAME)
