import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from advisor.engine.settings import EngineSettings, Override
from advisor.sizes.tensor import EXPERTS, pattern_of


def test_experts_are_moved_by_the_pattern_of_llama_cpp_itself():
    """`LLM_FFN_EXPS_REGEX` and `llm_ffn_block_regex` of llama.cpp common/common.h: blk\\.N\\.ffn_(...)_(ch|)exps."""
    pattern = re.compile(pattern_of([3], EXPERTS))
    for moved in ("ffn_up_exps.weight", "ffn_gate_exps.weight", "ffn_down_exps.bias", "ffn_gate_up_exps.weight"):
        assert pattern.search(f"blk.3.{moved}")
    for kept in ("blk.3.ffn_up_shexp.weight", "blk.3.ffn_gate_inp.weight", "blk.13.ffn_up_exps.weight", "blk.3.ffn_up"):
        assert not pattern.search(kept)


def test_overrides_asked_for_come_before_those_of_experts():
    own = Override(pattern="token_embd", device="CUDA0")
    settings = EngineSettings(overrides=(own,), n_cpu_moe=2)
    assert settings.all_overrides()[0] == own
    assert [rule.device for rule in settings.all_overrides()[1:]] == ["CPU", "CPU"]


@given(st.integers(1, 100_000_000))
def test_the_context_is_padded_up_to_a_multiple_of_256(n_ctx):
    padded = EngineSettings(n_ctx=n_ctx).n_ctx_padded
    assert padded % 256 == 0
    assert n_ctx <= padded < n_ctx + 256


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"n_ctx": 0}, "n_ctx"),
        ({"kv_type_k": "q3_0"}, "kv_type_k"),
        ({"load_mode": "floppy"}, "load_mode"),
        ({"flash_attn": False, "kv_type_v": "q8_0"}, "q8_0 V cache needs flash attention"),
        ({"n_gpu_layer": 3}, "n_gpu_layer"),
    ],
)
def test_what_cannot_be_is_refused_by_name(values, said):
    with pytest.raises(ValidationError, match=said):
        EngineSettings.model_validate(values)


def test_settings_survive_being_written_as_json():
    settings = EngineSettings(n_cpu_moe=3, overrides=(Override(pattern="x"),), tensor_split=(1.0, 3.0), rpc=("h:1",))
    assert EngineSettings.model_validate_json(settings.model_dump_json()) == settings
