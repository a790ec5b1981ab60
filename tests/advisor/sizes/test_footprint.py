import csv
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.sizes import shapes, tensor_bytes
from advisor.sizes.footprint import footprint
from advisor.sizes.quantisation import more_bits, typed
from catalog.names.llms import resolve_llm
from catalog.tables import llms, quants, tensor_types
from catalog.units import GIB

LLMS = {llm.id: llm for llm in llms()}
QUANTS = {quant.name: quant for quant in quants()}
SIZES = list(csv.DictReader((Path(__file__).parents[2] / "data" / "gguf_sizes.csv").read_text("utf-8").splitlines()))
SOUND = [row for row in SIZES if row["sound"] == "yes"]
TOLERANCE = {"standard": 0.015, "recipe": 0.025}
"""Rules read from llama.cpp meet a file to the rounding of its printed size; a fitted average recipe does not."""


@pytest.mark.parametrize("row", SOUND, ids=lambda row: f"{row['model']}|{row['quant']}|{row['gib']}")
def test_published_file_sizes(row):
    """Sizes as published; the source stands in the row."""
    llm = resolve_llm(row["model"]).row.llm
    mtp_layers = int(row["mtp_layers"]) if row["mtp_layers"] else None
    size = footprint(llm, QUANTS[row["quant"]], mtp_layers).file_bytes / GIB
    assert size == pytest.approx(float(row["gib"]), rel=TOLERANCE[row["kind"]])


def test_rows_left_out_say_why():
    assert all(row["reason"] for row in SIZES if row["sound"] == "no")
    assert sum(row["kind"] == "standard" for row in SOUND) >= 100


@pytest.mark.parametrize("llm", [llm for llm in llms() if llm.parameters_published], ids=lambda llm: llm.id)
def test_published_parameter_counts(llm):
    """Counts of the makers and of llama.cpp; where towers for images and sound are counted too, ours stays below."""
    mtp_layers = 1 if llm.parameters_scope == "text+mtp" else None
    counted = footprint(llm, QUANTS["BF16"], mtp_layers).parameters
    if llm.parameters_scope == "all":
        assert 0.85 <= counted / llm.parameters_published <= 1.005
    else:
        assert counted == pytest.approx(llm.parameters_published, rel=0.002)


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        # printed by llama.cpp: llama-bench "params" of published runs
        ("qwen3.6-35b-a3b", 34.66), ("gpt-oss-20b", 20.91), ("gpt-oss-120b", 116.83), ("gemma-4-26b-a4b", 25.23),
        ("gemma-4-31b", 30.70), ("glm-4.7-flash", 29.94), ("minimax-m2.7", 228.69), ("qwen3.5-122b-a10b", 122.11),
        ("nemotron-3-super-120b-a12b", 120.67), ("llama-2-7b", 6.74), ("deepseek-v3", 671.03), ("llama-3.1-8b", 8.03),
        ("ministral-3-14b", 13.51), ("qwen3-30b-a3b", 30.53), ("qwen3-235b-a22b", 235.09), ("mixtral-8x7b", 46.70),
    ],
)
def test_parameter_counts_that_llama_cpp_prints(name, billions):
    assert footprint(LLMS[name], QUANTS["BF16"]).parameters / 1e9 == pytest.approx(billions, rel=0.002)


@pytest.mark.parametrize(
    ("name", "billions"),
    # model cards: active parameters, which count the embedding lookup or not; hence 12 %
    [("qwen3-30b-a3b", 3.3), ("qwen3-235b-a22b", 22), ("gpt-oss-120b", 5.1), ("mixtral-8x7b", 12.9),
     ("deepseek-v3", 37), ("glm-4.5-air", 12), ("qwen3-coder-480b-a35b", 35), ("kimi-k2", 32),
     ("llama-4-scout-17b-16e", 17)],
)
def test_active_parameters(name, billions):
    assert footprint(LLMS[name], QUANTS["BF16"]).parameters_active / 1e9 == pytest.approx(billions, rel=0.12)


def test_bits_per_weight_of_every_mix_on_llama_3_1_8b():
    """llama.cpp tools/quantize/README.md states bits/weight of the whole file for Llama-3.1-8B (read 2026-11-23)."""
    published = [q for q in quants() if q.kind == "standard" and "README" in q.source]
    assert {quant.name.partition("_")[0] for quant in published} == {
        "IQ1", "IQ2", "IQ3", "IQ4", "Q2", "Q3", "Q4", "Q5", "Q6", "Q8"
    }
    for quant in published:
        print_ = footprint(LLMS["llama-3.1-8b"], quant)
        assert print_.file_bytes * 8 / print_.parameters == pytest.approx(quant.bits_per_weight, rel=0.01), quant.name


def test_q4_k_m_of_llama_3_1_8b_by_hand():
    """32 layers: more bits in 4 first + 4 last + 8 between = 16. Q6_K: the output, attn_v and ffn_down in those 16.

    Weights: q, o 4096*4096; k, v 4096*1024; three FFN matrices 4096*14336; embedding and output 4096*128256.
    4.5 bits: embedding 525336576, per layer q + o + k + gate + up = 155189248, and v + down = 62914560 in 16 layers.
    6.5625 bits: output 525336576 and v + down in 16 layers. 65 norms of 4096 f32.
    """
    assert sum(more_bits(i, 32) for i in range(32)) == 16
    q4 = 525336576 + 32 * 155189248 + 16 * 62914560
    q6 = 525336576 + 16 * 62914560
    by_hand = q4 * 4.5 / 8 + q6 * 6.5625 / 8 + 65 * 4096 * 4
    assert by_hand / GIB == pytest.approx(4.58, rel=0.002)  # llama-bench prints 4.58 GiB
    assert footprint(LLMS["llama-3.1-8b"], QUANTS["Q4_K_M"]).file_bytes == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("llm", llms(), ids=lambda llm: llm.id)
