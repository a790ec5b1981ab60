"""llama.cpp's libraries in the process that loads a model, with the devices of RPC servers registered."""

import ctypes
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from advisor.engine.session.log import Log
from advisor.engine.session.refusals import Refused
from advisor.engine.settings import EngineSettings


@dataclass(frozen=True, slots=True)
class _Memory:
    name: str
    free_bytes: int
    total_bytes: int


class Libraries:
    """Functions of llama.cpp and ggml."""

    def __init__(self) -> None:
        self.llama: Any = import_module("llama_cpp.llama_cpp")
        folder = Path(import_module("llama_cpp").__file__ or "").parent / "lib"
        self.base = ctypes.CDLL(str(folder / "libggml-base.so.0"))
        self.ggml = ctypes.CDLL(str(folder / "libggml.so.0"))
        self.rpc = ctypes.CDLL(str(folder / "libggml-rpc.so.0"))
        self.cpu = ctypes.CDLL(str(folder / "libggml-cpu.so.0"))
        for lib, name, res, args in (
            (self.base, "ggml_backend_cpu_buffer_type", ctypes.c_void_p, []),
            (self.ggml, "ggml_backend_dev_by_name", ctypes.c_void_p, [ctypes.c_char_p]),
            (self.ggml, "ggml_backend_dev_count", ctypes.c_size_t, []),
            (self.ggml, "ggml_backend_dev_get", ctypes.c_void_p, [ctypes.c_size_t]),
            (self.base, "ggml_backend_dev_name", ctypes.c_char_p, [ctypes.c_void_p]),
            (self.base, "ggml_backend_dev_buffer_type", ctypes.c_void_p, [ctypes.c_void_p]),
            (self.base, "ggml_backend_dev_memory", None, [ctypes.c_void_p] + [ctypes.POINTER(ctypes.c_size_t)] * 2),
            (self.rpc, "ggml_backend_rpc_add_server", ctypes.c_void_p, [ctypes.c_char_p]),
            (self.ggml, "ggml_backend_register", None, [ctypes.c_void_p]),
        ):
            f = getattr(lib, name)
            f.restype = res
            f.argtypes = args

    def device(self, name: str) -> Any:
        """A device by name."""
        found = self.ggml.ggml_backend_dev_by_name(name.encode())
        if not found:
            raise Refused(f"no device {name}")
        return found

    def buffer_type(self, device: str) -> Any:
        """The default buffer type of a device."""
        if device == "CPU":
            return self.base.ggml_backend_cpu_buffer_type()
        return self.base.ggml_backend_dev_buffer_type(self.device(device))

    def devices(self) -> tuple[_Memory, ...]:
        """Memory of all devices."""
        out = []
        for i in range(self.ggml.ggml_backend_dev_count()):
            d = self.ggml.ggml_backend_dev_get(i)
            a, b = ctypes.c_size_t(), ctypes.c_size_t()
            self.base.ggml_backend_dev_memory(d, a, b)
            out.append(_Memory(self.base.ggml_backend_dev_name(d).decode(), a.value, b.value))
        return tuple(out)


def libraries_for(settings: EngineSettings, log: Log) -> Libraries:
    """Libraries with the servers of the settings registered."""
    lib = Libraries()
    log.listen(lib.llama)
    for e in settings.rpc:
        reg = lib.rpc.ggml_backend_rpc_add_server(e.encode())
        lib.ggml.ggml_backend_register(reg)
    lib.llama.llama_backend_init()
    return lib
