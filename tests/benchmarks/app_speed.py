"""How fast the app is, as its visitors feel it: python tests/benchmarks/app_speed.py [ROUNDS]

First pick: from the browser's request, with an empty cache, until the first pick's price and speed stand there; first
page: until the script has ended too. Redraw: from a changed wish until what it changes stands there. Page: from a press
on a page's name until that page stands there. Needs what the tests of the pages need; figures are medians and ranges in
seconds, and as multiples of an empty page of Streamlit, as seconds mean little while the machine is busy.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page, sync_playwright

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]  # fmt: skip
DRAWN = "[data-testid=stApp][data-test-script-state=notRunning]"
CARDS = ".card .big"
EMPTY = "import streamlit as st\nst.title('empty')\n"


def main(rounds: int) -> None:
    """Measure and print."""
    told = {"load average before": [os.getloadavg()[0]]}
    with served() as address, sync_playwright() as play:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        if path is None:
            sys.exit("no Chromium found: install the package 'chromium' or set CHROMIUM to its path")
        browser = play.chromium.launch(executable_path=path, args=OPTIONS)
        with served_empty() as empty:
            told["empty page"] = [first_page(browser, empty, "h1")[0] for _ in range(rounds)]
        pairs = [first_page(browser, address, CARDS) for _ in range(rounds)]
        told["first pick"], told["first page"] = [first for first, _ in pairs], [whole for _, whole in pairs]
        page = browser.new_page()
        opened(page, f"{address}/?model=gpt-oss-20b")
        budgets = ("$500", "$700", "$1,000", "$1,500", "$2,000", "$3,000")
        told["budget"] = [redraw(page, chosen(page, "Budget", text)) for text in budgets[:rounds]]
        tasks = ("code", "use images", "chat")
        told["task"] = [redraw(page, chosen(page, "What for", text)) for text in tasks[:rounds]]
        names = ("Models", "Compare", "Why trust it", "Buy")
        told["page"] = [redraw(page, pressed(page, name)) for _ in range(rounds) for name in names]
        browser.close()
    floor = median(told["empty page"])
    for name, seconds in told.items():
        spread = f"{min(seconds):6.2f} to {max(seconds):.2f}   n {len(seconds)}"
        print(f"{name:<20} median {median(seconds):6.2f}   {spread}   {median(seconds) / floor:.1f}x an empty page")


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The app on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [sys.executable, "-m", "advisor", "app", "--port", str(port)], stdout=subprocess.DEVNULL
    ) as app:
        try:
            wait_for(address, app)
            yield address
        finally:
            app.terminate()


@contextlib.contextmanager
def served_empty() -> Iterator[str]:
    """A page of Streamlit's that says one word: the floor under every figure."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        script = Path(folder) / "empty.py"
        script.write_text(EMPTY, encoding="utf-8")
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        address = f"http://127.0.0.1:{port}"
        options = ["--server.headless", "true", "--browser.gatherUsageStats", "false", "--server.address", "127.0.0.1"]
        command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port), *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as app:
            try:
                wait_for(address, app)
                yield address
            finally:
                app.terminate()


def wait_for(address: str, app: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    while app.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health"):
            return
        time.sleep(0.1)


def opened(page: Page, address: str) -> None:
    """Open the first page and wait for its builds."""
    page.goto(address, wait_until="commit")
    page.wait_for_selector(CARDS)
    page.wait_for_selector(DRAWN)


def first_page(browser: Browser, address: str, wanted: str) -> tuple[float, float]:
    """Seconds of a visitor's first page: until what is wanted stands there, and until all does."""
    context = browser.new_context()
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(wanted)
    first = time.perf_counter() - start
    page.wait_for_selector(DRAWN)
    whole = time.perf_counter() - start
    context.close()
    return first, whole


def redraw(page: Page, act: Callable[[], None]) -> float:
    """Seconds from an act until the address has changed and the view has been drawn anew."""
    before = page.url
    start = time.perf_counter()
    act()
    page.wait_for_function("before => location.href != before", arg=before, polling=20)
    page.wait_for_selector(DRAWN)
    return time.perf_counter() - start


def pressed(page: Page, name: str) -> Callable[[], None]:
    """Going to another page."""
    return page.get_by_test_id("stTopNavLink").filter(has_text=name).first.click


def chosen(page: Page, label: str, option: str) -> Callable[[], None]:
    """Choosing from a list."""
    return lambda: (
        page.get_by_role("combobox", name=re.compile(label)).first.click(),
        page.get_by_role("option", name=option, exact=True).click(),
    )[0]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
