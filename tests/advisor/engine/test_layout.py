"""What lies on which device: no byte lost, none twice, and nothing where a device refuses it."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.engine.devices import Product
from advisor.engine.layout import CPU, Sizes, layer_devices, layout_of
from advisor.engine.settings import EngineSettings
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.tables import llms, quants


def test_what_a_device_refuses_stays_in_ram():
    """A tied output that the device does not multiply is no second copy there; experts that it refuses lie in RAM."""
    gemma, mix = resolve_llm("Gemma-3-1B").row.llm, resolve_quant("Q4_K_M").row
    sizes, settings = Sizes.of(gemma, mix), EngineSettings(n_gpu_layers=99)
    devices = {"Vulkan0": 1.0}
    embedding = next(tensor for tensor in sizes.tensors if tensor.name == "token_embd.weight")
    plain = layout_of(sizes, settings, devices)
    refused = layout_of(sizes, settings, devices, refused={"Vulkan0": (Product(embedding.type, embedding.shape),)})
    assert plain.shares["Vulkan0"].weights - refused.shares["Vulkan0"].weights == embedding.bytes
    assert refused.shares[CPU].weights == plain.shares[CPU].weights
    sizes = Sizes.of(resolve_llm("Qwen3-30B-A3B").row.llm, mix)
    routed = [tensor for tensor in sizes.tensors if len(tensor.shape) == 3]
    experts = tuple(Product(tensor.type, tensor.shape) for tensor in routed)
    plain = layout_of(sizes, settings, devices)
    refused = layout_of(sizes, settings, devices, refused={"Vulkan0": experts})
    moved_bytes = sum(tensor.bytes for tensor in routed)
    assert moved_bytes > 0
    assert plain.shares["Vulkan0"].weights - refused.shares["Vulkan0"].weights == moved_bytes
    assert refused.shares[CPU].weights - plain.shares[CPU].weights == moved_bytes


@given(st.integers(1, 100), st.integers(0, 120), st.lists(st.integers(1, 50), min_size=1, max_size=4))
def test_layers_go_to_devices_in_runs_and_the_last_ones_first(n_layers, n_gpu_layers, shares):
    devices = {f"CUDA{index}": float(share) for index, share in enumerate(shares)}
    found = layer_devices(n_layers, EngineSettings(n_gpu_layers=n_gpu_layers), devices)
    assert len(found) == n_layers + 1
    assert found.count(CPU) == max(0, n_layers + 1 - n_gpu_layers)
    assert list(found) == sorted(found)  # "CPU" sorts before "CUDA0", and that before "CUDA1"


@cache
def sizes_of(name: str) -> Sizes:
    row = next(llm for llm in llms() if llm.id == name)
    return Sizes.of(row, next(quant for quant in quants() if quant.name == "Q4_K_M"))


@given(
    st.sampled_from(["qwen3.6-35b-a3b", "gpt-oss-20b", "deepseek-v2-lite", "llama-3.1-8b"]),
    st.integers(0, 60),
    st.integers(0, 60),
)
def test_no_byte_of_a_model_is_lost_or_held_twice(name, n_gpu_layers, n_cpu_moe):
    sizes = sizes_of(name)
    settings = EngineSettings(n_gpu_layers=n_gpu_layers, n_cpu_moe=n_cpu_moe)
    shares = layout_of(sizes, settings, {"CUDA0": 1.0}).shares.values()
    assert sum(share.weights for share in shares) == pytest.approx(sum(tensor.bytes for tensor in sizes.tensors))
