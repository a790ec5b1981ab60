"""`advisor quants`: one row per quantisation, the same as asked one by one."""

import csv
import io
import json
from typing import Any

import pytest

from advisor.cli.app import run
from catalog.tables import quant_quality

HARDWARE = ("--gpu", "RTX 3060 12GB", "--cpu", "Ryzen 7 5800X", "--ram", "DDR4-3600 2x16")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run([*arguments, *HARDWARE]) == 0
    return capsys.readouterr().out


def told(capsys: pytest.CaptureFixture[str], *model: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(printed(capsys, "quants", *model, "--json"))["quants"]
    return rows


def test_each_row_is_the_prediction_of_its_quantisation(capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, "--model", "Qwen3.6-35B-A3B", "--context", "16384")
    assert len(rows) > 20
    for row in rows[::6]:
        arguments = ("predict", "--model", "Qwen3.6-35B-A3B", "--quant", row["quant"], "--context", "16384", "--json")
        alone = json.loads(printed(capsys, *arguments))
        assert row["decode_tok_s"] == pytest.approx(alone["decode_tok_s"])
        assert row["placement"] == alone["placement"]
        assert row["file_bytes"] / 2**30 == pytest.approx(alone["placement"]["weights_gb"])


def test_a_loss_is_one_that_somebody_measured(capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, "--model", "Qwen3.6-35B-A3B")
    measured = [row for row in rows if row["loss"] and row["loss"]["measured_on"] == "Qwen3.6-35B-A3B"]
    assert measured
    for row in measured:
        known = [item for item in quant_quality() if (item.llm, item.quant) == ("qwen3.6-35b-a3b", row["quant"])]
        sources = {item.source for item in known}
        assert row["loss"]["source"] in sources


def test_narrower_files_are_smaller(capsys: pytest.CaptureFixture[str]) -> None:
    plain = {row["quant"]: row["file_bytes"] for row in told(capsys, "--model", "Llama-3.1-8B")}
    sizes = [plain[name] for name in ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K")]
    assert sizes == sorted(sizes, reverse=True)


def test_as_a_table_as_csv_and_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, "--model", "Qwen3-8B")
    lines = list(csv.DictReader(io.StringIO(printed(capsys, "quants", "--model", "Qwen3-8B", "--csv"))))
    assert [line["Quantisation"] for line in lines] == [row["quant"] for row in rows]
    assert all(line["Source"] for line in lines if line["KL divergence"])
    assert "| Q4_K_M |" in printed(capsys, "quants", "--model", "Qwen3-8B", "--markdown")
    assert "Quantisations of Qwen3-8B" in printed(capsys, "quants", "--model", "Qwen3-8B")


def test_a_model_by_its_size_has_a_matrix_too(capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, "--custom-model", "32B-A3B")
    q4 = next(row for row in rows if row["quant"] == "Q4_K_M")
    assert 32e9 * 4.5 / 8 < q4["file_bytes"] < 32e9 * 5.3 / 8
    assert not any(row["loss"] and row["loss"]["measured_on"] != "Llama-3-8B" for row in rows)


@pytest.mark.parametrize("arguments", [("--json", "--csv"), ("--markdown", "--csv")])
def test_two_formats_are_refused(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    assert run(["quants", "--model", "Qwen3-8B", *HARDWARE, *arguments]) == 2
    assert "exclude each other" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["quants", "--model", "Qwen9-8B", *HARDWARE]) == 2
    assert "is not in the catalog" in capsys.readouterr().err
