"""`advisor upgrade` as it is typed."""

import csv
import io
import json

import pytest

from advisor.cli.app import run

HARDWARE = ("--gpu", "RTX 3060 12GB", "--cpu", "Ryzen 5 5600", "--ram", "DDR4-3200 2x8", "--budget", "600")
Captured = pytest.CaptureFixture[str]


def test_purchases_are_told_as_json_csv_and_in_words_alike(capsys: Captured) -> None:
    assert run(["upgrade", *HARDWARE, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["goal"] == "faster"
    assert found["purchases"]
    assert run(["upgrade", *HARDWARE, "--csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert [row[0] for row in rows[1:]] == [item["buy"] for item in found["purchases"]]
    assert run(["upgrade", *HARDWARE]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert found["purchases"][found["best"]]["buy"] in words


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--goal", "cheaper"), "cheaper"), ((*HARDWARE, "--json", "--csv"), "exclude each other"),
     ((*HARDWARE[:6], "--budget", "much"), "much"), (("--gpu", "RTX 9999"), "is not in the catalog")],
)
def test_what_cannot_be_read_is_one_sentence(capsys: Captured, options: tuple[str, ...], said: str) -> None:
    assert run(["upgrade", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
