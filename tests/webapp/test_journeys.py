"""What visitors come for, done in a browser against the running app."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Page, expect

from advisor.physics.knowledge import load
from catalog.profiles import digest_of

Opener = Callable[..., Page]
Scheme = Literal["light", "dark"]
Settle = Callable[[Page], None]
BOX = {
    "gpus": [{"name": "RTX 3060 12GB"}],
    "cpu": "Ryzen 7 5800X",
    "ram": {"type": "DDR4", "mt_s": 3600, "channels": 2},
}
BUILD = "build?build=RTX+3060+12GB+%7C+Ryzen+7+5800X+%7C+DDR4-3600+2x16&model=gpt-oss-20b"
BOX_LINK = "machine?gpu=RTX+3060+12GB&cpu=Ryzen+7+5800X&ram=DDR4-3600+2x16"


def profile(hardware: dict[str, Any]) -> bytes:
    """A calibration that found RAM read half as fast again: exp(0.405) = 1.5."""
    shift = {"coefficient": "ram_stream", "log_value": 0.405, "standard_error": 0.02, "informed": True}
    told = {
        "name": "box", "fingerprint": "0" * 32, "efficiencies_digest": digest_of(load().efficiencies.effects),
        "hardware": hardware, "engine": {"name": "llama.cpp", "backend": "cuda"},
        "measured_on": str(date(2026, 11, 24)), "effects": [shift],
    }
    return json.dumps(told).encode()


MOST_TABS = 12
MOST_SHIFT = 0.1
SHIFTS = """() => new Promise(done => {
  let moved = 0;
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) moved += entry.hadRecentInput ? 0 : entry.value;
  }).observe({type: 'layout-shift', buffered: true});
  setTimeout(() => done(moved), 100);
})"""
"""All shifts since the page began."""


def upload(page: Page, content: bytes) -> None:
    page.get_by_text("A calibration profile of this machine").click()
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(
        {"name": "profile.json", "mimeType": "application/json", "buffer": content}
    )


def writing(page: Page) -> float:
    """The writing speed among the figures of a build."""
    value = page.locator(".figures .big").first.inner_text()
    return float(value.replace(",", "").split()[0])


def choose(page: Page, label: str, option: str) -> None:
    field = page.get_by_role("combobox", name=re.compile(label)).first
    field.click()
    expect(page.get_by_role("option").first).to_be_visible()
    field.press_sequentially(option[:12])
    page.get_by_role("option", name=option, exact=True).click()


def download(page: Page, label: str) -> str:
    with page.expect_download() as started:
        page.get_by_test_id("stDownloadButton").get_by_role("button", name=label).first.click()
    return Path(started.value.path()).read_text(encoding="utf-8")


def bottoms(page: Page, selector: str) -> list[float]:
    each = "[...document.querySelectorAll(selector)].map(item => item.getBoundingClientRect().bottom)"
    found: list[float] = page.evaluate(f"selector => {each}", selector)
    return found


@pytest.mark.parametrize(("width", "height", "seen"), [(1280, 900, 6), (390, 844, 2)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_screen_holds_price_and_speed(
    open_page: Opener, width: int, height: int, seen: int, scheme: Scheme
) -> None:
    """Wide: of every pick; on a phone: of the first. Nothing leads sideways."""
    page = open_page("?budget=2000", width=width, height=height, scheme=scheme)
    places = bottoms(page, ".card .big")
    assert len(places) >= 4
    assert max(places[:seen]) <= height
    assert bottoms(page, ".st-key-sentence")[0] < places[0]
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
@pytest.mark.parametrize("view", ["?task=agent&budget=2000", BUILD, BOX_LINK, "models?model=gpt-oss-20b", "trust"])
def test_nothing_jumps(open_page: Opener, view: str, width: int, height: int) -> None:
    """Cumulative layout shift, whose good values end at 0.1 (https://web.dev/articles/cls): positions, not times."""
    page = open_page(view, width=width, height=height)
    page.wait_for_timeout(500)  # what is fetched last has been drawn
    moved: float = page.evaluate(SHIFTS)
    assert moved < MOST_SHIFT


def test_the_keyboard_reaches_the_first_result_in_twelve_tabs(open_page: Opener, settle: Settle) -> None:
    """Through the names of the pages and the words of the sentence, without the link that skips them."""
    page = open_page("?budget=2000")
    page.wait_for_selector("main[tabindex='-1']")
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText || ''").strip().endswith("See the build"):
            break
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/build"))
    settle(page)
    assert writing(page) > 0


def test_the_head_is_skipped_by_a_link(open_page: Opener) -> None:
    page = open_page("?budget=2000")
    page.wait_for_selector("main[tabindex='-1']")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("combobox", name="What for")).to_be_focused()


