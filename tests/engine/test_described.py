"""A file of any catalog model's shapes is understood as that model: the footprint of its header is the catalog's own.

The files are written here with the gguf package's writer, keys as llama.cpp's converters write them, and are sparse:
the header is real, the weights are holes.
"""

from pathlib import Path

import gguf
import numpy as np
import pytest

from advisor.engine.described import read_model_file
from advisor.footprint import Footprint, footprint
from advisor.quantisation import typed
from advisor.tensors import Tensor, shapes
from catalog.llms import Llm
from catalog.names.quants import resolve_quant
from catalog.tables import llms

HEADS_BY_LAYER = {
    "lfm2", "lfm2moe", "jamba", "granitehybrid", "nemotron_h", "nemotron_h_moe", "kimi-linear", "bailingmoe3",
    "glm5-next",
}  # fmt: skip
"""Architectures whose files have 0 KV heads for layers without attention (llama.cpp src/models: is_recr_impl)."""
PATTERN_IN_FILE = {"gemma4", "mimo2", "step35"}
"""Architectures whose files must have the pattern of sliding layers (get_arr without a default)."""
ARRAYS = {
    "layer_resident_bytes", "layer_expert_bytes", "layer_matrices", "layer_is_moe", "output_bytes", "layer_kv_elements",
    "layer_window", "layer_recurrent_bytes", "layer_attention_flops", "bits_per_weight",
}  # fmt: skip


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
    }  # fmt: skip
    if llm.full_head_dim:
        keys |= {"attention.key_length_swa": llm.head_dim, "attention.value_length_swa": llm.head_dim}
    if "M" in kinds:
        rope, rank = llm.qk_rope_head_dim or 0, llm.kv_lora_rank or 0
        keys |= {
            "attention.kv_lora_rank": rank, "attention.key_length": rank + rope, "attention.value_length": rank,
            "attention.key_length_mla": (llm.qk_nope_head_dim or 0) + rope, "rope.dimension_count": rope,
            "attention.value_length_mla": llm.v_head_dim,
        }  # fmt: skip
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
    }  # fmt: skip
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
}  # fmt: skip
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
    assert max(entry.file_range[1] for entry in found.header.tensors) <= path.stat().st_size
    assert (found.llm.name, found.quant.name) == (llm.name, quant.name)
