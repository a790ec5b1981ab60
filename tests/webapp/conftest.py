"""The app as its visitors meet it: one server, one browser for a file of tests, and a page that tells of any fault."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

ROOT = Path(__file__).parents[2]
AXE = ROOT / ".axe" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 60_000
BROWSER_OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]
PROBES = ("/_stcore/health", "/_stcore/host-config")
"""Streamlit's own page looks for its server below the path of a view before it looks at the root: a 404 by design.
Source: Streamlit 1.67, static/js/index (getPossibleBaseUris), read 2026-11-25."""
Opener = Callable[..., Page]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="session")
def app_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of `advisor app`, started as a user starts it."""
    port = free_port()
    environment = os.environ | {"ADVISOR_HOME": str(tmp_path_factory.mktemp("app-home"))}
    log = tmp_path_factory.mktemp("app-log") / "log"
    command = [sys.executable, "-m", "advisor", "app", "--port", str(port)]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=ROOT) as server:
        address = f"http://127.0.0.1:{port}"
        try:
            while not answers(address):
                assert server.poll() is None, f"the app ended: {log.read_text()}"
                time.sleep(0.1)
            yield address
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Of a file of tests: as long as it is there, its event loop runs, and no test may start another one."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if path is None:
        pytest.fail("the tests of the pages need Chromium: install Debian's package chromium, or set CHROMIUM")
    started = playwright.chromium.launch(executable_path=path, args=BROWSER_OPTIONS)
    yield started
    started.close()


expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    """One for all tests of a file, so that the app's scripts are fetched and compiled once."""
    found = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    found.set_default_timeout(PATIENCE_MS)
    return found


@pytest.fixture(scope="module")
def tabs(context: BrowserContext) -> list[Page]:
    """Tabs that are free: in one that has shown the app, its scripts need not be compiled again."""
    return []


@pytest.fixture
def open_page(app_address: str, context: BrowserContext, tabs: list[Page]) -> Iterator[Opener]:
    """Opens a view by its path and query, in a tab that nothing of another test is left in.

    At the end no page may have shown an exception or a console error, or asked another server for anything.
    """
    faults: list[str] = []
    opened: list[Page] = []

    def told(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location["url"].endswith(PROBES):
            faults.append(message.text)

    def broke(error: Error) -> None:
        faults.append(str(error))

    def asked(request: Request) -> None:
        if request.url.split(":")[0] not in {"data", "blob"} and not request.url.startswith(app_address):
            faults.append(f"asked elsewhere: {request.url}")

    heard = {"console": told, "pageerror": broke, "request": asked}

    def opener(
        view: str = "", width: int = 1280, height: int = 900, scheme: Literal["light", "dark"] = "light"
    ) -> Page:
        page = tabs.pop() if tabs else context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme, media="null")
        for event, listener in heard.items():
            page.on(event, listener)
        opened.append(page)
        page.goto(f"{app_address}/{view}")
        settled(page)
        return page

    yield opener
    for page in opened:
        faults += page.get_by_test_id("stException").all_inner_texts()
        for event, listener in heard.items():
            page.remove_listener(event, listener)
        page.evaluate("sessionStorage.clear()")
        page.goto("about:blank")
        tabs.append(page)
    assert faults == []


@pytest.fixture
def settle() -> Callable[[Page], None]:
    """Waits until a view has been drawn."""
    return settled


def settled(page: Page) -> None:
    """Wait until the view has been drawn and its script has ended."""
    page.wait_for_selector("h1")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_function("document.querySelectorAll('[data-testid=stSkeleton]').length == 0")


@pytest.fixture(scope="session")
def axe_script() -> str:
    if not AXE.is_file():
        pytest.fail("axe-core is not there: scripts/install-axe fetches it (it needs npm)")
    return AXE.read_text(encoding="utf-8")
