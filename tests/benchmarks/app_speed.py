"""How fast the app is, as its visitors feel it: python tests/benchmarks/app_speed.py [ROUNDS]

First page: from the browser's request, with an empty cache, until the ranked builds stand there and the script has
ended. Redraw: from a click on a filter, or from a changed wish, until what it changes stands there. Needs what the
tests of the pages need; figures are medians and ranges in seconds, and mean little while the machine is busy.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from statistics import median

from playwright.sync_api import Browser, Page, sync_playwright

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]  # fmt: skip
DRAWN = "[data-testid=stApp][data-test-script-state=notRunning]"
CARDS = "[class*='st-key-open-']"


def main(rounds: int) -> None:
    """Measure and print."""
    told = {"load average before": [os.getloadavg()[0]]}
    with served() as address, sync_playwright() as play:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        if path is None:
            sys.exit("no Chromium found: install the package 'chromium' or set CHROMIUM to its path")
        browser = play.chromium.launch(executable_path=path, args=OPTIONS)
        told["first page"] = [first_page(browser, address) for _ in range(rounds)]
        page = browser.new_page()
        opened(page, address)
        told["filter"] = [redraw(page, filter_) for _ in range(rounds) for filter_ in filters(page)]
        told["budget"] = [redraw(page, typed(page, "Budget", str(usd))) for usd in range(900, 900 + 50 * rounds, 50)]
        told["context"] = [redraw(page, chosen(page, "Context", f"{size}K")) for size in (16, 32, 64, 128)[:rounds]]
        browser.close()
    for name, seconds in told.items():
        print(
            f"{name:<20} median {median(seconds):6.2f}   {min(seconds):6.2f} to {max(seconds):.2f}   n {len(seconds)}"
        )


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
            while app.poll() is None:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health"):
                    break
                time.sleep(0.1)
            yield address
        finally:
            app.terminate()


def opened(page: Page, address: str) -> None:
    """Open the first page and wait for its builds."""
    page.goto(address, wait_until="commit")
    page.wait_for_selector(CARDS)
    page.wait_for_selector(DRAWN)


def first_page(browser: Browser, address: str) -> float:
    """Seconds of a visitor's first page."""
    context = browser.new_context()
    page = context.new_page()
    start = time.perf_counter()
    opened(page, address)
    seconds = time.perf_counter() - start
    context.close()
    return seconds


def redraw(page: Page, act: Callable[[], None]) -> float:
    """Seconds from an act until the address has changed and the view has been drawn anew."""
    before = page.url
    start = time.perf_counter()
    act()
    page.wait_for_function("before => location.href != before", arg=before, polling=20)
    page.wait_for_selector(DRAWN)
    return time.perf_counter() - start


def filters(page: Page) -> Iterator[Callable[[], None]]:
    """Each filter set and taken off."""
    for name in ("NVIDIA", "NVIDIA", "AMD", "AMD"):
        yield page.get_by_role("button", name=name, exact=True).or_(page.get_by_text(name, exact=True)).first.click
    for _ in range(2):
        yield page.get_by_text("Only the best for their price").click


def typed(page: Page, label: str, text: str) -> Callable[[], None]:
    """Typing into a field."""

    def act() -> None:
        field = page.get_by_role("spinbutton", name=re.compile(label)).first
        field.fill(text)
        field.press("Enter")

    return act


def chosen(page: Page, label: str, option: str) -> Callable[[], None]:
    """Choosing from a list."""
    return lambda: (
        page.get_by_role("combobox", name=re.compile(label)).first.click(),
        page.get_by_role("option", name=f"{option} tokens", exact=True).click(),
    )[0]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
