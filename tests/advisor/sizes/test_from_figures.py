"""Models by their figures: shapes make the catalog's row, counts alone make its bytes; what cannot be is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.asked import CustomLlm
from advisor.cli.app import run
from advisor.errors import InputError
from advisor.sizes.configuration import custom_of_config
from advisor.sizes.footprint import footprint
from advisor.sizes.from_figures import SHAPES_DEVIATION, figured
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.tables import llms

Q4 = resolve_quant("Q4_K_M").row
CARD = ("--gpu", "RTX 4090")
BESIDE = {"id", "name", "hf_id", "aliases", "labels", "source", "as_of", "parameters_published", "parameters_scope"}


@pytest.mark.parametrize("llm", llms()[::9], ids=lambda llm: llm.id)
def test_the_columns_of_a_row_make_its_footprint(llm: Any) -> None:
    said = llm.model_dump(exclude=BESIDE | {"mtp_in_gguf"}, exclude_none=True)
    found = figured(CustomLlm.model_validate(said), Q4).footprint
    expected = footprint(llm.model_copy(update={"mtp_in_gguf": 0}), Q4)
    assert found.file_bytes == expected.file_bytes
    np.testing.assert_array_equal(found.layer_kv_elements, expected.layer_kv_elements)


# Abridged from the config.json files that the rows cite.
CONFIGS: list[tuple[str, dict[str, Any]]] = [
    ("qwen3-30b-a3b", {
        "model_type": "qwen3_moe", "num_hidden_layers": 48, "hidden_size": 2048, "vocab_size": 151936, "head_dim": 128,
        "num_attention_heads": 32, "num_key_value_heads": 4, "intermediate_size": 6144, "moe_intermediate_size": 768,
        "num_experts": 128, "num_experts_per_tok": 8, "max_position_embeddings": 40960, "tie_word_embeddings": False,
        "sliding_window": None,
    }),
    ("llama-3.1-8b", {
        "model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "vocab_size": 128256,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "tie_word_embeddings": False,
        "max_position_embeddings": 131072,
    }),
    ("deepseek-v3", {
        "model_type": "deepseek_v3", "num_hidden_layers": 61, "hidden_size": 7168, "vocab_size": 129280,
        "num_attention_heads": 128, "num_key_value_heads": 128, "intermediate_size": 18432, "kv_lora_rank": 512,
        "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
        "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "moe_intermediate_size": 2048,
        "first_k_dense_replace": 3,
        "max_position_embeddings": 163840, "num_nextn_predict_layers": 1, "tie_word_embeddings": False,
    }),
    ("mixtral-8x7b", {
        "model_type": "mixtral", "num_hidden_layers": 32, "hidden_size": 4096, "vocab_size": 32000,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "num_local_experts": 8,
        "num_experts_per_tok": 2, "max_position_embeddings": 32768, "tie_word_embeddings": False,
    }),
    ("gpt-oss-20b", {
        "model_type": "gpt_oss", "num_hidden_layers": 24, "hidden_size": 2880, "vocab_size": 201088, "head_dim": 64,
        "num_attention_heads": 64, "num_key_value_heads": 8, "intermediate_size": 2880, "num_local_experts": 32,
        "num_experts_per_tok": 4, "sliding_window": 128, "layer_types": ["sliding_attention", "full_attention"] * 12,
        "max_position_embeddings": 131072, "tie_word_embeddings": False,
    }),
    ("qwen3.6-35b-a3b", {
        "model_type": "qwen3_5_moe", "text_config": {
            "model_type": "qwen3_5_moe_text", "num_hidden_layers": 40, "hidden_size": 2048, "vocab_size": 248320,
            "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256, "num_experts": 256,
            "num_experts_per_tok": 8, "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512,
            "layer_types": (["linear_attention"] * 3 + ["full_attention"]) * 10, "linear_conv_kernel_dim": 4,
            "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_key_head_dim": 128,
            "linear_value_head_dim": 128, "max_position_embeddings": 262144, "tie_word_embeddings": False,
        },
    }),
]


@pytest.mark.parametrize(("name", "config"), CONFIGS, ids=[name for name, _ in CONFIGS])
def test_a_configuration_makes_the_footprint_of_its_row(name: str, config: dict[str, Any]) -> None:
    llm = resolve_llm(name).row.llm.model_copy(update={"native_expert_type": None})
    found = figured(CustomLlm.model_validate(custom_of_config(json.dumps(config), "config.json")), Q4)
    expected = footprint(llm, Q4, 0)
    assert found.footprint.file_bytes == expected.file_bytes
    np.testing.assert_array_equal(found.footprint.layer_kv_elements, expected.layer_kv_elements)
    np.testing.assert_array_equal(found.footprint.layer_window, expected.layer_window)
    np.testing.assert_array_equal(found.footprint.layer_recurrent_bytes, expected.layer_recurrent_bytes)


@given(total=st.floats(0.3, 2000), share=st.floats(0.02, 1.0))
def test_counts_alone_make_their_bytes(total: float, share: float) -> None:
    """What is stored is as stated; nothing of it is negative, and more parameters are more bytes."""
    active = total * share
    found = figured(CustomLlm(parameters_b=total, active_parameters_b=active), Q4)
    print_ = found.footprint
    assert found.deviation == SHAPES_DEVIATION
    assert print_.parameters == total * 1e9
    assert 4 < print_.file_bytes * 8 / (total * 1e9) < 6.7  # bits per weight of Q4_K_M from large to tiny models
    assert (print_.layer_resident_bytes >= 0).all()
    assert (print_.layer_expert_bytes >= 0).all()


def test_a_size_widens_the_range_and_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for model in (("--model", "Qwen3-32B"), ("--custom-model", "32.8B")):
        assert run(["predict", *model, "--quant", "Q4_K_M", *CARD, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    named, sized = found
    ratios = [one["decode_tok_s"]["p95"] / one["decode_tok_s"]["p05"] for one in found]
    assert ratios[1] > 1.3 * ratios[0]
    assert sized["decode_tok_s"]["p50"] == pytest.approx(named["decode_tok_s"]["p50"], rel=0.1)
    assert "only the size of the model is known (32.8 billion parameters)" in sized["assumptions"][0]


@pytest.mark.parametrize(
    ("custom", "sentence"),
    [
        ({}, "model.custom is empty"),
        ({"parameters_b": 3, "active_parameters_b": 30}, "are more than all 3"),
        ({"n_layers": 4}, "has no hidden_size"),
        ({"n_layers": 4, "hidden_size": 64}, "needs dense_ffn"),
        ({"n_layers": 4, "hidden_size": 64, "dense_ffn": 128, "architecture": "foo"}, "is none of afmoe"),
        ({"n_layers": 4, "hidden_size": 64, "n_experts": 4}, "needs expert_ffn"),
        ({"n_layers": 4, "hidden_size": 64, "dense_ffn": 128, "attention_pattern": "X"}, "attention_pattern"),
        ({"n_layers": 32, "hidden_size": 4096, "dense_ffn": 11008, "parameters_b": 70}, "parameters_b says 70"),
    ],
)
def test_figures_that_no_model_has_are_refused(custom: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        figured(CustomLlm.model_validate(custom), Q4)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is no JSON"), ("[]", "holds no JSON object"), ("{}", "has no model_type"),
        ('{"model_type": "bert"}', "has the model_type 'bert'"),
        ('{"model_type": "qwen3", "layer_types": ["mamba"]}', "layers of the type 'mamba'"),
    ],
)
def test_what_is_no_configuration_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    (tmp_path / "config.json").write_text(text)
    assert run(["predict", "--config", str(tmp_path / "config.json"), *CARD]) == 2
    assert sentence in capsys.readouterr().err


def test_options_that_name_two_models_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "--custom-model", "7B", "--model", "Qwen3-8B", *CARD]) == 2
    assert "--model and --custom-model name a model each" in capsys.readouterr().err
    assert run(["predict", "--custom-model", "large", *CARD]) == 2
    assert "--custom-model 'large' is not understood" in capsys.readouterr().err


def test_an_unknown_name_with_a_size_is_refused_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "--model", "Foo-32B-A3B", *CARD]) == 2
    assert "--custom-model 32B-A3B" in capsys.readouterr().err
