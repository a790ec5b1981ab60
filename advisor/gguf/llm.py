"""The catalog's row of a language model, made from what the header of its file says."""

from pydantic import ValidationError

from advisor.errors import InputError
from advisor.gguf.attention import attention_fields
from advisor.gguf.feed_forward import feed_forward_fields
from advisor.gguf.header import Header
from advisor.gguf.heads import Fields
from advisor.gguf.hyperparameters import Hyperparameters
from advisor.gguf.layers import Layers
from advisor.gguf.recurrence import recurrent_fields
from advisor.sizes.architectures import ARCHITECTURES
from catalog.llms import Llm

PLAIN_ARCHITECTURES = frozenset({
    "arcee", "baichuan", "bailingmoe", "bailingmoe2", "cohere2", "command-r", "deepseek", "ernie4_5", "ernie4_5-moe",
    "exaone", "glm4", "hunyuan-dense", "internlm2", "minicpm", "nemotron", "olmo", "olmo2", "phi2", "phimoe",
    "qwen2moe", "qwen2vl", "seed_oss", "stablelm", "starcoder2", "xverse",
})  # fmt: skip
"""No catalog model has these, but their files say all: llama.cpp sizes their caches by the keys that all files have.

Source: llama.cpp src/models/*.cpp load_arch_hparams, as vendored in llama-cpp-python 0.3.36, read 2026-11-24.
"""
SHOWN_ARCHITECTURES = ("llama", "qwen3", "qwen3moe", "qwen35moe", "gpt-oss", "gemma3", "deepseek2", "glm4moe")


def check_architecture(header: Header) -> None:
    """Refuse what is no language model, or one whose layers are not known."""
    path, found = str(header.path), header.architecture
    if not found:
        raise InputError(f"{path!r} does not say what model it is: general.architecture is missing")
    known_ones = PLAIN_ARCHITECTURES | ARCHITECTURES.keys()
    if found not in known_ones:
        known = ", ".join(SHOWN_ARCHITECTURES)
        more = len(known_ones) - len(SHOWN_ARCHITECTURES)
        raise InputError(
            f"{path!r} has the architecture {found[:40]!r}, which is not supported: {known} and {more} others are"
        )
    if header.text("general.type") not in ("", "model") or not any(
        t.name == "token_embd.weight" for t in header.tensors
    ):
        kind = header.text("general.type")[:40] or "part of a model"
        raise InputError(f"{path!r} is no whole language model but {kind!r}: name the file with the model's weights")


def llm_of(header: Header, keys: Hyperparameters, layers: Layers, name: str, id_: str) -> Llm:
    """The row; its sizes are the file's own. Raises `InputError` for sizes that contradict each other."""
    embedding = layers.outside["token_embd"].shape
    hidden = keys.count("embedding_length")
    if len(embedding) != 2 or embedding[0] != hidden:
        raise keys.refusal(f"its embedding has the shape {embedding} where its width is {hidden:,}")
    fields: Fields = {
        "id": id_, "name": name, "architecture": header.architecture, "n_layers": len(layers.layers),
        "hidden_size": hidden, "vocab_size": embedding[1], "max_context": keys.count("context_length"),
        "tied_embeddings": "output" not in layers.outside, "mtp_layers": keys.count("nextn_predict_layers", 0),
        "mtp_in_gguf": len(layers.extra), "source": f"header of {header.path.name}"[:300],
    }  # fmt: skip
    fields |= attention_fields(header.architecture, hidden, keys, layers)
    fields |= recurrent_fields(keys, layers)
    fields |= feed_forward_fields(keys, layers, int(fields["kv_shared_layers"] or 0))
    try:
        return Llm.model_validate({**fields, "as_of": header.modified})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        column = ".".join(str(step) for step in first["loc"])
        raise keys.refusal(f"its {column} would be {str(first['input'])[:40]}") from None
