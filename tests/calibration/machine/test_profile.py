"""What is exported tells nothing of whose machine it is, and its runs read back as the scenarios that were run."""

import csv
import io
import math
from datetime import date
from typing import Any

import pytest

from advisor.question import Scenario
from calibration.fit.evidence import EVIDENCE, TABLES, load_runs
from calibration.machine.profile import REMOVED, anonymised, columns, evidence_rows, stated, to_csv
from catalog.profiles import Profile, read_profile
from tests.own_profiles import RYZEN, XEON, own_profile

SPEED = {"tok_s": 12.3456789, "spread": 0.02, "repeats": 3}


def run(**scenario: Any) -> dict[str, Any]:
    asked = {"model": "Llama-3.1-8B", "quant": "Q4_K_M", "hardware": dict(RYZEN)} | scenario
    return {"scenario": asked, "file_bytes": 4_920_734_272, "decode": SPEED, "prefill": SPEED}


def test_an_export_is_the_same_profile_under_the_name_of_its_chips() -> None:
    profile = own_profile()
    sent = anonymised(profile)
    assert sent == profile.model_copy(update={"name": "ryzen-7-5800x-rtx-3060"})
    assert read_profile(sent.model_dump_json(exclude_defaults=True).encode()) == sent


@pytest.mark.parametrize(
    ("note", "left"),
    [
        ("models lie in /srv/models/anna and ~/gguf", f"models lie in {REMOVED} and {REMOVED}"),
        (r"read C:\Users\anna\model.gguf twice", f"read {REMOVED} twice"),
        ("the link to 192.168.1.20:50052 was slow", f"the link to {REMOVED} was slow"),
        ("the link to box.lan:50052 was slow", f"the link to {REMOVED} was slow"),
        ("anna was logged in on kitchen-pc", f"{REMOVED} was logged in on {REMOVED}"),
        ("anna@kitchen-pc: load 3", f"{REMOVED}: load 3"),
        ("disk S5GXNX0R123456 is warm", f"disk {REMOVED} is warm"),
        ("adapter 00:1b:44:11:3a:b7 and fe80:0:0:0:1:2:3:4", f"adapter {REMOVED} and {REMOVED}"),
        ("machine 123e4567-e89b-12d3-a456-426614174000", f"machine {REMOVED}"),
        ("reading took 3 GB/s at 12 tok/s with K/V in f16 on 1/4 of the layers", None),
        ("DDR5-6000 ran at load average 2.5; Q4_K_M and Qwen3.6-35B-A3B were measured", None),
    ],
)
def test_notes_are_scrubbed(note: str, left: str | None) -> None:
    assert anonymised(own_profile(notes=[note]), ["anna", "kitchen-pc"]).notes == (left or note,)


def test_model_files_go_by_the_names_of_their_models() -> None:
    runs = [
        run(model={"gguf": "/home-of-anna/Qwen3.6-35B-A3B-Q4_K_M.gguf"}),
        run(model="models/Llama-3.1-8B.gguf"),
        run(model={"gguf": "private.gguf"}),
        run(model="Qwen3.6-35B-A3B cut to 8 layers, 64 experts"),
    ]
    found = [item.scenario["model"] for item in anonymised(own_profile(runs=runs)).runs]
    assert found == ["Qwen3.6-35B-A3B", "Llama-3.1-8B", "a model file", "Qwen3.6-35B-A3B cut to 8 layers, 64 experts"]


def test_nothing_private_is_left_anywhere() -> None:
    """Every text of a profile that could carry a path, a user, a host or an address."""
    secret = "/home-of-anna/x 10.1.2.3:50052"
    profile = own_profile(
        name="anna", notes=[secret], runs=[run(model={"gguf": f"{secret}.gguf"})],
        devices=[{"name": "RPC0 10.1.2.3:50052", "link_gb_s": 1, "link_latency_us": 1}],
        engine={"name": "llama.cpp", "build": secret, "backend": "rpc"},
        probes=[{"name": "link 10.1.2.3:50052", "unit": "GB/s", "value": 1, "spread": 0, "repeats": 1}],
        spreads=[{"speed": "decode", "regime": "cpu_only", "low": -1, "high": 1, "rows": 1, "machines": 1,
                  "source": f"measured by anna in {secret}", "as_of": "2026-11-28"}],
        correlations=[{"first": "ram_stream", "second": secret, "value": 0.9}],
    )
    sent = anonymised(profile, ["anna"]).model_dump_json()
    assert not any(word in sent for word in ("anna", "10.1.2.3", "50052"))


