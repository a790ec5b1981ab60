"""scripts/install-engine: what it asks of pip, by a stand-in for Python whose pip only writes down what it is asked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STAND_IN = """#!/bin/sh
case "$*" in
"-m pip --version") [ -z "$NO_PIP" ] ;;
"-m pip install"*)
    echo "$CMAKE_ARGS : $*" >>"$ASKED"
    mkdir -p "$SITE/llama_cpp/lib" && touch "$SITE/llama_cpp/__init__.py"
    case "$*" in *"$BUILT_IF"*) for name in $BUILDS; do touch "$SITE/llama_cpp/lib/libggml-$name.so.0"; done ;; esac
    [ -z "$FAILS" ] ;;
-) PYTHONPATH=$SITE exec "$REAL" -S - ;;
esac
"""


class Installation:
    """A folder with a Python whose pip is a stand-in, and what the script asked of it."""

    def __init__(self, folder: Path) -> None:
        self.python, self.asked_file, self.site = folder / "python", folder / "asked", folder / "site"
        self.python.write_text(STAND_IN)
        self.python.chmod(0o755)
        self.own = {
            "ASKED": str(self.asked_file), "SITE": str(self.site), "REAL": sys.executable,
            "XDG_CACHE_HOME": str(folder / "cache"), "CMAKE_ARGS": "",
        }

    def run(self, **settings: str) -> subprocess.CompletedProcess[str]:
        command = [str(ROOT / "scripts" / "install-engine"), str(self.python)]
        environment = os.environ | self.own | settings
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    @property
    def asked(self) -> list[str]:
        return self.asked_file.read_text().splitlines()


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def cache_in(asked: str) -> str:
    words = asked.split()
    return words[words.index("--cache-dir") + 1]


def test_rpc_is_always_built(installation: Installation) -> None:
    result = installation.run(BUILDS="rpc")
    assert (result.returncode, result.stdout) == (0, "")
    assert "about 4 minutes" in result.stderr
    (asked,) = installation.asked
    assert asked.startswith("-DGGML_RPC=ON ")
    assert "--no-binary llama-cpp-python llama-cpp-python" in asked


def test_what_is_installed_already_is_not_built_again(installation: Installation) -> None:
    installation.run(BUILDS="rpc")
    result = installation.run()
    assert (result.returncode, result.stderr) == (0, "")
    assert len(installation.asked) == 2
    assert not any("--force-reinstall" in asked for asked in installation.asked)


def test_a_build_without_rpc_is_replaced(installation: Installation) -> None:
    result = installation.run(BUILDS="rpc", BUILT_IF="--force-reinstall")
    assert result.returncode == 0
    assert ["--force-reinstall --no-deps" in asked for asked in installation.asked] == [False, True]


def test_options_of_the_user_are_added_and_looked_for(installation: Installation) -> None:
    assert installation.run(BUILDS="rpc").returncode == 0
    assert installation.run(BUILDS="rpc cuda", CMAKE_ARGS="-DGGML_CUDA=ON", BUILT_IF="--force").returncode == 0
    plain, _, replaced = installation.asked
    assert "-DGGML_RPC=ON" in replaced
    assert "-DGGML_CUDA=ON" in replaced
    assert cache_in(plain) != cache_in(replaced)  # so that pip cannot take the wheel without CUDA


def test_a_build_without_what_was_asked_for_is_an_error(installation: Installation) -> None:
    result = installation.run(BUILDS="rpc", CMAKE_ARGS="-DGGML_VULKAN=ON")
    assert result.returncode == 1
    assert "llama.cpp was built without VULKAN: see CMAKE_ARGS (-DGGML_RPC=ON" in result.stderr


def test_a_build_that_fails_is_explained(installation: Installation) -> None:
    result = installation.run(FAILS="yes")
    assert result.returncode == 1
    assert "It needs a C++ compiler" in result.stderr
    assert len(installation.asked) == 1


def test_a_python_without_pip_is_refused(installation: Installation) -> None:
    result = installation.run(NO_PIP="yes")
    assert result.returncode == 2
    assert result.stderr == f"{installation.python} has no pip: python3 -m venv .venv makes one that has\n"
