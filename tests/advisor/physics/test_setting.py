"""The labels that pick a scenario's coefficients."""

from typing import Any

import pytest

from advisor.physics.builds import era_of, flash_of, windowed
from advisor.physics.coefficients import Setting
from advisor.prediction.case import case_of
from advisor.question import Scenario

PARTS: dict[str, Any] = {
    "gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X",
    "ram": {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 64},
}


def scenario(hardware: dict[str, Any] | None = None, model: str = "Llama-3.1-8B", **engine: Any) -> Scenario:
    said = PARTS | (hardware or {})
    return Scenario.model_validate({"model": model, "quant": "Q4_K_M", "hardware": said, "engine": engine})


def setting(hardware: dict[str, Any] | None = None, model: str = "Llama-3.1-8B", **engine: Any) -> Setting:
    return case_of(scenario(hardware, model, **engine)).setting


@pytest.mark.parametrize(
    ("version", "released", "same_as"),
    [
        ("b3900", None, "2024-06"),  # llama.cpp tags: b4000 November 2024, b6000 July 2025, b7500 December 2025
        ("b5500", None, "2025-05-28"),
        ("715b86a36 (6500)", None, "2025-09"),
        ("b9559 (715b86a36)", "2024-01-01", "2026-06-12"),  # the number counts before the date
        ("v0.4.0 (5266f24)", "2026-09-11", None),  # a commit is no build number
    ],
)
def test_builds_are_aged_by_number_else_by_date(version: str, released: str | None, same_as: str | None) -> None:
    assert era_of(version, released) == era_of(None, same_as)


@pytest.mark.parametrize(
    ("version", "released", "same_as"),
    [("3639 (3bb64d46)", "2025-04-18", "2025-04"), ("3639", None, "2025-04"), ("4192", None, None)],
)
def test_another_engine_counts_its_own_builds(version: str, released: str | None, same_as: str | None) -> None:
    # ik_llama.cpp 3639 is of April 2025 (calibration/evidence); a b3639 of llama.cpp of August 2024
    assert era_of(version, released, "ik_llama.cpp") == era_of(None, same_as)
    assert era_of("3639", None) == era_of(None, "2024-08")


@pytest.mark.parametrize(
    ("engine", "reads_window"),
    [
        ({}, True),
        ({"released": "2025-03-14"}, False),
        ({"version": "b5200"}, False),  # llama.cpp pull 13194 is in b5427 of May 2025
        ({"version": "b5500", "released": "2025-03-14"}, True),
        ({"name": "ik_llama.cpp", "version": "3639", "released": "2025-04-18"}, False),
    ],
)
def test_old_builds_read_all_of_the_context_in_layers_with_a_window(engine: dict[str, Any], reads_window: bool) -> None:
    asked = scenario(model="Gemma-3-12B", **engine)
    asked = asked.model_copy(update={"workload": asked.workload.model_copy(update={"decode_depth": 16384})})
    whole = case_of(asked.model_copy(update={"engine": asked.engine.model_copy(update={"version": "b5426"})}))
    assert windowed(asked.engine.version, asked.engine.released, asked.engine.name) is reads_window
    assert (case_of(asked).work.gpu_kv_s < 0.5 * whole.work.gpu_kv_s) is reads_window


@pytest.mark.parametrize(
    ("engine", "word", "label"),
    [
        ({}, "cache", "f16"), ({"kv_type": "q8_0"}, "cache", "q8"), ({"kv_type": "q4_0/f16"}, "cache", "q4"),
        ({}, "pages", "mapped"), ({"mmap": True}, "pages", "mapped"), ({"mmap": False}, "pages", "unmapped"),
    ],
)
def test_how_the_engine_holds_weights_and_context_is_a_label(engine: dict[str, Any], word: str, label: str) -> None:
    assert getattr(setting(**engine), word) == label


