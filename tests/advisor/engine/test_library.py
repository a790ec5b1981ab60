"""llama.cpp loaded on demand: not before it is needed, in one copy, and explained where it is not there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from advisor.engine.library import BUILDS, DeviceMissing, EngineMissing, how_to_install, require_engine

ROOT = Path(__file__).parents[3]
BLOCKED = "import sys; sys.modules['llama_cpp'] = None; from advisor.cli.app import run; sys.exit(run(sys.argv[1:]))"
BROKEN = "import sys; from advisor.cli.app import run; sys.exit(run(sys.argv[1:]))"


def ran(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_the_processor_is_a_device_that_llama_sees() -> None:
    engine = require_engine()
    assert "CPU" in engine.device_names()
    assert engine.name(engine.device("CPU")) == "CPU"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", engine.version)


def test_only_one_copy_of_each_library_is_loaded() -> None:
    require_engine()
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").split()
    loaded = {Path(word).name for word in maps if "/libggml" in word}
    kinds = [name.partition(".")[0] for name in loaded]
    assert {"libggml", "libggml-base", "libggml-cpu"} <= set(kinds)
    assert len(kinds) == len(set(kinds)), loaded


def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(DeviceMissing, match=r"llama.cpp has no device 'CUDA77' here; it has .*CPU"):
        require_engine().device("CUDA77")


@pytest.mark.parametrize(
    "arguments", [["engine", "devices"], ["engine", "serve-device", "--port", "0"]], ids=lambda words: words[1]
)
def test_without_llama_cpp_one_sentence_names_the_command_for_every_kind_of_device(arguments: list[str]) -> None:
    result = ran(BLOCKED, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("advisor: llama-cpp-python is not installed here; for the CPU run: CMAKE_ARGS=")
    assert f"{sys.executable} -m pip install --no-cache-dir 'llama-cpp-python>=" in result.stderr
    for kind, options in BUILDS.items():
        assert kind in result.stderr
        assert f'CMAKE_ARGS="{options}"' in result.stderr


def test_a_library_that_does_not_load_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "libllama.so").write_bytes(b"not a library")
    result = ran(BROKEN, "engine", "devices", LLAMA_CPP_LIB_PATH=str(tmp_path))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "llama-cpp-python does not load (Failed to load shared library" in result.stderr
    assert "--force-reinstall" in result.stderr


@pytest.mark.parametrize("words", [["--help"], ["engine", "--help"], ["engine", "serve-device", "--help"]])
def test_help_does_not_load_it(words: list[str]) -> None:
    assert ran(BLOCKED, *words).returncode == 0


def test_building_anew_does_not_take_the_wheel_that_was_kept() -> None:
    assert "--no-cache-dir --force-reinstall" in how_to_install(anew=True)
    assert "--force-reinstall" not in how_to_install()


def test_the_error_is_one_of_the_users_input() -> None:
    assert issubclass(EngineMissing, ValueError)
