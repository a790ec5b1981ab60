"""`advisor recommend` as users and scripts meet it: what is printed where, and with which exit code."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from advisor.cli.app import run
from advisor.market.market import today
from advisor.market.places import address_to_write
from advisor.market.store import PriceStore
from catalog.prices import Observation

MODEL = ("--model", "Qwen3.6-35B-A3B")
BOXES = (*MODEL, "--quant", "Q4_K_M", "--kinds", "unified")
"""A quick question: few machines are sold whole."""
PART_KEYS = {"kind", "name", "price_usd", "price_as_of", "price_source", "condition"}
BUILD_KEYS = {"model", "quant", "parts", "price_usd", "usd_per_tok_s", "pareto", "prediction"}
PREDICTION_KEYS = {
    "scenario", "fits", "placement", "decode_tok_s", "prefill_tok_s", "time_to_first_token_s", "load_time_s",
    "bottleneck", "breakdown", "flags", "warnings", "calibration",
}

Recommend = Callable[..., tuple[int, str, str]]


@pytest.fixture
def recommend(capsys: pytest.CaptureFixture[str]) -> Recommend:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["recommend", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def found(recommend: Recommend, *arguments: str) -> dict[str, Any]:
    code, out, err = recommend(*arguments, "--json")
    assert (code, err) == (0, "")
    answer: dict[str, Any] = json.loads(out)
    return answer


def test_json_has_the_keys_that_programs_rely_on(recommend: Recommend) -> None:
    answer = found(recommend, *MODEL, "--budget", "1500", "--limit", "3")
    assert {"scenario", "builds"} <= answer.keys()
    assert answer["scenario"]["model"] == MODEL[1]
    picks = {pick["build"] for pick in answer["picks"]}
    assert len(answer["builds"]) == len({0, 1, 2} | picks)
    for build in answer["builds"]:
        assert build.keys() >= BUILD_KEYS
        assert build["prediction"].keys() >= PREDICTION_KEYS
        assert build["prediction"]["decode_tok_s"].keys() == {"p50", "p05", "p95"}
        assert all(part.keys() >= PART_KEYS for part in build["parts"])
        assert build["price_usd"] <= 1500


def test_the_shown_command_gives_the_shown_speed(recommend: Recommend, capsys: pytest.CaptureFixture[str]) -> None:
    import shlex

    for build in found(recommend, *MODEL, "--quant", "Q4_K_M", "--limit", "4")["builds"]:
        program, *words = shlex.split(build["predict_command"])
        assert program == "advisor"
        assert run([*words, "--json"]) == 0
        alone = json.loads(capsys.readouterr().out)
        for speed in ("decode_tok_s", "prefill_tok_s"):
            assert alone[speed]["p50"] == pytest.approx(build["prediction"][speed]["p50"], rel=1e-6)


def test_the_table_tells_what_it_shows(recommend: Recommend) -> None:
    code, out, err = recommend(*MODEL, "--quant", "best", "--limit", "2")
    assert (code, err) == (0, "")
    flowing = " ".join(out.split())
    for words in (
        "tok/s or more",
        "Price",
        "$/(tok/s)",
        "9 of 10 real",
        "Left out",
        "Prices: what an ordinary buyer pays",
        "advisor predict",
    ):
        assert words in flowing
    assert "best quality" in flowing
    assert "Traceback" not in out


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
def test_the_table_keeps_to_the_width(recommend: Recommend, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = recommend(*BOXES)
    *lines, command = out.rstrip("\n").split("\n")
    assert max(map(len, lines)) <= columns
    assert command.startswith("  advisor predict ")


def test_csv_has_one_line_per_build(recommend: Recommend) -> None:
    code, out, err = recommend(*BOXES, "--csv")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, len(rows) + 1)]
    assert all(float(row["price_usd"]) > 0 and float(row["decode_tok_s"]) > 0 for row in rows)


def test_markdown_is_a_table(recommend: Recommend) -> None:
    code, out, err = recommend(*BOXES, "--markdown")
    assert (code, err) == (0, "")
    table = [line for line in out.splitlines() if line.startswith("| ")]
    assert len({line.count("|") for line in table if line.startswith(("| #", "| 1", "| 2"))}) == 1


def test_all_shows_every_build(recommend: Recommend) -> None:
    some, every = (found(recommend, *BOXES, *more)["builds"] for more in ((), ("--all",)))
    assert len(every) >= len(some)
    assert len({build["name"] for build in some}) == len(some)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--quant", "Q4_K_M"), "--quant is of a model"),
        (("--task", "painting"), "--task"),
        (("--own-pc", "OptiPlex 9999"), "--own-pc: part 'OptiPlex 9999' is not in the catalog"),
        (("--own-pc", "OptiPlex 9999"), "say what is in it"),
        (("--own-pc", "OptiPlex 7050"), "name one of them"),
        (("--own-pc", "OptiPlex 7050 SFF"), "came with several processors: say what is in yours"),
        (("--own-pc", "OptiPlex 7070 SFF"), "how much memory"),
        (("--own-pc", "RTX 3090"), "is a part, not a computer"),
        (("--country", "Atlantis"), "--kwh-price"),
        ((*MODEL, "--users", "0"), "--users"),
        ((*MODEL, "--users", "65"), "--users"),
        (("--sort", "colour"), "--sort"),
        ((*MODEL, "--budget", "-5"), "--budget: '-5' is no amount of money"),
        ((*MODEL, "--budget", "nan"), "--budget"),
        ((*MODEL, "--budget", "much"), "--budget"),
        ((*MODEL, "--context", "0"), "--context must be at least"),
        ((*MODEL, "--context", "-1"), "--context"),
        ((*MODEL, "--min-tok-s", "-1"), "--min-tok-s"),
        ((*MODEL, "--limit", "0"), "--limit"),
        ((*MODEL, "--kinds", "tablet"), "--kinds 'tablet' is not known; give desktop, laptop or unified"),
        ((*MODEL, "--kinds", ""), "--kinds"),
        ((*MODEL, "--condition", "mint"), "--condition"),
        ((*MODEL, "--own", "flux capacitor"), "--own: part 'flux capacitor' is not in the catalog"),
        ((*MODEL, "--own", "DDR4-3200"), "--own"),
        ((*MODEL, "--quant", "Q9_K"), "nearest"),
        (("--model", "Qwen9-1T"), "nearest"),
        ((*MODEL, "--json", "--csv"), "exclude each other"),
    ],
)
def test_bad_input_is_told_in_one_sentence(recommend: Recommend, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = recommend(*arguments)
    assert code == 2
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_help_names_every_option(recommend: Recommend) -> None:
    code, out, _ = recommend("--help")
    assert code == 0
    for option in (
        "--model",
        "--quant",
        "--context",
        "--budget",
        "--min-tok-s",
        "--condition",
        "--kinds",
        "--own",
        "--limit",
    ):
        assert option in out
    assert all(option in out for option in ("--all", "--json", "--csv", "--markdown"))


def test_a_budget_in_another_currency_is_kept_and_the_answer_is_in_it(recommend: Recommend) -> None:
    answer = found(recommend, *MODEL, "--budget", "1000 EUR", "--rate", "EUR=0.8", "--limit", "3")
    assert answer["scenario"]["wish"]["budget_usd"] == pytest.approx(1250)
    assert (answer["currency"], answer["per_usd"]) == ("EUR", 0.8)
    for build in answer["builds"]:
        assert build["price"] == pytest.approx(build["price_usd"] * 0.8, abs=0.01)
        assert build["price"] <= 1000
    _, out, _ = recommend(*MODEL, "--budget", "1000 EUR", "--rate", "EUR=0.8", "--limit", "3")
    assert "€1,000 or less" in out
    assert "EUR/(tok/s)" in out
    assert "tax and duty are not in them" in " ".join(out.split())


def test_amounts_and_days_that_are_none_are_refused_by_option(recommend: Recommend) -> None:
    for arguments, words in (
        (("--currency", "XYZ"), "currency 'XYZ' is none of"), (("--as-of", "soon"), "--as-of 'soon' is no day"),
        (("--rate", "EUR=0"), "--rate 'EUR=0'"), (("--rate", "no/such/file.csv"), "--rate 'no/such/file.csv'"),
        (("--budget", "5 bananas"), "--budget: '5 bananas'"),
    ):
        code, out, err = recommend(*MODEL, *arguments)
        assert (code, out) == (2, "")
        assert words in err


def test_the_own_price_of_a_part_counts(recommend: Recommend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path))
    with closing(PriceStore(address_to_write(tmp_path))) as store:
        told = {"part_kind": "gpu", "part": "RTX 3090", "condition": "used", "kind": "street", "seller": "own"}
        own = Observation.model_validate(told | {"price": 199, "as_of": today(), "source": "a neighbour"})
        store.add([own], "typed")
    answer = found(recommend, *MODEL, "--condition", "used", "--limit", "3")
    best = answer["builds"][0]
    assert best["name"] in ("RTX 3090", "2 x RTX 3090")
    (card, *_) = [part for part in best["parts"] if part["kind"] == "gpu"]
    assert (card["price_usd"], card["own"], card["price_source"]) == (199, True, "a neighbour")


def test_a_question_opens_no_database_where_nothing_was_stored(tmp_path: Path) -> None:
    script = (
        "import sys; from advisor.cli.app import run; "
        f"code = run(['recommend', *{BOXES!r}, '--json']); sys.exit(code or 'sqlalchemy' in sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "ADVISOR_DATABASE_URL"}
    environment |= {"ADVISOR_HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []
