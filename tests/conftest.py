"""What all tests share: no test sees or touches the user's own data, and property tests are repeatable."""

from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: wall time on a shared machine says nothing about a law. Derandomised: a red run is red again.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def advisor_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder of the user for each test."""
    home = tmp_path / "advisor-home"
    monkeypatch.setenv("ADVISOR_HOME", str(home))
    return home
