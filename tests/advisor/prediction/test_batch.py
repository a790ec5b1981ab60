"""Lines in, lines out: same number, same order, an error in its own place."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.physics.knowledge import Knowledge
from advisor.prediction.batch import TOGETHER, answer_lines, is_error
from advisor.prediction.prediction import predict
from advisor.question import Scenario

KNOWLEDGE = Knowledge()
GOOD: dict[str, Any] = {
    "model": "qwen3.6-35b-a3b",
    "quant": "Q4_K_M",
    "hardware": {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X"},
}


def line(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def answered(*lines: bytes) -> list[dict[str, Any]]:
    return [json.loads(text) for text in answer_lines(lines, KNOWLEDGE)]


TINY = 5e-324
CARD_OF_FIGURES = {"vram_gb": 24, "bandwidth_gb_s": 900, "fp16_tflops": 80}
NEXT_TO_NOTHING: tuple[dict[str, Any], ...] = (
    {"hardware": {"gpus": [{"custom": CARD_OF_FIGURES | {"bandwidth_gb_s": TINY}}]}},
    {"hardware": {"gpus": [{"custom": CARD_OF_FIGURES | {"fp16_tflops": TINY}}]}},
    {"hardware": {"gpus": [{"name": "RTX 3090", "power_limit_w": TINY}]}},
    {"hardware": {"cpu": "Ryzen 7 5800X", "storage": {"read_gb_s": TINY}}},
    {"measured": [{"model": "Qwen3-8B", "decode_tok_s": TINY}]},
    {"measured": [{"model": "Qwen3-8B", "prefill_tok_s": TINY}]},
)
"""Times of such would be no number, and the answer none that is described."""
BAD: tuple[tuple[bytes, str], ...] = (
    (b"", "empty_line"),
    (b"   \r\n", "empty_line"),
    (b"{", "invalid_json"),
    (b'{"model": "x",}', "invalid_json"),
    (b"\xff\xfe{}", "invalid_utf8"),
    (b"[" * 100_000, "invalid_json"),
    (b'{"model":' + b"1" * 5000 + b"}", "invalid_json"),
    (b"[]", "not_an_object"),
    (b"null", "not_an_object"),
    (b'"qwen"', "not_an_object"),
    (b"{}", "invalid_scenario"),
    (line(hardware={"ram": {"gb": 1e308}}), "invalid_scenario"),
    (line(hardware={"ram": {"gb": -8}}), "invalid_scenario"),
    (line(hardware={"ram": {"gb": 7}}).replace(b"7", b"1e999"), "invalid_scenario"),
    (line(hardware={"ram": {"gb": 7}}).replace(b"7", b"NaN"), "invalid_json"),
    (line(hardware={"ram": {"gb": 7}}).replace(b"7", b"-Infinity"), "invalid_json"),
    (line(modle="x"), "invalid_scenario"),
    (line(model="no such model 99b"), "unknown_name"),
    (line(quant="Q99"), "unknown_name"),
    (line(hardware={"gpus": [{"name": "RTX 9999 Ultra"}]}), "unknown_name"),
    (line(hardware={"cpu": "Ryzen 7 5800X", "ram": {"type": "DDR5"}}), "invalid_input"),
    (line(measured=[{"model": "no such model 99b", "decode_tok_s": 30}]), "unknown_name"),
    (line(measured=[{"model": "Qwen3-8B", "quant": "Q99", "decode_tok_s": 30}]), "unknown_name"),
    (line(measured=[{"model": {"custom": {"altup_inputs": 1}}, "decode_tok_s": 30}]), "invalid_input"),
    *((line(**tiny), "invalid_scenario") for tiny in NEXT_TO_NOTHING),
)


@pytest.mark.parametrize(("bad", "code"), BAD)
def test_a_bad_line_becomes_an_error_in_its_place(bad: bytes, code: str) -> None:
    before, error, after = answered(line(), bad, line())
    assert before == after
    assert before["fits"] is True
    assert set(error) == {"error"}
    assert set(error["error"]) == {"code", "message", "input"}
    assert error["error"]["code"] == code
    assert error["error"]["message"]
    assert "\n" not in error["error"]["message"]


def test_the_error_gives_the_question_back() -> None:
    question = GOOD | {"quant": "Q99"}
    assert answered(json.dumps(question).encode())[0]["error"]["input"] == question


def test_an_answer_is_the_prediction_of_its_scenario() -> None:
    questions = [GOOD | {"workload": {"context_depth": depth}} for depth in (0, 4096, 100)]
    for question, answer in zip(questions, answered(*(json.dumps(item).encode() for item in questions)), strict=True):
        alone = predict(Scenario.model_validate(question), KNOWLEDGE).model_dump(mode="json")
        assert answer["scenario"]["workload"] == alone["scenario"]["workload"]
        assert answer["decode_tok_s"] == pytest.approx(alone["decode_tok_s"], rel=1e-9)  # rounding of sums of arrays


def test_more_lines_than_are_taken_together_keep_their_order() -> None:
    count = TOGETHER + 5
    lines = [line(workload={"context_depth": number}) for number in range(count)]
    lines[TOGETHER - 1] = b"nothing"
    found = [json.loads(text) for text in answer_lines(lines, KNOWLEDGE)]
    depths = [item.get("scenario", {}).get("workload", {}).get("context_depth") for item in found]
    assert depths == [*range(TOGETHER - 1), None, *range(TOGETHER, count)]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    assert answered(b"\xef\xbb\xbf" + line() + b"\r\n")[0]["fits"] is True


def test_every_answer_is_one_line_even_for_readers_of_unicode_line_ends() -> None:
    strange = GOOD["hardware"] | {"storage": {"name": "a disk\u2028of two lines"}}
    (text,) = answer_lines([line(hardware=strange)], KNOWLEDGE)
    assert not is_error(text)
    assert len(text.splitlines()) == 1
    assert json.loads(text)["scenario"]["hardware"]["storage"]["name"] == "a disk\u2028of two lines"


@given(st.lists(st.binary(max_size=40).filter(lambda text: b"\n" not in text), max_size=6))
@settings(max_examples=60)
def test_any_bytes_give_one_valid_line_each(lines: list[bytes]) -> None:
    assert len(answered(*lines)) == len(lines)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["model", "quant", "hardware", "engine", "workload"]), json_values)
@settings(max_examples=150)
def test_any_value_in_any_field_is_answered_or_refused_in_words(field: str, value: Any) -> None:
    (found,) = answered(line(**{field: value}))
    assert found.get("error", {}).get("code") != "internal_error"
