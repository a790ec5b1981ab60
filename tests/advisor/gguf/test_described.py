"""A file of any catalog model's shapes is understood as that model: the footprint of its header is the catalog's own.

The files are written here with the gguf package's writer, keys as llama.cpp's converters write them, and are sparse:
the header is real, the weights are holes.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from advisor.cli.app import run
from advisor.errors import InputError
from advisor.gguf.llm import PLAIN_ARCHITECTURES
from advisor.gguf.model_file import described, read_model_file
from advisor.sizes import Tensor, shapes
from advisor.sizes.footprint import Footprint, footprint
from advisor.sizes.quantisation import typed
from catalog.llms import Llm
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.tables import llms

HEADS_BY_LAYER = {
    "lfm2", "lfm2moe", "jamba", "granitehybrid", "nemotron_h", "nemotron_h_moe", "kimi-linear", "bailingmoe3",
    "glm5-next",
}
"""Architectures whose files have 0 KV heads for layers without attention (llama.cpp src/models: is_recr_impl)."""
PATTERN_IN_FILE = {"gemma4", "mimo2", "step35"}
"""Architectures whose files must have the pattern of sliding layers (get_arr without a default)."""
ARRAYS = {
    "layer_resident_bytes", "layer_expert_bytes", "last_feed_forward_bytes",
    "layer_feed_forward_bytes", "layer_matrices", "layer_is_moe",
    "output_bytes", "layer_kv_elements", "layer_window", "layer_recurrent_bytes", "layer_attention_flops",
    "layer_attention_heads", "bits_per_weight",
}


def head_keys(llm: Llm) -> dict[str, object]:
    kinds = llm.attention_kinds()
    sliding_q, sliding_kv = llm.sliding_heads or llm.n_heads, llm.sliding_kv_heads or llm.n_kv_heads
    queries = [sliding_q if kind == "S" else llm.n_heads for kind in kinds]
    shared = [sliding_kv if kind == "S" else llm.full_kv_heads or llm.n_kv_heads for kind in kinds]
    if llm.architecture in HEADS_BY_LAYER:
        shared = [0 if kind in "RN" else n for kind, n in zip(kinds, shared, strict=True)]
    full = llm.full_head_dim or llm.head_dim
    keys: dict[str, object] = {
        "attention.head_count": queries if len(set(queries)) > 1 else queries[0],
        "attention.head_count_kv": shared if len(set(shared)) > 1 else shared[0],
        "attention.key_length": full, "attention.value_length": llm.v_head_dim or full,
    }
    if llm.full_head_dim:
        keys |= {"attention.key_length_swa": llm.head_dim, "attention.value_length_swa": llm.head_dim}
    if "M" in kinds:
        rope, rank = llm.qk_rope_head_dim or 0, llm.kv_lora_rank or 0
        keys |= {
            "attention.kv_lora_rank": rank, "attention.key_length": rank + rope, "attention.value_length": rank,
            "attention.key_length_mla": (llm.qk_nope_head_dim or 0) + rope, "rope.dimension_count": rope,
            "attention.value_length_mla": llm.v_head_dim,
        }
    return keys


def attention_keys(llm: Llm) -> dict[str, object]:
    kinds = llm.attention_kinds()
    keys = head_keys(llm)
    if llm.sliding_window:
        keys["attention.sliding_window"] = llm.sliding_window
    if llm.architecture in PATTERN_IN_FILE:
        keys["attention.sliding_window_pattern"] = [kind == "S" for kind in kinds]
    if llm.index_head_dim:
        keys |= {"attention.indexer.head_count": llm.index_heads, "attention.indexer.key_length": llm.index_head_dim}
    if llm.compress_ratios:
        keys |= {
            "attention.compress_ratios": list(llm.compress_ratios), "attention.q_lora_rank": llm.q_lora_rank,
            "attention.output_group_count": llm.output_groups, "attention.output_lora_rank": llm.output_lora_rank,
            "hash_layer_count": llm.hash_layers,
        }
    if llm.kv_shared_layers and llm.architecture != "gemma3n":
        keys["attention.shared_kv_layers"] = llm.kv_shared_layers
    return keys


def recurrent_keys(llm: Llm) -> dict[str, object]:
    if llm.recurrent is None:
        return {}
    if llm.recurrent == "short_conv":
        return {"shortconv.l_cache": llm.conv_kernel}
    heads, size = llm.recurrent_value_heads or 0, llm.recurrent_value_dim or 0
    if llm.recurrent == "kimi_delta":
        return {"ssm.conv_kernel": llm.conv_kernel, "kda.head_dim": size}
    keys = {"ssm.conv_kernel": llm.conv_kernel, "ssm.inner_size": heads * size, "ssm.state_size": llm.recurrent_key_dim}
    if llm.recurrent == "mamba1":
        return keys | {"ssm.time_step_rank": llm.ssm_dt_rank}
    return keys | {"ssm.time_step_rank": heads, "ssm.group_count": llm.recurrent_key_heads}


def keys_of(llm: Llm) -> dict[str, object]:
    keys: dict[str, object] = {
        "block_count": llm.n_layers + llm.mtp_in_gguf, "embedding_length": llm.hidden_size,
        "context_length": llm.max_context, "nextn_predict_layers": llm.mtp_in_gguf or None,
        "expert_count": llm.n_experts or None, "expert_used_count": llm.n_experts_used or None,
        "feed_forward_length": llm.dense_ffn, "expert_feed_forward_length": llm.expert_ffn,
        "moe_latent_size": llm.moe_latent_size,
    }
    return {
        key: value for key, value in (keys | attention_keys(llm) | recurrent_keys(llm)).items() if value is not None
    }


def write(path: Path, llm: Llm, tensors: tuple[Tensor, ...], keys: dict[str, object] | None = None) -> Path:
    """A sparse file of these tensors."""
    writer = gguf.GGUFWriter(path, llm.architecture)
    for key, value in (keys_of(llm) if keys is None else keys).items():
        name = f"{llm.architecture}.{key}"
        writer.add_array(name, value) if isinstance(value, list) else writer.add_uint32(name, int(value))
    for tensor in tensors:
        kind, shape = gguf.GGMLQuantizationType[tensor.type], tuple(reversed(tensor.shape))
        sizes = gguf.quant_shape_to_byte_shape(shape, kind) if kind not in FLOATS else shape
        dtype = FLOATS.get(kind, np.dtype(np.uint8))
        writer.add_tensor_info(tensor.name, sizes, dtype, int(tensor.bytes), None if kind in FLOATS else kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    padded = sum(-(-int(tensor.bytes) // 32) * 32 for tensor in tensors)
    with path.open("r+b") as file:
        file.truncate(-(-path.stat().st_size // 32) * 32 + padded)
    return path


FLOATS = {
    gguf.GGMLQuantizationType.F32: np.dtype(np.float32), gguf.GGMLQuantizationType.F16: np.dtype(np.float16),
}
"""Types that the writer knows by their numpy type."""


def assert_same(found: Footprint, expected: Footprint) -> None:
    for field in Footprint.__dataclass_fields__:
        if field == "name":
            continue
        left, right = getattr(found, field), getattr(expected, field)
        if field in ARRAYS:
            np.testing.assert_allclose(left, right, rtol=1e-12, err_msg=field)
        else:
            assert left == (pytest.approx(right, rel=1e-12) if isinstance(right, float) else right), field


@pytest.mark.parametrize("llm", llms(), ids=lambda llm: llm.id)
def test_a_file_has_the_footprint_of_the_catalogs_row(tmp_path: Path, llm: Llm) -> None:
    quant = resolve_quant("MXFP4" if llm.native_expert_type else "Q4_K_M").row
    tensors = typed(llm, quant, shapes(llm))
    path = write(tmp_path / f"{llm.id}-{quant.name}.gguf", llm, tensors)
    found = read_model_file(path)
    assert_same(found.footprint, footprint(llm, quant))
    assert found.header.tensor_bytes == int(found.footprint.file_bytes)
    assert max(entry.start + entry.size_bytes for entry in found.header.tensors) <= path.stat().st_size
    assert (found.llm.name, found.quant.name) == (llm.name, quant.name)


def test_a_file_and_its_name_are_predicted_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row, quant = resolve_llm("Qwen3.6-35B-A3B").row.llm, resolve_quant("Q4_K_M").row
    path = write(tmp_path / "Qwen3.6-35B-A3B-Q4_K_M.gguf", row, typed(row, quant, shapes(row)))
    found = [predicted(capsys, "--gguf", str(path)), predicted(capsys, "--model", row.name, "--quant", quant.name)]
    for key in ("model", "quant", "placement", "decode_tok_s", "prefill_tok_s", "load_time_s", "capacity"):
        assert found[0][key] == found[1][key]
    assert found[0]["measured_nearby"] == found[1]["measured_nearby"]
    assert found[0]["placement"]["strategy"] == "expert_offload"


def predicted(capsys: pytest.CaptureFixture[str], *model: str) -> dict[str, Any]:
    hardware = ("--gpu", "RTX 3060 12GB", "--cpu", "Ryzen 7 5800X", "--ram", "DDR4-3600 2x16")
    assert run(["predict", *model, *hardware, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def small(name: str, **sizes: Any) -> tuple[Llm, tuple[Tensor, ...]]:
    row = resolve_llm(name).row.llm.model_copy(update=sizes)
    return row, typed(row, resolve_quant("Q4_K_M").row, shapes(row))


def test_the_name_is_used_only_where_the_shapes_are_its(tmp_path: Path) -> None:
    row, tensors = small("Qwen3-8B", n_layers=4)
    found = read_model_file(write(tmp_path / "Qwen3-8B-Q4_K_M.gguf", row, tensors))
    assert (found.llm.name, found.llm.n_layers) == ("Qwen3-8B-Q4_K_M", 4)
    assert "the file's name says Qwen3-8B, but its layers are others" in found.notes[1]


def test_the_mix_is_as_asked_else_as_named_else_by_number_else_by_most_bytes(tmp_path: Path) -> None:
    row, tensors = small("Qwen3-8B")
    named, nameless = (write(tmp_path / name, row, tensors) for name in ("a-Q5_K_S.gguf", "a.gguf"))
    assert read_model_file(named, "IQ4_XS").quant.name == "IQ4_XS"
    assert read_model_file(named).quant.name == "Q5_K_S"
    assert read_model_file(nameless).quant.name == "Q4_K mix"
    header = read_model_file(nameless).header
    # The number 18 is that of Q6_K (llama.h, enum llama_ftype).
    assert described(replace(header, metadata={**header.metadata, "general.file_type": 18})).quant.name == "Q6_K"


@pytest.mark.parametrize("architecture", sorted(PLAIN_ARCHITECTURES))
def test_architectures_without_a_catalog_model_are_read_too(tmp_path: Path, architecture: str) -> None:
    """The shapes of Qwen3-8B under another name have its sizes; only where files name a window do layers slide."""
    row, tensors = small("Qwen3-8B")
    keys = keys_of(row) | {"attention.sliding_window": 4096}
    renamed = row.model_copy(update={"architecture": architecture})
    found = read_model_file(write(tmp_path / "x.gguf", renamed, tensors, keys)).footprint
    slides = architecture in {"cohere2", "olmo2"}
    assert found.layer_window.tolist() == ([4096.0] * 3 + [0.0] if slides else [0.0] * 4) * 9
    expected = footprint(resolve_llm("Qwen3-8B").row.llm, resolve_quant("Q4_K_M").row)
    assert (found.file_bytes, found.parameters_active) == (expected.file_bytes, expected.parameters_active)


def test_older_deepseek_files_keep_keys_and_values_of_all_heads(tmp_path: Path) -> None:
    """Without attn_k_b and attn_v_b llama.cpp has no latent cache (src/models/deepseek2.cpp: is_mla)."""
    row, tensors = small("DeepSeek-V3", n_layers=4)
    older = tuple(
        Tensor(t.name.replace("attn_k_b", "attn_kv_b"), t.layer, t.group, (512, 128 * (128 + 128)), t.type)
        if "attn_k_b" in t.name else t
        for t in tensors if "attn_v_b" not in t.name
    )
    keys = keys_of(row) | {"attention.key_length": 192, "attention.value_length": 128}
    found = read_model_file(write(tmp_path / "x.gguf", row, older, keys)).footprint
    assert found.layer_window.tolist() == [0.0] * 4
    assert found.layer_kv_elements.tolist() == [[128 * 192, 128 * 128]] * 4


CONTRADICTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("Qwen3-8B", {"block_count": 5}, "it says that it has 5 layers but holds no tensor of layer 4"),
    ("Qwen3-8B", {"block_count": 3}, "it says that it has 3 layers but holds blk.3"),
    ("Qwen3-8B", {"block_count": 2**31}, "qwen3.block_count is 2147483648, not a whole number up to 2147483647"),
    ("Qwen3-8B", {"block_count": 0}, "it says that it has 0 layers"),
    ("Qwen3-8B", {"block_count": None}, "it has no qwen3.block_count"),
    ("Qwen3-8B", {"nextn_predict_layers": 4}, "4 layers, 4 of them for multi-token prediction"),
    ("Qwen3-8B", {"embedding_length": 4095}, "its embedding has the shape (4096, 151936) where its width is 4,095"),
    ("Qwen3-8B", {"context_length": 0}, "its max_context would be 0"),
    ("Qwen3-8B", {"attention.head_count": 33}, "attn_q.weight is 4,096 wide where its heads need 4,224"),
    ("Qwen3-8B", {"attention.head_count": 0}, "its layers of one kind have the heads [(0, 8)]"),
    ("Qwen3-8B", {"attention.head_count_kv": 9}, "attn_k.weight is 1,024 wide where its heads need 1,152"),
    ("Qwen3-8B", {"attention.head_count_kv": [8, 8, 8]}, "head_count_kv has 3 values for 4 layers"),
    ("Qwen3-8B", {"attention.head_count_kv": [8, 8, 8, 4]}, "have the heads [(32, 4), (32, 8)], which no known model"),
    ("Qwen3-30B-A3B", {"expert_count": 64}, "64 experts but blk.0.ffn_down_exps.weight has 128"),
    ("Qwen3-30B-A3B", {"expert_used_count": 129}, "each token uses 129 of its 128 experts"),
    ("Qwen3.6-35B-A3B", {"ssm.state_size": 64}, "blk.0.ssm_conv1d.weight has 8,192 channels where its states need 6"),
    ("Qwen3.6-35B-A3B", {"ssm.time_step_rank": 7}, "its recurrent width 4,096 is not made of 7 heads"),
    ("DeepSeek-V3", {"attention.kv_lora_rank": 500}, "its latent rank is 500 where its tensors have"),
    ("Gemma-4-E4B", {"attention.shared_kv_layers": 4}, "4 of its 4 layers share the KV cache of others"),
    ("Gemma-4-E4B", {"attention.sliding_window_pattern": None}, "it has no gemma4.attention.sliding_window_pattern"),
]


@pytest.mark.parametrize(("name", "wrong", "words"), CONTRADICTIONS)
def test_numbers_that_contradict_the_tensors_are_refused(
    tmp_path: Path, name: str, wrong: dict[str, Any], words: str
) -> None:
    row, tensors = small(name, n_layers=4, kv_shared_layers=0)
    keys = {key: value for key, value in (keys_of(row) | wrong).items() if value is not None}
    with pytest.raises(InputError) as refusal:
        read_model_file(write(tmp_path / "x.gguf", row, tensors, keys))
    assert "contradicts itself: " in str(refusal.value)
    assert words in str(refusal.value)
