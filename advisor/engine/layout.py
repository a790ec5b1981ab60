"""Where llama.cpp will put each byte of a model for given settings: per device weights, caches, states and buffers.

Source: llama.cpp src/llama-model.cpp load_tensors (layers to devices), src/llama-model-loader.cpp create_tensor
(overrides), src/llama-kv-cache.cpp, src/llama-memory-recurrent.cpp, src/llama-context.cpp, as vendored in
llama-cpp-python 0.3.36 (read 2026-11-25).
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from advisor.engine.devices import Product
from advisor.engine.settings import EngineSettings
from advisor.gguf.model_file import ModelFile
from advisor.sizes import Tensor, shapes
from advisor.sizes.buffers import FLOAT_BYTES, compute_buffer_bytes, kv_bytes
from advisor.sizes.footprint import Footprint, footprint
from advisor.sizes.quantisation import typed
from catalog.llms import Llm
from catalog.quants import Quant

CPU: Final = "CPU"
REPACKED = frozenset({"Q4_0", "Q4_K", "Q2_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "MXFP4"})
"""Types that llama.cpp repacks on some processor. Source: ggml/src/ggml-cpu/repack.cpp (read 2026-11-25)."""
NO_WEIGHTS = "mtp"
"""Layers that predict further tokens are stored, but not loaded unless asked for."""
ROLLS_BACK = frozenset({
    "kimi-k3", "qwen35", "qwen35moe", "qwen4exp", "deepseek4", "glm5-next", "nemotron_h", "nemotron_h_moe", "lfm2",
    "lfm2moe", "bailingmoe3",
})
"""Recurrent architectures that keep a copy of their states for each drafted token, to go back to. Source: llama.cpp
src/llama-arch.cpp llm_arch_supports_rs_rollback (read 2026-11-30).
"""
Refused = Mapping[str, Sequence[Product]]
"""By device, products that it does not compute."""


@dataclass(frozen=True, slots=True, eq=False)
class Sizes:
    """What of a model decides its layout."""

    llm: Llm
    tensors: tuple[Tensor, ...]
    footprint: Footprint

    @classmethod
    def of_file(cls, file: ModelFile) -> Self:
        """Those of a model file."""
        return cls(file.llm, file.tensors, file.footprint)

    @classmethod
    def of(cls, llm: Llm, quant: Quant) -> Self:
        """Those that a catalog model has in a quantisation."""
        return cls(llm, tuple(typed(llm, quant, shapes(llm))), footprint(llm, quant))

    @property
    def counted_layers(self) -> int:
        """Layers as `n_gpu_layers` counts them, the output excepted: those that predict further tokens included."""
        stored = {t.layer for t in self.tensors if t.group == NO_WEIGHTS and t.layer is not None}
        return self.llm.n_layers + len(stored)


class Share(NamedTuple):
    """What one device holds, bytes."""

    weights: float
    kv: float
    state: float
    compute: float
    output: float

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where everything lies."""

    layer_devices: tuple[str, ...]
    """Device of each layer, the output as the last one."""
    moved: Mapping[str, str]
    """Tensors that an override moves, and where to."""
    shares: Mapping[str, Share]
    """By device, the CPU first."""
    twice_on_cpu: float
    """Bytes that lie in RAM a second time where llama.cpp repacks them: a token embedding that is the output too."""
    repackable: float
    """Weights in RAM that llama.cpp may rearrange into memory of their own, which is no page of the file."""


def product_of(tensor: Tensor) -> Product | None:
    """What a tensor is multiplied in; None for vectors."""
    return Product(tensor.type, tensor.shape) if len(tensor.shape) > 1 else None


def products_of(tensors: Iterable[Tensor]) -> tuple[Product, ...]:
    """All that differ."""
    return tuple(dict.fromkeys(product for tensor in tensors if (product := product_of(tensor))))


def layout_of(
    sizes: Sizes, settings: EngineSettings, free_bytes: Mapping[str, float],
    compute: Mapping[str, float] | None = None, refused: Refused = MappingProxyType({}),
) -> Layout:
    """The layout for these settings; `free_bytes` is that of each device that layers can go to, in llama.cpp's order,
    `compute` are compute buffers by device, as a dry run reports them, and `refused` what a device does not multiply:
    that stays in RAM.
    """
    names = layer_devices(sizes.counted_layers, settings, free_bytes)
    loaded = _loaded(sizes, settings)
    moved = _moved(loaded, settings)
    weights, repackable = _weights(sizes, loaded, names, moved, refused)
    scratch = compute if compute is not None else _compute(sizes, settings, names, moved)
    caches = _by_layer(kv_bytes(sizes.footprint, settings.n_ctx, settings.kv_type_k, settings.kv_type_v,
                                settings.n_ubatch).tolist(), names, settings.offload_kv)
    copies = 2 + settings.drafting.max_tokens if settings.drafting and sizes.llm.architecture in ROLLS_BACK else 1
    states = _by_layer((sizes.footprint.layer_recurrent_bytes * copies).tolist(), names, settings.offload_kv)
    # A card computes large batches even where no layer is on it: its buffer for that is in the dry run alone.
    used = [CPU, *(name for name in free_bytes if name in {*names, *moved.values(), *scratch})]
    logits = float(FLOAT_BYTES * sizes.llm.vocab_size)
    shares = {
        name: Share(weights.get(name, 0.0), caches.get(name, 0.0), states.get(name, 0.0), scratch.get(name, 0.0),
                    logits if name == CPU else 0.0)
        for name in used
    }
    tied = sizes.llm.tied_embeddings and names[-1] == CPU
    twice = sizes.footprint.embedding_bytes if tied else 0.0
    return Layout(names, moved, shares, twice, repackable + twice)


