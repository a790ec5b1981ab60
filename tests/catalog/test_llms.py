from functools import cache

import pytest

from advisor.sizes.architectures import ARCHITECTURES
from catalog.llms import Llm
from catalog.tables import llms

BY_ID = {llm.id: llm for llm in llms()}


def test_every_architecture_whose_tensors_are_known_has_a_model():
    assert set(ARCHITECTURES) == {row.architecture for row in llms()}


def test_ids_are_unique():
    assert len(BY_ID) == len(llms())


@pytest.mark.parametrize("llm", llms(), ids=lambda llm: llm.id)
def test_a_row_is_complete(llm: Llm):
    """Every size that its layers ask for is there."""
    kinds, ffns = set(llm.attention_kinds()), set(llm.ffn_kinds())
    assert llm.architecture in ARCHITECTURES
    assert len(llm.attention_kinds()) == len(llm.ffn_kinds()) == llm.n_layers
    assert "S" not in kinds or llm.sliding_window
    assert "M" not in kinds or (llm.kv_lora_rank and llm.qk_nope_head_dim and llm.v_head_dim)
    assert "R" not in kinds or (llm.recurrent and llm.conv_kernel)
    assert "D" not in ffns or llm.dense_ffn
    assert "E" not in ffns or (llm.expert_ffn and 0 < llm.n_experts_used <= llm.n_experts)
    assert ("E" in ffns) == bool(llm.n_experts)
    assert llm.n_heads % llm.n_kv_heads == 0


@pytest.mark.parametrize(
    ("name", "full", "sliding", "latent", "recurrent"),
    [
        ("qwen3.6-35b-a3b", 10, 0, 0, 30),  # config.json: full_attention_interval 4 of 40 layers
        ("gpt-oss-120b", 18, 18, 0, 0),  # layer_types alternate, 36 layers
        ("gemma-3-27b", 10, 52, 0, 0),  # five sliding to one full, 62 layers
        ("deepseek-v3", 0, 0, 61, 0),
        ("kimi-linear-48b-a3b", 0, 0, 7, 20),  # model card: 20 KDA, 7 MLA
        ("mimo-v2-flash", 9, 39, 0, 0),  # config.json hybrid_layer_pattern
        ("granite-4.0-h-small", 4, 0, 0, 36),  # config.json layer_types
    ],
)
def test_published_layer_counts(name, full, sliding, latent, recurrent):
    kinds = BY_ID[name].attention_kinds()
    assert [kinds.count(letter) for letter in "FSMR"] == [full, sliding, latent, recurrent]


@cache
def _spellings() -> dict[str, str]:
    return {alias: llm.id for llm in llms() for alias in llm.aliases}


def test_an_alias_belongs_to_one_row():
    assert len(_spellings()) == sum(len(llm.aliases) for llm in llms())
