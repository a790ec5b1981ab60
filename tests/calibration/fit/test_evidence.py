"""Rows of the evidence as questions: chosen rows are quoted as they stand, with the page they come from."""

from typing import Any

import pytest

from advisor.question import Scenario
from calibration.fit.evidence import EVIDENCE, LeftOutRuns, MeasuredRun, corrected, load_runs, reason_to_leave_out, rows

COLUMNS = (EVIDENCE / "hybrid.csv").read_text(encoding="utf-8").splitlines()[0].split(",")


def row(**cells: Any) -> dict[str, str]:
    return dict.fromkeys(COLUMNS, "") | {name: str(cell) for name, cell in cells.items()}


def the_run(cells: dict[str, str]) -> MeasuredRun:
    kept, left_out = load_runs([cells])
    assert left_out == []
    return kept[0]


I7_7700 = row(
    source_url="https://github.com/msb-msb/insiderllm-bench-results/blob/main/rushuna-3060-qwen36-ncmoe-2026-09-11/README.md",
    source_date="2026-09-11", gpu="RTX 3060", gpu_count=1, vram_gb_each=12, cpu="Intel Core i7-7700", ram_gb=32,
    ram_type="DDR4", ram_mts=2133, ram_channels=2, pcie_gen=3, pcie_lanes=16, storage="SSSTC CA6 NVMe",
    os="Ubuntu 24.04", engine="llama.cpp", engine_version="v0.4.0 (5266f24)", backend="CUDA", model="Qwen3.6-35B-A3B",
    quant="UD-Q4_K_M", model_gib=20.6, n_gpu_layers=99, n_cpu_moe=24, flash_attn="on", threads=4, context_depth=0,
    offload_note="llama-bench tg128, mmap, file fully cached; same host, only the card changed between the GTX 1650 and"
    " RTX 3060 rows", gen_tokens=128, decode_tok_s=38.55, quality="A",
)
RYZEN_7950X = row(
    source_url="https://github.com/ikawrakow/ik_llama.cpp/discussions/357", source_date="2025-04-29", gpu="none",
    gpu_count=0, cpu="AMD Ryzen 9 7950X", engine="llama.cpp", backend="CPU", model="Qwen3-30B-A3B",
    quant="IQ4_XS experts + Q5_K attn", model_gib=15.4, kv_type="q8_0 K / f16 V", flash_attn="off", threads=16,
    offload_note="CPU only (sweep-bench context sweep); RAM speed not stated", context_depth=2048, prompt_tokens=512,
    gen_tokens=128, ubatch=512, decode_tok_s="22.40", prefill_tok_s=105.84, quality="B",
)
SEVEN_CARDS = row(
    source_url="https://github.com/ikawrakow/ik_llama.cpp/issues/521", source_date="2025-06-11",
    gpu="2x RTX 5090 + 2x RTX 4090 + 2x RTX 3090 + A6000", gpu_count=7, cpu="AMD Ryzen 7 7800X3D", ram_gb=192,
    ram_type="DDR5", ram_mts=6000, ram_channels=2, os="Fedora 41", engine="ik_llama.cpp", backend="CUDA",
    model="DeepSeek-R1-0528 671B", quant="UD-Q3_K_XL", n_gpu_layers=999, flash_attn="on", threads=8, context_depth=0,
    offload_note="layers 0-36 ffn on 7 GPUs, rest CPU; no fmoe",
    prompt_tokens=2048, gen_tokens=512, ubatch=2048, decode_tok_s=8.72, prefill_tok_s=186.35, quality="B",
)
GTX_1650_SUPER = row(
    source_url="https://github.com/ikawrakow/ik_llama.cpp/discussions/399", source_date="2025-05-08",
    gpu="GTX 1650 SUPER", gpu_count=1, vram_gb_each=4, cpu="AMD Ryzen 5 3500", ram_gb=16, ram_type="DDR4",
    ram_mts=2667, engine="ik_llama.cpp", backend="CUDA", model="Qwen3-30B-A3B", quant="IQ4_XS", model_gib=15.32,
    n_gpu_layers=99, n_cpu_moe="all", flash_attn="off", context_depth=0, prompt_tokens=512, gen_tokens=128,
    offload_note="-ot exps=CPU; 15.32 GiB model on 16 GB RAM box: mmap/page-cache pressure, -fmoe, repacked quant",
    decode_tok_s=3.05, prefill_tok_s=15.82, stddev_decode="0.30", quality="A",
)
STRIX_HALO = row(
    source_url="https://github.com/lhl/strix-halo-testing/tree/main/llm-bench/Hunyuan-A13B-Instruct-UD-Q6_K_XL",
    source_date="2025-08-06", gpu="Strix Halo (Ryzen AI Max+ 395, Radeon 8060S)", gpu_count=1,
    cpu="AMD Ryzen AI Max+ 395", ram_gb=128, ram_type="LPDDR5X unified", ram_mts=8000, os="Arch Linux",
    engine="llama.cpp", engine_version="83bc2f28 (6077)", backend="rocwmma hipblaslt",
    model="Hunyuan-A13B-Instruct-UD-Q6_K_XL", quant="UD-Q6_K_XL", model_gib=65.65, n_gpu_layers=99, n_cpu_moe=0,
    kv_type="f16", flash_attn=0, threads=16, context_depth=0, gen_tokens=128, ubatch=512, decode_tok_s=17.535,
    stddev_decode=0.007, quality="A",
)
QUOTED = (I7_7700, RYZEN_7950X, SEVEN_CARDS, GTX_1650_SUPER, STRIX_HALO)


