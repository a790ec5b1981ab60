"""The numbers of the file format beside those of the gguf package, which llama.cpp's authors keep."""

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType, LlamaFileType

from advisor.gguf.encodings import FILE_TYPES, NUMBERS, encodings
from advisor.gguf.metadata import KINDS

NEWER = {"Q2_0"}
"""What gguf 0.19 does not know yet. Source: llama.cpp ggml/include/ggml.h (read 2026-11-25)."""


def test_the_numbers_of_tensor_types_are_those_of_ggml() -> None:
    assert {name: number for name, number in NUMBERS.items() if name not in NEWER} == {
        kind.name: int(kind) for kind in GGMLQuantizationType
    }


def test_the_numbers_of_mixes_are_those_of_llama_cpp() -> None:
    told = {kind.name.removeprefix("MOSTLY_").removeprefix("ALL_"): int(kind) for kind in LlamaFileType}
    assert {name: number for name, number in FILE_TYPES.items() if name not in NEWER} == told


def test_the_numbers_of_value_types_are_those_of_the_format() -> None:
    assert {kind.name: int(kind) for kind in GGUFValueType} == KINDS


def test_every_type_that_is_computed_with_takes_the_bytes_that_ggml_says() -> None:
    known = encodings()
    scratch = {"Q8_1", "Q8_K", "I8", "I64", "F64"}  # never weights in a file
    for kind, (elements, size) in GGML_QUANT_SIZES.items():
        if kind.name not in scratch:
            assert (known[int(kind)].block_elements, known[int(kind)].block_bytes) == (elements, size), kind.name
