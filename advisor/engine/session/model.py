"""A model and its context as llama.cpp holds them, in the process that loaded them: steps, timings, logits, tokens."""

import ctypes
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from advisor.engine.devices import Device, device_of
from advisor.engine.layout import CPU
from advisor.engine.library import LlamaCpp
from advisor.engine.session.log import Log, reason_of
from advisor.engine.session.messages import Load
from advisor.engine.settings import GGML_TYPES, SPLIT_MODES, EngineSettings
from advisor.errors import InputError

LOAD_MODES = {"none": 0, "mmap": 1, "mlock": 2, "mmap+mlock": 3, "direct-io": 4}
"""Source: llama.cpp include/llama.h enum llama_load_mode (read 2026-11-25)."""
FLASH_ATTENTION = {None: -1, False: 0, True: 1}
"""Source: llama.cpp include/llama.h enum llama_flash_attn_type (read 2026-11-25)."""
CHOSEN = re.compile(rb"ffn_moe_topk-(\d+)")
"""Numbers of the chosen experts, int32, best first."""
NO_VOCABULARY: Final = 0
"""llama.cpp ends its process on text for such a file. Source: include/llama.h (read 2026-11-25)."""
LONGEST_PIECE: Final = 256


class _BufferOverride(ctypes.Structure):
    """Source: llama.cpp include/llama.h struct llama_model_tensor_buft_override."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buffer_type", ctypes.c_void_p))


class Parameters:
    """llama.cpp's own structures of settings, for a model and a context, with the memory that they point to."""

    def __init__(self, engine: LlamaCpp, settings: EngineSettings, dry: bool) -> None:
        self.model = engine.llama.llama_model_default_params()
        self.context = engine.llama.llama_context_default_params()
        self.kept: list[Any] = []
        self._of_model(engine, settings, dry)
        self._of_context(settings)

    def _of_model(self, engine: LlamaCpp, settings: EngineSettings, dry: bool) -> None:
        model = self.model
        model.n_gpu_layers = settings.n_gpu_layers
        model.load_mode = LOAD_MODES["none" if dry else settings.load_mode]
        model.split_mode = SPLIT_MODES[settings.split_mode]
        model.use_extra_bufts = settings.extra_buffers
        model.no_alloc = dry
        model.load_mtp = settings.drafting is not None and settings.drafting.kind == "mtp"
        if settings.tensor_split:
            shares = (ctypes.c_float * engine.llama.llama_max_devices())(*settings.tensor_split)
            model.tensor_split = ctypes.cast(shares, ctypes.POINTER(ctypes.c_float))
            self.kept.append(shares)
        overrides = settings.all_overrides()
        if overrides:
            entries = []
            for override in overrides:  # of the CPU its own memory, which llama.cpp may repack
                own = override.device == CPU
                place = None if own else engine.ggml.ggml_backend_dev_buffer_type(engine.device(override.device))
                place = engine.ggml.ggml_backend_cpu_buffer_type() if own else place
                entries.append(_BufferOverride(override.pattern.encode(), place))
            table = (_BufferOverride * (len(entries) + 1))(*entries, _BufferOverride(None, None))
            model.tensor_buft_overrides = ctypes.cast(table, ctypes.c_void_p)
            self.kept.append(table)
        if settings.devices:
            pointers = [engine.device(name) for name in settings.devices]
            chosen = (ctypes.c_void_p * (len(pointers) + 1))(*pointers, None)
            model.devices = ctypes.cast(chosen, ctypes.c_void_p)
            self.kept.append(chosen)

    def _of_context(self, settings: EngineSettings) -> None:
        context = self.context
        context.n_ctx, context.n_batch, context.n_ubatch = settings.n_ctx, settings.n_batch, settings.n_ubatch
        context.n_threads = settings.threads
        context.n_threads_batch = settings.threads_batch or settings.threads
        context.type_k, context.type_v = GGML_TYPES[settings.kv_type_k], GGML_TYPES[settings.kv_type_v]
        context.flash_attn_type = FLASH_ATTENTION[settings.flash_attn]
        context.n_outputs_max = settings.n_outputs
        context.offload_kqv, context.op_offload = settings.offload_kv, settings.op_offload
        context.swa_full = settings.full_window_cache
        context.n_rs_seq = settings.drafting.max_tokens + 1 if settings.drafting else 0
        context.no_perf = True


