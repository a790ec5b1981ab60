"""Which products a device refuses, asked as llama.cpp asks before it decides where a tensor goes.

Source: weight_buft_supported of llama.cpp src/llama-model-loader.cpp, as vendored in llama-cpp-python 0.3.36 (read
2026-11-28): the operation on a tensor in an empty buffer of the device, for 512 columns.
"""

from collections.abc import Iterable

from advisor.engine.devices import Kind
from advisor.engine.functions import TensorHead, context, ggml, type_number
from advisor.engine.library import Engine
from advisor.engine.products import Product
from advisor.engine.session.hardware import device_memory

COLUMNS = 512
TENSORS = 4


def refused_products(engine: Engine, products: Iterable[Product]) -> dict[str, tuple[Product, ...]]:
    """By name of each device that is no CPU: those that it cannot multiply, and so lie in RAM."""
    asked = tuple(products)
    found: dict[str, tuple[Product, ...]] = {}
    for device in engine.device_handles() if asked else ():
        about = device_memory(engine, device)
        if about.kind is not Kind.CPU:
            kind = ggml().ggml_backend_dev_buffer_type(device)
            found[about.name] = tuple(item for item in asked if not supports(device, kind, item))
    return found


def supports(device: int, buffer_kind: int, product: Product) -> bool:
    """Whether a device multiplies such a matrix where it lies in that type of buffer."""
    tensors = context(TENSORS)
    weights, operation = _operation(tensors, product)
    empty = ggml().ggml_backend_buft_alloc_buffer(buffer_kind, 0)
    TensorHead.from_address(weights).buffer = empty
    found = bool(ggml().ggml_backend_dev_supports_op(device, operation))
    ggml().ggml_backend_buffer_free(empty)
    ggml().ggml_free(tensors)
    return found


def _operation(tensors: int, product: Product) -> tuple[int, int]:
    """The weights and their product with a batch."""
    kind, (width, rows, *experts) = type_number(product.type), product.shape
    if not product.routed:
        weights = ggml().ggml_new_tensor_2d(tensors, kind, width, rows)
        batch = ggml().ggml_new_tensor_2d(tensors, type_number("F32"), width, COLUMNS)
        return weights, ggml().ggml_mul_mat(tensors, weights, batch)
    weights = ggml().ggml_new_tensor_3d(tensors, kind, width, rows, *experts)
    batch = ggml().ggml_new_tensor_3d(tensors, type_number("F32"), width, 1, COLUMNS)
    ids = ggml().ggml_new_tensor_2d(tensors, type_number("I32"), 1, COLUMNS)
    return weights, ggml().ggml_mul_mat_id(tensors, weights, batch, ids)
