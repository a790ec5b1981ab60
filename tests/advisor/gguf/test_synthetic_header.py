"""The synthetic file of any catalog model is understood as that model: two ways through the keys that meet."""

from pathlib import Path

import numpy as np
import pytest

from advisor.gguf import read_header
from advisor.gguf.model_file import read_model_file
from advisor.gguf.synthetic import Cut, Recipe, write_model
from advisor.sizes.footprint import footprint
from catalog.llms import Llm
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.tables import llms

NOT_MADE = {"qwen4exp"}
"""Architectures that are not synthesised: a table as large as the model."""
ARRAYS = (
    "layer_resident_bytes", "layer_expert_bytes", "last_feed_forward_bytes", "layer_kv_elements",
    "layer_recurrent_bytes", "layer_window", "layer_attention_flops", "layer_attention_heads",
)  # fmt: skip
MADE = [row for row in llms() if row.architecture not in NOT_MADE]


@pytest.mark.parametrize("llm", MADE, ids=lambda llm: llm.id)
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
    assert found.footprint.layer_kind == expected.layer_kind
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
    assert last.file_range[1] + -last.size_bytes % 32 == size
    assert header.parts[0].data_start + header.tensor_bytes == pytest.approx(size, rel=0.001)
