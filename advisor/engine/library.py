"""llama.cpp in this process: llama-cpp-python and the ggml libraries that its libllama links, loaded when first used.

The wheel holds three copies of every library (libggml.so, .so.0, .so.0.25.3). Another copy than libllama's has a
second registry of devices that llama never sees. So no ggml library is opened by its name here: each function is
looked up through libllama, which finds it in the very library that libllama is linked with.
"""

import ctypes
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from advisor.errors import InputError

PACKAGES: Final = "'llama-cpp-python>=0.3.36' gguf psutil nvidia-ml-py"
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

_POINTER, _TEXT, _SIZE, _INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
_SIZES = ctypes.POINTER(ctypes.c_size_t)
Prototype = tuple[Any, list[Any]]
"""The result of a C function and its arguments, as types of ctypes."""
_PROTOTYPES: Final[dict[str, Prototype]] = {
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
    "ggml_backend_cpu_buffer_type": (_POINTER, []),
    "ggml_backend_tensor_get": (None, [_POINTER, _POINTER, _SIZE, _SIZE]),
    "ggml_get_name": (_TEXT, [_POINTER]),
    "ggml_nbytes": (_SIZE, [_POINTER]),
}
"""Result and arguments of the functions used.

Source: ggml/include/ggml-backend.h and ggml.h of llama.cpp (read 2026-11-25)."""


class EngineMissing(InputError):
    """llama-cpp-python is not there or does not load; the message names the commands that install it."""


class DeviceMissing(InputError):
    """llama.cpp has no device of that name; the message names those that it has."""


@dataclass(frozen=True, slots=True)
class Engine:
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
        return _text(self.ggml.ggml_backend_dev_name(device))

    def description(self, device: int) -> str:
        """What a device calls itself: its product name; for an RPC device its endpoint."""
        return _text(self.ggml.ggml_backend_dev_description(device))

    def memory_bytes(self, device: int) -> tuple[int, int]:
        """Free and total memory of a device. An RPC device is asked over its link."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.ggml.ggml_backend_dev_memory(device, free, total)
        return free.value, total.value


@cache
def require_engine() -> Engine:
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
    return Engine(llama=llama, ggml=functions_of(libllama, _PROTOTYPES), version=_version(), folder=libllama.parent)


def how_to_install(*, anew: bool = False) -> str:
    """The commands that build and install the engine for each kind of device; `anew` where it is installed already."""
    kind, *others = BUILDS
    rest = ", ".join(f'CMAKE_ARGS="{BUILDS[other]}" for {other}' for other in others)
    return f"for the {kind} run: {install_command(kind, anew=anew)} (or the same with {rest})"


def install_command(kind: str, *, anew: bool = False) -> str:
    """The command that builds and installs the engine for one of BUILDS."""
    # Without --no-cache-dir pip takes the wheel of an earlier build, whatever its options were.
    options = "--no-cache-dir --force-reinstall --no-deps" if anew else "--no-cache-dir"
    packages = PACKAGES.split()[0] if anew else PACKAGES
    return f'CMAKE_ARGS="{BUILDS[kind]}" {sys.executable} -m pip install {options} {packages}'


def functions_of(libllama: Path, prototypes: Mapping[str, Prototype]) -> Any:
    """C functions as attributes by name, reached through libllama. Raises EngineMissing where one is not there."""
    # Windows does not look into linked libraries, but knows each library by its name alone: there are no copies.
    paths = (libllama, *(path for name in ("ggml.dll", "ggml-base.dll") if (path := libllama.parent / name).exists()))
    libraries = [ctypes.CDLL(str(path)) for path in paths]
    return SimpleNamespace(**{name: _function(libraries, name, item) for name, item in prototypes.items()})


def _function(libraries: list[ctypes.CDLL], name: str, prototype: Prototype) -> Any:
    for library in libraries:
        function = getattr(library, name, None)
        if function is not None:
            function.restype, function.argtypes = prototype
            return function
    raise EngineMissing(f"this build of llama-cpp-python is too old (it has no {name}); {how_to_install()}")


def _text(found: bytes | None) -> str:
    return (found or b"").decode(errors="replace")


def installed_version() -> str | None:
    """Version of llama-cpp-python as its package tells it, without loading it; None where there is none."""
    try:
        return version("llama-cpp-python")
    except PackageNotFoundError:
        return None


def _version() -> str:
    return installed_version() or str(import_module("llama_cpp").__version__)  # used from a source tree
