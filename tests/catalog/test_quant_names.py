import csv
from pathlib import Path

import pytest

from catalog.names.index import UnknownName
from catalog.names.quants import resolve_quant
from catalog.tables import quants

EVIDENCE = Path(__file__).parents[1] / "data" / "evidence_quant_names.csv"
"""Every distinct quantisation label of the scored public runs, judged one by one."""
ROWS = list(csv.DictReader(EVIDENCE.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["text"])
def test_labels_of_measured_runs(row):
    if not row["expected"]:
        with pytest.raises(UnknownName):
            resolve_quant(row["text"])
        return
    assert resolve_quant(row["text"]).row.name == row["expected"]


def test_share_of_measured_labels_that_resolve():
    assert sum(bool(row["expected"]) for row in ROWS) / len(ROWS) >= 0.95


def test_every_row_answers_to_its_names():
    for quant in quants():
        assert resolve_quant(quant.name).row is quant
        for alias in quant.aliases:
            assert resolve_quant(alias).row is quant, alias


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("q4_k_m", "Q4_K_M"),
        ("Q4_K - Medium", "Q4_K_M"),
        ("ud-q4_k_xl", "UD-Q4_K_XL"),
        ("Q4_K_XL", "UD-Q4_K_XL"),
        ("i1-IQ3_XXS", "IQ3_XXS"),
        ("gguf-q8_0", "Q8_0"),
        ("fp16", "F16"),
        ("IQ4_XS - 4.25 bpw", "IQ4_XS"),
        ("mxfp4", "MXFP4"),
        ("IQ4_KS_R4", "IQ4_KS"),
    ],
)
def test_common_spellings(text, expected):
    assert resolve_quant(text).row.name == expected


def test_a_remark_that_is_not_modelled_is_said():
    assert resolve_quant("Q4_K_M (with my own imatrix)").assumptions


@pytest.mark.parametrize("text", ["Q9_K_M", "4bit", "AWQ", "gguf-q4_k_m-reap50", "", "K_M"])
def test_unknown_labels_are_refused(text):
    with pytest.raises(UnknownName):
        resolve_quant(text)
