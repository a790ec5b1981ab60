"""What a synthetic file says before its tensors: the keys that llama.cpp reads, as its own conversion writes them.

Source: llama.cpp src/llama-model.cpp load_hparams, src/models/*.cpp load_arch_hparams and conversion/*.py, as vendored
in llama-cpp-python 0.3.36, read 2026-11-25.
"""

from advisor.gguf.synthetic.attention_keys import attention_keys
from advisor.gguf.synthetic.feed_forward_keys import feed_forward_keys
from advisor.gguf.synthetic.header import Value
from advisor.gguf.synthetic.ngram_keys import ngram_keys
from advisor.gguf.synthetic.recurrent_keys import recurrent_keys
from catalog.llms import Llm
from catalog.quants import Quant

_FILE_TYPES = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12,
    "Q3_K_L": 13, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ2_XXS": 19, "IQ2_XS": 20,
    "Q2_K_S": 21, "IQ3_XS": 22, "IQ3_XXS": 23, "IQ1_S": 24, "IQ4_NL": 25, "IQ3_S": 26, "IQ3_M": 27, "IQ2_S": 28,
    "IQ2_M": 29, "IQ4_XS": 30, "IQ1_M": 31, "BF16": 32, "TQ1_0": 36, "TQ2_0": 37, "MXFP4_MOE": 38, "NVFP4": 39,
    "Q1_0": 40, "Q2_0": 41,
}  # fmt: skip
"""Source: llama.cpp include/llama.h enum llama_ftype."""
_QUANTIZATION_VERSION = 2
"""Source: llama.cpp ggml/include/ggml.h GGML_QNT_VERSION."""
_NORM_EPSILON = 1e-6
_SPECIAL: dict[str, dict[str, Value]] = {
    "granite": {"logit_scale": 1.0}, "granitemoe": {"logit_scale": 1.0}, "cohere2moe": {"logit_scale": 1.0},
    "gemma4": {"embedding_length_per_layer_input": 0},
    "gemma2": {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
    "glm5-next": {"hyper_connection.sinkhorn_iterations": 20, "hyper_connection.epsilon": 1e-6},
}  # fmt: skip
"""Keys of single architectures; the numbers are those of the models' own configurations."""


def metadata(llm: Llm, quant: Quant, name: str, description: str) -> dict[str, Value]:
    """All keys of the file."""
    own: dict[str, Value] = {
        "context_length": llm.max_context,
        "embedding_length": llm.hidden_size,
        "block_count": llm.n_layers + llm.mtp_in_gguf,
        "vocab_size": llm.vocab_size,
        "attention.layer_norm_epsilon": _NORM_EPSILON,
        "attention.layer_norm_rms_epsilon": _NORM_EPSILON,
    }
    if llm.mtp_in_gguf:
        own["nextn_predict_layers"] = llm.mtp_in_gguf
    if llm.per_layer_input_size:
        own["embedding_length_per_layer_input"] = llm.per_layer_input_size
    own |= _hyper_connection_keys(llm) | ngram_keys(llm)
    own |= attention_keys(llm) | feed_forward_keys(llm) | recurrent_keys(llm)
    own = _SPECIAL.get(llm.architecture, {}) | own
    return {
        "general.architecture": llm.architecture,
        "general.type": "model",
        "general.name": name,
        "general.description": description,
        "general.file_type": _FILE_TYPES[quant.base],
        "general.quantization_version": _QUANTIZATION_VERSION,
        **{f"{llm.architecture}.{key}": value for key, value in own.items()},
        "tokenizer.ggml.model": "none",
    }


def _hyper_connection_keys(llm: Llm) -> dict[str, Value]:
    if not llm.hyper_connections:
        return {}
    keys: dict[str, Value] = {"hyper_connection.count": llm.hyper_connections}
    if llm.hyper_connection_rank:
        keys["hyper_connection.low_rank"] = llm.hyper_connection_rank
    return keys