def test_bytes_are_conserved(llm):
    """Every byte of the file lies, layer by layer, in exactly one of the arrays; rows are whole blocks."""
    tensors = typed(llm, QUANTS["Q4_K_M"], shapes(llm))
    print_ = footprint(llm, QUANTS["Q4_K_M"])
    assert len({t.name for t in tensors}) == len(tensors)
    assert all(t.shape[0] % tensor_types()[t.type].block_elements == 0 for t in tensors)
    assert sum(t.bytes for t in tensors) == pytest.approx(print_.file_bytes, rel=1e-12)
    held = print_.layer_resident_bytes.sum() + print_.layer_expert_bytes.sum() + print_.output_bytes.sum()
    held += print_.embedding_bytes + sum(t.bytes for t in tensors if t.group == "mtp")
    copied = next(t.bytes for t in tensors if t.name == "token_embd.weight") if llm.tied_embeddings else 0.0
    assert held - copied == pytest.approx(print_.file_bytes, rel=1e-12)


def test_fallback_for_rows_that_are_no_multiple_of_256():
    """DeepSeek-V2-Lite Q4_K_M is 9.649 GiB, 5.277 bits per weight (github.com/ikawrakow/ik_llama.cpp/issues/230)."""
    print_ = footprint(LLMS["deepseek-v2-lite"], QUANTS["Q4_K_M"])
    assert print_.file_bytes / GIB == pytest.approx(9.649, rel=0.015)
    assert {"Q5_0", "Q8_0"} <= set(print_.types)


def test_a_dense_model_is_the_moe_with_all_experts_active():
    moe = LLMS["mixtral-8x7b"]
    all_active = moe.model_copy(update={"n_experts_used": moe.n_experts})
    bf16 = QUANTS["BF16"]
    some, every = footprint(moe, bf16), footprint(all_active, bf16)
    lookup = moe.hidden_size * moe.vocab_size
    assert every.parameters_active == pytest.approx(every.parameters - lookup, rel=1e-12)
    assert some.parameters_active < every.parameters_active
    dense = LLMS["llama-3.1-8b"]
    print_ = footprint(dense, bf16)
    assert print_.parameters_active == pytest.approx(
        print_.parameters - dense.hidden_size * dense.vocab_size, rel=1e-12
    )
    assert not print_.layer_is_moe.any()


def test_native_experts_stay_as_published():
    """gpt-oss: 12.83 GiB as F16 and 11.27 GiB as MXFP4 differ only outside the experts."""
    f16, mxfp4 = (footprint(LLMS["gpt-oss-20b"], QUANTS[name]) for name in ("F16", "MXFP4"))
    assert f16.layer_expert_bytes.sum() == mxfp4.layer_expert_bytes.sum()
    assert f16.layer_resident_bytes.sum() > mxfp4.layer_resident_bytes.sum()


def test_tied_embedding_is_read_from_the_output_and_stored_for_lookup():
    print_ = footprint(LLMS["gemma-3-27b"], QUANTS["Q8_0"])
    assert print_.output_bytes.sum() > print_.embedding_bytes > 0


def test_matrices_per_layer():
    """Llama: q, k, v, o, gate, up, down; Qwen3-30B-A3B: q, k, v, o, router and three fused expert kinds."""
    assert set(footprint(LLMS["llama-3.1-8b"], QUANTS["Q4_K_M"]).layer_matrices) == {7.0}
    assert set(footprint(LLMS["qwen3-30b-a3b"], QUANTS["Q4_K_M"]).layer_matrices) == {8.0}


def test_mtp_layers_are_stored_but_not_read():
    plain, with_mtp = (footprint(LLMS["qwen3.6-35b-a3b"], QUANTS["BF16"], n) for n in (0, 1))
    assert with_mtp.parameters / 1e9 == pytest.approx(35.51, rel=0.002)  # llama-bench of the MTP file
    assert with_mtp.parameters_active == plain.parameters_active
    assert with_mtp.file_bytes > plain.file_bytes
    assert np.array_equal(with_mtp.layer_resident_bytes, plain.layer_resident_bytes)
    assert np.array_equal(with_mtp.output_bytes, plain.output_bytes)
    assert np.array_equal(with_mtp.layer_expert_bytes, plain.layer_expert_bytes)


COMMON_TYPES = sorted(kind.name for kind in gguf.GGMLQuantizationType if kind.name in tensor_types())


@given(st.sampled_from(COMMON_TYPES), st.integers(1, 8), st.integers(1, 64))
def test_tensor_bytes_are_those_of_gguf(name, blocks, rows):
    row = blocks * int(tensor_types()[name].block_elements)
    expected = rows * gguf.quant_shape_to_byte_shape((rows, row), gguf.GGMLQuantizationType[name])[1]
    assert tensor_bytes((row, rows), name) == pytest.approx(expected, rel=1e-12)


@given(st.sampled_from(sorted(LLMS)), st.sampled_from(["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"]))
def test_fewer_bits_are_fewer_bytes(name, quant):
    order = ["BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"]
    wider = order[order.index(quant) - 1]
    assert footprint(LLMS[name], QUANTS[quant]).file_bytes <= footprint(LLMS[name], QUANTS[wider]).file_bytes
