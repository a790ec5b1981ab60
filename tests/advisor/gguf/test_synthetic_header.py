"""The synthetic file of any catalog model is understood as that model: two ways through the keys that meet."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.gguf import read_header
from advisor.gguf.llm import metadata
from advisor.gguf.model_file import read_model_file
from advisor.gguf.synthetic import Cut, Recipe, least_layers, write_model
from advisor.sizes.attention import heads
from advisor.sizes.footprint import footprint
from catalog.llms import Llm
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.tables import llms

ARRAYS = (
    "layer_resident_bytes", "layer_expert_bytes", "last_feed_forward_bytes",
    "layer_feed_forward_bytes", "layer_kv_elements",
    "layer_recurrent_bytes", "layer_window", "layer_attention_flops", "layer_attention_heads",
)


@pytest.mark.parametrize("llm", llms(), ids=lambda llm: llm.id)
def test_the_whole_file_of_a_model_has_its_footprint(tmp_path: Path, llm: Llm) -> None:
    """Its header is real, its weights are a hole of their size."""
    quant = resolve_quant("MXFP4" if llm.native_expert_type else "Q4_K_M").row
    recipe = Recipe(llm, quant)
    path = tmp_path / f"{llm.id}-{quant.name}.gguf"
    path.write_bytes(recipe.header)
    with path.open("r+b") as file:
        file.truncate(recipe.size_bytes)
    found, expected = read_model_file(path), footprint(llm, quant)
    assert found.header.file_bytes == recipe.size_bytes
    assert found.header.tensor_bytes == pytest.approx(expected.file_bytes, rel=0.01)
    assert found.footprint.parameters_active == pytest.approx(expected.parameters_active, rel=0.01)
    for name in ARRAYS:
        left, right = (getattr(item, name).sum(axis=-1) for item in (found.footprint, expected))
        np.testing.assert_allclose(left, right, rtol=0.01, err_msg=name)
    assert (found.llm.name, found.header.vocabulary) == (llm.name, None)


def test_a_written_file_ends_where_its_header_says(tmp_path: Path) -> None:
    row, quant = resolve_llm("Qwen3.6-35B-A3B").row.llm, resolve_quant("Q4_K_M").row
    path = tmp_path / "cut.gguf"
    size = write_model(Recipe(row, quant, Cut(layers=4, experts=8, vocabulary=1024)), path)
    header = read_header(path)
    assert size == header.file_bytes == path.stat().st_size
    last = max(header.tensors, key=lambda entry: entry.start)
    assert last.start + last.size_bytes + -last.size_bytes % 32 == size
    assert min(entry.start for entry in header.tensors) + header.tensor_bytes == pytest.approx(size, rel=0.001)


ARCHITECTURES = {row.architecture: row for row in sorted(llms(), key=lambda row: -row.n_layers)}
"""The shallowest model of each."""
COLUMNS = (
    "architecture", "n_layers", "hidden_size", "vocab_size", "max_context", "tied_embeddings", "mtp_in_gguf",
    "kv_shared_layers", "kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "index_heads",
    "index_head_dim", "recurrent", "recurrent_key_heads", "recurrent_value_heads", "recurrent_key_dim",
    "recurrent_value_dim", "ssm_dt_rank", "moe_latent_size", "output_groups", "output_lora_rank", "hash_layers",
)
OF_EXPERTS = ("n_experts", "n_experts_used", "expert_ffn", "shared_expert_ffn")
TYPES = ("Q4_K_M", "Q8_0", "F16", "IQ4_XS", "Q2_K")


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@settings(max_examples=3)
@given(data=st.data())
def test_what_is_written_of_a_model_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, architecture: str, data: st.DataObject
) -> None:
    """Every key, every tensor and every column that a header can tell of, whatever is left of the model."""
    llm = ARCHITECTURES[architecture]
    layers = data.draw(st.integers(least_layers(llm), llm.n_layers), "layers")
    experts = data.draw(st.integers(1, llm.n_experts), "experts") if llm.n_experts else None
    vocabulary = data.draw(st.integers(1, llm.vocab_size), "vocabulary")
    quant = resolve_quant(data.draw(st.sampled_from(TYPES), "quant")).row
    recipe = Recipe(llm, quant, Cut(layers, experts, vocabulary))
    path = tmp_path_factory.mktemp("written") / "model.gguf"
    path.write_bytes(recipe.header)
    with path.open("r+b") as file:
        file.truncate(recipe.size_bytes)
    found = read_model_file(path)

    said, made = found.header.metadata, recipe.llm
    for key, value in metadata(made, quant, recipe.name, str(said["general.description"])).items():
        assert said[key] == (float(np.float32(value)) if isinstance(value, float) else value), key
    assert [(t.name, t.shape, t.type) for t in found.tensors] == [(t.name, t.shape, t.type) for t in recipe.tensors]
    kinds = made.attention_kinds()
    assert (found.llm.attention_kinds(), found.llm.ffn_kinds()) == (kinds, made.ffn_kinds())
    for kind in {"F", "S"} & set(kinds):
        assert heads(found.llm, kind) == heads(made, kind)
    if not set("RB") & set(kinds):
        made = made.model_copy(update={name: None for name in COLUMNS if name.startswith(("recurrent", "ssm"))})
    for name in COLUMNS + (OF_EXPERTS if "E" in made.ffn_kinds() else ()):
        assert (getattr(found.llm, name) or 0) == (getattr(made, name) or 0), name  # no width is a width of 0
