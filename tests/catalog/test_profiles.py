"""Calibration profiles: what is read, and that hostile uploads are refused quickly with one sentence."""

import json
from typing import Any

import pytest

from catalog.profiles import MAX_BYTES, BadProfile, digest_of, read_profile

GIVEN: dict[str, Any] = {
    "schema_version": 1, "name": "Office box", "fingerprint": "ab" * 16, "efficiencies_digest": "cd" * 32,
    "hardware": {"gpus": [{"name": "RTX 3060 12GB", "count": 1}], "cpu": "Ryzen 7 5800X"},
    "engine": {"name": "llama.cpp", "version": "b9000", "backend": "cuda"}, "measured_on": "2026-11-24",
    "effects": [{"coefficient": "ram_stream", "log_value": 0.1, "standard_error": 0.02, "informed": True}],
    "spreads": [{"speed": "decode", "regime": "all", "low": -1.5, "high": 1.5, "rows": 9, "machines": 1,
                 "source": "advisor calibrate", "as_of": "2026-11-24"}],
    "probes": [{"name": "ram_read", "unit": "GB/s", "value": 41.5, "spread": 0.01, "repeats": 5}],
    "runs": [{"scenario": {"model": "gpt-oss-20b"}, "decode": {"tok_s": 50.0, "spread": 0.01}, "held_out": True}],
}


def written(**changes: Any) -> bytes:
    return json.dumps(GIVEN | changes).encode()


def test_a_profile_reads_back_as_it_was_written() -> None:
    profile = read_profile(written())
    assert profile.name == "Office box"
    assert profile.effects[0].log_value == pytest.approx(0.1)
    assert profile.runs[0].held_out
    assert read_profile(profile.model_dump_json().encode()) == profile


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"effect": []}, "no field 'effect'"),
        ({"name": "../../etc/passwd"}, "name is refused"),
        ({"name": "x" * 101}, "name is refused"),
        ({"name": "a\n"}, ""),
        ({"schema_version": 2}, "schema_version 2; this program reads 1"),
        ({"hardware": {"a": [[[[[[1]]]]]]}}, "nests more than 6 deep"),
        ({"hardware": {"a": list(range(401))}}, "more than 400 values"),
        ({"hardware": {"a": "x" * 301}}, "more than 300 characters"),
        ({"hardware": {"x" * 301: 1}}, "more than 300 characters"),
        ({"hardware": {"a": 1e300}}, "beyond 10^15"),
        ({"runs": [{"scenario": {}}]}, "runs[0] is refused: a run must hold a decode or a prefill speed"),
        ({"effects": [GIVEN["effects"][0] | {"log_value": 1e308}]}, "effects[0].log_value is refused"),
        ({"effects": GIVEN["effects"] * 1001}, "effects is refused"),
        ({"spreads": [GIVEN["spreads"][0] | {"high": 1e308}]}, "low and high must lie between -50 and 50"),
        ({"probes": [GIVEN["probes"][0] | {"value": 0}]}, "probes[0].value is refused"),
    ],
)
def test_what_no_calibration_writes_is_refused_in_one_sentence(changes: dict[str, Any], said: str) -> None:
    if not said:
        assert read_profile(written(**changes)).name == "a"  # white space around a name is cut, as everywhere
        return
    with pytest.raises(BadProfile) as caught:
        read_profile(written(**changes))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 200_000, "nests too deeply"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": ' + b"1" * 5000 + b"}", "number that cannot be read"),
        (b"[]", "must be one JSON object"),
        (b'{"name": ', "not JSON"),
        (b" " * (MAX_BYTES + 1), "at most 1,000,000"),
        (b"", "not JSON"),
    ],
)
def test_hostile_bytes_are_refused_in_one_sentence(content: bytes, said: str) -> None:
    with pytest.raises(BadProfile) as caught:
        read_profile(content)
    assert said in str(caught.value)


def test_the_digest_of_a_table_does_not_depend_on_order_and_tells_values_apart() -> None:
    rows = {("a", ""): 1.0, ("b", "x"): 2.0}
    assert digest_of(rows) == digest_of(dict(reversed(rows.items())))
    assert digest_of(rows) != digest_of(rows | {("b", "x"): 2.00001})
