import gguf
import pytest

from advisor.sizes.quantisation import DEFAULT_TYPE
from catalog.tables import llms, quant_quality, quants, tensor_types

BY_NAME = {quant.name: quant for quant in quants()}
BY_ID = {llm.id: llm for llm in llms()}


def test_block_layouts_are_those_of_gguf():
    """gguf-py's GGML_QUANT_SIZES is the reference; every weight type it has in common with the table must agree."""
    activations_and_indices = {"Q8_1", "Q8_K", "I8", "I16", "I32", "I64", "F64"}  # no weights are stored in these
    shared = [kind for kind in gguf.GGMLQuantizationType if kind.name not in activations_and_indices]
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
)
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
            )


def test_every_quantisation_has_rules_and_known_types():
    for quant in quants():
        assert quant.base in DEFAULT_TYPE
        for entry in quant.overrides:
            assert set(entry.partition("=")[2].split("/")) <= set(tensor_types()), entry


def test_quality_names_rows_of_the_model_table():
    assert {row.llm for row in quant_quality()} <= set(BY_ID)
    makers_own = {row.quant for row in quant_quality() if row.quant not in BY_NAME}
    assert {label.partition(" ")[0] for label in makers_own} == {"APEX", "ggufbench", "sokann", "ubergarm", "unsloth"}
