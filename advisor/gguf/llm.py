"""A language model's row in the catalog and what its file says before the tensors: the one from the other, both ways.

Attention, feed-forward parts and recurrent layers have files of their own. Source: llama.cpp src/llama-model.cpp
load_hparams, src/models/*.cpp load_arch_hparams and conversion/*.py, as vendored in llama-cpp-python 0.3.36, read
2026-11-24 and 25.
"""

from pydantic import ValidationError

from advisor.errors import InputError
from advisor.gguf.attention import attention_fields, attention_keys
from advisor.gguf.encodings import FILE_TYPES
from advisor.gguf.feed_forward import feed_forward_fields, feed_forward_keys
from advisor.gguf.header import ARCHITECTURE, FILE_TYPE, KIND, NAME, Header
from advisor.gguf.layers import BLOCKS, MTP_BLOCKS, Fields, Hyperparameters, Layers
from advisor.gguf.metadata import Value, Wide
from advisor.gguf.recurrent import recurrent_fields, recurrent_keys
from advisor.sizes.architectures import ARCHITECTURES
from catalog.llms import Llm
from catalog.quants import Quant

MIB = 2**20
WIDTH, CONTEXT = "embedding_length", "context_length"
PER_LAYER_WIDTH = "embedding_length_per_layer_input"

