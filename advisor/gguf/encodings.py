"""How many bytes each tensor type takes, by the number that GGUF files write for it."""

from functools import cache
from typing import Final, NamedTuple

from catalog.tables import tensor_types

NUMBERS: Final = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q8_1": 9, "Q2_K": 10, "Q3_K": 11,
    "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "Q8_K": 15, "IQ2_XXS": 16, "IQ2_XS": 17, "IQ3_XXS": 18, "IQ1_S": 19,
    "IQ4_NL": 20, "IQ3_S": 21, "IQ2_S": 22, "IQ4_XS": 23, "I8": 24, "I16": 25, "I32": 26, "I64": 27, "F64": 28,
    "IQ1_M": 29, "BF16": 30, "TQ1_0": 34, "TQ2_0": 35, "MXFP4": 39, "NVFP4": 40, "Q1_0": 41, "Q2_0": 42,
}
"""Tensor types by llama.cpp's name. Source: ggml/include/ggml.h enum ggml_type (read 2026-11-25)."""
FILE_TYPES: Final = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12,
    "Q3_K_L": 13, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ2_XXS": 19, "IQ2_XS": 20,
    "Q2_K_S": 21, "IQ3_XS": 22, "IQ3_XXS": 23, "IQ1_S": 24, "IQ4_NL": 25, "IQ3_S": 26, "IQ3_M": 27, "IQ2_S": 28,
    "IQ2_M": 29, "IQ4_XS": 30, "IQ1_M": 31, "BF16": 32, "TQ1_0": 36, "TQ2_0": 37, "MXFP4_MOE": 38, "NVFP4": 39,
    "Q1_0": 40, "Q2_0": 41, "GUESSED": 1024,
}
"""Mixes of types that files name as theirs. Source: llama.cpp include/llama.h enum llama_ftype (read 2026-11-25)."""
_IK_NUMBERS = {
    "Q6_0": 133, "IQ1_BN": 134, "IQ2_BN": 135, "IQ2_K": 137, "IQ3_K": 138, "IQ4_K": 139, "IQ5_K": 140, "IQ6_K": 141,
    "IQ4_KS": 144, "IQ2_KS": 145, "IQ4_KSS": 146, "IQ5_KS": 152, "IQ2_KT": 153, "IQ3_KT": 154, "IQ4_KT": 155,
    "IQ3_KS": 156, "IQ2_KL": 157, "IQ1_KT": 158, "Q4_0_R8": 202, "Q5_0_R4": 206, "Q8_0_R8": 208, "Q2_K_R4": 210,
    "Q3_K_R4": 211, "Q4_K_R4": 212, "Q5_K_R4": 213, "Q6_K_R4": 214, "IQ2_XXS_R4": 216, "IQ2_XS_R4": 217,
    "IQ3_XXS_R4": 218, "IQ1_S_R4": 219, "IQ4_NL_R4": 220, "IQ3_S_R4": 221, "IQ2_S_R4": 222, "IQ4_XS_R8": 223,
    "IQ1_M_R4": 229, "Q6_0_R4": 233, "IQ2_BN_R4": 335, "IQ2_K_R4": 337, "IQ3_K_R4": 338, "IQ4_K_R4": 339,
    "IQ5_K_R4": 340, "IQ4_KS_R4": 344, "IQ5_KS_R4": 352,
}
"""Types that only ik_llama.cpp reads; their sizes are in the catalog. Source: ik_llama.cpp ggml/include/ggml.h."""
_AS_FLOATS = {"I32": "F32", "I16": "F16"}
"""Small tables of whole numbers, counted as floats of the same width."""


class Encoding(NamedTuple):
    """A tensor type: its name in the catalog, and the bytes of a block and of each row's own scale."""

    name: str
    block_elements: int
    block_bytes: int
    row_bytes: int = 0


@cache
def encodings() -> dict[int, Encoding]:
    """Tensor types by number; only those that the catalog knows."""
    table = tensor_types()
    known = {}
    for name, number in (NUMBERS | _IK_NUMBERS).items():
        if row := table.get(_AS_FLOATS.get(name, name)):
            known[number] = Encoding(row.name, row.block_elements, int(row.block_bytes), int(row.row_bytes))
    return known
