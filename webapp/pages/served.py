"""How the pages reach a browser: what `advisor app` has Streamlit serve, with the style in the page from the first.

Streamlit draws its elements when their scripts have arrived, a style among them: until then the pages would stand
unstyled and jump. So the style is put into the page that the server sends.

Streamlit sends its page for any address, and names its scripts relative to it: below the root they are found, under
/no/such/ they are not, and the page stays white. So an address that is no page leads to the one that says so.
"""

import gc
from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catalog import tables
from webapp.links import MOVED, VIEWS, BuyState, LostState
from webapp.pages import buy

HERE = Path(__file__).parent
BODY = b"<body>"
CONDITIONS = frozenset({b"if-none-match", b"if-modified-since", b"range", b"accept-encoding"})
"""Headers that ask for less than a whole page, or for a packed one: the tag and the date of Streamlit's file know
nothing of our style, and what is packed cannot be put into.
"""


LONGEST_ADDRESS = 600
"""Of one that is told to its visitor."""


def warm() -> None:
    """Read the tables, rank the first visitor's question and import what draws it, before the first visitor comes."""
    buy.warm(BuyState())
    tables.public_runs()
    for name in ("pandas", "pyarrow"):
        import_module(name)
    gc.collect()
    gc.freeze()  # what was made so far lives on: looking through it took a third of a second of some answers


def stay_home() -> None:
    """Keep Streamlit from asking another host for this computer's external address, as it does when a page of a foreign
    origin calls: such a page is refused without that.
    """
    from streamlit import net_util

    vars(net_util)["get_external_ip"] = lambda: None


class Styled:
    """Puts a style at the head of the body of every page that the server sends: there it comes after Streamlit's own,
    which stand in the page's head.
    """

    def __init__(self, app: ASGIApp, style: str) -> None:
        self.app = app
        self.style = f"<style>{style}</style>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; what is no page is passed on as it comes."""
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self.app(scope, receive, send)
            return
        whole = [(name, value) for name, value in scope["headers"] if name not in CONDITIONS]
        begun: list[Message] = []
        body = bytearray()

        async def held(message: Message) -> None:
            """Send a page once it is whole."""
            if message["type"] == "http.response.start" and _is_page(message):
                begun.append(message)
            elif not begun:
                await send(message)
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    await self._sent(begun[0], bytes(body), scope["method"], send)

        await self.app({**scope, "headers": whole}, receive, held)

    async def _sent(self, start: Message, body: bytes, method: str, send: Send) -> None:
        page = body.replace(BODY, BODY + self.style, 1)
        headers = MutableHeaders(raw=list(start["headers"]))
        for name in ("etag", "last-modified", "accept-ranges", "content-length"):
            del headers[name]
        if method != "HEAD":
            headers["content-length"] = str(len(page))
        await send({**start, "headers": headers.raw})
        await send({"type": "http.response.body", "body": page})


def _is_page(start: Mapping[str, Any]) -> bool:
    headers = Headers(raw=list(start["headers"]))
    return headers.get("content-type", "").startswith("text/html")


class Signposted:
    """Leads a visitor whose address is no page to the one that says so, with the address; what is no page, such as a
    script or a download, is passed on as it comes.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        self.app = app
        self.paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or lead on by an address relative to what was asked, which a proxy's own prefix does not break."""
        seeks = scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", "")
        path = scope.get("path", "")
        if not seeks or (path.strip("/") in self.paths and not path.startswith("//")):
            await self.app(scope, receive, send)
            return
        lost = False

        async def led(message: Message) -> None:
            """Send what is no page of Streamlit's and no refusal of an odd path; nothing more once led on."""
            nonlocal lost
            if message["type"] == "http.response.start":
                lost = message["status"] == 400 or (message["status"] == 200 and _is_page(message))
                if lost:
                    query = scope.get("query_string", b"").decode("latin-1")
                    asked = quote(f"{path}?{query}"[:LONGEST_ADDRESS].rstrip("?"), safe="")
                    where = f"{'../' * (path.count('/') - 1)}{LostState.path}?address={asked}"
                    await RedirectResponse(where, 307, {"cache-control": "no-cache"})(scope, receive, send)
            if not lost:
                await send(message)

        await self.app(scope, receive, led)


pages = st.App(HERE / "app.py", middleware=[
    Middleware(Signposted, paths=frozenset({*VIEWS, *MOVED})),
    Middleware(Styled, style=(HERE / "style.css").read_text(encoding="utf-8")),
])