PLAIN_ARCHITECTURES = frozenset({
    "baichuan", "deepseek", "mamba", "mamba2", "nemotron", "olmo", "rwkv7", "xverse",
})
"""No catalog model has these, but their files say all: llama.cpp sizes their caches by the keys that all files have."""
ENCODERS = frozenset({
    "bert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "nomic-bert",
    "nomic-bert-moe", "t5encoder",
})
"""They make embeddings of texts and write none. Source: llama.cpp src/llama-arch.cpp (2026-08-22)."""
NO_TEXT = frozenset({"flux", "sd1", "sd3", "sdxl", "wan", "ltxv", "hidream", "aura", "lumina2", "qwen_image", "cosmos"})
"""Models that paint: what stable-diffusion programs read. Source: city96/ComfyUI-GGUF (tools/convert.py)."""
SHOWN_ARCHITECTURES = ("llama", "qwen3", "qwen3moe", "qwen35moe", "gpt-oss", "gemma3", "deepseek2", "glm4moe")
_QUANTIZATION_VERSION = 2
"""Source: llama.cpp ggml/include/ggml.h GGML_QNT_VERSION."""
_NORM_EPSILON = 1e-6
_SPECIAL: dict[str, dict[str, Value]] = {
    "granite": {"logit_scale": 1.0}, "granitemoe": {"logit_scale": 1.0}, "cohere2moe": {"logit_scale": 1.0},
    "gemma4": {PER_LAYER_WIDTH: 0},
    "gemma2": {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
    "glm5-next": {"hyper_connection.sinkhorn_iterations": 20, "hyper_connection.epsilon": 1e-6},
}
"""Keys of single architectures; the numbers are those of the models' own configurations."""
_NGRAM = 3
"""Longest group of tokens that is looked up in a table (Qwen3.8-Flash-Next)."""
_NGRAM_CONV_KERNEL = 4
_NGRAM_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Odd numbers that spread the groups over the rows. Source: SplitMix64 (S. Vigna, prng.di.unimi.it)."""


def check_architecture(header: Header) -> None:
    """Refuse what is no language model, or one whose layers are not known."""
    path, found = str(header.path), header.architecture
    if not found:
        raise InputError(f"{path!r} does not say what model it is: {ARCHITECTURE} is missing")
    if found in ENCODERS:
        raise InputError(
            f"{path!r} is an encoder ({found}): it makes embeddings and writes no text, so it has no speed of writing; "
            f"its weights take {header.tensor_bytes / MIB:,.0f} MiB, and llama-server runs it with --embeddings"
        )
    if found in NO_TEXT:
        raise InputError(f"{path!r} is a model for images or video ({found}), no language model: none is predicted")
    known_ones = PLAIN_ARCHITECTURES | ARCHITECTURES.keys()
    if found not in known_ones:
        known = ", ".join(SHOWN_ARCHITECTURES)
        more = len(known_ones) - len(SHOWN_ARCHITECTURES)
        raise InputError(
            f"{path!r} has the architecture {found[:40]!r}, which is not supported: {known} and {more} others are"
        )
    embedded = any(tensor.name == "token_embd.weight" for tensor in header.tensors)
    if header.text(KIND) not in ("", "model") or not embedded:
        kind = header.text(KIND)[:40] or "part of a model"
        raise InputError(f"{path!r} is no whole language model but {kind!r}: name the file with the model's weights")


def llm_of(header: Header, keys: Hyperparameters, layers: Layers, name: str, id_: str) -> Llm:
    """The row; its sizes are the file's own. Raises `InputError` for sizes that contradict each other."""
    embedding = layers.outside["token_embd"].shape
    hidden = keys.count(WIDTH)
    if len(embedding) != 2 or embedding[0] != hidden:
        raise keys.refusal(f"its embedding has the shape {embedding} where its width is {hidden:,}")
    fields: Fields = {
        "id": id_, "name": name, "architecture": header.architecture, "n_layers": len(layers.layers),
        "hidden_size": hidden, "vocab_size": embedding[1], "max_context": keys.count(CONTEXT),
        "tied_embeddings": "output" not in layers.outside, "mtp_layers": keys.count(MTP_BLOCKS, 0),
        "mtp_in_gguf": len(layers.extra), "source": f"header of {header.path.name}"[:300],
    }
    fields |= attention_fields(header.architecture, hidden, keys, layers)
    fields |= recurrent_fields(keys, layers)
    fields |= feed_forward_fields(keys, layers, int(fields["kv_shared_layers"] or 0))
    try:
        return Llm.model_validate({**fields, "as_of": header.modified})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        column = ".".join(str(step) for step in first["loc"])
        raise keys.refusal(f"its {column} would be {str(first['input'])[:40]}") from None


def metadata(llm: Llm, quant: Quant, name: str, description: str) -> dict[str, Value]:
    """All keys of a file with that model in that mix."""
    own: dict[str, Value] = {
        CONTEXT: llm.max_context,
        WIDTH: llm.hidden_size,
        BLOCKS: llm.n_layers + llm.mtp_in_gguf,
        "vocab_size": llm.vocab_size,
        "attention.layer_norm_epsilon": _NORM_EPSILON,
        "attention.layer_norm_rms_epsilon": _NORM_EPSILON,
    }
    if llm.mtp_in_gguf:
        own[MTP_BLOCKS] = llm.mtp_in_gguf
    if llm.per_layer_input_size:
        own[PER_LAYER_WIDTH] = llm.per_layer_input_size
    if llm.hyper_connections:
        own["hyper_connection.count"] = llm.hyper_connections
        if llm.hyper_connection_rank:
            own["hyper_connection.low_rank"] = llm.hyper_connection_rank
    own |= _ngram_keys(llm)
    own |= attention_keys(llm) | feed_forward_keys(llm) | recurrent_keys(llm)
    own = _SPECIAL.get(llm.architecture, {}) | own
    return {
        ARCHITECTURE: llm.architecture,
        KIND: "model",
        NAME: name,
        "general.description": description,
        FILE_TYPE: FILE_TYPES[quant.base],
        "general.quantization_version": _QUANTIZATION_VERSION,
        **{f"{llm.architecture}.{key}": value for key, value in own.items()},
        "tokenizer.ggml.model": "none",
    }


def _ngram_keys(llm: Llm) -> dict[str, Value]:
    """How the last tokens are hashed to the rows of a table of word groups; none for a model without one."""
    if not (llm.ngram_rows and llm.ngram_dim) or llm.ngram_layer is None:
        return {}
    heads = llm.hidden_size // llm.ngram_dim
    rows = llm.ngram_rows // heads
    return {
        PER_LAYER_WIDTH: llm.ngram_dim,
        "ple.layers": (llm.ngram_layer,),
        "ple.ngram_size": _NGRAM,
        "ple.heads_per_ngram": heads // (_NGRAM - 1),
        "ple.conv_kernel": _NGRAM_CONV_KERNEL,
        "ple.eos_token_id": 0,
        "ple.layer_multipliers": Wide(tuple(number >> 20 for number in _NGRAM_MULTIPLIERS)),
        "ple.head_offsets": Wide(tuple(rows * head for head in range(heads))),
        "ple.head_vocab_sizes": Wide((rows,) * heads),
    }
