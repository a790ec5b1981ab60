"""`advisor prices` as users and scripts meet it, each with a data folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.cli.app import run

ROOT = Path(__file__).parents[3]
Prices = Callable[..., tuple[int, str, str]]


@pytest.fixture
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prices:
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ADVISOR_DATABASE_URL", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["prices", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def test_a_part_is_shown_with_its_estimate_and_what_was_seen(prices: Prices) -> None:
    code, out, err = prices("show", "rtx 3090", "--condition", "used", "--as-of", "2026-10-15", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["part"], found["variant"], found["condition"]) == ("RTX 3090", None, "used")
    told = found["estimate"]
    assert told["low_usd"] < told["price_usd"] < told["high_usd"]
    assert 40 <= told["observations"] <= len(found["observations"])  # two ends of a range are one
    assert not told["stale"]
    assert told["sources"] >= 10
    assert max(item["as_of"] for item in found["observations"]) == told["newest"]


def test_only_what_was_known_that_day_counts(prices: Prices) -> None:
    found = json.loads(prices("show", "RTX 3090", "--condition", "used", "--as-of", "2026-02-01", "--json")[1])
    assert max(item["as_of"] for item in found["observations"]) <= "2026-02-01"
    assert found["estimate"]["newest"] <= "2026-02-01"


def test_a_size_is_told_in_the_name(prices: Prices) -> None:
    sized = json.loads(prices("show", "Framework Desktop 128GB", "--json")[1])
    assert (sized["variant"], {item["memory_gib"] for item in sized["observations"]}) == ("128 GB", {128})
    every = json.loads(prices("show", "Framework Desktop", "--json")[1])
    assert every["estimate"] is None
    assert len({item["memory_gib"] for item in every["variants"]}) >= 3
    assert "name one of" in prices("show", "Framework Desktop")[1]


def test_the_history_is_shown_drawn_and_written(prices: Prices, tmp_path: Path) -> None:
    picture, page = tmp_path / "history.png", tmp_path / "history.html"
    code, out, _ = prices("show", "RTX 3090", "--plot", str(picture), "--html", str(page))
    assert code == 0
    assert "Estimate of" in out
    assert "####" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in page.read_text()


def test_what_nothing_is_known_of_is_said(prices: Prices) -> None:
    code, out, _ = prices("show", "RTX 3090", "--as-of", "2020-01-01")
    assert code == 0
    assert "Nothing that was seen until 2020-01-01 tells what RTX 3090 costs" in " ".join(out.split())
    assert json.loads(prices("show", "RTX 3090", "--as-of", "2020-01-01", "--json")[1])["estimate"] is None


def test_an_own_price_goes_before_all_and_is_exported(prices: Prices) -> None:
    assert prices("set", "RTX 3090", "650 EUR", "--condition", "used")[0] == 0
    assert prices("set", "RTX 3090", "600 EUR", "--condition", "used")[0] == 0
    _, out, _ = prices("show", "RTX 3090", "--condition", "used", "--rate", "EUR=0.5", "--json")
    told = json.loads(out)["estimate"]
    assert (told["price_usd"], told["own"], told["one_source"]) == (1200, True, False)
    _, out, _ = prices("export")
    head, *lines = out.splitlines()
    assert head.startswith("part_kind,part,memory_gib,condition,kind,seller,price,currency,as_of,source,note")
    assert [line.split(",")[6:8] for line in lines] == [["650.0", "EUR"], ["600.0", "EUR"]]


def test_an_export_is_imported_as_it_was(prices: Prices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prices("set", "Framework Desktop 128GB", "3000", "--source", "=a shop")
    prices("set", "DDR5-6000 2x16", "400")
    path = tmp_path / "mine.csv"
    assert prices("export", "--output", str(path))[0] == 0
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path / "other"))
    code, out, _ = prices("import", str(path))
    assert (code, out) == (0, "2 prices stored\n")
    assert prices("import", str(path))[1] == "0 prices stored, 2 were there already\n"
    _, again, _ = prices("export")
    assert again == path.read_text()


def test_one_bad_line_keeps_all_out_unless_it_is_skipped(prices: Prices, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("part,price,condition,date\nRTX 3090,700,used,2026-11-01\nflux capacitor,1,used,2026-11-01\n")
    code, out, err = prices("import", str(path))
    assert (code, out) == (2, "")
    assert "1 line is bad, nothing was imported: line 3: part 'flux capacitor' is not in the catalog" in err
    assert len(prices("export")[1].splitlines()) == 1
    code, out, err = prices("import", str(path), "--skip-bad")
    assert (code, out) == (0, "1 prices stored\n")
    assert "left out: line 3" in err
    assert len(prices("export")[1].splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "flux capacitor"), "not in the catalog; nearest"), (("set", "RTX 3090", "cheap"), "amount"),
        (("show", "RTX 3090", "--as-of", "soon"), "no day"), (("show", "RTX 3090", "--currency", "XYZ"), "'XYZ' is"),
        (("set", "RTX 3090", "0"), "above zero"), (("set", "Framework Desktop", "900"), "several sizes"),
        (("set", "RTX 3090", "700", "--as-of", "2031-01-01"), "lies in the future"),
        (("import", "no/such/file.csv"), "cannot be read"), (("update", "--source", "nowhere"), "no shop that"),
    ],
)
def test_bad_input_is_told_in_one_sentence(prices: Prices, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = prices(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_the_check_tells_errors_by_kind(prices: Prices) -> None:
    code, out, _ = prices("check", "--json")
    rows = {(row["kind"], row["condition"]): row for row in json.loads(out)["by_kind"]}
    assert code == 0
    assert rows["all", "new"]["median_error"] <= 0.18
    assert rows["all", "used"]["median_error"] <= 0.20
    assert 0.72 <= rows["all", "all"]["inside"] <= 0.88
    assert rows["gpu", "used"]["observations"] >= 100


@pytest.mark.parametrize("delay_s", [0.5, 1.5, 3.0])
def test_a_killed_import_leaves_all_or_nothing(prices: Prices, tmp_path: Path, delay_s: float) -> None:
    path = tmp_path / "long.csv"
    lines = [f"RTX 3090,{500 + number},used,2026-11-01\n" for number in range(5_000)]
    path.write_text("part,price,condition,date\n" + "".join(lines))
    command = [sys.executable, "-m", "advisor", "prices", "import", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT)})
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(prices("export")[1].splitlines()) - 1 in (0, 5_000)
