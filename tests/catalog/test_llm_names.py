import csv
from pathlib import Path

import pytest

from catalog.names.index import UnknownName
from catalog.names.llms import resolve_llm
from catalog.tables import llms

EVIDENCE = Path(__file__).parents[1] / "data" / "evidence_llm_names.csv"
"""Every distinct model name of the scored public runs (pages of 2024 to 2026), judged one by one."""
ROWS = list(csv.DictReader(EVIDENCE.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["text"])
def test_names_of_measured_runs(row):
    if not row["expected"]:
        with pytest.raises(UnknownName):
            resolve_llm(row["text"])
        return
    found = resolve_llm(row["text"]).row
    assert (found.llm.id, found.quant_text or "") == (row["expected"], row["expected_quant"])


def test_share_of_measured_names_that_resolve():
    assert sum(bool(row["expected"]) for row in ROWS) / len(ROWS) >= 0.95


@pytest.mark.parametrize("spelling", ["name", "id", "hf_id"])
def test_every_row_answers_to_its_own_names(spelling):
    for llm in llms():
        name = getattr(llm, spelling)
        if name:
            assert resolve_llm(name).row.llm.id == llm.id, name


def test_every_alias_answers():
    for llm in llms():
        for alias in llm.aliases:
            assert resolve_llm(alias).row.llm.id == llm.id, alias


@pytest.mark.parametrize(
    ("text", "expected", "quant"),
    [
        ("Qwen3.6-35B-A3B-UD-Q4_K_XL", "qwen3.6-35b-a3b", "UD-Q4_K_XL"),
        ("unsloth/Qwen3-30B-A3B-GGUF:Q4_K_M", "qwen3-30b-a3b", "Q4_K_M"),
        ("Qwen_Qwen3-30B-A3B-Q4_K_M.gguf", "qwen3-30b-a3b", "Q4_K_M"),
        ("ggml-org/gpt-oss-20b-GGUF", "gpt-oss-20b", None),
        ("GPT OSS 120B", "gpt-oss-120b", None),
        ("llama3.1:8b-instruct-q4_K_M", "llama-3.1-8b", "q4_K_M"),
        ("DeepSeek-V3-0324-UD-Q2_K_XL-00001-of-00006.gguf", "deepseek-v3", "UD-Q2_K_XL"),
        ("  qwen3.6 35b a3b ", "qwen3.6-35b-a3b", None),
        ("unsloth/Qwen3.6-35B-A3B-MTP-GGUF", "qwen3.6-35b-a3b", None),
    ],
)
def test_common_spellings(text, expected, quant):
    found = resolve_llm(text).row
    assert (found.llm.id, found.quant_text) == (expected, quant)


@pytest.mark.parametrize("text", ["qwen3", "Qwen3.5", "gemma 4", "deepseek", "llama"])
def test_a_family_is_refused_with_its_members(text):
    with pytest.raises(UnknownName) as refusal:
        resolve_llm(text)
    assert refusal.value.ambiguous
    assert len(refusal.value.nearest) > 1


@pytest.mark.parametrize(
    "text", ["GLM-4.7-Air", "Qwen3.6-36B-A3B", "gpt-oss", "Llama-5-8B", "Qwen3.6-35B-A3B-REAP50", "", "-", "Q4_K_M"]
)
def test_what_is_not_in_the_table_is_never_matched(text):
    with pytest.raises(UnknownName):
        resolve_llm(text)


def test_a_label_of_several_models_says_what_it_was_taken_for():
    found = resolve_llm("llama 8B")
    assert found.row.llm.id == "llama-3.1-8b"
    assert len(found.assumptions) == 1


def test_a_label_stands_for_models_of_equal_shapes():
    """llama-bench prints "llama 8B" for Llama 3 and 3.1 alike; any choice among them predicts the same."""
    labels = [(label, llm) for llm in llms() for label in llm.labels]
    assert len({label for label, _ in labels}) == len(labels)
    three, three_one = (resolve_llm(name).row.llm for name in ("Llama-3-8B", "Llama-3.1-8B"))
    differing = {"id", "name", "hf_id", "aliases", "labels", "source", "as_of", "max_context", "parameters_published"}
    assert three.model_dump(exclude=differing) == three_one.model_dump(exclude=differing)