class RouteTrace:
    """The experts that the router of each layer chooses, step after step, read while llama.cpp computes its graph.

    llama.cpp asks a callback about every tensor of its graph. Where the answer is yes it computes up to that tensor and
    shows it. That costs about a third of the speed, so experts are traced in a session of their own, never in one that
    is timed. Steps must be of one token: of several, the tensor is a strided view of all experts in order.

    Source: ggml/include/ggml-backend.h ggml_backend_sched_eval_callback, and the names of the tensors from
    src/llama-graph.cpp build_moe_ffn (read 2026-11-25).
    """

    def __init__(self, engine: LlamaCpp) -> None:
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


class LoadedModel:
    """One model, one context. Steps are timed to the moment that the results are there."""

    def __init__(self, engine: LlamaCpp, log: Log, request: Load) -> None:
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

    def context_parameters(self) -> Any:
        """A copy of the settings that the context was made with."""
        own = self._parameters.context
        return type(own).from_buffer_copy(own)

    def clear(self) -> None:
        """Forget all tokens."""
        self.llama.llama_memory_clear(self._memory, False)

    def forget(self, position: int) -> bool:
        """Forget what stands from a position on; whether llama.cpp can do that."""
        return bool(self.llama.llama_memory_seq_rm(self._memory, 0, position, -1))

    def step(self, tokens: Sequence[int], *, each: bool = False) -> float:
        """Process a batch of tokens after those already there; seconds until its results are there.

        `each`: with logits after each of them, not after the last alone.
        """
        batch_tokens = (ctypes.c_int32 * len(tokens))(*tokens)
        batch = self.llama.llama_batch_get_one(batch_tokens, len(tokens))
        wanted = (ctypes.c_int8 * len(tokens))(*[1] * len(tokens))
        if each:
            batch.logits = wanted
        began = time.perf_counter()
        code = self.llama.llama_decode(self.context, batch)
        self.llama.llama_synchronize(self.context)
        seconds = time.perf_counter() - began
        if code == 1:
            raise InputError(f"the context of {self.n_ctx} tokens is full: give a larger one")
        if code:
            raise InputError(f"llama.cpp could not process the tokens (llama_decode gave {code})")
        return seconds

    def feed(self, tokens: Sequence[int]) -> list[float]:
        """Process a prompt in batches of `n_batch`; seconds of each."""
        size = self.settings.n_batch
        return [self.step(tokens[start : start + size]) for start in range(0, len(tokens), size)]

    def logits(self) -> NDArray[np.float32]:
        """Logits after the last token."""
        pointer = self.llama.llama_get_logits_ith(self.context, -1)
        return np.ctypeslib.as_array(pointer, shape=(self.n_vocab,)).copy()

    def devices(self) -> tuple[Device, ...]:
        """Every ggml device with its memory now."""
        return tuple(device_of(self.engine, device) for device in self.engine.device_handles())

    def tokens_of(self, text: str, special: bool) -> list[int]:
        """Tokens of a text, with the mark of a beginning where the model has one; `special`: marks in the text count.

        Raises `InputError` for a file without a vocabulary.
        """
        if self.llama.llama_vocab_type(self.vocabulary) == NO_VOCABULARY:
            raise InputError("this model file has no vocabulary: it cannot read text")
        data = text.encode()
        room = len(data) + 16
        found = (ctypes.c_int32 * room)()
        number = self.llama.llama_tokenize(self.vocabulary, data, len(data), found, room, True, special)
        return found[: max(0, number)]

    def piece_of(self, token: int) -> bytes:
        """The bytes that a token stands for; none in a file without a vocabulary."""
        if self.llama.llama_vocab_type(self.vocabulary) == NO_VOCABULARY:
            return b""
        room = ctypes.create_string_buffer(LONGEST_PIECE)
        number = self.llama.llama_token_to_piece(self.vocabulary, token, room, LONGEST_PIECE, 0, False)
        return room.raw[: max(0, number)]
