"""Keys about a table of word groups (Qwen3.8-Flash-Next): how the last tokens are hashed to its rows.

Source: llama.cpp conversion/qwen4exp.py and src/models/qwen4exp.cpp, as vendored in llama-cpp-python 0.3.36, read
2026-11-25.
"""

from advisor.gguf.synthetic.header import Value, Wide
from catalog.llms import Llm

_GROUP = 3
"""Longest group of tokens."""
_CONV_KERNEL = 4
_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Odd numbers that spread the groups over the rows. Source: SplitMix64 (S. Vigna, prng.di.unimi.it)."""


def ngram_keys(llm: Llm) -> dict[str, Value]:
    """Keys about the table; none for a model without."""
    if not (llm.ngram_rows and llm.ngram_dim) or llm.ngram_layer is None:
        return {}
    heads = llm.hidden_size // llm.ngram_dim
    rows = llm.ngram_rows // heads
    return {
        "embedding_length_per_layer_input": llm.ngram_dim,
        "ple.layers": (llm.ngram_layer,),
        "ple.ngram_size": _GROUP,
        "ple.heads_per_ngram": heads // (_GROUP - 1),
        "ple.conv_kernel": _CONV_KERNEL,
        "ple.eos_token_id": 0,
        "ple.layer_multipliers": Wide(tuple(number >> 20 for number in _MULTIPLIERS)),
        "ple.head_offsets": Wide(tuple(rows * head for head in range(heads))),
        "ple.head_vocab_sizes": Wide((rows,) * heads),
    }
