"""`advisor evidence check` as it is typed: rows as expected, implausible, not read and left out."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from calibration.fit.evidence import rows as public_rows
from tests.advisor.cli.calibrated import Captured, said

ROW = {
    "source_url": "https://example.org/runs", "source_date": "2026-11-01", "gpu": "RTX 3060 12GB", "gpu_count": "1",
    "cpu": "Ryzen 7 5800X", "ram_gb": "32", "ram_type": "DDR4", "ram_mts": "3600", "ram_channels": "2",
    "engine": "llama.cpp", "backend": "CUDA", "model": "Qwen3-8B", "quant": "Q4_K_M", "n_gpu_layers": "99",
    "decode_tok_s": "55", "prefill_tok_s": "1700", "quality": "A",
}


def _written(path: Path, rows: Sequence[dict[str, str]]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def test_each_row_is_set_beside_its_prediction(tmp_path: Path, capsys: Captured) -> None:
    offered = [ROW, ROW | {"decode_tok_s": "900"}, ROW | {"model": "Quux-9000"}, ROW | {"quality": "C"},
               ROW | {"gpu": "RTX 3060 12GB", "model": "DeepSeek-V3", "n_gpu_layers": "99"}]
    table = _written(tmp_path / "offered.csv", offered)
    found = json.loads(said(capsys, "evidence", "check", table, "--json")[0])
    verdicts = [item["verdict"] for item in found["rows"]]
    assert verdicts == ["as expected", "implausible", "not read", "left out", "implausible"]
    assert [item["line"] for item in found["rows"]] == [2, 3, 4, 5, 6]
    first = found["rows"][0]
    assert first["machine"] == "RTX 3060 12GB | Ryzen 7 5800X"
    assert first["decode"]["p05"] < 55 < first["decode"]["p95"]
    assert "900 tok/s written is faster than this memory can be read" in found["rows"][1]["why"]
    assert "Quux-9000" in found["rows"][2]["why"]
    assert found["counts"] == {"as expected": 1, "implausible": 2, "not read": 1, "left out": 1}
    out = said(capsys, "evidence", "check", table)[0]
    assert "line 4: not read: model 'Quux-9000'" in out
    assert out.splitlines()[-1] == "1 as expected, 2 implausible, 1 not read, 1 left out"


def test_most_of_the_public_evidence_is_as_expected(tmp_path: Path, capsys: Captured) -> None:
    every = list(public_rows())[::60]
    table = _written(tmp_path / "e.csv", [dict(row) for row in every])
    found = json.loads(said(capsys, "evidence", "check", table, "--json")[0])
    counts = found["counts"]
    assert counts["as expected"] > 5 * counts.get("implausible", 0)  # nine of ten should lie in their range


def test_a_table_that_is_none_is_refused(tmp_path: Path, capsys: Captured) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    assert "it lacks source_url" in said(capsys, "evidence", "check", str(bad), code=2)[1]
    strange = _written(tmp_path / "strange.csv", [ROW | {"colour": "green"}])
    assert "nothing is known of 'colour'" in said(capsys, "evidence", "check", strange, code=2)[1]
    assert "cannot be read" in said(capsys, "evidence", "check", str(tmp_path / "none.csv"), code=2)[1]
