"""A model and its context as llama.cpp holds them, in the process that loaded them: steps, timings, logits."""

import ctypes
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from advisor.engine.library import Engine
from advisor.engine.session.hardware import device_memory
from advisor.engine.session.log import Log
from advisor.engine.session.messages import DeviceMemory, Load
from advisor.engine.session.parameters import Parameters
from advisor.engine.session.refusals import reason_of
from advisor.engine.session.tracing import RouteTrace
from advisor.engine.settings import EngineSettings
from advisor.errors import InputError


class LoadedModel:
    """One model, one context. Steps are timed to the moment that the results are there."""

    def __init__(self, engine: Engine, log: Log, request: Load) -> None:
        self.engine, self.llama = engine, engine.llama
        self.settings: EngineSettings = request.settings
        began = time.perf_counter()
        self._parameters = Parameters(engine, request.settings, request.dry)
        self.trace = RouteTrace(engine) if request.trace else None
        if self.trace:
            self._parameters.context.cb_eval = self.trace.callback
        self.model = self.llama.llama_model_load_from_file(request.path.encode(), self._parameters.model)
        if not self.model:
            raise InputError(f"{Path(request.path).name} cannot be loaded: {reason_of(log.lines)}")
        self.context = self.llama.llama_init_from_model(self.model, self._parameters.context)
        if not self.context:
            n_ctx = request.settings.n_ctx
            raise InputError(
                f"no context of {n_ctx} tokens can be made for {Path(request.path).name}: {reason_of(log.lines)}"
            )
        self.load_s = time.perf_counter() - began
        self.vocabulary = self.llama.llama_model_get_vocab(self.model)
        self.n_vocab = int(self.llama.llama_vocab_n_tokens(self.vocabulary))
        self.n_ctx = int(self.llama.llama_n_ctx(self.context))
        self._memory = self.llama.llama_get_memory(self.context)

    def clear(self) -> None:
        """Forget all tokens."""
        self.llama.llama_memory_clear(self._memory, False)

    def step(self, tokens: Sequence[int]) -> float:
        """Process a batch of tokens after those already there; seconds until its results are there."""
        batch_tokens = (ctypes.c_int32 * len(tokens))(*tokens)
        batch = self.llama.llama_batch_get_one(batch_tokens, len(tokens))
        began = time.perf_counter()
        code = self.llama.llama_decode(self.context, batch)
        self.llama.llama_synchronize(self.context)
        seconds = time.perf_counter() - began
        if code:
            raise InputError(_decode_complaint(code, self.n_ctx))
        return seconds

    def feed(self, tokens: Sequence[int]) -> list[float]:
        """Process a prompt in batches of `n_batch`; seconds of each."""
        size = self.settings.n_batch
        return [self.step(tokens[start : start + size]) for start in range(0, len(tokens), size)]

    def logits(self) -> NDArray[np.float32]:
        """Logits after the last token."""
        pointer = self.llama.llama_get_logits_ith(self.context, -1)
        return np.ctypeslib.as_array(pointer, shape=(self.n_vocab,)).copy()

    def device_memory(self) -> tuple[DeviceMemory, ...]:
        """Every ggml device with its memory now."""
        return tuple(device_memory(self.engine, device) for device in self.engine.device_handles())


def _decode_complaint(code: int, n_ctx: int) -> str:
    if code == 1:
        return f"the context of {n_ctx} tokens is full: give a larger one"
    return f"llama.cpp could not process the tokens (llama_decode gave {code})"
