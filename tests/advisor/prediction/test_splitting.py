"""Which way several cards share a model: by the request, over which link, with how much on which card."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.buying.recommendation import recommend
from advisor.buying.wish import Wish
from advisor.cli.app import run
from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.physics.knowledge import load
from advisor.physics.task import slowest_link_gb_s
from advisor.prediction.prediction import predict
from advisor.prediction.splitting import WITHOUT_TENSOR, Splits, splits_of
from advisor.question import Hardware, Scenario

PAIR = {"name": "RTX 3090", "count": 2}
Captured = pytest.CaptureFixture[str]


def question(model: str, *gpus: dict[str, Any], engine: dict[str, Any] | None = None, **load_: int) -> Scenario:
    return Scenario.model_validate({
        "model": model, "quant": "Q4_K_M", "hardware": {"gpus": gpus}, "engine": engine or {}, "workload": load_,
    })


def splits(*args: Any, **named: Any) -> Splits:
    found = splits_of(question(*args, **named), load())
    assert found is not None
    return found


def by_mode(found: Splits) -> dict[str, float]:
    return {way.mode: way.request_s for way in found.ways}


@settings(max_examples=12)
@given(
    st.sampled_from(("Qwen3-32B", "Llama-3.3-70B", "gpt-oss-20b", "Qwen3-30B-A3B")), st.sampled_from((1, 4, 16)),
    st.integers(64, 20_000), st.integers(16, 2_000),
)
def test_no_mode_that_is_listed_answers_the_request_sooner_by_more_than_it_must_gain(
    model: str, lanes: int, prompt: int, answer: int
) -> None:
    found = splits(model, PAIR | {"pcie_gen": 3, "pcie_lanes": lanes}, prompt_tokens=prompt, gen_tokens=answer)
    assert found.best.request_s <= found.ways[0].request_s * 1.05
    assert found.best in found.ways
    assert [way.request_s for way in found.ways] == sorted(way.request_s for way in found.ways)


def test_a_way_is_what_the_prediction_says_of_its_mode() -> None:
    found = splits("Qwen3-32B", PAIR)
    for way in found.ways:
        answer = predict(question("Qwen3-32B", PAIR, engine={"split_mode": way.mode}), load())
        assert answer.decode_tok_s is not None
        assert way.decode_tok_s == pytest.approx(answer.decode_tok_s.p50)
        assert way.flags == f"-sm {way.mode}"


def test_each_engine_has_modes_of_its_own_and_some_models_and_cards_have_fewer() -> None:
    assert by_mode(splits("Qwen3-32B", PAIR)).keys() == {"layer", "row", "tensor"}
    assert by_mode(splits("Qwen3-32B", PAIR, engine={"name": "ik_llama.cpp"})).keys() == {"layer", "row", "graph"}
    assert by_mode(splits("Qwen3-32B", PAIR, engine={"backend": "vulkan"})).keys() == {"layer", "tensor"}
    assert by_mode(splits("Qwen3-32B", PAIR, engine={"flash_attn": False})).keys() == {"layer", "row"}
    assert "deepseek2" in WITHOUT_TENSOR
    assert by_mode(splits("GLM-4.7-Flash", PAIR)).keys() == {"layer", "row"}


def test_a_long_prompt_over_a_narrow_link_is_read_by_layer_and_a_long_answer_is_not() -> None:
    """Public runs: sharing layers loses for prompts, where each sum carries a whole batch (design notes, section 9)."""
    narrow = PAIR | {"pcie_gen": 3, "pcie_lanes": 1}
    reading = splits("Qwen3-32B", narrow, prompt_tokens=8000, gen_tokens=50)
    writing = splits("Qwen3-32B", narrow, prompt_tokens=64, gen_tokens=2000)
    assert (reading.best.mode, writing.best.mode) == ("layer", "tensor")
    assert "instead of" in writing.reason


def test_one_card_and_cards_beside_ram_have_nothing_to_choose() -> None:
    assert splits_of(question("Qwen3-8B", {"name": "RTX 3090"}), load()) is None
    assert splits_of(question("Llama-3.3-70B", {"name": "RTX 3060 12GB", "count": 2}), load()) is None


def test_of_unlike_cards_each_has_as_much_as_it_reads_in_the_same_time() -> None:
    """RTX 5090 1,792 and RTX 3090 936 GB/s: of 81 layers, the output one of them, 53 and 28 by that alone."""
    found = splits("Llama-3.3-70B", {"name": "RTX 5090"}, {"name": "RTX 3090"})
    ways = {way.mode: way for way in found.ways}
    assert sum(ways["tensor"].tensor_split) == sum(ways["layer"].tensor_split) == 81
    assert ways["tensor"].tensor_split[0] == pytest.approx(53, abs=2)
    assert ways["tensor"].flags.startswith("-sm tensor -ts 5")
    usual = predict(question("Llama-3.3-70B", {"name": "RTX 5090"}, {"name": "RTX 3090"},
                             engine={"split_mode": "tensor"}), load())
    assert usual.decode_tok_s is not None
    assert ways["tensor"].decode_tok_s >= usual.decode_tok_s.p50


@pytest.mark.parametrize(
    ("name", "count", "each_way_gb_s"),
    [("RTX 3090", 2, 56.25), ("Tesla V100 SXM2 32GB", 4, 150.0), ("RTX 3090", 4, 15.76), ("RTX 3090", 1, 15.76)],
)
def test_nvlink_joins_two_by_a_bridge_and_all_on_one_board(name: str, count: int, each_way_gb_s: float) -> None:
    cards = {"name": name, "count": count, "nvlink": True, "pcie_gen": 3, "pcie_lanes": 16}
    machine = machine_of(Hardware.model_validate({"gpus": [cards]}))
    assert slowest_link_gb_s(machine) == pytest.approx(each_way_gb_s, rel=0.001)
    assert machine.main_gpu.link_gb_s == pytest.approx(15.76)
    assert any("NVLink" in sentence for sentence in machine.assumptions) == (each_way_gb_s < 50)


def test_nvlink_is_never_slower_and_changes_nothing_by_layer() -> None:
    narrow = PAIR | {"pcie_gen": 3, "pcie_lanes": 4}
    without, joined = (by_mode(splits("Qwen3-32B", narrow | {"nvlink": told})) for told in (False, True))
    assert joined["tensor"] < without["tensor"]
    assert joined["layer"] == pytest.approx(without["layer"])


def test_a_card_without_nvlink_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no NVLink is known of RTX 4090: leave out nvlink"):
        machine_of(Hardware.model_validate({"gpus": [{"name": "RTX 4090", "count": 2, "nvlink": True}]}))


def test_predict_shows_the_modes_and_gives_them_to_programs(capsys: Captured) -> None:
    words = ["predict", "--model", "Qwen3-32B", "--quant", "Q4_K_M", "--gpu", "2x RTX 3090", "--nvlink"]
    assert run(words) == 0
    text = capsys.readouterr().out
    assert "How the cards share it" in text
    assert "Take -sm tensor" in text
    assert run([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["split_modes"]
    assert told["best"]["mode"] == "tensor"
    assert run(["predict", "--model", "Qwen3-32B", "--nvlink"]) == 2
    assert "--nvlink joins cards of one kind" in capsys.readouterr().err


def test_a_recommended_build_of_several_cards_says_its_mode() -> None:
    found = recommend(Wish(model="Llama-3.3-70B", kinds=("desktop",), condition="used", limit=6), load())
    several = [build for build in found.builds if build.prediction.placement.strategy == "multi_gpu"]
    assert several
    for build in found.builds:
        notes = [note.message for note in build.notes if note.code == "split_mode"]
        assert len(notes) == (build in several)
        assert all(note.startswith("run it with -sm ") for note in notes)
