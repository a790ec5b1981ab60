"""`advisor predict` and `advisor detect` as they are typed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from advisor.cli.app import run
from advisor.question import Hardware, Scenario

MODEL = ("--model", "Qwen3.6-35B-A3B", "--quant", "Q4_K_M")
HARDWARE = ("--gpu", "RTX 3060 12GB", "--cpu", "Ryzen 7 5800X", "--ram", "DDR4-3600 2x16")
QUESTION = {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M", "hardware": {"gpus": [{"name": "RTX 3060 12GB"}]}}

Captured = pytest.CaptureFixture[str]


def predicted(capsys: Captured, *options: str) -> dict[str, Any]:
    assert run(["predict", *options, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: Captured, *options: str) -> str:
    assert run(["predict", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.removeprefix("advisor: ").strip()


@pytest.mark.parametrize(
    ("options", "card"),
    [
        (("--gpu", "RTX 4090", "--vram", "48"), {"name": "RTX 4090", "vram_gb": 48}),
        (("--gpu", "RTX 4090", "--pcie", "Thunderbolt 4"), {"name": "RTX 4090", "link": "thunderbolt4"}),
        (("--gpu", "RTX 3060 12GB", "--pcie", "x1 riser"), {"name": "RTX 3060 12GB", "pcie_lanes": 1}),
        (("--gpu", "RTX 3060 12GB", "--pcie", "3x1"), {"name": "RTX 3060 12GB", "pcie_gen": 3, "pcie_lanes": 1}),
        (("--gpu", "RTX 3090", "--power-limit", "250"), {"name": "RTX 3090", "power_limit_w": 250}),
        (
            ("--gpu-custom", "vram=48GB bandwidth=1008 GB/s, tflops=165 like='RTX 4090'"),
            {
                "name": "described card",
                "custom": {"vram_gb": 48, "bandwidth_gb_s": 1008, "fp16_tflops": 165, "like": "RTX 4090"},
            },
        ),
        (
            ("--gpu-custom", "vram=24 bandwidth=900 tflops=120"),
            {"name": "described card", "custom": {"vram_gb": 24, "bandwidth_gb_s": 900, "fp16_tflops": 120}},
        ),
    ],
)
def test_a_card_is_told_by_its_figures_link_and_power(
    capsys: Captured, options: tuple[str, ...], card: dict[str, Any]
) -> None:
    found = predicted(capsys, "--model", "Llama-3.1-8B", *options)
    (gpu,) = found["scenario"]["hardware"]["gpus"]
    said = {key: item for key, item in gpu.items() if item is not None}
    if "custom" in said:
        said["custom"] = {key: item for key, item in said["custom"].items() if item is not None}
    assert said == card | {"count": 1}
    again = json.dumps(found["scenario"])
    assert Scenario.model_validate_json(again).model_dump(mode="json") == found["scenario"]


def test_a_question_in_words_is_answered_in_words(capsys: Captured) -> None:
    assert run(["predict", *MODEL, *HARDWARE]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Qwen3.6-35B-A3B Q4_K_M on RTX 3060 12GB | Ryzen 7 5800X\n")
    assert "tok/s" in out
    assert err == ""


def test_the_options_become_the_scenario(capsys: Captured) -> None:
    found = predicted(
        capsys, *MODEL, "--gpu", "2x RTX 3090", "--pcie", "4x8", "--cpu", "Ryzen 7 5800X", "--ram", "DDR4-3600 4x16",
        "--n-gpu-layers", "99", "--n-cpu-moe", "10", "--kv-type", "q8_0", "--threads", "6", "--ubatch", "1024",
        "--users", "2", "--no-mmap", "--flash-attn", "--backend", "vulkan", "--prompt", "1000", "--gen", "50",
        "--storage", "7 GB/s",
    )
    scenario = found["scenario"]
    card = {"name": "RTX 3090", "count": 2, "pcie_gen": 4, "pcie_lanes": 8}
    (gpu,) = scenario["hardware"]["gpus"]
    assert {key: item for key, item in gpu.items() if item is not None} == card
    # Four modules on the two channels of a 5800X (amd.com product page)
    assert scenario["hardware"]["ram"] == {
        "type": "DDR4", "mt_s": 3600, "channels": 2, "gb": 64, "modules": 4
    }
    assert scenario["hardware"]["storage"]["read_gb_s"] == 7
    engine = {key: value for key, value in scenario["engine"].items() if value is not None}
    assert engine == {
        "name": "llama.cpp", "backend": "vulkan", "n_gpu_layers": 99, "n_cpu_moe": 10, "kv_type": "q8_0",
        "flash_attn": True, "mmap": False, "threads": 6, "ubatch": 1024,
    }
    load = {"context_depth": 0, "prompt_tokens": 1000, "gen_tokens": 50, "users": 2, "decode_depth": None}
    assert scenario["workload"] == load
    assert (found["placement"]["n_gpu_layers"], found["placement"]["n_cpu_moe"]) == (41, 10)


def test_the_json_has_what_the_contract_promises(capsys: Captured) -> None:
    found = predicted(capsys, *MODEL, *HARDWARE)
    assert set(found) >= {
        "scenario", "fits", "placement", "decode_tok_s", "prefill_tok_s", "time_to_first_token_s", "load_time_s",
        "bottleneck", "breakdown", "flags", "warnings", "calibration",
    }
    for name in ("decode_tok_s", "prefill_tok_s"):
        assert 0 < found[name]["p05"] < found[name]["p50"] < found[name]["p95"]
    assert found["capacity"]["longest_context"] >= 768


def test_a_context_is_allocated_and_nearly_full(capsys: Captured) -> None:
    found = predicted(capsys, *MODEL, *HARDWARE, "--context", "32768")
    # 32768 - 512 of prompt - 128 of answer
    assert found["scenario"]["workload"]["context_depth"] == 32128
    assert found["scenario"]["engine"]["n_ctx"] == 32768
    empty = predicted(capsys, *MODEL, *HARDWARE)
    assert found["decode_tok_s"]["p50"] < empty["decode_tok_s"]["p50"]


def test_a_short_context_still_holds_prompt_and_answer(capsys: Captured) -> None:
    found = predicted(capsys, *MODEL, *HARDWARE, "--context", "100")
    assert found["scenario"]["engine"]["n_ctx"] == 768
    assert found["scenario"]["workload"]["context_depth"] == 0


def test_several_kinds_of_card(capsys: Captured) -> None:
    found = predicted(capsys, *MODEL, "--gpu", "RTX 5090", "--gpu", "2x RTX 3090", "--pcie", "5x16", "--pcie", "4x4")
    gpus = found["scenario"]["hardware"]["gpus"]
    assert [(gpu["name"], gpu["count"], gpu["pcie_gen"], gpu["pcie_lanes"]) for gpu in gpus] == [
        ("RTX 5090", 1, 5, 16), ("RTX 3090", 2, 4, 4),
    ]


def test_without_hardware_it_is_this_machine(capsys: Captured) -> None:
    found = predicted(capsys, "--model", "Qwen3-0.6B")
    assert run(["detect", "--json"]) == 0
    here = Hardware.model_validate_json(capsys.readouterr().out)
    assert Hardware.model_validate(found["scenario"]["hardware"]) == here
    assert found["decode_tok_s"]["p50"] > 0


def test_detect_tells_in_words(capsys: Captured) -> None:
    assert run(["detect"]) == 0
    assert "ram " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "name the model"),
        (("--model", "Qwen9-1T", *HARDWARE), "'Qwen9-1T' is not in the catalog; nearest: Qwen"),
        ((*MODEL, "--gpu", "RTX 3061"), "GPU 'RTX 3061' is not in the catalog; nearest: RTX 30"),
        ((*MODEL, "--machine", "Abacus 9"), "'Abacus 9'"),
        ((*MODEL[:3], "Q77", *HARDWARE), "'Q77' is not in the catalog"),
        ((*MODEL, "--gpu", ""), "--gpu is empty"),
        ((*MODEL, "--gpu", "99x RTX 3090"), "the number of cards in --gpu must be at most 16, not 99"),
        ((*MODEL, "--gpu", "RTX 3090", "--vram", "-3"), "--vram must be at least 0.001, not -3"),
        ((*MODEL, "--gpu", "RTX 3090", "--vram", "nan"), "--vram must be a finite number"),
        ((*MODEL, "--gpu", "RTX 3090", "--vram", "24", "--vram", "8"), "--vram is given 2 times for 1 kinds of GPU"),
        ((*MODEL, "--gpu", "RTX 3090", "--pcie", "fast"), 'write generation x lanes, such as "4x8"'),
        ((*MODEL, "--gpu", "RTX 3090", "--pcie", "4x32"), "the lanes in --pcie must be at most 16, not 32"),
        ((*MODEL, "--pcie", "4x8"), "name it with --gpu"),
        ((*MODEL, "--cpu", "Ryzen 7 5800X", "--ram", "DDR5-6000 2x16"), "takes DDR4, not DDR5"),
        ((*MODEL, "--cpu", "Ryzen 7 5800X", "--ram", "plenty"), "--ram: memory 'plenty'"),
        ((*MODEL, "--machine", "Apple M4 Max", "--gpu", "RTX 3090"), "takes no graphics card: leave out"),
        ((*MODEL, "--machine", "Strix Halo", "--cpu", "Ryzen 7 5800X"), "--machine names a whole computer"),
        ((*MODEL, "--gpu", "RTX 3090", "--unified-gpu-gb", "96"), "--unified-gpu-gb says more of a computer"),
        ((*MODEL, "--gpu", "RTX 3090", "--pcie", "Firewire"), '"Thunderbolt 4", "USB4" or "OCuLink"'),
        ((*MODEL, "--gpu-custom", "vram=48 speed=9"), "'speed' is not understood"),
        ((*MODEL, "--gpu-custom", "vram=much bandwidth=900"), "--gpu-custom must be a number"),
        ((*MODEL, "--gpu", "RTX 3090", "--power-limit", "-5"), "--power-limit must be at least 1"),
        ((*MODEL, *HARDWARE, "--context", "-5"), "--context must be at least 1, not -5"),
        ((*MODEL, *HARDWARE, "--context", "much"), "'much' is not a valid integer"),
        ((*MODEL, *HARDWARE, "--context", "9" * 12), "--context must be at most 100,000,000"),
        ((*MODEL, *HARDWARE, "--users", "0"), "--users must be at least 1, not 0"),
        ((*MODEL, *HARDWARE, "--threads", "0"), "--threads must be at least 1, not 0"),
        ((*MODEL, *HARDWARE, "--kv-type", "q9"), "--kv-type 'q9' is not known; give one of f16"),
        ((*MODEL, *HARDWARE, "--backend", "abacus"), "--backend 'abacus' is not known; give cuda"),
        ((*MODEL, *HARDWARE, "--engine", "vllm"), "--engine 'vllm' is not known; give llama.cpp"),
        ((*MODEL, *HARDWARE, "--storage", "-1"), "--storage must be at least 0.001, not -1"),
        (("--gguf", "nowhere.gguf", *HARDWARE), "--gguf: 'nowhere.gguf' cannot be read: no such file"),
        (("--gguf", __file__, *HARDWARE), "is no GGUF file"),
        ((*MODEL, *HARDWARE, "--gguf", "x.gguf"), "--model and --gguf name a model each: give one of them"),
        ((*MODEL, *HARDWARE, "--output", "x.json"), "--output goes with --batch"),
        (("--batch", "nowhere.jsonl"), "--batch 'nowhere.jsonl' cannot be read: no such file"),
        (("--batch", "nowhere.jsonl", *MODEL), "leave out --model"),
        (("--modle", "x"), "No such option '--modle'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(options: tuple[str, ...], words: str, capsys: Captured) -> None:
    assert words in refused(capsys, *options)


def lines(*items: object) -> bytes:
    return b"".join((item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n" for item in items)


def test_a_batch_answers_line_by_line(tmp_path: Path, capsys: Captured) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(lines(QUESTION, b"", b"{", QUESTION | {"model": "none"}) + json.dumps(QUESTION).encode())
    assert run(["predict", "--batch", str(source), "--output", str(target)]) == 0
    assert capsys.readouterr() == ("", "3 of 5 lines could not be answered; each has its reason in its place\n")
    found = [json.loads(text) for text in target.read_text().splitlines()]
    assert [item.get("error", {}).get("code") for item in found] == [
        None,
        "empty_line",
        "invalid_json",
        "unknown_name",
        None,
    ]
    assert found[0] == found[4]
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == ["out.jsonl"]


@pytest.mark.parametrize("through", ["its name", "a link", "another path", "a hard link"])
def test_a_batch_does_not_write_over_its_own_questions(through: str, tmp_path: Path, capsys: Captured) -> None:
    file, link, hard = tmp_path / "both.jsonl", tmp_path / "link.jsonl", tmp_path / "hard.jsonl"
    file.write_bytes(lines(QUESTION))
    link.symlink_to(file)
    hard.hardlink_to(file)
    (tmp_path / tmp_path.name).mkdir()
    round_about = tmp_path / "." / tmp_path.name / ".." / file.name
    target = {"its name": file, "a link": link, "another path": round_about, "a hard link": hard}[through]
    assert "is the file of questions that --batch reads" in refused(
        capsys, "--batch", str(file), "--output", str(target)
    )
    assert file.read_bytes() == lines(QUESTION)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("-", "both.jsonl"), ("/dev/stdin", "both.jsonl"), ("/proc/self/fd/0", "both.jsonl"),
        ("both.jsonl", "-"), ("both.jsonl", "/dev/stdout"), ("both.jsonl", "/dev/fd/1"), ("-", "-"),
    ],
)
def test_nor_over_those_that_the_shell_opened(source: str, target: str, tmp_path: Path, capfd: Captured) -> None:
    """Answers behind the questions would be asked in turn, without an end."""
    file = tmp_path / "both.jsonl"
    file.write_bytes(lines(QUESTION))
    names = [name.replace("both.jsonl", str(file)) for name in (source, target)]
    with redirected(0, file, os.O_RDONLY), redirected(1, file, os.O_WRONLY | os.O_APPEND):
        code = run(["predict", "--batch", names[0], "--output", names[1]])
    assert code == 2
    assert "is the file of questions that --batch reads: name another" in capfd.readouterr().err
    assert file.read_bytes() == lines(QUESTION)


@contextmanager
def redirected(number: int, file: Path, flags: int) -> Iterator[None]:
    """A standard stream as a shell opens it."""
    before, opened = os.dup(number), os.open(file, flags)
    os.dup2(opened, number)
    stream = os.fdopen(number, "r" if number == 0 else "w", closefd=False)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stdin" if number == 0 else "stdout", stream)
        yield
    os.dup2(before, number)
    for left in (before, opened):
        os.close(left)


def test_an_empty_batch_is_refused_and_nothing_is_written(tmp_path: Path, capsys: Captured) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b"")
    assert "is empty: give one scenario" in refused(capsys, "--batch", str(source), "--output", str(target))
    assert not target.exists()


@pytest.mark.parametrize("name", ["no/such/folder/out.jsonl", "."])
def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path, name: str, capsys: Captured) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(lines(QUESTION))
    assert "--output" in refused(capsys, "--batch", str(source), "--output", str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir() if path.name != "advisor-home"] == ["in.jsonl"]


def test_a_batch_from_standard_input_to_standard_output() -> None:
    asked = lines(QUESTION, b"[]")
    done = subprocess.run(
        [sys.executable, "-m", "advisor", "predict", "--batch", "-"], input=asked, capture_output=True, check=False
    )
    assert done.returncode == 0
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["fits"] is True
    assert second["error"]["code"] == "not_an_object"


def test_one_prediction_imports_nothing_that_it_does_not_need() -> None:
    code = f"""
import sys
from advisor.cli.app import run
assert run({["predict", *MODEL, *HARDWARE, "--json"]!r}) == 0
heavy = {{"scipy", "pandas", "rapidfuzz", "rich", "streamlit", "fastapi", "llama_cpp", "psutil", "pynvml", "numpy.ma"}}
print(*sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
