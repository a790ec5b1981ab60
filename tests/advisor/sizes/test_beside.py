"""The projector for images and the own draft layers of a model: counted when they are asked for."""

import json
from pathlib import Path

import pytest

from advisor.cli.app import run
from advisor.errors import InputError
from advisor.sizes.beside import draft_head_bytes, projector_bytes
from catalog.llms import Projector
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.tables import draft_heads, llms, projectors
from catalog.units import GIB

IDS = {llm.id for llm in llms()}
CARD = ("--gpu", "RTX 3060 12GB", "--json")


def test_rows_name_models_of_the_catalog() -> None:
    for row in (*draft_heads(), *projectors()):
        assert set(row.llms) <= IDS, row.name


@pytest.mark.parametrize("row", projectors(), ids=lambda row: row.name)
def test_a_projector_has_about_two_bytes_for_each_parameter(row: Projector) -> None:
    """F16 with norms, biases and position tables in F32: 207,346,528 bytes for 100,592,896 parameters are 2.06. Gemma 4
    12B has a table of positions and no transformer.
    """
    per_parameter = row.f16_gib * GIB / row.parameters
    assert 1.9 < per_parameter < (3.4 if row.name == "Gemma-4-12B" else 2.1)
    assert row.q8_0_gib < row.f16_gib


@pytest.mark.parametrize(
    ("model", "asked", "gib"),
    [
        # measured: unslothai/unsloth pull 5849 (207,346,528 bytes), ggml-org/llama.cpp issue 22656 (860 MiB)
        ("Qwen3.5-0.8B", "mmproj-BF16.gguf", 207_346_528 / GIB), ("Qwen3.6-35B-A3B", "F16", 860 / 1024),
        ("Qwen3-VL-8B", "vision", 1.074), ("Qwen3-VL-8B", "q8_0", 0.570), ("Gemma-3-27B", "f16", 0.789),
        ("InternVL3-8B", "f16", 0.618), ("Qwen2.5-7B", "2,447.80 MiB", 2447.80 / 1024),
    ],
)
def test_sizes_of_projectors(model: str, asked: str, gib: float) -> None:
    size, said = projector_bytes(resolve_llm(model if "VL3" not in model else "Qwen2.5-7B").row.llm, asked, model)
    assert size / GIB == pytest.approx(gib, rel=0.02)
    assert f"{size / GIB:.2f} GiB" in said


def test_a_model_without_a_projector_and_words_without_sense_are_refused() -> None:
    llm = resolve_llm("Qwen3-Coder-480B-A35B").row.llm
    with pytest.raises(InputError, match="knows no projector of Qwen3-Coder-480B-A35B"):
        projector_bytes(llm, "f16")
    with pytest.raises(InputError, match="'banana' is not understood"):
        projector_bytes(llm, "banana")
    assert projector_bytes(llm, "1.5 GB")[0] == 1.5e9


def test_vision_takes_the_projectors_room(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Case 67 (ggml-org/llama.cpp pull 21489): the mmproj of Qwen2.5-Omni-3B takes 2,447.80 MiB of GPU memory."""
    file = tmp_path / "mmproj.gguf"
    with file.open("wb") as out:
        out.truncate(int(2447.80 * 2**20))
    vram = []
    for more in ((), ("--vision",), ("--mmproj", "mmproj-F16.gguf"), ("--mmproj", str(file))):
        assert run(["predict", "--model", "Qwen3-VL-8B", "--quant", "Q4_K_M", *CARD, *more]) == 0
        vram.append(json.loads(capsys.readouterr().out)["placement"]["vram_gb"])
    assert [more - vram[0] for more in vram[1:]] == pytest.approx([1.074, 1.074, 2447.80 / 1024], rel=0.001)


def test_a_projector_costs_no_speed_but_room(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for more in ((), ("--vision",)):
        for cards in ("RTX 3090", "2x RTX 3090"):
            assert run(["predict", "--model", "Gemma-3-27B", "--gpu", cards, "--json", *more]) == 0
            found.append(json.loads(capsys.readouterr().out))
    for plain, seeing in zip(found[:2], found[2:], strict=True):
        assert seeing["placement"]["vram_gb"] - plain["placement"]["vram_gb"] == pytest.approx(0.789, rel=0.001)
        assert seeing["decode_tok_s"]["p50"] == pytest.approx(plain["decode_tok_s"]["p50"])


@pytest.mark.parametrize(
    ("model", "gib", "runs"),
    [
        # mtp.csv: BF16 sizes of published counts
        ("Qwen3.6-35B-A3B", 1.573, "yes"), ("Step-3.7-Flash", 4.523, "yes"), ("GLM-4.7-Flash", 2.381, "yes"),
        ("Qwen3-Next-80B-A3B", 3.074, "yes"), ("Qwen3.8-Flash-Next", 4.844, "pull_request"),
    ],
)
def test_sizes_of_draft_layers(model: str, gib: float, runs: str) -> None:
    llm = resolve_llm(model).row.llm
    assert draft_head_bytes(llm, resolve_quant("BF16").row) / GIB == pytest.approx(gib, rel=0.01)
    assert {row.runs for row in draft_heads() if row.kind == "mtp" and llm.id in row.llms} == {runs}


def test_a_model_without_draft_layers_has_none() -> None:
    llm = resolve_llm("Llama-3.1-8B").row.llm
    assert not any(llm.id in row.llms for row in draft_heads())
    assert draft_head_bytes(llm, resolve_quant("Q4_K_M").row) == 0
