"""What the tests of the engine share: a device behind an RPC server."""

import sys
from collections.abc import Iterator

import pytest

from advisor.engine.remote import RpcServer


@pytest.fixture(scope="session", autouse=True)
def _closed_files() -> Iterator[None]:
    """llama_cpp leaves two files on /dev/null open, which Python would tell of as it ends."""
    yield
    if utilities := sys.modules.get("llama_cpp._utils"):
        utilities.outnull_file.close()
        utilities.errnull_file.close()


@pytest.fixture(scope="session")
def remote_device() -> Iterator[str]:
    """Endpoint of an RPC server that offers this computer's CPU on the loopback: a ggml device beside the CPU's own.

    It serves one client at a time: let the process that used it end before the next one.
    """
    with RpcServer.start(threads=2, devices=["CPU"]) as server:
        yield str(server.endpoint)
