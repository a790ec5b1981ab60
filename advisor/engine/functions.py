"""ggml's functions to build and compute single operations, reached as the engine reaches llama.cpp's.

See advisor/engine/library.py: a library opened by its name could be another copy than the one that llama.cpp uses.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any, Final

from advisor.engine.library import Prototype, functions_of, require_engine
from advisor.gguf.encodings import constants


class Parameters(ctypes.Structure):
    """Source: struct ggml_init_params of ggml/include/ggml.h (read 2026-11-28)."""

    _fields_ = (("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool))


class TensorHead(ctypes.Structure):
    """What struct ggml_tensor begins with. Source: ggml/include/ggml.h (read 2026-11-28)."""

    _fields_ = (("type", ctypes.c_int), ("buffer", ctypes.c_void_p))


_POINTER, _SIZE, _INT, _LONG = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int64
_PROTOTYPES: Final[dict[str, Prototype]] = {
    "ggml_init": (_POINTER, [Parameters]),
    "ggml_free": (None, [_POINTER]),
    "ggml_tensor_overhead": (_SIZE, []),
    "ggml_graph_overhead": (_SIZE, []),
    "ggml_row_size": (_SIZE, [_INT, _LONG]),
    "ggml_new_tensor_1d": (_POINTER, [_POINTER, _INT, _LONG]),
    "ggml_new_tensor_2d": (_POINTER, [_POINTER, _INT, _LONG, _LONG]),
    "ggml_new_tensor_3d": (_POINTER, [_POINTER, _INT, _LONG, _LONG, _LONG]),
    "ggml_mul_mat": (_POINTER, [_POINTER, _POINTER, _POINTER]),
    "ggml_mul_mat_id": (_POINTER, [_POINTER, _POINTER, _POINTER, _POINTER]),
    "ggml_new_graph": (_POINTER, [_POINTER]),
    "ggml_build_forward_expand": (None, [_POINTER, _POINTER]),
    "ggml_backend_alloc_ctx_tensors_from_buft": (_POINTER, [_POINTER, _POINTER]),
    "ggml_backend_buft_alloc_buffer": (_POINTER, [_POINTER, _SIZE]),
    "ggml_backend_buft_is_host": (ctypes.c_bool, [_POINTER]),
    "ggml_backend_buft_name": (ctypes.c_char_p, [_POINTER]),
    "ggml_backend_buffer_clear": (None, [_POINTER, ctypes.c_uint8]),
    "ggml_backend_buffer_free": (None, [_POINTER]),
    "ggml_backend_buffer_get_base": (_POINTER, [_POINTER]),
    "ggml_backend_dev_buffer_type": (_POINTER, [_POINTER]),
    "ggml_backend_dev_host_buffer_type": (_POINTER, [_POINTER]),
    "ggml_backend_dev_init": (_POINTER, [_POINTER, ctypes.c_char_p]),
    "ggml_backend_dev_supports_op": (ctypes.c_bool, [_POINTER, _POINTER]),
    "ggml_backend_free": (None, [_POINTER]),
    "ggml_backend_graph_compute": (_INT, [_POINTER, _POINTER]),
    "ggml_backend_tensor_set": (None, [_POINTER, _POINTER, _SIZE, _SIZE]),
    "ggml_backend_tensor_get": (None, [_POINTER, _POINTER, _SIZE, _SIZE]),
}
"""Result and arguments. Source: ggml/include/ggml.h, ggml-alloc.h and ggml-backend.h (read 2026-11-28)."""


@cache
def ggml() -> Any:
    """The functions as attributes. Raises EngineMissing."""
    engine = require_engine()
    return functions_of(engine.folder / Path(engine.llama._lib._name).name, _PROTOTYPES)


def type_number(name: str) -> int:
    """Return ggml's number of a tensor type. Raises KeyError for a name that is none, `InputError` without gguf.

    >>> type_number("Q4_K")
    12
    """
    return int(constants().GGMLQuantizationType[name])


def context(tensors: int, graphs: int = 0) -> int:
    """A ggml context with room for the descriptions of so many tensors and graphs; their data lies in buffers."""
    size = tensors * ggml().ggml_tensor_overhead() + graphs * ggml().ggml_graph_overhead()
    return int(ggml().ggml_init(Parameters(size, None, True)))
