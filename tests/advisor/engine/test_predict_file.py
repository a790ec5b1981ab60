"""`advisor predict --gguf FILE` and `{"gguf": FILE}` as they are typed."""

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf
import pytest

from advisor.cli.app import run

HARDWARE = ("--gpu", "RTX 3060 12GB", "--cpu", "Ryzen 7 5800X", "--ram", "DDR4-3600 2x16")
GIB = 2**30
GEMMA_TENSOR_BYTES = 246_587_904
"""Sum over the 236 tensors that gguf-dump lists."""
Captured = pytest.CaptureFixture[str]


def predicted(capsys: Captured, *options: str) -> dict[str, Any]:
    assert run(["predict", *options, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: Captured, *options: str) -> str:
    assert run(["predict", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err.removeprefix("advisor: ").strip()


def test_a_real_file_is_predicted_with_its_own_sizes(capsys: Captured, gemma_path: Path) -> None:
    found = predicted(capsys, "--gguf", str(gemma_path), *HARDWARE)
    assert (found["model"], found["quant"]) == ("Gemma-3-270M", "Q4_K_M")
    assert found["scenario"]["model"] == {"gguf": str(gemma_path)}
    place = found["placement"]
    assert place["weights_gb"] == pytest.approx(GEMMA_TENSOR_BYTES / GIB, rel=1e-12)
    # 15 layers keep a window of 512 tokens and a batch of 512, 3 keep all 8,192: 1 KV head of 256, K and V, f16.
    assert place["kv_gb"] * GIB == pytest.approx((15 * 1024 + 3 * 8192) * 2 * 256 * 2)
    assert f"a file of {gemma_path.stat().st_size:,} bytes" in found["assumptions"][0]
    assert found["decode_tok_s"]["p50"] > 0


def test_a_filled_context_is_predicted_too(capsys: Captured, gemma_path: Path) -> None:
    assert run(["predict", "--gguf", str(gemma_path), *HARDWARE, "--context", "8192"]) == 0
    assert "First token" in capsys.readouterr().out


def test_a_batch_mixes_files_and_names(tmp_path: Path, capsys: Captured, gemma_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    hardware = {"cpu": "Ryzen 7 5800X"}
    models = [{"gguf": str(gemma_path)}, "Qwen3-8B", {"gguf": "none.gguf"}, {"gguf": str(gemma_path)}]
    source.write_text("".join(json.dumps({"model": model, "hardware": hardware}) + "\n" for model in models))
    assert run(["predict", "--batch", str(source)]) == 0
    first, second, third, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["model"], second["model"]) == ("Gemma-3-270M", "Qwen3-8B")
    assert first == last
    assert third["error"]["code"] == "invalid_input"
    assert third["error"]["message"].startswith("model.gguf: 'none.gguf' cannot be read: no such file")


def header_of(architecture: str, split: int = 0) -> bytes:
    pairs = [("general.architecture", struct.pack("<IQ", 8, len(architecture)) + architecture.encode())]
    pairs += [("split.count", struct.pack("<IH", gguf.GGUFValueType.UINT16, split))] * bool(split)
    body = b"".join(struct.pack("<Q", len(key)) + key.encode() + value for key, value in pairs)
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + body


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.gguf", b"PK\3\4 an archive", "is no GGUF file: it does not begin with GGUF"),
        ("x.gguf", b"", "is empty: it is no GGUF file"),
        ("x.gguf", b"GGUF\3\0\0\0", "is a damaged GGUF file: it ends within its header, after 8 bytes"),
        ("x.gguf", header_of("clip"), "has the architecture 'clip', which is not supported: llama, qwen3, qwen3moe"),
        ("x.gguf", header_of(""), "does not say what model it is: general.architecture is missing"),
        ("x.gguf", header_of("llama"), "is no whole language model but 'part of a model'"),
        ("m-00001-of-00002.gguf", header_of("llama", 2), "beside it is missing m-00002-of-00002.gguf: download all"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path: Path, capsys: Captured, name: str, data: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    said = refused(capsys, "--gguf", str(path), *HARDWARE)
    assert said.startswith(f"--gguf: {str(path)!r} ")
    assert words in said


def test_a_cut_off_download_is_one_sentence(tmp_path: Path, capsys: Captured, gemma_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    with gemma_path.open("rb") as file:
        path.write_bytes(file.read(20_000_000))
    assert "it is truncated (its tensor 'token_embd.weight' ends at byte" in refused(capsys, "--gguf", str(path))


def test_a_folder_and_a_missing_file_are_one_sentence_each(tmp_path: Path, capsys: Captured) -> None:
    assert "is a folder: name the GGUF file in it" in refused(capsys, "--gguf", str(tmp_path))
    assert "cannot be read: no such file" in refused(capsys, "--gguf", str(tmp_path / "none.gguf"))


def test_an_unknown_quant_beside_a_file_is_named(capsys: Captured, gemma_path: Path) -> None:
    assert "'Q77' is not in the catalog" in refused(capsys, "--gguf", str(gemma_path), "--quant", "Q77")


def in_a_process_without(package: str, *options: str) -> subprocess.CompletedProcess[str]:
    script = (
        f"import sys; sys.modules[{package!r}] = None; from advisor.cli.app import run; sys.exit(run(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "predict", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_file_is_read_without_the_gguf_package(gemma_path: Path) -> None:
    without, beside = (in_a_process_without(name, "--gguf", str(gemma_path), *HARDWARE) for name in ("gguf", "nothing"))
    assert (without.returncode, without.stderr) == (0, "")
    assert without.stdout == beside.stdout


def test_a_model_by_name_needs_neither_the_package_nor_the_engine() -> None:
    assert in_a_process_without("advisor.engine", "--model", "Qwen3-8B", *HARDWARE).returncode == 0
