"""A refused question names the field, the value and the way out, in one sentence."""

from typing import Any

import pytest
from pydantic import ValidationError

from advisor.question import Hardware, Scenario, complaint, shown

GOOD: dict[str, Any] = {"model": "qwen3.6-35b-a3b", "hardware": {"cpu": "Ryzen 7 5800X"}}


def told(**changes: Any) -> str:
    with pytest.raises(ValidationError) as refusal:
        Scenario.model_validate(GOOD | changes)
    return complaint(refusal.value, Scenario)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"modle": "x"}, "the scenario has no field 'modle': did you mean model?"),
        (
            {"zzz": 1},
            "the scenario has no field 'zzz': its fields are model, quant, hardware, engine, workload, measured",
        ),
        ({"hardware": {"gpus": [{"nam": "RTX 3090"}]}}, "hardware.gpus[0] has no field 'nam': did you mean name?"),
        (
            {"hardware": {"gpus": [{}]}},
            'hardware.gpus[0] has no name: give one, or {"custom": {"vram_gb", "bandwidth_gb_s", ...}}',
        ),
        ({"hardware": {"gpus": ["RTX 3090"]}}, "hardware.gpus[0] must be an object, not 'RTX 3090'"),
        ({"hardware": {"ram": {"gb": -1}}}, "hardware.ram.gb must be at least 0.001, not -1"),
        ({"hardware": {"ram": {"gb": 1e308}}}, "hardware.ram.gb must be at most 100,000, not 1e+308"),
        ({"hardware": {"ram": {"gb": float("nan")}}}, "hardware.ram.gb must be a finite number, not nan"),
        ({"hardware": {"ram": {"mt_s": 3200.5}}}, "hardware.ram.mt_s must be a whole number, not 3200.5"),
        ({"hardware": {"cpu": ""}}, "hardware.cpu is empty: leave it out where it is not known"),
        ({"hardware": {}}, "hardware names nothing to run on: give gpus, a cpu, ram or a machine"),
        ({"engine": {"threads": "many"}}, "engine.threads must be a whole number, not 'many'"),
        ({"engine": {"flash_attn": "perhaps"}}, "engine.flash_attn must be true or false, not 'perhaps'"),
        ({"engine": {"name": "vllm"}}, "engine.name 'vllm' is not known; give llama.cpp or ik_llama.cpp"),
        ({"workload": {"users": 0}}, "workload.users must be at least 1, not 0"),
        ({"workload": []}, "workload must be an object, not []"),
        (
            {"model": 5},
            (
                'model must be a name such as "qwen3.6-35b-a3b", or one of {"gguf": "FILE"}, '
                '{"hf": "owner/repository"}, {"custom": {"parameters_b": 32}}, not 5'
            ),
        ),
        ({"model": {"guf": "x"}}, "model has no field 'guf': did you mean gguf?"),
    ],
)
def test_each_mistake_has_its_sentence(changes: dict[str, Any], sentence: str) -> None:
    assert told(**changes) == sentence


def test_an_unknown_cache_type_is_told_with_those_there_are() -> None:
    assert told(engine={"kv_type": "q9_9"}).startswith("engine.kv_type 'q9_9' is not known; give one of f16, bf16")


def test_a_long_value_is_cut() -> None:
    assert len(told(hardware={"ram": {"gb": "x" * 10_000}})) < 150


def test_the_misspelt_field_is_told_before_the_missing_one() -> None:
    with pytest.raises(ValidationError) as refusal:
        Scenario.model_validate({"modle": "x", "hardware": {"cpu": "Ryzen 7 5800X"}})
    assert complaint(refusal.value, Scenario) == "the scenario has no field 'modle': did you mean model?"


class TestWhatIsSentIsBounded:
    """A question of megabytes is refused in the time that a small one takes."""

    def test_a_list_of_cards_has_a_most_length(self) -> None:
        gpus = [{"name": "RTX 3090"}] * 16
        assert len(Hardware.model_validate({"gpus": gpus}).gpus) == 16
        with pytest.raises(ValidationError) as caught:
            Scenario.model_validate({"model": "x", "hardware": {"gpus": gpus * 10_000}})
        assert complaint(caught.value, Scenario) == "hardware.gpus must have at most 16 entries, not 160,000"

    def test_of_very_many_unknown_fields_one_is_told(self) -> None:
        with pytest.raises(ValidationError) as caught:
            Scenario.model_validate({"model": "x"} | {f"k{number}": [1, None][number % 2] for number in range(9999)})
        assert caught.value.error_count() <= 64
        assert "the scenario has no field 'k0'" in complaint(caught.value, Scenario)

    @pytest.mark.parametrize("nothing", [{}, {f"k{number}": None for number in range(9999)}])
    def test_however_many_nulls_there_are_what_is_said_counts(self, nothing: dict[str, None]) -> None:
        said = nothing | {"gpus": [{"name": "RTX 3090"}]}
        assert Hardware.model_validate(said).gpus[0].name == "RTX 3090"

    @pytest.mark.parametrize(
        "value", ["x" * 10**7, [1] * 10**6, {"k" * 10**6: [[[["x" * 10**6]]]]}, [[[["x"] * 1000] * 1000]]]
    )
    def test_a_value_is_shown_as_far_as_there_is_room(self, value: object) -> None:
        text = shown(value)
        assert text.endswith("...")
        assert len(text) == 63

    @pytest.mark.parametrize("value", ["x" * 58, "x" * 59, [1] * 19, [1] * 20, {"a": [1, {"b": "c"}]}, (1, 2), 3.5])
    def test_a_value_that_has_room_is_shown_as_it_is(self, value: object) -> None:
        whole = repr(value)
        assert shown(value) == (whole if len(whole) <= 60 else f"{whole[:60]}...")