def layer_devices(n_layers: int, settings: EngineSettings, free_bytes: Mapping[str, float]) -> tuple[str, ...]:
    """Device of each of `n_layers` layers and of the output.

    >>> layer_devices(3, EngineSettings(n_gpu_layers=2), {"CUDA0": 1.0})
    ('CPU', 'CPU', 'CUDA0', 'CUDA0')
    """
    devices = tuple(free_bytes)
    on_devices = min(settings.n_gpu_layers, n_layers + 1) if devices else 0
    first = n_layers + 1 - on_devices
    ends = list(accumulate(settings.tensor_split or free_bytes.values()))
    bounds = [end / ends[-1] for end in ends]
    places = (bisect_right(bounds, index / on_devices) for index in range(on_devices))
    return (CPU,) * first + tuple(devices[min(place, len(devices) - 1)] for place in places)


def _loaded(sizes: Sizes, settings: EngineSettings) -> list[Tensor]:
    """The tensors that are read: of layers that predict further tokens, those that are to draft."""
    drafts = settings.drafting is not None and settings.drafting.kind == "mtp"
    return [tensor for tensor in sizes.tensors if drafts or tensor.group != NO_WEIGHTS]


def _moved(tensors: Sequence[Tensor], settings: EngineSettings) -> dict[str, str]:
    rules = [(re.compile(override.pattern), override.device) for override in settings.all_overrides()]
    moved: dict[str, str] = {}
    for tensor in tensors:
        found = next((device for pattern, device in rules if pattern.search(tensor.name)), None)
        if found is not None:
            moved[tensor.name] = found
    return moved


def _weights(
    sizes: Sizes, tensors: Sequence[Tensor], names: Sequence[str], moved: Mapping[str, str], refused: Refused
) -> tuple[dict[str, float], float]:
    """Bytes of weights by device, and of those in RAM the ones that llama.cpp may repack."""
    weights: dict[str, float] = {}
    repackable = 0.0

    def accepting(tensor: Tensor, device: str) -> str:
        return CPU if product_of(tensor) in refused.get(device, ()) else device

    for tensor in tensors:
        embedding = tensor.group == "token_embedding"
        usual = names[tensor.layer] if tensor.layer is not None else CPU if embedding else names[-1]
        device = moved.get(tensor.name) or accepting(tensor, usual)
        weights[device] = weights.get(device, 0.0) + tensor.bytes
        output = accepting(tensor, names[-1])
        if tensor.name == "token_embd.weight" and sizes.llm.tied_embeddings and output != CPU:
            weights[output] = weights.get(output, 0.0) + tensor.bytes
        if tensor.type in REPACKED and len(tensor.shape) > 1 and not embedding:
            repackable += tensor.bytes if (moved.get(tensor.name) or usual) == CPU else 0.0
    return weights, repackable


def _by_layer(sizes: Sequence[float], names: Sequence[str], offload: bool) -> dict[str, float]:
    result: dict[str, float] = {}
    for size, name in zip(sizes, names, strict=False):
        device = name if offload else CPU
        result[device] = result.get(device, 0.0) + size
    return result


def _compute(
    sizes: Sizes, settings: EngineSettings, names: Sequence[str], moved: Mapping[str, str]
) -> dict[str, float]:
    """Compute buffers by the formula: within 3 % for most architectures, see advisor/sizes/buffers.py."""
    flash = settings.flash_attn is not False
    n_ctx = settings.n_ctx_padded
    ubatch = min(settings.n_ubatch, n_ctx)
    beside = any(device == CPU for device in moved.values()) or CPU in names[:-1]
    copies = beside and settings.op_offload
    result = {
        name: compute_buffer_bytes(sizes.footprint, ubatch, n_ctx, flash, True, copies and not name.startswith("RPC"))
        for name in set(names) - {CPU}
    }
    if result:
        return {**result, CPU: compute_buffer_bytes(sizes.footprint, ubatch, n_ctx, flash, False, beside)}
    inputs = FLOAT_BYTES * ubatch * sizes.footprint.hidden_size
    return {CPU: compute_buffer_bytes(sizes.footprint, ubatch, n_ctx, flash, True) + inputs}
