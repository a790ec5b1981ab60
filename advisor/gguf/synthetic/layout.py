"""The tensors of a model under the names and shapes that llama.cpp's loader asks for.

`advisor.sizes` counts weights; where it names a norm by its number or leaves out a dimension of 1, the file's own
name and shape stand here.

Source: llama.cpp src/llama-arch.cpp LLM_TENSOR_NAMES and src/models/*.cpp, as vendored in llama-cpp-python 0.3.36, read
2026-11-25.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from advisor.sizes import Tensor, shapes
from advisor.sizes.quantisation import typed
from catalog.llms import Llm
from catalog.quants import Quant

_AFTER = ("post_attention_norm.weight", "post_ffw_norm.weight")
_NORMS = {
    "gemma4": (
        *_AFTER, "pre_ffw_norm_2.weight", "post_ffw_norm_1.weight", "post_ffw_norm_2.weight", "ffn_gate_inp.scale",
    ),
}
"""What the norms beside those before attention and feed-forward part are called, in order; else those after both."""
_FFN_NORM_IS_AFTER_ATTENTION = frozenset({"qwen35", "qwen35moe", "qwen3next", "gpt-oss", "glm4moe"})
_RENAMED = {
    "per_layer_post_norm.weight": "post_norm.weight",
    "index_q_proj.weight": "indexer.q_proj.weight",
    "index_k_proj.weight": "indexer.k_proj.weight",
    "index_q_norm.weight": "indexer.q_norm.weight",
    "index_k_norm.weight": "indexer.k_norm.weight",
    "hc_head_norm.weight": "output_hc_norm.weight",
    "hc_head_down.weight": "output_hc_down.weight",
    "hc_head_up.weight": "output_hc_up.weight",
}
_ADDED = frozenset({"indexer_compressor_ape.weight"})
"""Added to activations, which llama.cpp does with plain numbers alone: never quantised (llama-quant.cpp)."""
_OUTPUT_NORM = {"lfm2": "token_embd_norm.weight", "lfm2moe": "token_embd_norm.weight"}
_IN_LAYER = re.compile(r"(blk\.\d+\.)(.+)")
_NUMBERED_NORM = re.compile(r"post_norm_(\d)\.weight")


def file_tensors(llm: Llm, quant: Quant) -> tuple[Tensor, ...]:
    """Every tensor of the model's file, each with the type that the quantisation gives it."""
    tensors = typed(llm, quant, shapes(llm))
    return tuple(_as_filed(llm, tensor) for tensor in tensors) + tuple(_rope_tensors(llm))


def _as_filed(llm: Llm, tensor: Tensor) -> Tensor:
    found = _IN_LAYER.fullmatch(tensor.name)
    prefix, name = (found[1], found[2]) if found else ("", tensor.name)
    own, added = _name(llm, name), llm.architecture == "glm5-next" and name in _ADDED
    type_ = "F32" if added else tensor.type
    return replace(tensor, name=prefix + own, shape=_shape(llm, name, tensor.shape), type=type_)


def _name(llm: Llm, name: str) -> str:
    if name == "output_norm.weight":
        return _OUTPUT_NORM.get(llm.architecture, name)
    if name == "ffn_norm.weight" and llm.architecture in _FFN_NORM_IS_AFTER_ATTENTION:
        return _AFTER[0]
    numbered = _NUMBERED_NORM.fullmatch(name)
    if numbered:
        return _NORMS.get(llm.architecture, _AFTER)[int(numbered[1])]
    return _RENAMED.get(name, name)


def _shape(llm: Llm, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with the dimensions of 1 that the loader insists on."""
    if llm.recurrent == "kimi_delta":
        if name.startswith("ssm_conv1d_"):
            return (shape[0], 1, shape[1])
        return (1, *shape) if name == "ssm_a" and llm.architecture != "glm5-next" else shape
    if llm.recurrent == "mamba2":
        if name == "ssm_norm.weight":
            groups = llm.recurrent_key_heads or 1
            return (shape[0] // groups, groups)
        return (1, *shape) if name in ("ssm_a", "ssm_d") else shape
    return shape


def _rope_tensors(llm: Llm) -> Iterator[Tensor]:
    """Gemma 4's full layers must have a table of rotation factors, the same for all."""
    if llm.architecture == "gemma4" and "F" in llm.attention_kinds():
        yield Tensor("rope_freqs.weight", None, "norm", ((llm.full_head_dim or llm.head_dim) // 2,), "F32")