def test_a_pick_is_opened_changed_and_left_again(open_page: Opener, settle: Settle) -> None:
    """A used build for little money: its address, another supply in place, Back returns to the answer."""
    page = open_page("?task=chat&budget=900&model=gpt-oss-20b")
    name = page.locator(".card h2").first.inner_text().removesuffix(", used")
    page.get_by_role("link", name="See the build").first.click()
    expect(page).to_have_url(re.compile("/build"))
    expect(page.get_by_role("heading", level=1, name=name, exact=True)).to_be_visible()
    settle(page)
    for title in ("What it does", "Parts and prices", "Why this number"):
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    page.get_by_text("Set it up, and check the number").click()
    expect(page.get_by_text("llama-bench -m MODEL.gguf")).to_be_visible()
    page.go_back()
    expect(page.locator(".card h2").first).to_contain_text(name)
    assert "budget=900" in page.url


def test_a_supply_is_swapped_in_its_line_and_the_words_follow(open_page: Opener, settle: Settle) -> None:
    """Taken, it stands in the line, and Back brings the other one again."""
    page = open_page(BUILD)
    settle(page)
    before = page.url
    page.get_by_role("button", name=re.compile("^Change power supply")).click()
    field = page.get_by_role("combobox", name=re.compile("Another power supply"))
    field.click()
    whole = page.get_by_role("option", name=re.compile("goes together")).first.inner_text()
    text = whole.partition(":")[0]
    page.get_by_role("option", name=whole, exact=True).click()
    page.get_by_role("button", name=f"Take {text}").click()
    expect(page).to_have_url(re.compile(r"psu%3A|psu:"))
    settle(page)
    expect(page.get_by_role("button", name=f"Change power supply {text}")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(before)
    expect(page.get_by_role("button", name=f"Change power supply {text}")).to_have_count(0)


SAID = "then => then.every(([name, value]) => new URLSearchParams(location.search).get(name) === value)"
"""Whether the address says all of it."""


def hurry(page: Page, label: str, option: str) -> None:
    """Choose by the keyboard, without a look at what the page does meanwhile."""
    field = page.get_by_role("combobox", name=re.compile(label)).first
    field.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type(option)
    page.get_by_role("option", name=option).first.wait_for()
    page.keyboard.press("Enter")


@pytest.mark.parametrize(
    ("view", "wishes", "then"),
    [
        ("machine", {"Graphics card": "RTX 3060 12GB", "Processor": "Ryzen 5 5600"},
         {("gpu", "RTX 3060 12GB"), ("cpu", "Ryzen 5 5600")}),
        ("?budget=900", {"What for": "code with an agent", "Budget": "2000", "Condition": "new parts only"},
         {("task", "agent"), ("budget", "2000"), ("condition", "new")}),
        ("compare?task=chat", {"Model": "gpt-oss-20b", "Context": "32K tokens", "Parts": "new parts only"},
         {("model", "gpt-oss-20b"), ("context", "32768"), ("condition", "new")}),
        ("models?model=gpt-oss-20b", {"What for": "code with an agent", "Open a model": "gpt-oss-120b"},
         {("task", "agent"), ("model", "gpt-oss-120b")}),
    ],
    ids=["machine", "buy", "compare", "models"],
)
def test_a_hasty_visitor_loses_no_word(
    open_page: Opener, settle: Settle, view: str, wishes: dict[str, str], then: set[tuple[str, str]]
) -> None:
    """Each field is filled while the page still answers the one before."""
    page = open_page(view)
    for label, option in wishes.items():
        hurry(page, label, option)
    page.wait_for_function(SAID, arg=list(then))
    settle(page)
    page.wait_for_timeout(1000)  # a run that took an old address for a way back would be drawn by then
    assert then <= set(parse_qsl(urlsplit(page.url).query))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nothing", "There is no page at /nothing"), ("no/such/page?a=b", "There is no page at /no/such/page?a=b"),
        ("machine/gpu/3060", "There is no page at /machine/gpu/3060"), ("build", "A build"),
        ("build?build=RTX+99999+%7C+%7C", "A build"), ("build?build=RTX+3090+%7C+Ryz", "A build"),
        ("build?build=%7C%7C&task=agent", "A build"), ("build?build=machine%3A", "A build"),
        ("build?build=RTX+3090%2", "A build"),
        ("build?build=RTX+3090+%7C+Ryzen+5+5600+%7C+DDR4-3200+2x16+%7C+ps", "A build"),
    ],
)
def test_a_wrong_address_ends_in_a_sentence_and_a_way_on(open_page: Opener, address: str, words: str) -> None:
    page = open_page(address)
    expect(page.get_by_role("heading", level=1, name=words)).to_be_visible()
    expect(page.get_by_test_id("stPageLink").first).to_be_visible()


def test_a_budget_nothing_fits_names_ways_out(open_page: Opener, settle: Settle) -> None:
    page = open_page("?budget=100&model=gpt-oss-20b", width=390, height=844)
    expect(page.get_by_role("heading", name="Nothing answers that yet")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Spend")).first.click()
    expect(page.locator(".card h2").first).to_be_visible()


def test_a_measurement_is_pasted_and_every_number_follows(open_page: Opener, settle: Settle) -> None:
    page = open_page(BUILD)
    before = page.locator(".figures .big").first.inner_text()
    page.get_by_text("I measured it").click()
    page.get_by_role("textbox", name=re.compile("Paste what came out")).fill("31 tok/s, gpt-oss-20b MXFP4")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_text("All numbers of this computer now use what you measured")).to_be_visible()
    expect(page.locator(".range s")).to_have_count(1)
    expect(page.locator(".figures .big").first).not_to_have_text(before)


