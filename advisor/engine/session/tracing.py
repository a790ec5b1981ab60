"""Which experts the router of each layer chooses, read from llama.cpp's graph while it computes.

llama.cpp asks a callback about every tensor of its graph. Where the answer is yes it computes up to that tensor and
shows it. That costs about a third of the speed, so experts are traced in a session of their own, never in one that is
timed.
Source: ggml/include/ggml-backend.h ggml_backend_sched_eval_callback, and the names of the tensors from
src/llama-graph.cpp build_moe_ffn (read 2026-11-25).
"""

import re
from typing import Any

import numpy as np

from advisor.engine.library import Engine

CHOSEN = re.compile(rb"ffn_moe_topk-(\d+)")
"""Numbers of the chosen experts, int32, best first."""


class RouteTrace:
    """Collects the experts chosen by each layer, a step after another. Steps must be of one token: of several, the
    tensor is a strided view of all experts in order.
    """

    def __init__(self, engine: Engine) -> None:
        self._ggml = engine.ggml
        self.chosen: dict[int, list[list[int]]] = {}
        """By layer: the experts of each token."""
        self.callback: Any = engine.llama.ggml_backend_sched_eval_callback(self._see)

    def _see(self, tensor: int, asked: bool, _: Any) -> bool:
        """Asked first whether the tensor is wanted, then shown it; the answer then is to go on."""
        found = CHOSEN.fullmatch(self._ggml.ggml_get_name(tensor) or b"")
        if found and not asked:
            values = np.empty(self._ggml.ggml_nbytes(tensor) // 4, np.int32)
            self._ggml.ggml_backend_tensor_get(tensor, values.ctypes.data, 0, values.nbytes)
            self.chosen.setdefault(int(found[1]), []).append(values.tolist())
        return bool(found) or not asked
