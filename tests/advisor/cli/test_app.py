"""`advisor app` refuses what cannot be served before anything is loaded; that it serves is tested with the pages."""

import socket

import pytest

from advisor.cli.app import run


def test_a_port_in_use_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(["app", "--port", str(port)]) == 2
    assert capsys.readouterr().err == f"advisor: --port {port} cannot be used (address already in use): give another\n"


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["app", "--port", port]) == 2
    assert "'--port'" in capsys.readouterr().err