@pytest.mark.parametrize("quoted", QUOTED, ids=lambda cells: cells["gpu"])
def test_the_quoted_rows_are_rows_of_the_evidence(quoted: dict[str, str]) -> None:
    assert dict(corrected(quoted)) in map(dict, rows())


def test_what_became_known_of_a_machine_is_put_over_its_rows() -> None:
    # Its owner states 64 GB/s: two channels at 4000 MT/s (corrections.csv).
    known = corrected(RYZEN_7950X)
    assert (known["ram_type"], known["ram_mts"], known["ram_channels"]) == ("DDR5", "4000", "2")
    assert corrected(I7_7700) is I7_7700


def test_a_row_with_all_said_becomes_a_question_with_all_said() -> None:
    run = the_run(I7_7700)
    assert run.scenario == Scenario.model_validate({
        "model": "Qwen3.6-35B-A3B", "quant": "UD-Q4_K_M",
        "hardware": {
            "gpus": [{"name": "RTX 3060", "count": 1, "vram_gb": 12, "pcie_gen": 3, "pcie_lanes": 16}],
            "cpu": "Intel Core i7-7700", "ram": {"type": "DDR4", "mt_s": 2133, "channels": 2, "gb": 32},
            "storage": {"name": "SSSTC CA6 NVMe"},
        },
        "engine": {
            "name": "llama.cpp", "version": "v0.4.0 (5266f24)", "released": "2026-09-11", "backend": "cuda",
            "n_gpu_layers": 99, "n_cpu_moe": 24, "flash_attn": True, "threads": 4, "mmap": True,
            "n_ctx": 768,  # what a benchmark allocates: its prompt and answer, padded
        },
        "workload": {"context_depth": 0, "prompt_tokens": 512, "gen_tokens": 128, "decode_depth": 0},
    })
    assert (run.decode_tok_s, run.prefill_tok_s) == (38.55, None)
    assert run.source == I7_7700["source_url"]


def test_what_a_row_does_not_say_stays_unsaid() -> None:
    asked = the_run(RYZEN_7950X).scenario
    assert asked.hardware.gpus == ()
    assert asked.hardware.ram.model_dump(exclude_none=True) == {}
    assert (asked.engine.version, asked.engine.n_gpu_layers, asked.engine.n_cpu_moe) == (None, None, None)


