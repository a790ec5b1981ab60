"""`advisor engine synth`: what it says, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest

from advisor.cli.app import run
from advisor.gguf import read_header

SMALL = ("--model", "Granite-3.1-3B-A800M", "--layers", "2", "--experts", "10", "--vocab", "64")


def synth(*arguments: object) -> int:
    return run(["engine", "synth", *map(str, arguments)])


def test_the_file_is_what_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.gguf"
    assert synth(*SMALL, "--router-skew", 1, "--output", path) == 0
    out, err = capsys.readouterr()
    assert err == ""
    first, second, third = out.splitlines()
    assert first.startswith(f"{path}: Granite-3.1-3B-A800M cut to 2 layers, 10 experts, 64 tokens, Q4_K_M, 0.04 GB in ")
    assert second.startswith("  architecture granitemoe, 2 layers, 10 experts of which 8 are used, 64 tokens, 0.06 bil")
    assert third == "  router skew 1: the busiest tenth of the experts has 12% of the uses"
    assert read_header(path).architecture == "granitemoe"


def test_json_says_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.gguf"
    assert synth(*SMALL, "--quant", "q8_0", "--seed", 7, "--output", path, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    header = read_header(path)
    assert found["size_bytes"] == path.stat().st_size
    assert found["tensors"] == len(header.tensors)
    expected = {
        "file": str(path), "model": "granite-3.1-3b-a800m", "architecture": "granitemoe", "quant": "Q8_0", "layers": 2,
        "experts": 10, "experts_used": 8, "vocabulary": 64, "router_skew": 0.0, "seed": 7,
    }
    assert {key: found[key] for key in expected} == expected


def test_the_name_may_carry_the_quantisation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert synth("--model", "SmolLM2-135M-Q8_0", "--layers", 1, "--vocab", 64, "--output", tmp_path / "model.gguf") == 0
    assert ", Q8_0, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--model", "Qwen3-8C"), "model 'Qwen3-8C' is not in the catalog; nearest: Qwen3-"),
        (("--model", "Qwen3-8B", "--quant", "Q4_Y"), "quantisation 'Q4_Y' is not in the catalog; nearest: "),
        (("--model", "Qwen3-8B", "--quant", "IQ4_KS"), "IQ4_KS has tensors of the type IQ4_KS, which ik_llama.cpp"),
        (("--model", "Qwen3-8B", "--layers", "37"), "--layers 37 is not possible: Qwen3-8B has 36, so give 1 to 36"),
        (("--model", "Qwen3-8B", "--layers", "0"), "--layers 0 is not possible: Qwen3-8B has 36, so give 1 to 36"),
        (("--model", "Qwen3-8B", "--experts", "2"), "Qwen3-8B is dense: leave out --experts"),
        (("--model", "Qwen3-8B", "--vocab", "1e3"), "Invalid value for '--vocab': '1e3' is not a valid integer."),
        (("--model", "Qwen3-8B", "--seed", "-1"), "Invalid value for '--seed': -1 is not in the range 0<=x<="),
        (("--model", "Qwen3-30B-A3B", "--router-skew", "9"), "--router-skew 9 is not possible: give 0 (uniform) to 8"),
        ((), "Missing option '--model'."),
    ],
)
def test_wrong_input_is_told_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    assert synth(*arguments, "--output", tmp_path / "model.gguf") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"advisor: {told}")
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_only_by_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.gguf"
    path.write_text("mine")
    assert synth(*SMALL, "--output", path) == 2
    assert "is there already: give --force to replace it" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert synth(*SMALL, "--output", path, "--force") == 0
    assert path.stat().st_size > 1_000_000


def test_a_small_disk_and_a_missing_folder_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert synth(*SMALL, "--output", tmp_path / "none" / "model.gguf") == 2
    assert "does not exist: create it or choose another --output" in capsys.readouterr().err
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    assert synth(*SMALL, "--output", tmp_path / "model.gguf") == 2
    assert "the file needs 0.04 GB and " in capsys.readouterr().err
