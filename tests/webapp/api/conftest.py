"""One server for most tests of the API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.webapp.api.clusters import postgres
from tests.webapp.api.running import Server, serving


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the server may read model files in."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Iterator[Server]:
    """A server of one worker with SQLite, as it starts by default, but for CORS and model files."""
    environment = {"ADVISOR_CORS_ORIGINS": "https://example.org", "ADVISOR_GGUF_FOLDER": str(models_folder)}
    with serving(tmp_path_factory.mktemp("api"), **environment) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    with postgres() as url:
        yield url
