"""How fast the app is, as its visitors feel it: python tests/benchmarks/app_speed.py [ROUNDS]

First pick: from the browser's request, with an empty cache, until price and speed of the first pick can be read;
first page: until all of it stands there. Budget: from the choice of another one on the first page until all that it
changes stands there; model: of one that nobody asked for before. Page: from a press on a page's name until that page
stands there. The browser's own clock is read, in the page. Needs what the tests of the pages need; figures are medians
and ranges in seconds, and as multiples of an empty page of Streamlit, as seconds mean little while the machine is busy.
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
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page, sync_playwright

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]
EMPTY = "import streamlit as st\nst.title('empty')\n"
BUDGETS = ("$700", "$1,000", "$1,500", "$2,000", "$3,000", "$5,000")
MODELS = ("Qwen3-30B-A3B", "gpt-oss-20b", "Gemma-4-31B", "GLM-4.7-Flash", "Qwen3.6-27B", "Llama-3.3-70B")
PAGES = ("My computer", "Models", "Compare", "Why trust it", "Buy")
LIMITS = {"first pick": 2.0, "first page": 3.0, "budget": 0.5, "model": 1.5, "page": 0.5}
"""Seconds that the pages are meant to keep on a quiet machine."""
CARD = ".card .big"
PATIENCE_MS = 120_000
READABLE = """selector => {
  const found = document.querySelector(selector);
  return found && getComputedStyle(found).visibility == 'visible' && performance.now() / 1000;
}"""
WHOLE = """selector => {
  const app = document.querySelector('[data-testid=stApp]');
  return app && app.dataset.testScriptState == 'notRunning' && document.querySelector(selector)
    && !document.querySelector('[data-testid=stSkeleton]') && performance.now() / 1000;
}"""
REMEMBER = "addEventListener('click', () => { window.pressed = performance.now() }, true)"
CHANGED = """before => {
  const app = document.querySelector('[data-testid=stApp]');
  return location.href != before && app.dataset.testScriptState == 'notRunning' && document.querySelector('h1')
    && (performance.now() - window.pressed) / 1000;
}"""


def main(rounds: int) -> None:
    """Measure and print."""
    floor: list[float] = []

    def tell(name: str, seconds: list[float]) -> None:
        """One line, as soon as it is known."""
        floor.extend(seconds if name == "empty page" else ())
        spread = f"{min(seconds):6.2f} to {max(seconds):.2f}   n {len(seconds)}"
        meant = f"   meant: {LIMITS[name]:g} s" if name in LIMITS else ""
        times = median(seconds) / median(floor)
        print(f"{name:<12} median {median(seconds):6.2f}   {spread}   {times:.1f}x empty{meant}", flush=True)

    print(f"load average before: {os.getloadavg()[0]:.1f}")
    with sync_playwright() as play:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        if path is None:
            sys.exit("no Chromium found: install the package 'chromium' or set CHROMIUM to its path")
        browser = play.chromium.launch(executable_path=path, args=OPTIONS)
        with served_empty() as empty:
            tell("empty page", [first_page(browser, empty, "h1")[1] for _ in range(rounds + 1)][1:])
        with served() as address:
            pairs = [first_page(browser, address, CARD) for _ in range(rounds)]
            tell("first pick", [first for first, _ in pairs])
            tell("first page", [whole for _, whole in pairs])
            page = browser.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.add_init_script(REMEMBER)
            opened(page, address)
            tell("budget", [chosen(page, "Budget", budget) for budget in BUDGETS[:rounds]])
            page.get_by_role("button", name="More wishes").click()
            tell("model", [chosen(page, "Model", name) for name in MODELS[:rounds]])
            page.keyboard.press("Escape")
            tell("page", [pressed(page, name) for _ in range(2) for name in PAGES][len(PAGES):])
        browser.close()


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The app on a free port."""
    port = free_port()
    command = [sys.executable, "-m", "advisor", "app", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as app:
        yield from answering(app, f"http://127.0.0.1:{port}")


@contextlib.contextmanager
def served_empty() -> Iterator[str]:
    """A page of Streamlit's that says one word: the floor under every figure."""
    with tempfile.TemporaryDirectory() as folder:
        script, port = Path(folder) / "empty.py", free_port()
        script.write_text(EMPTY, encoding="utf-8")
        options = ["--server.headless", "true", "--browser.gatherUsageStats", "false", "--server.address", "127.0.0.1"]
        command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port), *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as app:
            yield from answering(app, f"http://127.0.0.1:{port}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answering(app: subprocess.Popen[bytes], address: str) -> Iterator[str]:
    """The address of a server once it answers; it ends afterwards."""
    try:
        while app.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health"):
                break
            time.sleep(0.1)
        yield address
    finally:
        app.terminate()


def opened(page: Page, address: str) -> None:
    """Open the first page and wait for all of it."""
    page.goto(address, wait_until="commit")
    page.wait_for_function(WHOLE, arg=CARD)


def first_page(browser: Browser, address: str, wanted: str) -> tuple[float, float]:
    """Seconds of a visitor's first page: until what is wanted can be read, and until all stands there."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address, wait_until="commit")
    first = page.wait_for_function(READABLE, arg=wanted).json_value()
    whole = page.wait_for_function(WHOLE, arg=wanted).json_value()
    context.close()
    return float(first), float(whole)


def pressed(page: Page, name: str) -> float:
    """Seconds of going to another page."""
    before = page.url
    page.get_by_test_id("stTopNavLink").filter(has_text=name).first.click()
    return float(page.wait_for_function(CHANGED, arg=before).json_value())


def chosen(page: Page, label: str, option: str) -> float:
    """Seconds of another choice in a list."""
    before = page.url
    field = page.get_by_role("combobox", name=re.compile(label)).first
    field.click()
    field.press_sequentially(option)
    page.get_by_role("option", name=option, exact=True).click()
    return float(page.wait_for_function(CHANGED, arg=before).json_value())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