def test_what_a_processor_is_made_for_is_a_label() -> None:
    segments = [setting({"cpu": cpu, "ram": {"gb": 64}}).segment for cpu in ("Ryzen 7 5800X", "EPYC 9355")]
    assert segments == ["desktop", "server"]


def test_ages_follow_one_another() -> None:
    eras = [era_of(None, month) for month in ("2024-06", "2025-03", "2025-10", "2026-06")]
    assert len(set(eras)) == 4


@pytest.mark.parametrize(
    ("engine", "flash"),
    [
        ({"flash_attn": False}, False),
        ({"flash_attn": True, "released": "2024-01"}, True),
        ({}, True),  # chosen by the build itself since August 2025 (llama.cpp pull 15434)
        ({"released": "2024-06"}, False),
        ({"released": "2024-06", "name": "ik_llama.cpp"}, True),
    ],
)
def test_flash_attention_is_as_said_else_as_the_build_chooses(engine: dict[str, Any], flash: bool) -> None:
    assert flash_of(scenario(**engine)) is flash


def test_a_card_a_backend_and_an_engine_name_the_kernels() -> None:
    found = setting(name="ik_llama.cpp")
    assert (found.backend, found.architecture, found.chip, found.form) == ("cuda", "ampere", "RTX 3060 12GB", "desktop")
    assert (found.engine, found.microarchitecture, found.cpu) == ("ik_llama.cpp", "Zen 3", "Ryzen 7 5800X")


def test_of_several_kinds_the_card_that_holds_most_gives_the_labels() -> None:
    mixed = [{"name": "RTX 3060 12GB"}, {"name": "RTX 5090"}]
    found = setting({"gpus": mixed}, model="Llama-3.3-70B")  # more than one of them holds
    assert (found.chip, found.layout) == ("RTX 5090", "several")


@pytest.mark.parametrize(
    ("hardware", "layout"),
    [({}, "one"), ({"machine": "Strix Halo", "gpus": [], "cpu": None}, "unified")],
)
def test_one_card_and_one_memory_are_told_apart(hardware: dict[str, Any], layout: str) -> None:
    assert setting(hardware).layout == layout


def test_a_processor_works_alone_or_beside_a_card() -> None:
    assert setting({"gpus": []}).role == "alone"
    assert setting(model="Qwen3.6-35B-A3B", n_cpu_moe=99).role == "beside"


def test_what_is_not_known_of_the_memory_side_is_a_label() -> None:
    ram = {"type": "DDR4", "channels": 2, "gb": 64}
    known = [setting(said).known for said in ({}, {"cpu": None}, {"ram": ram}, {"cpu": None, "ram": ram})]
    assert known[0] == "known"
    assert len(set(known)) == 4


def test_an_imputed_processor_lends_no_label_of_its_own() -> None:
    assert setting({"cpu": None}).cpu == "none"


@pytest.mark.parametrize(
    ("cpu", "simd"),
    [
        ("Ryzen 7 5800X", "avx2"),  # Zen 3: AVX2; Zen 4: AVX-512; Sapphire Rapids: AMX (amd.com, ark.intel.com)
        ("Ryzen 9 7950X", "avx512"),
        ("Xeon Platinum 8480+", "amx"),
        ("Xeon Gold 6138", "avx2"),  # AVX-512 without integer dot products: Skylake-SP
        ("Ampere Altra Q80-30", "arm"),  # Neoverse N1: no products of 8-bit matrices, V2 has them (developer.arm.com)
        ("AWS Graviton4", "i8mm"),
    ],
)
def test_the_widest_instructions_are_a_label(cpu: str, simd: str) -> None:
    assert setting({"cpu": cpu, "ram": {"gb": 64}}).simd == simd


def test_several_sockets_are_a_label() -> None:
    ram = {"gb": 256}
    one, two = (setting({"gpus": [], "cpu": cpu, "ram": ram}).sockets for cpu in ("EPYC 9355", "2x EPYC 9355"))
    assert one != two
