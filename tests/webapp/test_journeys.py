"""What visitors come for, done in a browser against the running app."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from advisor.buying.recommendation import recommend
from advisor.buying.wish import Wish
from advisor.physics.knowledge import load
from catalog.profiles import digest_of

Opener = Callable[..., Page]
Settle = Callable[[Page], None]
BOX = {
    "gpus": [{"name": "RTX 3060 12GB"}],
    "cpu": "Ryzen 7 5800X",
    "ram": {"type": "DDR4", "mt_s": 3600, "channels": 2},
}
BOX_LINK = "machine?gpu=RTX+3060+12GB&cpu=Ryzen+7+5800X&ram=DDR4-3600+2x16"


def profile(hardware: dict[str, Any]) -> bytes:
    """A calibration that found RAM read half as fast again: exp(0.405) = 1.5."""
    shift = {"coefficient": "ram_stream", "log_value": 0.405, "standard_error": 0.02, "informed": True}
    told = {
        "name": "box", "fingerprint": "0" * 32, "efficiencies_digest": digest_of(load().efficiencies.effects),
        "hardware": hardware, "engine": {"name": "llama.cpp", "backend": "cuda"},
        "measured_on": str(date(2026, 11, 24)), "effects": [shift],
    }  # fmt: skip
    return json.dumps(told).encode()


def upload(page: Page, content: bytes) -> None:
    page.get_by_text("A calibration profile of this machine").click()
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(
        {"name": "profile.json", "mimeType": "application/json", "buffer": content}
    )


def writing(page: Page) -> float:
    """The writing speed of the build that is open."""
    value = page.get_by_test_id("stMetricValue").first.inner_text()
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


def test_find_under_900_used_and_open_the_best(open_page: Opener, settle: Settle) -> None:
    page = open_page()
    page.get_by_role("button", name="Under $900, used").click()
    expect(page.get_by_text("$900 or less")).to_be_visible()
    best = recommend(Wish(model="Qwen3.6-35B-A3B", budget_usd=900, condition="used", limit=100), load()).builds[0]
    page.get_by_role("button", name=f"Open {best.name}", exact=True).click()
    expect(page).to_have_url(re.compile(r"open="))
    expect(page.get_by_role("heading", name=best.name, exact=True)).to_be_visible()
    settle(page)
    for title in ("Where the time of a token goes", "Where the bytes lie", "Parts and prices", "Nearest measured runs"):
        expect(page.get_by_text(title).first).to_be_visible()
    page.get_by_text("Run it, and check the number").click()
    expect(page.get_by_text("llama-bench -m MODEL.gguf")).to_be_visible()


def test_a_point_of_the_chart_opens_its_build(open_page: Opener) -> None:
    page = open_page("?budget=900&condition=used", height=1800)
    points = page.get_by_test_id("stVegaLiteChart").first.locator("path[aria-roledescription=point]")
    place = points.last.bounding_box()
    assert place is not None
    page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    expect(page).to_have_url(re.compile("open="))
    name = re.sub(r"^.*Build: (.*?); .*$", r"\1", points.last.get_attribute("aria-label") or "")
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def test_a_budget_nothing_fits_names_the_cheapest_that_does(open_page: Opener) -> None:
    page = open_page()
    field = page.get_by_role("spinbutton", name=re.compile("Budget"))
    field.fill("100")
    field.press("Enter")
    expect(page.get_by_text("the cheapest that does costs $")).to_be_visible()
    page.get_by_role("button", name="Show builds at any price").click()
    expect(page.get_by_role("tab", name="Price and speed")).to_be_visible()


def test_a_longer_context_moves_experts_to_ram_and_slows_it_down(open_page: Opener, settle: Settle) -> None:
    page = open_page("?article=B1&condition=any&context=4096&quant=Q4_K_M")
    before, layers = writing(page), experts_in_ram(page)
    choose(page, "Context", "128K tokens")
    expect(page).to_have_url(re.compile("context=131072"))
    expect(page.get_by_test_id("stMetricValue").first).not_to_have_text(f"{before:.0f} tok/s")
    settle(page)
    assert writing(page) < before
    assert experts_in_ram(page) > layers


def experts_in_ram(page: Page) -> int:
    found = re.search(r"n_cpu_moe (\d+)", page.get_by_text("n_cpu_moe").first.inner_text())
    assert found
    return int(found[1])


def test_my_machine_with_its_own_profile(open_page: Opener) -> None:
    page = open_page(BOX_LINK)
    before = writing(page)
    upload(page, profile(BOX))
    expect(page.get_by_text("Calibrated with profile box")).to_be_visible()
    expect(page.get_by_test_id("stMetricValue").first).not_to_have_text(f"{before:.0f} tok/s")
    assert writing(page) > before


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


def test_builds_are_compared_side_by_side(open_page: Opener, settle: Settle) -> None:
    page = open_page("?budget=900&condition=used")
    page.get_by_role("button", name="Add to comparison").click()
    expect(page.get_by_text("1 to compare")).to_be_visible()
    page.get_by_test_id("stTopNavLink").filter(has_text="Compare").click()
    expect(page.get_by_text("Compared (press one to take it off)")).to_be_visible()
    settle(page)
    page.get_by_text("Add a build", exact=True).click()
    expect(page.get_by_role("button", name="The article's four builds")).to_be_visible()
    page.wait_for_timeout(700)  # the fold opens over half a second and takes the focus
    choose(page, "Or a whole machine", "Strix Halo (Ryzen AI Max+ 395)")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page).to_have_url(re.compile(r"build=.*build="))
    expect(page.get_by_role("heading", name="Parts and prices")).to_be_visible()
    rows = list(csv.DictReader(io.StringIO(download(page, "CSV"))))
    assert len(rows[0]) == 3
    assert {"Price", "Writes, tok/s", "n_cpu_moe"} <= {row["Fact"] for row in rows}


def test_a_shared_link_restores_the_view(open_page: Opener, settle: Settle) -> None:
    first = open_page("?budget=1500&speed=20")
    choose(first, "Context", "32K tokens")
    first.get_by_text("AMD", exact=True).first.click()
    expect(first).to_have_url(re.compile(r"context=32768.*makers=amd|makers=amd.*context=32768"))
    settle(first)
    view, query = first.get_by_text("32,768 tokens of context").first.inner_text(), first.url.partition("?")[2]
    second = open_page(f"?{query}")
    assert second.get_by_text("32,768 tokens of context").first.inner_text() == view
    assert second.url.partition("?")[2] == query
    assert (
        second.get_by_role("heading", level=3).all_inner_texts()
        == first.get_by_role("heading", level=3).all_inner_texts()
    )


def test_downloads_hold_what_the_view_shows(open_page: Opener) -> None:
    page = open_page("?budget=900&condition=used&makers=nvidia")
    found = json.loads(download(page, "JSON"))
    rows = list(csv.DictReader(io.StringIO(download(page, "CSV"))))
    names = [build["name"] for build in found["builds"]]
    assert [row["name"] for row in rows] == names
    assert all(build["price_usd"] <= 900 for build in found["builds"])
    markdown = download(page, "Markdown")
    assert all(f"**{name}**" in markdown for name in names)


@pytest.mark.parametrize("view", ["?budget=900&condition=used", BOX_LINK, "explore", "compare", "evidence"])
def test_a_phone_shows_every_page_without_scrolling_sideways(open_page: Opener, view: str) -> None:
    page = open_page(view, width=390, height=844)
    wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert wide <= 390
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_the_keyboard_alone_reaches_and_sets_the_wish(open_page: Opener) -> None:
    page = open_page()
    page.get_by_role("button", name="Under $900, used").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("$900 or less")).to_be_visible()
    page.get_by_role("combobox", name=re.compile("Context")).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("context="))
