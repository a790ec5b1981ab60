"""Who can reach the pages, and that the server asks nobody else for anything."""

import socket

import pytest
from streamlit import net_util
from streamlit.web.server import server_util

from advisor.cli import serve
from advisor.cli.app import WRONG_INPUT, run
from webapp.pages import app


def test_a_page_of_a_foreign_origin_is_refused_without_asking_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit would look up the external address of this computer before it refuses."""
    asked: list[str] = []
    monkeypatch.setattr(net_util, "_make_blocking_http_get", lambda url, timeout=5: asked.append(f"{url} {timeout}"))
    monkeypatch.setattr(net_util, "get_external_ip", net_util.get_external_ip)  # put back when the test ends
    app.stay_home()
    assert not server_util.is_url_from_allowed_origins("http://elsewhere.example")
    assert server_util.is_url_from_allowed_origins("http://127.0.0.1:8501")
    assert asked == []


@pytest.mark.parametrize(
    ("host", "words", "names"),
    [("127.0.0.1", "this computer only", 0), ("0.0.0.0", "anyone who can reach this computer", 2),
     ("192.168.7.9", "anyone who can reach this computer", 1)],
)  # fmt: skip
def test_it_is_said_who_can_reach_the_pages(host: str, words: str, names: int) -> None:
    said, allowed = serve.reached_at(host, 8501)
    assert words in said
    assert len(allowed) == names
    assert all(name.endswith(":8501") for name in allowed)


@pytest.mark.parametrize("host", ["no such host", "192.0.2.1"])
def test_a_host_that_is_not_this_computers_is_refused(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    """192.0.2.1 is for documentation (RFC 5737): no computer has it."""
    assert run(["app", "--host", host]) == WRONG_INPUT
    assert f"--host {host} is no address of this computer" in capsys.readouterr().err


def test_a_port_in_use_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run(["app", "--port", str(taken.getsockname()[1])]) == WRONG_INPUT
    assert "cannot be used" in capsys.readouterr().err
