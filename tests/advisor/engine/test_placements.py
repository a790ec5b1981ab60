"""Placements on a real second device: where llama.cpp puts everything; all compute the same.

The device is an RPC server's, or the one of this computer that ADVISOR_TEST_DEVICE names, such as "CUDA0".
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from advisor.engine.filling import PARTS
from advisor.engine.layout import CPU
from advisor.engine.plan import feed_forward_overrides
from advisor.engine.preparation import dry_run, prepare
from advisor.engine.remote import RpcServer
from advisor.engine.session import Session
from advisor.engine.session.messages import Generate, Piece
from advisor.engine.settings import EngineSettings, Override
from advisor.errors import EngineFailed
from advisor.gguf.synthetic import Cut, Recipe, write_model
from advisor.sizes.tensor import EXPERTS, pattern_of
from catalog.tables import llms, quants
from catalog.units import MIB

ALL = 99
CUTS = {
    "qwen3.6-35b-a3b": ("Q4_K_M", Cut(layers=4, experts=8, vocabulary=1024)),
    "qwen3-30b-a3b": ("Q4_K_M", Cut(layers=4, experts=8, vocabulary=1024)),
    "deepseek-v2-lite": ("Q4_K_M", Cut(layers=3, experts=8, vocabulary=1024)),
    "gpt-oss-20b": ("MXFP4_MOE", Cut(layers=2, experts=4, vocabulary=1024)),
}
SIZES = {
    "CPU only": {"n_ctx": 512, "n_ubatch": 128, "kv_type_k": "f16", "kv_type_v": "f16"},
    "all on the device": {"n_ctx": 8192, "n_ubatch": 512, "kv_type_k": "q8_0", "kv_type_v": "q8_0"},
    "half of the experts in RAM": {"n_ctx": 2048, "n_ubatch": 128, "kv_type_k": "q8_0", "kv_type_v": "q8_0"},
}
KINDS = ("model", "KV", "RS", "compute", "output")
ROUNDING_BYTES = 0.02 * MIB
"""The log gives sizes to a hundredth of a MiB, and each tensor is padded to the device's alignment."""


@cache
def model_of(name: str, folder: Path) -> Path:
    """A small file of the architecture; its router is skewed, so that which experts are chosen is clear."""
    quant, cut = CUTS[name]
    llm = next(row for row in llms() if row.id == name)
    path = folder / f"{name}.gguf"
    write_model(Recipe(llm, next(row for row in quants() if row.name == quant), cut, router_skew=1.0), path)
    return path


@dataclass(frozen=True)
class SecondDevice:
    """A device beside the CPU's memory, and the settings that choose it."""

    name: str
    choice: dict[str, tuple[str, ...]]
    own_kernels: bool = False
    """Whether it computes otherwise than this computer's processor."""