def test_my_computer_with_its_own_profile(open_page: Opener) -> None:
    page = open_page(BOX_LINK)
    before = writing(page)
    upload(page, profile(BOX))
    expect(page.get_by_text("Calibrated with profile box")).to_be_visible()
    expect(page.locator(".figures .big").first).not_to_have_text(f"{before:.0f} tok/s")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"name": "box", "finger', "This file is no calibration profile that can be used: the profile is not JSON"),
        (profile({"gpus": [{"name": "RTX 3090"}], "cpu": "Ryzen 7 5800X"}), "measured on another machine (RTX 3090"),
    ],
    ids=["damaged", "foreign"],
)
def test_a_profile_that_is_not_this_machines_is_refused(open_page: Opener, content: bytes, sentence: str) -> None:
    page = open_page(BOX_LINK)
    before = writing(page)
    upload(page, content)
    expect(page.get_by_text(sentence)).to_be_visible()
    assert writing(page) == before


def test_a_laptop_is_described_by_buttons(open_page: Opener, settle: Settle) -> None:
    page = open_page("machine", width=390, height=844)
    page.get_by_text("A laptop", exact=True).click()
    choose(page, "Graphics in it", "RTX 4060 Laptop GPU")
    expect(page.get_by_text("Press the size of its memory")).to_be_visible()
    page.get_by_text("32GB", exact=True).click()
    expect(page.get_by_role("heading", name="Best for you")).to_be_visible()
    expect(page).to_have_url(re.compile("ram=32GB"))


def test_builds_are_compared_side_by_side(open_page: Opener, settle: Settle) -> None:
    page = open_page(BUILD)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("1 to compare")).to_be_visible()
    page.get_by_test_id("stTopNavLink").filter(has_text="Compare").click()
    expect(page.get_by_text("Compared (press one to take it off)")).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Strix Halo, DGX Spark, 2x 3090, 5090").click()
    expect(page).to_have_url(re.compile(r"build=.*build=.*build="))
    expect(page.get_by_role("columnheader", name="RTX 5090", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stTopNavLink").filter(has_text="Compare (4)")).to_be_visible()
    expect(page.locator("td.best").first).to_be_visible()
    rows = list(csv.DictReader(io.StringIO(download(page, "CSV"))))
    assert len(rows[0]) == 5
    assert {"Price", "Writes, tok/s", "n_cpu_moe"} <= {row["Fact"] for row in rows}


def test_a_shared_link_restores_the_view_with_its_currency(open_page: Opener, settle: Settle) -> None:
    first = open_page("?budget=1500&model=gpt-oss-20b&currency=EUR")
    choose(first, "Context", "32K of context")
    expect(first).to_have_url(re.compile("context=32768"))
    settle(first)
    query = first.url.partition("?")[2]
    second = open_page(f"?{query}")
    assert second.url.partition("?")[2] == query
    prices = second.locator(".card .big").all_inner_texts()
    assert prices == first.locator(".card .big").all_inner_texts()
    assert "€" in prices[0]


def test_an_old_link_leads_to_the_page_that_took_its_place(open_page: Opener) -> None:
    page = open_page("explore?model=gpt-oss-20b")
    expect(page).to_have_url(re.compile(r"/models\?.*model=gpt-oss-20b"))
    expect(page.get_by_role("heading", name="Which compression?")).to_be_visible()


def test_downloads_hold_what_the_view_shows(open_page: Opener, settle: Settle) -> None:
    page = open_page("?budget=900&condition=used&model=gpt-oss-20b")
    found = json.loads(download(page, "JSON"))
    rows = list(csv.DictReader(io.StringIO(download(page, "CSV"))))
    names = [build["name"] for build in found["builds"]]
    assert [row["name"] for row in rows] == names
    assert all(build["price_usd"] <= 900 for build in found["builds"])
    lines = [line.split("|")[1].strip() for line in download(page, "Markdown").splitlines() if line.startswith("|")]
    assert lines[2:] == names


@pytest.mark.parametrize("view", [BUILD, BOX_LINK, "models", "compare", "trust?card=RTX+3090"])
def test_a_phone_shows_every_page_without_scrolling_sideways(open_page: Opener, view: str) -> None:
    page = open_page(view, width=390, height=844, scheme="dark")
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_number_leads_to_its_evidence_in_two_steps(open_page: Opener) -> None:
    """From a pick to its build, where the runs and the command that checks it stand."""
    page = open_page(BUILD)
    link = page.get_by_role("region", name=re.compile("Measured runs")).get_by_role("link").first
    expect(link).to_have_attribute("href", re.compile("^https?://"))
    page.get_by_text("Set it up, and check the number").click()
    expect(page.get_by_text("advisor predict").first).to_be_visible()
