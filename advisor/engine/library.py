"""llama.cpp in this process: llama-cpp-python and the ggml libraries that its libllama links, loaded when first used.

The wheel holds three copies of every library (libggml.so, .so.0, .so.0.25.3). Another copy than libllama's has a
second registry of devices that llama never sees. So no ggml library is opened by its name here: each function is
looked up through libllama, which finds it in the very library that libllama is linked with.
"""

import ctypes
import logging
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from advisor.errors import InputError
from advisor.extras import WINDOWS, installer

PACKAGES: Final = "'llama-cpp-python>=0.3.36' gguf nvidia-ml-py"
"""What the extra `engine` installs; the low-level API of llama-cpp-python 0.3.36 is the oldest that is tested."""
NVIDIA: Final = "NVIDIA (CUDA)"
BUILDS: Final = {
    "CPU": "-DGGML_RPC=ON",
    NVIDIA: "-DGGML_RPC=ON -DGGML_CUDA=ON",
    "AMD (ROCm)": "-DGGML_RPC=ON -DGGML_HIP=ON",
    "Vulkan": "-DGGML_RPC=ON -DGGML_VULKAN=ON",
    "Apple (Metal)": "-DGGML_RPC=ON -DGGML_METAL=ON",
}
"""CMake options of llama.cpp for each kind of device. Source: docs/build.md and tools/rpc/README.md of llama.cpp
(https://github.com/ggml-org/llama.cpp, read 2026-11-25)."""


class DeviceKind(StrEnum):
    """What a device is."""

    CPU = "cpu"
    GPU = "gpu"
    INTEGRATED_GPU = "igpu"
    ACCELERATOR = "accelerator"
    META = "meta"


KINDS: Final = tuple(DeviceKind)
"""By number. Source: enum ggml_backend_dev_type of ggml/include/ggml-backend.h (read 2026-11-25)."""
GRAPHICS: Final = frozenset({DeviceKind.GPU, DeviceKind.INTEGRATED_GPU})