@pytest.fixture(scope="module")
def device() -> Iterator[SecondDevice]:
    """A server that computes with one thread: two wait for each other where the tests share the machine."""
    if named := os.environ.get("ADVISOR_TEST_DEVICE"):
        yield SecondDevice(named, {"devices": (named,)}, own_kernels=True)
        return
    with RpcServer.start(threads=1, devices=["CPU"]) as server:
        yield SecondDevice("RPC0", {"rpc": (str(server.endpoint),)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("models")


def settings(placement: str, layers: int, device: SecondDevice, **more) -> EngineSettings:
    """Settings for a placement. Weights are copied, not mapped: the buffer of a mapped file is a span of it."""
    values = {"threads": 1, "load_mode": "none", **SIZES.get(placement, {}), **more}
    if placement != "CPU only":
        values |= {"n_gpu_layers": ALL, **device.choice}
    if placement == "half of the experts in RAM":
        values["n_cpu_moe"] = layers // 2
    return EngineSettings.model_validate(values)


def check_within_3_percent(path: Path, asked: EngineSettings) -> None:
    """Everything planned from the header and a dry run against llama.cpp's report of the real load."""
    prepared = prepare(path, asked)
    with prepared.open() as session:
        report = session.loaded.report
    for name in {*prepared.layout.shares, *report.devices()}:
        for kind, planned in zip(KINDS, prepared.layout.shares[name], strict=True):
            found = report.total_bytes(kind, name)
            assert planned == pytest.approx(found, rel=0.03, abs=ROUNDING_BYTES), (name, kind)


@pytest.mark.parametrize("placement", SIZES)
@pytest.mark.parametrize("name", CUTS)
def test_everything_lies_as_planned_within_3_percent(name, placement, folder, device):
    layers = CUTS[name][1].layers
    check_within_3_percent(model_of(name, folder), settings(placement, layers, device))


@pytest.mark.parametrize("more", [{}, {"n_gpu_layers": 10, "n_ctx": 8192}, {"flash_attn": False, "n_ctx": 2048}])
def test_a_real_model_lies_as_planned_within_3_percent(more, gemma_path, device):
    placement = "all on the device" if more else "CPU only"
    asked = settings(placement, 18, device, kv_type_k="f16", kv_type_v="f16")
    check_within_3_percent(gemma_path, asked.model_copy(update=more))


def test_a_mapped_file_is_accepted_where_experts_stay_in_ram(folder, device):
    path = model_of("qwen3-30b-a3b", folder)
    asked = settings("half of the experts in RAM", 4, device, load_mode="mmap")
    with prepare(path, asked).open() as session:
        assert session.loaded.report.load_mode == "mmap"
        assert set(session.loaded.report.layer_devices) == {device.name}


def test_what_lies_elsewhere_than_planned_is_an_error(folder, device):
    path = model_of("qwen3-30b-a3b", folder)
    planned = prepare(path, settings("half of the experts in RAM", 4, device))
    other = settings("all on the device", 4, device)
    with pytest.raises(EngineFailed, match=r"blk.0.ffn_\w+_exps.weight stayed with its layer"):
        Session(path, other, layout=planned.layout)


def test_an_override_of_ones_own_moves_what_it_names(folder, device):
    path = model_of("qwen3-30b-a3b", folder)
    asked = settings("CPU only", 4, device, overrides=(Override(pattern=r"blk\.1\.attn", device=device.name),))
    asked = asked.model_copy(update=device.choice)
    prepared = prepare(path, asked)
    assert {name.split(".")[1] for name in prepared.layout.moved} == {"1"}
    prepared.open().close()


def test_a_dry_run_reads_no_weights_and_allocates_none(folder, device):
    found = dry_run(model_of("qwen3-30b-a3b", folder), settings("all on the device", 4, device))
    assert {device.name for device in found.devices} == {CPU, device.name}
    assert set(found.compute) == {CPU, device.name}


TOKENS = tuple(int(token) for token in np.random.default_rng(7).integers(0, 1024, 8))


@cache
def logits_of(path: Path, asked: EngineSettings) -> np.ndarray:
    """Of the tokens above. What several tests compare with is computed once."""
    with prepare(path, asked).open() as session:
        return session.logits(TOKENS)


@pytest.mark.parametrize(("extra_buffers", "tolerance"), [(False, 1e-5), (True, 0.02)])
def test_logits_are_the_same_wherever_the_experts_are(extra_buffers, tolerance, folder, device):
    """With the same kernels on both devices they agree as f32 sums do. Weights that llama.cpp repacks for the CPU go
    through other kernels, which quantise activations in other blocks, and so do those of a device with its own: up to
    1.3 % of the largest logit was seen.
    """
    tolerance = 0.02 if device.own_kernels else tolerance
    path = model_of("qwen3.6-35b-a3b", folder)
    base = {"n_ctx": 256, "n_ubatch": 64, "extra_buffers": extra_buffers}
    where = [settings("device", 4, device, **base, n_cpu_moe=number) for number in (0, 2, 4)]
    none, half, everything = (logits_of(path, asked) for asked in where)
    scale = np.abs(none).max(axis=1)
    for other in (half, everything):
        assert (np.abs(other - none).max(axis=1) / scale).max() < tolerance


def test_the_greedy_text_is_the_same_wherever_the_layers_are(gemma_path, device):
    """18 layers and the output: none, half and all of them on the device."""
    texts = []
    for layers in (0, 10, 19):
        asked = settings("device", 18, device, n_ctx=256, n_ubatch=64, extra_buffers=False)
        with prepare(gemma_path, asked.model_copy(update={"n_gpu_layers": layers})).open() as session:
            found = session.generate(Generate(prompt="The capital of France is", max_tokens=16))
            texts.append("".join(item.text for item in found if isinstance(item, Piece)))
    assert texts[0] == texts[1] == texts[2] != ""


@pytest.mark.parametrize("part", [EXPERTS, *PARTS])
@pytest.mark.parametrize("name", ["qwen3.6-35b-a3b", "deepseek-v2-lite"])
def test_experts_of_the_last_layers_lie_in_ram_and_some_matrices_of_one_layer(name, part, folder, device):
    """Sizes against llama.cpp's report, tensors by name, and the same logits as with all of it on the device."""
    path, layers = model_of(name, folder), CUTS[name][1].layers
    apart = tuple(Override(pattern=pattern_of([layer], named)) for layer, named in ((1, part), (layers - 1, EXPERTS)))
    everything = settings("device", layers, device, n_ctx=256, n_ubatch=64, extra_buffers=False)
    own = everything.model_copy(update={"overrides": apart})
    check_within_3_percent(path, own)
    moved = prepare(path, own).layout.moved
    assert {name.split(".")[1] for name in moved} == {"1", str(layers - 1)}
    kept = {"blk.1.ffn_up_exps.weight", "blk.1.ffn_gate_exps.weight", "blk.1.ffn_down_exps.weight"} - moved.keys()
    assert len(kept) == [EXPERTS, *PARTS].index(part)
    tolerance = 0.02 if device.own_kernels else 1e-5
    there, here = logits_of(path, everything), logits_of(path, own)
    assert (np.abs(here - there).max(axis=1) / np.abs(there).max(axis=1)).max() < tolerance


def test_feed_forward_parts_of_a_dense_model_lie_in_ram_and_it_writes_the_same(gemma_path, device):
    """A real model of 18 layers, attention and cache on the device: its report against the plan, and the text."""
    asked = settings("device", 18, device, n_ctx=256, n_ubatch=64, extra_buffers=False, n_gpu_layers=ALL)
    apart = asked.model_copy(update={"overrides": feed_forward_overrides(10)})
    check_within_3_percent(gemma_path, apart)
    texts = []
    for way in (asked, apart):
        prepared = prepare(gemma_path, way)
        with prepared.open() as session:
            found = session.generate(Generate(prompt="The capital of France is", max_tokens=16))
            texts.append("".join(item.text for item in found if isinstance(item, Piece)))
    assert texts[0] == texts[1] != ""
    moved = prepared.layout.moved
    assert {name.split(".")[1] for name in moved} == {str(layer) for layer in range(10)}
    assert {name.split(".")[2] for name in moved} == {"ffn_up", "ffn_gate", "ffn_down"}
    assert set(moved.values()) == {CPU}
