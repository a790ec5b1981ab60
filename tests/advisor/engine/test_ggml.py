"""llama.cpp's devices, asked in a process of its own that may fail."""

import json
import subprocess
import sys

from advisor.engine.devices import Device, Ggml, ask_ggml
from advisor.engine.library import DeviceKind
from catalog.units import GIB
from tests.advisor.crashing import BY_SIGILL


def saying(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_the_cpu_is_a_device_of_llama_cpp_here() -> None:
    found = ask_ggml()
    assert found.absent is None
    assert [device.kind for device in found.devices if device.name == "CPU"] == ["cpu"]


def test_without_the_engine_it_is_said_which_package_lacks() -> None:
    hidden = "import sys; sys.modules['llama_cpp'] = None; from advisor.engine.devices import main; main()"
    found = ask_ggml(saying(hidden))
    assert found.devices == ()
    assert found.absent is not None
    assert found.absent.startswith("llama.cpp's devices are not known: ")
    hidden = hidden.replace("llama_cpp", "psutil")
    assert ask_ggml(saying(hidden)).absent == (
        "llama.cpp's devices are not known: the Python package psutil is not installed"
    )


def test_a_driver_that_ends_the_process_ends_only_that() -> None:
    found = ask_ggml(saying("import os, sys; sys.stderr.write('device lost\\n'); sys.stderr.flush(); os.abort()"))
    assert found.absent == "llama.cpp, asked for its devices, gave up (SIGABRT) (its last words: device lost)"


def test_an_illegal_instruction_is_told_with_the_way_out() -> None:
    absent = ask_ggml(BY_SIGILL).absent
    assert absent is not None
    assert "(SIGILL); " in absent
    assert "scripts/install-engine builds" in absent


def test_a_program_that_is_not_there_is_no_error() -> None:
    absent = ask_ggml(("no-such-program",)).absent
    assert absent is not None
    assert "No such file or directory" in absent


def test_only_graphics_cards_become_cards() -> None:
    def device(name: str, kind: str, size: int) -> Device:
        return Device(
            name=name, description=f"{name} it is", kind=DeviceKind(kind), backend="X", free_bytes=0, total_bytes=size
        )

    found = Ggml(
        devices=(device("Vulkan0", "gpu", 12 * GIB - 5), device("CPU", "cpu", GIB), device("Metal", "igpu", 0))
    )
    assert [(card.name, card.vram_gib) for card in found.cards()] == [("Vulkan0 it is", 12.0), ("Metal it is", None)]


def test_looking_at_the_parts_does_not_load_the_engine() -> None:
    code = (
        "import sys, json; from advisor.detection import detect; detect(); "
        "print(json.dumps([name for name in ('llama_cpp', 'psutil', 'gguf', 'numpy') if name in sys.modules]))"
    )
    assert json.loads(subprocess.run(saying(code), check=True, capture_output=True).stdout) == []