def test_caches_of_two_types_depth_and_flash_attention_are_read() -> None:
    asked = the_run(RYZEN_7950X).scenario
    assert asked.engine.kv_types == ("q8_0", "f16")
    assert asked.engine.flash_attn is False
    assert (asked.workload.context_depth, asked.engine.backend) == (2048, "cpu")


def test_several_kinds_of_cards_are_told_apart() -> None:
    asked = the_run(SEVEN_CARDS).scenario
    kinds = [("RTX 5090", 2), ("RTX 4090", 2), ("RTX 3090", 2), ("A6000", 1)]
    assert [(gpu.name, gpu.count) for gpu in asked.hardware.gpus] == kinds
    assert asked.engine.name == "ik_llama.cpp"


def test_all_experts_in_ram_is_a_number_that_means_all() -> None:
    assert the_run(GTX_1650_SUPER).scenario.engine.n_cpu_moe == 999
    assert the_run(GTX_1650_SUPER | {"n_cpu_moe": ""}).scenario.engine.n_cpu_moe == 999  # the note has -ot exps=CPU


@pytest.mark.parametrize(
    ("cells", "n_cpu_moe"),
    [
        ({"engine": "Ollama"}, 0),  # it splits by whole layers, never by experts (docs.ollama.com/faq)
        ({"engine": "Ollama", "n_gpu_layers": "20"}, None),
        ({"engine": "llama.cpp"}, None),
    ],
)
def test_an_engine_that_splits_by_layers_leaves_no_experts_alone(cells: dict[str, str], n_cpu_moe: int | None) -> None:
    unsaid = I7_7700 | {"n_cpu_moe": "", "n_gpu_layers": ""}
    assert the_run(unsaid | cells).scenario.engine.n_cpu_moe == n_cpu_moe


def test_one_memory_for_both_is_a_machine() -> None:
    asked = the_run(STRIX_HALO).scenario
    assert asked.hardware.machine == "Strix Halo (Ryzen AI Max+ 395, Radeon 8060S)"
    assert (asked.hardware.gpus, asked.hardware.ram.gb) == ((), 128)
    assert asked.engine.backend == "rocm"


@pytest.mark.parametrize(
    ("note", "mmap"),
    [("context sweep; mmap off", False), ("llama-server -c 32768 --no-mmap", False), ("mmap", True), ("", None)],
)
def test_memory_mapping_is_read_from_the_note(note: str, mmap: bool | None) -> None:
    assert the_run(I7_7700 | {"offload_note": note}).scenario.engine.mmap is mmap


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"engine": "exllamav3"}, "another engine"),
        ({"engine": "llama.cpp (beellama fork)"}, "a fork of the engine"),
        ({"offload_note": "llama-bench -r 3. VRAM spill"}, "VRAM overflow or a disturbed run"),
        ({"engine": "llama.cpp (MTP build)"}, "speculative decoding"),
        ({"quality": "C"}, "anecdotal or suspect (quality C)"),
        ({"decode_tok_s": ""}, "no measurement"),
        ({"quant": ""}, "model or quant unknown"),
    ],
)
def test_a_row_that_cannot_be_compared_is_left_out_with_its_reason(change: dict[str, str], reason: str) -> None:
    cells = I7_7700 | change
    assert load_runs([cells]) == ([], [LeftOutRuns(reason, cells)])


def test_every_row_of_the_evidence_is_kept_or_left_out_with_a_reason() -> None:
    kept, left_out = load_runs()
    assert len(kept) + len(left_out) == sum(1 for _ in rows())
    assert all(item.reason for item in left_out)
    assert all(item.row["quality"] == "C" for item in left_out if "quality C" in item.reason)
    # Suspect rows are never fitted; half of all and more can be compared.
    assert {row["quality"] for row in rows() if reason_to_leave_out(row) is None} == {"A", "B"}
    assert len(kept) > len(left_out)


def test_every_run_kept_has_a_speed_and_a_page() -> None:
    kept, _ = load_runs()
    assert all((run.decode_tok_s or run.prefill_tok_s) and run.source for run in kept)
    assert all(speed is None or speed > 0 for run in kept for speed in (run.decode_tok_s, run.prefill_tok_s) if speed)
