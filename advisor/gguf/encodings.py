"""How many bytes each tensor type takes, by the number that GGUF files write for it."""

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from advisor.errors import InputError
from catalog.tables import tensor_types

_IK_NUMBERS = {
    "Q6_0": 133, "IQ1_BN": 134, "IQ2_BN": 135, "IQ2_K": 137, "IQ3_K": 138, "IQ4_K": 139, "IQ5_K": 140, "IQ6_K": 141,
    "IQ4_KS": 144, "IQ2_KS": 145, "IQ4_KSS": 146, "IQ5_KS": 152, "IQ2_KT": 153, "IQ3_KT": 154, "IQ4_KT": 155,
    "IQ3_KS": 156, "IQ2_KL": 157, "IQ1_KT": 158, "Q4_0_R8": 202, "Q5_0_R4": 206, "Q8_0_R8": 208, "Q2_K_R4": 210,
    "Q3_K_R4": 211, "Q4_K_R4": 212, "Q5_K_R4": 213, "Q6_K_R4": 214, "IQ2_XXS_R4": 216, "IQ2_XS_R4": 217,
    "IQ3_XXS_R4": 218, "IQ1_S_R4": 219, "IQ4_NL_R4": 220, "IQ3_S_R4": 221, "IQ2_S_R4": 222, "IQ4_XS_R8": 223,
    "IQ1_M_R4": 229, "Q6_0_R4": 233, "IQ2_BN_R4": 335, "IQ2_K_R4": 337, "IQ3_K_R4": 338, "IQ4_K_R4": 339,
    "IQ5_K_R4": 340, "IQ4_KS_R4": 344, "IQ5_KS_R4": 352,
}  # fmt: skip
"""Types that only ik_llama.cpp reads; their sizes are in the catalog. Source: ik_llama.cpp ggml/include/ggml.h."""
_NEW_NUMBERS = {"Q2_0": 42}
"""Types that the gguf package does not know yet. Source: llama.cpp ggml/include/ggml.h enum ggml_type."""
_NEW_FILE_TYPES = {"Q2_0": 41}
"""Source: llama.cpp include/llama.h enum llama_ftype."""
_AS_FLOATS = {"I32": "F32", "I16": "F16"}
"""Small tables of whole numbers, counted as floats of the same width."""


class Encoding(NamedTuple):
    """A tensor type: its name in the catalog, and the bytes of a block and of each row's own scale."""

    name: str
    block_elements: int
    block_bytes: int
    row_bytes: int = 0


def constants() -> ModuleType:
    """The constants of the gguf package. Raises `InputError` where it is not installed."""
    try:
        return import_module("gguf.constants")
    except ImportError:
        raise InputError(
            'the gguf package, which reads model files, is not installed: pip install "llm-hardware-advisor[engine]"'
        ) from None


@cache
def encodings() -> dict[int, Encoding]:
    """Tensor types by number; only those that the catalog knows."""
    table, sizes = tensor_types(), constants().GGML_QUANT_SIZES
    known = {
        int(kind): Encoding(_AS_FLOATS.get(kind.name, kind.name), *sizes[kind])
        for kind in sizes
        if _AS_FLOATS.get(kind.name, kind.name) in table
    }
    for name, number in (_IK_NUMBERS | _NEW_NUMBERS).items():
        row = table[name]
        known[number] = Encoding(name, row.block_elements, int(row.block_bytes), int(row.row_bytes))
    return known


def type_number(name: str) -> int:
    """The number that GGUF files write for a tensor type that llama.cpp computes with."""
    return _NEW_NUMBERS.get(name) or int(constants().GGMLQuantizationType[name])


@cache
def file_types() -> dict[str, int]:
    """Numbers that files write for the mix of types they hold, by llama.cpp's name for it ("Q4_K_M")."""
    named = {kind.name.removeprefix("MOSTLY_").removeprefix("ALL_"): int(kind) for kind in constants().LlamaFileType}
    return named | _NEW_FILE_TYPES
