"""A plan as other programs' configuration: read back by their formats' own readers, it is the plan again."""

import configparser
import json
import shlex
from pathlib import Path

import pytest
import yaml

from advisor.cli.app import run
from advisor.engine.other_programs import PROGRAMS, Configuration, configuration
from advisor.engine.plan import Plan
from tests.advisor.engine.test_plan import CPU_ONLY, RTX_3060, TWO_CARDS, planned, scenario

FILE = "models folder/it's 100%: a model.gguf"


def plans() -> dict[str, Plan]:
    return {
        "experts in RAM": planned(scenario(hardware=RTX_3060)),
        "two cards": planned(scenario("Qwen3-32B", hardware=TWO_CARDS)),
        "no card": planned(scenario("Qwen3-8B", hardware=CPU_ONLY, kv_type="q8_0")),
    }


PLANS = plans()


def written(plan: str, program: str) -> Configuration:
    return configuration(PLANS[plan], FILE, program)


@pytest.mark.parametrize("plan", PLANS)
def test_a_preset_has_the_settings_by_llama_servers_long_options(plan: str) -> None:
    settings = PLANS[plan].settings
    found = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    found.read_string(written(plan, "llama-server").text)
    (name,) = found.sections()
    section = found[name]
    assert section["model"] == FILE
    assert int(section["ctx-size"]) == settings.n_ctx
    assert int(section["n-gpu-layers"]) == settings.n_gpu_layers
    assert int(section.get("n-cpu-moe", "0")) == settings.n_cpu_moe
    moved = ",".join(f"{item.pattern}={item.device}" for item in settings.overrides)
    assert section.get("override-tensor", "") == moved
    assert bool(moved) == (plan == "experts in RAM")
    assert (section["cache-type-k"], section["cache-type-v"]) == (settings.kv_type_k, settings.kv_type_v)
    assert int(section["ubatch-size"]) == settings.n_ubatch
    split = section.get("tensor-split", "")
    assert tuple(float(share) for share in split.split(",") if share) == settings.tensor_split


@pytest.mark.parametrize("plan", PLANS)
def test_llama_swap_starts_the_command_of_the_plan_at_its_own_port(plan: str) -> None:
    ((name, entry),) = yaml.safe_load(written(plan, "llama-swap").text)["models"].items()
    words = shlex.split(entry["cmd"])
    assert words[:5] == ["llama-server", "--host", "127.0.0.1", "--port", "${PORT}"]
    assert words[words.index("-m") + 1] == FILE
    assert words[words.index("-c") + 1] == str(PLANS[plan].settings.n_ctx)
    assert ("-ot" in words) == (plan == "experts in RAM")
    assert name.isascii()
    assert " " not in name


@pytest.mark.parametrize("plan", PLANS)
def test_a_modelfile_says_what_ollama_can_be_told_and_what_not(plan: str) -> None:
    settings, (text, unsaid) = PLANS[plan].settings, written(plan, "ollama")
    lines = [line.split(" ", 2) for line in text.splitlines() if not line.startswith("#")]
    assert lines[0] == ["FROM", *FILE.split(" ", 1)]
    told = {words[1]: words[2] for words in lines[1:]}
    assert told["num_ctx"] == str(settings.n_ctx)
    assert ("num_gpu" in told) == (plan == "no card")
    assert bool(unsaid) == (plan in {"experts in RAM", "two cards"} or settings.kv_type_k != "f16")
    assert all(f"# {sentence}" in text for sentence in unsaid)


@pytest.mark.parametrize("plan", PLANS)
def test_lm_studio_is_given_shares_of_the_layers(plan: str) -> None:
    settings, config = PLANS[plan].settings, json.loads(written(plan, "lm-studio").text)
    layers, lies = PLANS[plan].candidate.case.demand.footprint.n_layers, PLANS[plan].candidate.case.placement
    assert config["contextLength"] == settings.n_ctx
    assert config["gpu"]["ratio"] == pytest.approx(min(1.0, settings.n_gpu_layers / (layers + 1)), abs=1e-4)
    share = config["gpu"].get("numCpuExpertLayersRatio", 0) * layers
    assert share == pytest.approx(lies.n_cpu_moe if plan == "experts in RAM" else 0, abs=0.01)
    assert config.get("llamaVCacheQuantizationType", "f16") == settings.kv_type_v
    if settings.kv_type_v != "f16":  # LM Studio refuses a narrower V cache without
        assert config["flashAttention"] is True


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_real_file_is_named_by_its_whole_path(
    program: str, gemma_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", str(gemma_path), "--for", program]) == 0
    out, err = capsys.readouterr()
    if program == "lm-studio":
        assert json.loads(out)["contextLength"] == 8192
        assert f"lms import {gemma_path}" in err
    else:
        assert str(gemma_path) in out


def test_a_program_and_json_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "Qwen3-8B", "--for", "ollama", "--json"]) == 2
    assert "--json and --for" in capsys.readouterr().err