class InitParameters(ctypes.Structure):
    """Source: struct ggml_init_params of ggml/include/ggml.h (read 2026-11-28)."""

    _fields_ = (("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool))


class TensorHead(ctypes.Structure):
    """What struct ggml_tensor begins with. Source: ggml/include/ggml.h (read 2026-11-28)."""

    _fields_ = (("type", ctypes.c_int), ("buffer", ctypes.c_void_p))


_POINTER, _TEXT, _SIZE, _INT, _LONG = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int64
_BOOL, _BYTE, _SIZES = ctypes.c_bool, ctypes.c_uint8, ctypes.POINTER(ctypes.c_size_t)
PROTOTYPES: Final[dict[str, tuple[Any, list[Any]]]] = {
    "ggml_backend_register": (None, [_POINTER]),
    "ggml_backend_reg_by_name": (_POINTER, [_TEXT]),
    "ggml_backend_reg_name": (_TEXT, [_POINTER]),
    "ggml_backend_reg_get_proc_address": (_POINTER, [_POINTER, _TEXT]),
    "ggml_backend_dev_count": (_SIZE, []),
    "ggml_backend_dev_get": (_POINTER, [_SIZE]),
    "ggml_backend_dev_by_name": (_POINTER, [_TEXT]),
    "ggml_backend_dev_name": (_TEXT, [_POINTER]),
    "ggml_backend_dev_description": (_TEXT, [_POINTER]),
    "ggml_backend_dev_type": (_INT, [_POINTER]),
    "ggml_backend_dev_memory": (None, [_POINTER, _SIZES, _SIZES]),
    "ggml_backend_dev_get_props": (None, [_POINTER, _POINTER]),
    "ggml_backend_dev_backend_reg": (_POINTER, [_POINTER]),
    "ggml_backend_dev_buffer_type": (_POINTER, [_POINTER]),
    "ggml_backend_dev_host_buffer_type": (_POINTER, [_POINTER]),
    "ggml_backend_dev_init": (_POINTER, [_POINTER, _TEXT]),
    "ggml_backend_dev_supports_op": (_BOOL, [_POINTER, _POINTER]),
    "ggml_backend_free": (None, [_POINTER]),
    "ggml_backend_graph_compute": (_INT, [_POINTER, _POINTER]),
    "ggml_backend_alloc_ctx_tensors_from_buft": (_POINTER, [_POINTER, _POINTER]),
    "ggml_backend_cpu_buffer_type": (_POINTER, []),
    "ggml_backend_buft_alloc_buffer": (_POINTER, [_POINTER, _SIZE]),
    "ggml_backend_buft_is_host": (_BOOL, [_POINTER]),
    "ggml_backend_buft_name": (_TEXT, [_POINTER]),
    "ggml_backend_buffer_clear": (None, [_POINTER, _BYTE]),
    "ggml_backend_buffer_free": (None, [_POINTER]),
    "ggml_backend_buffer_get_base": (_POINTER, [_POINTER]),
    "ggml_backend_tensor_set": (None, [_POINTER, _POINTER, _SIZE, _SIZE]),
    "ggml_backend_tensor_get": (None, [_POINTER, _POINTER, _SIZE, _SIZE]),
    "ggml_init": (_POINTER, [InitParameters]),
    "ggml_free": (None, [_POINTER]),
    "ggml_get_name": (_TEXT, [_POINTER]),
    "ggml_nbytes": (_SIZE, [_POINTER]),
    "ggml_row_size": (_SIZE, [_INT, _LONG]),
    "ggml_tensor_overhead": (_SIZE, []),
    "ggml_graph_overhead": (_SIZE, []),
    "ggml_new_tensor_1d": (_POINTER, [_POINTER, _INT, _LONG]),
    "ggml_new_tensor_2d": (_POINTER, [_POINTER, _INT, _LONG, _LONG]),
    "ggml_new_tensor_3d": (_POINTER, [_POINTER, _INT, _LONG, _LONG, _LONG]),
    "ggml_mul_mat": (_POINTER, [_POINTER, _POINTER, _POINTER]),
    "ggml_mul_mat_id": (_POINTER, [_POINTER, _POINTER, _POINTER, _POINTER]),
    "ggml_new_graph": (_POINTER, [_POINTER]),
    "ggml_build_forward_expand": (None, [_POINTER, _POINTER]),
}
"""Result and arguments of the functions used, as types of ctypes.

Source: ggml/include/ggml.h, ggml-alloc.h and ggml-backend.h of llama.cpp (read 2026-11-25 and 2026-11-28)."""


class EngineMissing(InputError):
    """llama-cpp-python is not there or does not load; the message names the commands that install it."""


class DeviceMissing(InputError):
    """llama.cpp has no device of that name; the message names those that it has."""


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """llama.cpp as loaded: `llama` is the low-level module, `ggml` has the functions of the libraries it links."""

    llama: Any
    ggml: Any
    version: str
    folder: Path

    def device(self, name: str) -> int:
        """Handle of the device of that name.

        Raises DeviceMissing.
        """
        found = self.ggml.ggml_backend_dev_by_name(name.encode())
        if not found:
            raise DeviceMissing(f"llama.cpp has no device {name!r} here; it has {', '.join(self.device_names())}")
        return int(found)

    def device_names(self) -> tuple[str, ...]:
        """Names of the devices, in llama.cpp's order."""
        return tuple(map(self.name, self.device_handles()))

    def device_handles(self) -> tuple[int, ...]:
        """Handles of the devices, in llama.cpp's order."""
        return tuple(self.ggml.ggml_backend_dev_get(index) for index in range(self.ggml.ggml_backend_dev_count()))

    def name(self, device: int) -> str:
        """Name of a device, such as "CUDA0"."""
        return (self.ggml.ggml_backend_dev_name(device) or b"").decode(errors="replace")

    def description(self, device: int) -> str:
        """What a device calls itself: its product name; for an RPC device its endpoint."""
        return (self.ggml.ggml_backend_dev_description(device) or b"").decode(errors="replace")

    def backend(self, device: int) -> str:
        """What computes on a device: CPU, CUDA, ROCm, MTL (Metal), Vulkan, SYCL, RPC or another of ggml's."""
        registry = self.ggml.ggml_backend_dev_backend_reg(device)
        return (self.ggml.ggml_backend_reg_name(registry) or b"").decode(errors="replace")

    def kind(self, device: int) -> DeviceKind:
        """What a device is."""
        return KINDS[int(self.ggml.ggml_backend_dev_type(device))]

    def memory_bytes(self, device: int) -> tuple[int, int]:
        """Free and total memory of a device. An RPC device is asked over its link."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.ggml.ggml_backend_dev_memory(device, free, total)
        return free.value, total.value


@cache
def require_engine() -> LlamaCpp:
    """llama.cpp, loaded now if it was not; its messages below errors are kept off standard error.

    Raises EngineMissing.
    """
    try:
        llama: Any = import_module("llama_cpp.llama_cpp")
    except ModuleNotFoundError as error:
        own = (error.name or "llama_cpp").partition(".")[0] == "llama_cpp"
        missing = "llama-cpp-python" if own else f"the Python package {error.name}"
        raise EngineMissing(f"{missing} is not installed here; {how_to_install()}") from error
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineMissing(f"llama-cpp-python does not load ({error}); {how_to_install(anew=True)}") from error
    logging.getLogger("llama-cpp-python").setLevel(logging.ERROR)
    libllama = Path(llama._lib._name)
    known = installed_version() or str(import_module("llama_cpp").__version__)  # used from a source tree
    return LlamaCpp(llama=llama, ggml=_functions(libllama), version=known, folder=libllama.parent)


def _functions(libllama: Path) -> Any:
    """The C functions as attributes by name, reached through libllama. Raises EngineMissing where one is not there."""
    # Windows does not look into linked libraries, but knows each library by its name alone: there are no copies.
    paths = (libllama, *(path for name in ("ggml.dll", "ggml-base.dll") if (path := libllama.parent / name).exists()))
    libraries = [ctypes.CDLL(str(path)) for path in paths]
    found = SimpleNamespace()
    for name, (result, arguments) in PROTOTYPES.items():
        function = next((item for library in libraries if (item := getattr(library, name, None)) is not None), None)
        if function is None:
            raise EngineMissing(f"this build of llama-cpp-python is too old (it has no {name}); {how_to_install()}")
        function.restype, function.argtypes = result, arguments
        setattr(found, name, function)
    return found


def ggml() -> Any:
    """The functions of PROTOTYPES as attributes. Raises EngineMissing."""
    return require_engine().ggml


def context(tensors: int, graphs: int = 0) -> int:
    """A ggml context with room for the descriptions of so many tensors and graphs; their data lies in buffers."""
    size = tensors * ggml().ggml_tensor_overhead() + graphs * ggml().ggml_graph_overhead()
    return int(ggml().ggml_init(InitParameters(size, None, True)))


def how_to_install(*, anew: bool = False) -> str:
    """The commands that build and install the engine for each kind of device; `anew` where it is installed already."""
    kind, *others = BUILDS
    name = "$env:CMAKE_ARGS" if WINDOWS else "CMAKE_ARGS"
    rest = ", ".join(f'{name}="{BUILDS[other]}" for {other}' for other in others)
    return f"for the {kind} run: {install_command(kind, anew=anew)} (or the same with {rest})"


def install_command(kind: str, *, anew: bool = False) -> str:
    """The command that builds and installs the engine for one of BUILDS."""
    # Without --no-cache-dir pip takes the wheel of an earlier build, whatever its options were.
    options = "--no-cache-dir --force-reinstall --no-deps" if anew else "--no-cache-dir"
    packages = PACKAGES.split()[0] if anew else PACKAGES
    setting = f'$env:CMAKE_ARGS="{BUILDS[kind]}";' if WINDOWS else f'CMAKE_ARGS="{BUILDS[kind]}"'
    return f"{setting} {installer()} {options} {packages}"


def installed_version() -> str | None:
    """Version of llama-cpp-python as its package tells it, without loading it; None where there is none."""
    try:
        return version("llama-cpp-python")
    except PackageNotFoundError:
        return None
