"""From typed settings to llama.cpp's own structures, in the process that loads the model."""

import ctypes
from typing import Any

from advisor.engine.library import Engine
from advisor.engine.session.buffers import CPU
from advisor.engine.settings import GGML_TYPES, EngineSettings, Override

LOAD_MODES = {"none": 0, "mmap": 1, "mlock": 2, "mmap+mlock": 3, "direct-io": 4}
"""Source: llama.cpp include/llama.h enum llama_load_mode (read 2026-11-25)."""
FLASH_ATTENTION = {None: -1, False: 0, True: 1}
"""Source: llama.cpp include/llama.h enum llama_flash_attn_type (read 2026-11-25)."""


class _BufferOverride(ctypes.Structure):
    """Source: llama.cpp include/llama.h struct llama_model_tensor_buft_override."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buffer_type", ctypes.c_void_p))


class Parameters:
    """Both structures, with the memory that they point to kept alive."""

    def __init__(self, engine: Engine, settings: EngineSettings, dry: bool) -> None:
        self.model = engine.llama.llama_model_default_params()
        self.context = engine.llama.llama_context_default_params()
        self.kept: list[Any] = []
        self._of_model(engine, settings, dry)
        self._of_context(settings)

    def _of_model(self, engine: Engine, settings: EngineSettings, dry: bool) -> None:
        model = self.model
        model.n_gpu_layers = settings.n_gpu_layers
        model.load_mode = LOAD_MODES["none" if dry else settings.load_mode]
        model.use_extra_bufts = settings.extra_buffers
        model.no_alloc = dry
        self._place(engine, settings)
        if settings.tensor_split:
            shares = (ctypes.c_float * engine.llama.llama_max_devices())(*settings.tensor_split)
            model.tensor_split = ctypes.cast(shares, ctypes.POINTER(ctypes.c_float))
            self.kept.append(shares)

    def _place(self, engine: Engine, settings: EngineSettings) -> None:
        overrides = settings.all_overrides()
        if overrides:
            entries = [_entry(engine, override) for override in overrides]
            table = (_BufferOverride * (len(entries) + 1))(*entries, _BufferOverride(None, None))
            self.model.tensor_buft_overrides = ctypes.cast(table, ctypes.c_void_p)
            self.kept.append(table)
        if settings.devices:
            pointers = [engine.device(name) for name in settings.devices]
            chosen = (ctypes.c_void_p * (len(pointers) + 1))(*pointers, None)
            self.model.devices = ctypes.cast(chosen, ctypes.c_void_p)
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
        context.no_perf = True


def _entry(engine: Engine, override: Override) -> _BufferOverride:
    return _BufferOverride(override.pattern.encode(), _buffer_type(engine, override.device))


def _buffer_type(engine: Engine, device: str) -> int:
    """A device's own memory; that of the CPU may be repacked by llama.cpp."""
    if device == CPU:
        return int(engine.ggml.ggml_backend_cpu_buffer_type())
    return int(engine.ggml.ggml_backend_dev_buffer_type(engine.device(device)))
