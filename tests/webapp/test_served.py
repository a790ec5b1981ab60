"""Who can reach the pages, and that the server asks nobody else for anything."""

import socket
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from streamlit import file_util, net_util
from streamlit.web.server import server_util
from streamlit.web.server.starlette.starlette_app import create_streamlit_middleware
from streamlit.web.server.starlette.starlette_static_routes import create_streamlit_static_handler

from advisor.cli import serve
from advisor.cli.app import WRONG_INPUT, run
from webapp.pages import served


def test_a_page_of_a_foreign_origin_is_refused_without_asking_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit would look up the external address of this computer before it refuses."""
    asked: list[str] = []
    monkeypatch.setattr(net_util, "_make_blocking_http_get", lambda url, timeout=5: asked.append(f"{url} {timeout}"))
    monkeypatch.setattr(net_util, "get_external_ip", net_util.get_external_ip)  # put back when the test ends
    served.stay_home()
    assert not server_util.is_url_from_allowed_origins("http://elsewhere.example")
    assert server_util.is_url_from_allowed_origins("http://127.0.0.1:8501")
    assert asked == []


@pytest.mark.parametrize(
    ("host", "words", "names"),
    [("127.0.0.1", "this computer only", 0), ("0.0.0.0", "anyone who can reach this computer", 2),
     ("192.168.7.9", "anyone who can reach this computer", 1)],
)
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


STYLE = ".card { color: #123456 }"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "accept-encoding": "gzip"}


@pytest.fixture
def visit() -> TestClient:
    """Streamlit's own pages and two other answers, with a style."""
    streamlit = create_streamlit_static_handler(file_util.get_static_dir(), None)

    async def text(_: Request) -> Response:
        return PlainTextResponse("<body>")

    app = Starlette(routes=[Route("/text", text), Mount("/", streamlit)], middleware=[
        Middleware(served.Styled, style=STYLE), *create_streamlit_middleware(),
    ])
    return TestClient(app, headers=BROWSER)


@pytest.mark.parametrize("path", ["/", "/machine", "/no/such/page"])
def test_every_page_has_its_style_from_the_first(visit: TestClient, path: str) -> None:
    """After the styles in the head, so that it overrules them; the rest of the page is Streamlit's, to the letter."""
    answer = visit.get(path)
    style = f"<style>{STYLE}</style>"
    assert answer.text.count(style) == 1
    assert answer.text.index("</head>") < answer.text.index(style) < answer.text.index('<div id="root">')
    assert answer.text.replace(style, "") == (Path(file_util.get_static_dir()) / "index.html").read_text("utf-8")
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.fixture
def signposts() -> TestClient:
    """Streamlit's own pages and another answer, for a server whose pages are / and /machine."""
    streamlit = create_streamlit_static_handler(file_util.get_static_dir(), None)

    async def text(_: Request) -> Response:
        return PlainTextResponse("<body>")

    app = Starlette(routes=[Route("/text", text), Mount("/", streamlit)], middleware=[
        Middleware(served.Signposted, paths={"", "machine"}), Middleware(served.Styled, style=STYLE),
        *create_streamlit_middleware(),
    ])
    return TestClient(app, headers=BROWSER, follow_redirects=False)


@pytest.mark.parametrize(
    "address", ["/nothing", "/no/such/page", "/machine/gpu", "/build?build=RTX+3090&a=%25", "/C:/x", "/_stcore/nothing"]
)
def test_an_address_that_is_no_page_leads_to_the_one_that_says_so(signposts: TestClient, address: str) -> None:
    """By a relative address, so that a proxy's own prefix stays."""
    answer = signposts.get(address)
    assert answer.status_code == 307
    assert answer.headers["location"].startswith("../" * (address.count("/") - 1) + "lost?address=")
    led = urlsplit(urljoin(f"http://host{address}", answer.headers["location"]))
    assert (led.netloc, led.path, parse_qs(led.query)) == ("host", "/lost", {"address": [address]})


def test_pages_scripts_and_downloads_are_not_led_away(signposts: TestClient) -> None:
    script = next((Path(file_util.get_static_dir()) / "static" / "js").glob("index.*.js"))
    for path in ("/", "/machine", "/machine?gpu=x", f"/static/js/{script.name}", "/text"):
        assert signposts.get(path).status_code == 200
    assert signposts.get("/nothing", headers={"accept": "*/*"}).status_code == 200
    assert signposts.get("/machine/").headers["location"] == "/machine"  # Streamlit's own


def test_a_long_address_is_cut(signposts: TestClient) -> None:
    where = signposts.get(f"/{'x' * 5000}").headers["location"]
    assert len(where) < served.LONGEST_ADDRESS + 50


def test_a_page_is_sent_whole_whatever_a_browser_kept(visit: TestClient) -> None:
    """The tag of Streamlit's file stays the same when our style changes."""
    tag = TestClient(visit.app).get("/", headers={"accept": "*/*"}).headers["etag"]
    for asked in ({"if-none-match": tag}, {"range": "bytes=0-9"}):
        answer = visit.get("/", headers=asked)
        assert answer.status_code == 200
        assert STYLE in answer.text
        assert not {"etag", "last-modified"} & set(answer.headers)


def test_what_is_no_page_is_left_as_it_is(visit: TestClient) -> None:
    assert visit.get("/text").text == "<body>"
    assert visit.head("/").text == ""
    script = next((Path(file_util.get_static_dir()) / "static" / "js").glob("index.*.js"))
    answer = visit.get(f"/static/js/{script.name}")
    assert answer.content == script.read_bytes()
    assert "etag" in answer.headers
