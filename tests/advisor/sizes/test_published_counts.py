"""Sums of tensors and of caches against what was published or measured elsewhere."""

from datetime import date

import pytest

from advisor.sizes import shapes
from advisor.sizes.buffers import kv_bytes, kv_element_bytes
from advisor.sizes.footprint import footprint
from catalog.llms import DraftHead, Llm
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.tables import draft_heads, llms
from catalog.units import GIB

MIB = 2**20
BY_ID = {llm.id: llm for llm in llms()}
COUNTED = [llm for llm in llms() if llm.as_of == date(2026, 11, 29) and llm.parameters_published]
NOT_IN_THE_FILE = 70_000
"""Parameters that a checkpoint has and a GGUF file has not, or the other way: scalars of xIELU, biases of a router."""


def count(llm: Llm, mtp_layers: int = 0) -> int:
    return sum(shape.elements for shape in shapes(llm, mtp_layers))


@pytest.mark.parametrize("llm", [llm for llm in COUNTED if llm.parameters_scope != "all"], ids=lambda llm: llm.id)
def test_the_sum_of_tensors_is_the_published_count(llm: Llm) -> None:
    """Counts of safetensors files by llmfit 1.1.17 and of llama.cpp's loader (`source` of each row)."""
    layers = llm.mtp_layers if llm.parameters_scope == "text+mtp" else 0
    assert abs(count(llm, layers) - (llm.parameters_published or 0)) <= NOT_IN_THE_FILE


@pytest.mark.parametrize(
    "head",
    [head for head in draft_heads() if head.kind == "mtp" and head.parameters and head.runs == "yes"],
    ids=lambda head: head.name,
)
def test_mtp_layers_have_the_published_parameters(head: DraftHead) -> None:
    """Hugging Face total minus vision minus text (mtp.csv): to 25,088 of padding, but 2 % for MiMo, whose layer is
    counted like the model's sliding ones.
    """
    for llm in (BY_ID[name] for name in head.llms):
        own = sum(shape.elements for shape in shapes(llm, head.layers or 0) if shape.group == "mtp")
        assert llm.mtp_layers == head.layers
        assert own == pytest.approx(head.parameters, rel=0.02 if llm.architecture in {"mimo2", "deepseek4"} else 1e-6)


def test_a_glm_5_2_keeps_index_keys_in_21_layers() -> None:
    """config.json indexer_types: full, full, full, then every fourth of 78 layers; 14.6 kB a token less at f16."""
    rows = footprint(BY_ID["glm-5.2"], resolve_quant("Q4_K_M").row).layer_kv_elements[:, 0]
    assert (rows == 512 + 64 + 128).sum() == 21
    assert (rows == 512 + 64).sum() == 57
    assert count(BY_ID["glm-5.1"]) - count(BY_ID["glm-5.2"]) == 57 * 9_371_904


@pytest.mark.parametrize(("name", "per_token"), [("deepseek-v4-flash", 6_880), ("deepseek-v4-pro", 9_848)])
def test_compressed_caches_grow_by_so_many_bytes_per_token(name: str, per_token: int) -> None:
    """llama.cpp src/llama-kv-cache-dsv4.cpp at f16: rows of ratio 4, of ratio 128, and index keys."""
    print_ = footprint(BY_ID[name], resolve_quant("MXFP4").row)
    growing = print_.layer_kv_elements[print_.layer_window == 0]
    assert float(growing.sum()) * kv_element_bytes("f16") == pytest.approx(per_token)


def test_a_deepseek_v4_flash_cache_is_as_measured() -> None:
    """ik_llama.cpp pull 2266: 547.27 MiB of compressed cache at 128K, rows in q8_0, index keys in f16, and 17.13 MiB
    of raw rows in q8_0 (768 of 512 in 43 layers).
    """
    llm, tokens = BY_ID["deepseek-v4-flash"], 131_072
    ratios = llm.compress_ratios[: llm.n_layers]
    print_ = footprint(llm, resolve_quant("MXFP4").row)
    rows = sum(tokens / ratio * llm.head_dim * kv_element_bytes("q8_0") for ratio in ratios if ratio)
    index = sum(tokens / 4 * (llm.index_head_dim or 0) * 2 for ratio in ratios if ratio == 4)
    raw = 768 * llm.head_dim
    waiting = float(print_.layer_recurrent_bytes.sum()) - sum(raw * 2 for ratio in ratios if ratio)
    assert (rows + index + waiting) / MIB == pytest.approx(547.27, rel=0.001)
    assert raw * kv_element_bytes("q8_0") * len(ratios) / MIB == pytest.approx(17.13, rel=0.001)
    kept = float(kv_bytes(print_, tokens, "f16", "f16", 512).sum())
    assert kept / GIB == pytest.approx(0.84, rel=0.01)  # and 0.84 GiB at f16, notes on the same code


def test_minimax_m3_keeps_index_keys_beside_its_cache() -> None:
    """llama.cpp src/llama-kv-cache-msa.h: 128 a token in 57 of 60 layers, beside 4 heads of 128 for keys and values."""
    rows = footprint(BY_ID["minimax-m3"], resolve_quant("Q4_K_M").row).layer_kv_elements.sum(axis=1)
    assert sorted(set(rows.tolist())) == [1024.0, 1152.0]
    assert (rows == 1152).sum() == 57


def test_kimi_k3_keeps_a_state_in_69_layers_and_a_latent_row_in_24() -> None:
    """96 heads of 128 x 128 in f32 and three convolutions of 12288; 512 + 64 a token (config.json, layer lists)."""
    print_ = footprint(BY_ID["kimi-k3"], resolve_quant("Q4_K_M").row)
    assert (print_.layer_kv_elements[:, 0] == 576).sum() == 24
    state = 4 * (96 * 128 * 128 + 3 * 3 * 12_288)
    assert (print_.layer_recurrent_bytes == state).sum() == 69


def test_a_falcon_h1_layer_has_a_cache_and_a_state() -> None:
    print_ = footprint(BY_ID["falcon-h1-7b"], resolve_quant("Q4_K_M").row)
    assert (print_.layer_kv_elements > 0).all()
    assert (print_.layer_recurrent_bytes > 0).all()


@pytest.mark.parametrize(
    ("name", "row", "context"),
    [
        # models_notes of the configurations: editions with a context of their own
        ("DeepSeek-R1-0528-Qwen3-8B", "qwen3-8b", 131_072), ("Jan-v1-4B", "qwen3-4b", 262_144),
        ("Kimi-K2-Thinking", "kimi-k2", 262_144),
        ("Mistral-Small-3.2-24B-Instruct-2506", "mistral-small-3-24b", 131_072),
        ("GLM-4.5", "glm-4.6", 131_072), ("QwQ-32B", "qwen2.5-32b", 40_960), ("NousCoder-14B", "qwen3-14b", 81_920),
        ("Step-3.5-Flash", "step-3.7-flash", 262_144), ("Qwen2.5-7B-Instruct", "qwen2.5-7b", 32_768),
    ],
)
def test_a_stand_in_is_said_and_keeps_its_context(name: str, row: str, context: int) -> None:
    found = resolve_llm(name)
    assert (found.row.llm.id, found.row.llm.max_context) == (row, context)
    assert f"has the tensor shapes of {found.row.llm.name}" in found.assumptions[0]
    assert f"{context:,}" in found.assumptions[0]
