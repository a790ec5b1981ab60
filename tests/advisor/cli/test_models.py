"""`advisor models` as it is typed."""

import csv
import io
import json

import pytest

from advisor.cli.app import run

HARDWARE = ("--cpu", "Raspberry Pi 5", "--ram", "8GB")
Captured = pytest.CaptureFixture[str]


def test_models_are_told_as_json_csv_and_in_words_alike(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")  # so that no name is broken over two lines
    assert run(["models", *HARDWARE, "--limit", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["task"], len(found["models"])) == ("chat", 5)
    assert found["hardware"]["cpu"] == "Raspberry Pi 5"
    assert all(item["decode_tok_s"]["p05"] < item["decode_tok_s"]["p50"] for item in found["models"])
    assert run(["models", *HARDWARE, "--limit", "5", "--csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert [row[0] for row in rows[1:]] == [item["model"] for item in found["models"]]
    assert run(["models", *HARDWARE, "--limit", "5"]) == 0
    words = capsys.readouterr().out
    assert words.startswith("Models for chat on Raspberry Pi 5")
    assert all(item["model"] in words for item in found["models"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--task", "painting"), "painting"),
        ((*HARDWARE, "--json", "--csv"), "exclude each other"),
        ((*HARDWARE, "--limit", "-1"), "--limit must be at least 0"),
        (("--gpu", "RTX 9999"), "is not in the catalog"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(capsys: Captured, options: tuple[str, ...], said: str) -> None:
    assert run(["models", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