def test_the_columns_are_those_of_the_evidence() -> None:
    (header, *_) = csv.reader((EVIDENCE / TABLES[0]).read_text(encoding="utf-8").splitlines()[:1])
    assert columns() == header
    assert to_csv(own_profile()).splitlines()[0].split(",") == header


SCENARIOS: tuple[dict[str, Any], ...] = (
    {},
    {"engine": {"backend": "cuda", "n_gpu_layers": 99, "n_cpu_moe": 24, "threads": 4, "ubatch": 1024,
                "flash_attn": True, "mmap": True, "kv_type": "q8_0"}},
    {"engine": {"backend": "vulkan", "n_gpu_layers": 0, "flash_attn": False, "mmap": False, "kv_type": "fp16"}},
    {"engine": {"kv_type": "q8_0/f16"}, "workload": {"context_depth": 4096, "prompt_tokens": 64, "gen_tokens": 32}},
    {"workload": {"prompt_tokens": 0}},
    {"hardware": dict(XEON)},
    {"hardware": {"machine": "Strix Halo (Ryzen AI Max+ 395)", "ram": {"gb": 128}}},
    {"hardware": {**RYZEN, "gpus": [{"name": "RTX 3090", "count": 2, "vram_gb": 24}]}},
    {"hardware": {**RYZEN, "gpus": [{"name": "RTX 3090", "count": 2}, {"name": "RTX 3060 12GB", "count": 1}]}},
)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_reads_back_from_the_evidence_as_the_scenario_that_was_run(scenario: dict[str, Any]) -> None:
    """Equal in all but what the evidence adds: the build, the day, the backend that ran, the context as llama-bench
    allocates it (in steps of 256), and that it reads and writes apart, each from the same depth.
    """
    profile = own_profile(runs=[run(**scenario)], measured_on=date(2026, 11, 28))
    read = list(csv.DictReader(io.StringIO(to_csv(profile))))
    (kept,), left_out = load_runs(read)
    assert left_out == []
    asked = Scenario.model_validate(profile.runs[0].scenario)
    told = stated(profile.runs[0], profile)
    depth, prompt, gen = told.workload.context_depth, told.workload.prompt_tokens, told.workload.gen_tokens
    room = {"n_ctx": math.ceil((depth + prompt + gen) / 256) * 256}
    assert kept.scenario == told.model_copy(update={
        "engine": told.engine.model_copy(update=room),
        "workload": told.workload.model_copy(update={"decode_depth": depth}),
    })
    added = {"version": "0.3.36 (b9999)", "released": "2026-11-28"}
    assert {name: getattr(kept.scenario.engine, name) for name in added} == added
    plain = dict.fromkeys(added) | {"backend": asked.engine.backend, "n_ctx": asked.engine.n_ctx}
    back = {"engine": kept.scenario.engine.model_copy(update=plain), "workload": asked.workload}
    spelt = asked.engine.model_copy(update={"kv_type": "f16"}) if asked.engine.kv_type == "fp16" else asked.engine
    assert kept.scenario.model_copy(update=back) == asked.model_copy(update={"engine": spelt})
    assert kept.decode_tok_s == pytest.approx(12.3456789, rel=1e-4)  # five digits are kept
    assert (kept.source, read[0]["quality"]) == ("advisor calibrate", "A")


def test_the_backend_that_ran_is_stated() -> None:
    on_card, on_cpu = (own_profile(runs=[run(hardware=hardware)]) for hardware in (dict(RYZEN), dict(XEON)))
    assert [next(iter(evidence_rows(item)))["backend"] for item in (on_card, on_cpu)] == ["CUDA", "CPU"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "Qwen3.6-35B-A3B cut to 8 layers, 64 experts"}, "a model cut to fewer layers, experts or tokens"),
        ({"hardware": dict(XEON), "engine": {"n_gpu_layers": 20}}, "on the device of another computer"),
        ({"quant": None}, "model or quant unknown"),
    ],
)
def test_runs_that_say_nothing_of_the_catalog_are_marked_and_left_out(changes: dict[str, Any], reason: str) -> None:
    kept, left_out = load_runs(evidence_rows(own_profile(runs=[run(**changes)])))
    assert (kept, [item.reason for item in left_out]) == ([], [reason])


def test_the_spread_is_stated_in_tokens_per_second() -> None:
    """By hand: 2 % of 12.3456789 is 0.24691."""
    row = next(iter(evidence_rows(own_profile(runs=[run()]))))
    assert (row["decode_tok_s"], row["stddev_decode"], row["model_gib"]) == ("12.346", "0.24691", "4.583")


def test_an_exported_profile_keeps_its_rows() -> None:
    profile = own_profile()
    assert to_csv(anonymised(profile)) == to_csv(Profile.model_validate(profile.model_dump()))
