"""Load a model in llama.cpp and decode tokens; prints as JSON what came out. In a process of its own: a file that
llama.cpp does not like may end the process.

Arguments: the file, the tokens as JSON, and, to be told which experts were used and how far they led the others, how
many there are.
"""

import ctypes
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

N_CTX = 512
THREADS = 1
"""Several would wait for each other on a busy machine."""


class Trace:
    """The experts of each layer and token, and the distance of their logits to those of the experts not used."""

    def __init__(self, n_experts: int) -> None:
        folder = Path(find_spec("llama_cpp").origin).parent / "lib"
        self._base = ctypes.CDLL(str(folder / "libggml-base.so.0"))
        self._base.ggml_get_name.restype = ctypes.c_char_p
        self._base.ggml_nbytes.restype = ctypes.c_size_t
        self.experts: dict[str, list[list[int]]] = {}
        self.margins: list[float] = []
        self.callback = llama_cpp.ggml_backend_sched_eval_callback(self._read)
        self._n_experts = n_experts
        self._logits = np.empty((0, n_experts))

    def _read(self, tensor: int, ask: bool, _data: Any) -> bool:
        pointer = ctypes.c_void_p(tensor)
        kind, _, layer = self._base.ggml_get_name(pointer).decode().rpartition("-")
        if kind not in ("ffn_moe_logits", "ffn_moe_topk"):
            return not ask
        if not ask:
            values = self._values(pointer, np.int32 if kind == "ffn_moe_topk" else np.float32)
            if kind == "ffn_moe_topk":
                self._keep_experts(layer, values)
            else:
                self._logits = values.reshape(-1, self._n_experts)
        return True

    def _values(self, pointer: ctypes.c_void_p, kind: type) -> np.ndarray:
        values = np.zeros(self._base.ggml_nbytes(pointer) // 4, kind)
        address = values.ctypes.data_as(ctypes.c_void_p)
        self._base.ggml_backend_tensor_get(pointer, address, ctypes.c_size_t(0), ctypes.c_size_t(values.nbytes))
        return values

    def _keep_experts(self, layer: str, values: np.ndarray) -> None:
        """The tensor is a view of the first columns of all experts in order; its last row ends with the view."""
        n_used = len(values) - (len(self._logits) - 1) * self._n_experts
        for token, logits in enumerate(self._logits):
            used = values[token * self._n_experts :][:n_used]
            self.margins.append(float(logits[used].min() - np.delete(logits, used).max()))
            self.experts.setdefault(layer, []).append(used.tolist())


def decode(path: str, tokens: list[int], trace: Trace | None) -> dict[str, Any]:
    """Decode all tokens but the last in one batch, then the last alone."""
    model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
    if not model:
        return {"error": "not loaded"}
    context = llama_cpp.llama_init_from_model(model, _parameters(trace))
    if not context:
        return {"error": "no context"}
    count = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    found = []
    for part in (tokens[:-1], tokens[-1:]):
        given = (llama_cpp.llama_token * len(part))(*part)  # the batch only points to it
        if code := llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(given, len(part))):
            return {"error": f"decode gave {code}"}
        found.append(np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (count,)).copy())
    return {
        "vocabulary": count,
        "finite": bool(np.isfinite(found).all()),
        "spread": float(np.std(found)),
        "difference": float(np.abs(found[1] - found[0]).max()),
        "experts": trace.experts if trace else {},
        "least_margin": min(trace.margins) if trace else None,
    }


def _parameters(trace: Trace | None) -> llama_cpp.llama_context_params:
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = N_CTX, N_CTX, N_CTX
    parameters.n_threads = parameters.n_threads_batch = THREADS
    if trace:
        parameters.cb_eval = trace.callback
    return parameters


if __name__ == "__main__":
    said: list[str] = []
    told = llama_cpp.llama_log_callback(lambda level, text, data: said.append(text.decode(errors="replace")))
    llama_cpp.llama_log_set(told, ctypes.c_void_p())
    llama_cpp.llama_backend_init()
    result = decode(sys.argv[1], json.loads(sys.argv[2]), Trace(int(sys.argv[3])) if sys.argv[3:] else None)
    if "error" in result:
        result["error"] += ": " + "".join(said)[-500:]
    sys.stdout.write(json.dumps(result))
