"""Which weight tensors a language model has in a GGUF file, by architecture, as llama.cpp's loader lists them.

Source: llama.cpp src/models/*.cpp (load_arch_tensors), as vendored in llama-cpp-python 0.3.36, read 2026-11-24.
"""

from advisor.sizes.layout import shapes
from advisor.sizes.tensor import Group, Shape, Tensor, tensor_bytes

__all__ = ["Group", "Shape", "Tensor", "shapes", "tensor_bytes"]
