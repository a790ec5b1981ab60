"""The fourteen journeys of visitors, each by the keyboard alone, on a wide page and on a phone, light and dark."""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

Opener = Callable[..., Page]
Settle = Callable[[Page], None]
MOST_TABS = 90
HELD = "item => item.isConnected ? item.contains(document.activeElement) : null"
"""Whether an item has the focus, itself or in it; null where another has taken its place."""
STILL = """addEventListener('DOMContentLoaded', () => {
  const style = document.createElement('style');
  style.textContent = '*, *::before, *::after { animation: none !important; transition: none !important; }';
  document.head.append(style);
})"""


class Look(NamedTuple):
    """A page as a visitor has it."""

    width: int
    height: int
    scheme: Literal["light", "dark"]


LOOKS = (Look(1280, 900, "light"), Look(390, 844, "dark"), Look(1280, 900, "dark"), Look(390, 844, "light"))


@pytest.fixture(scope="module")
def context(context: BrowserContext) -> BrowserContext:
    """Nothing moves: while a page waits for its answer, a browser does little but draw what moves. What moves is there
    in the tests beside this file.
    """
    context.add_init_script(STILL)
    return context


class Visitor:
    """Someone with a keyboard and no mouse."""

    def __init__(self, page: Page, settle: Settle) -> None:
        self.page = page
        self.settle = settle
        page.wait_for_selector("main[tabindex='-1']")

    def reach(self, target: Locator) -> None:
        """Press Tab until the target has the focus."""
        expect(target).to_be_visible()
        item = target.element_handle()  # to look for it by role and name after each Tab takes ten times as long
        for _ in range(MOST_TABS):
            held = item.evaluate(HELD)
            if held is None:
                item = target.element_handle()
                held = item.evaluate(HELD)
            if held:
                return
            self.page.keyboard.press("Tab")
        pytest.fail(f"{MOST_TABS} Tabs do not reach {target}")

    def press(self, role: Literal["button", "link"], name: str) -> None:
        """Reach what is called so, and press it."""
        self.reach(self.page.get_by_role(role, name=re.compile(name)).first)
        self.page.keyboard.press("Enter")

    def take(self, group: str, name: str) -> None:
        """Reach a group of choices and, by the arrows, one of them."""
        choices = self.page.get_by_role("radiogroup", name=re.compile(group))
        self.reach(choices)
        wanted = choices.get_by_role("radio", name=name, exact=True)
        for _ in range(choices.get_by_role("radio").count()):
            if wanted.evaluate(HELD):
                break
            self.page.keyboard.press("ArrowRight")
        if wanted.get_attribute("aria-checked") != "true":
            self.page.keyboard.press("Space")
        self.settle(self.page)

    def choose(self, field: str, typed: str, option: str = "") -> None:
        """Type into a field, go to the first of what is offered by that name, and take it."""
        self.reach(self.page.get_by_role("combobox", name=re.compile(field)).first)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(typed)
        wanted = self.page.get_by_role("option", name=option or typed).first
        expect(wanted).to_be_visible()
        for _ in range(self.page.get_by_role("option").count()):
            if wanted.get_attribute("data-focused") == "true":
                break
            self.page.keyboard.press("ArrowDown")
        self.page.keyboard.press("Enter")
        self.settle(self.page)

    def sees(self, words: str) -> None:
        """Words that stand on the page."""
        expect(self.page.get_by_text(re.compile(words)).filter(visible=True).first).to_be_visible()

    def price(self, place: int = 0) -> float:
        """Of a pick, in its currency."""
        text = self.page.locator(".card .big").nth(place * 2).inner_text().split("\n")[0]
        return float(re.sub(r"[^\d.]", "", text))


def model_on_a_small_budget(visitor: Visitor) -> None:
    visitor.choose("Budget", "700")
    visitor.press("button", "More wishes")
    visitor.choose("Model", "Qwen3.6-35B-A3B")
    visitor.page.keyboard.press("Escape")
    expect(visitor.page).to_have_url(re.compile("model=Qwen3.6-35B-A3B.*budget=700"))
    visitor.sees("Model: Qwen3.6-35B-A3B")
    visitor.sees(r"^[\d.]+ tok/s")
    assert visitor.price() <= 700


def agent_for_three_thousand(visitor: Visitor) -> None:
    """The money is used, and reading stands beside writing."""
    visitor.choose("What for", "code with an agent")
    expect(visitor.page.get_by_role("combobox", name="Context")).to_have_value("64K of context")
    visitor.choose("Budget", "3000")
    expect(visitor.page).to_have_url(re.compile("budget=3000"))
    visitor.settle(visitor.page)  # the cards of before stand there until then
    visitor.sees("reads 64K in")
    prices = [visitor.price(place) for place in range(visitor.page.locator(".card h2").count())]
    assert 2000 < max(prices) <= 3000


def owner_of_a_small_card(visitor: Visitor) -> None:
    """What runs, and what to buy: memory is what gives a longer context, and where it does little that is said."""
    visitor.choose("Graphics card", "RTX 3060 12GB")
    visitor.choose("Processor", "Ryzen 5 5600", "Ryzen 5 5600")
    visitor.take("Memory", "16GB")
    visitor.sees(r"\d+ of \d+ models run")
    best = visitor.page.get_by_role("region", name="The best model for each task")
    expect(best).to_contain_text(re.compile(r"[\d.]+ tok/s"))
    visitor.sees(r"^Memory alone \(\d+ GB DDR4-\d+ .*, \$\d+\)")
    visitor.take("What should change", "longer context")
    visitor.sees(r"We would buy: \d+ GB DDR4-\d+")
    bought = visitor.page.get_by_role("region", name=re.compile("Upgrades: what to buy"))
    expect(bought).to_contain_text(re.compile(r"\d+ GB DDR4-\d+"))


def laptop(visitor: Visitor) -> None:
    visitor.take("What is it", "A laptop")
    visitor.choose("Graphics in it", "RTX 4060 Laptop GPU")
    visitor.take("Memory", "32GB")
    visitor.sees("models run")
    expect(visitor.page.get_by_role("heading", name="Best for you")).to_be_visible()


def mac(visitor: Visitor) -> None:
    visitor.take("What is it", "A Mac or mini PC")
    visitor.choose("Which one", "Apple M4 Pro (20-core GPU)")
    visitor.take("Memory", "24GB")
    visitor.sees("Its GPU may use")
    visitor.sees("models run")


def four_people(visitor: Visitor) -> None:
    visitor.choose("People at once", "4 people")
    visitor.sees("Picked for 4 at once; speeds are each person's")
    visitor.press("link", "See the build")
    visitor.sees("for each of 4 at once")
    expect(visitor.page.get_by_role("region", name=re.compile("^Speeds for")).get_by_role("row")).to_have_count(4)


def side_by_side(visitor: Visitor) -> None:
    """A winner per row, in words, for a task."""
    visitor.press("button", "Strix Halo, DGX Spark")
    expect(visitor.page).to_have_url(re.compile("build=.*build=.*build=.*build="))
    visitor.choose("What for", "code with an agent")
    visitor.sees("the best that all of them run well")
    expect(visitor.page.get_by_role("rowheader", name="Reads 64K in")).to_be_visible()
    for row in ("Price", "Writes"):
        line = visitor.page.get_by_role("row").filter(has=visitor.page.get_by_role("rowheader", name=row, exact=True))
        expect(line.locator("td.best")).to_have_count(1)
        expect(line).to_contain_text("than the next")
    visitor.sees(r"RTX 5090: .*writes \(.*faster\)")


def which_compression(visitor: Visitor) -> None:
    visitor.choose("Open a model", "Qwen3.6-35B-A3B")
    expect(visitor.page.get_by_role("heading", name="Which compression?")).to_be_visible()
    for label in ("Take", "Smaller", "Larger"):
        card = visitor.page.locator(".card").filter(has_text=re.compile(f"^{label}"))
        expect(card).to_contain_text(re.compile(r"GiB.*loses [\d.]+ %.*tok/s"))


def no_model_in_mind(visitor: Visitor) -> None:
    """Each task has a model, with its reason; the first is to chat."""
    tasks = {"": "chat and writing", "code": "questions about code", "code with an agent": "a coding agent",
             "use images": "chat about images", "read long documents": "reading long documents"}
    for task, reason in tasks.items():
        if task:
            visitor.choose("What for", task)
        visitor.sees(f"For {reason}")
        visitor.sees("Model: ")


def in_europe(visitor: Visitor) -> None:
    visitor.press("button", "Settings")
    visitor.choose("Currency", "EUR")
    visitor.reach(visitor.page.get_by_role("spinbutton", name=re.compile("Price of a kWh")))
    visitor.page.keyboard.type("0.30")
    visitor.page.keyboard.press("Enter")
    visitor.page.keyboard.press("Escape")
    expect(visitor.page).to_have_url(re.compile("currency=EUR.*kwh=0.3"))
    visitor.sees(r"^€[\d,]+")
    visitor.sees(r"0\.30 EUR a kWh")
    assert "$" not in visitor.page.get_by_test_id("stMain").inner_text()


def rent_or_buy(visitor: Visitor) -> None:
    visitor.choose("Budget", "2000")
    for label in ("To run it:", "An API instead:", "Renting instead:"):
        visitor.sees(label)


def trust(visitor: Visitor) -> None:
    """From a pick to its runs and the command that checks it: two steps."""
    visitor.press("link", "See the build")
    expect(visitor.page).to_have_url(re.compile("/build"))
    runs = visitor.page.get_by_role("region", name=re.compile("Measured runs"))
    expect(runs.get_by_role("link").first).to_have_attribute("href", re.compile("^https?://"))
    visitor.settle(visitor.page)
    visitor.reach(visitor.page.locator("summary", has_text="Set it up, and check the number"))
    visitor.page.keyboard.press("Enter")
    visitor.sees("advisor predict")


def measured(visitor: Visitor) -> None:
    before = visitor.page.locator(".figures .big").first.inner_text()
    visitor.reach(visitor.page.locator("summary", has_text="I measured it"))
    visitor.page.keyboard.press("Enter")
    visitor.reach(visitor.page.get_by_role("textbox", name=re.compile("Paste what came out")))
    visitor.page.keyboard.type("31 tok/s")
    visitor.page.keyboard.press("Control+Enter")
    visitor.settle(visitor.page)
    visitor.press("button", "Use it")
    visitor.sees(r"writes 31 tok/s; predicted without it .*: (inside|outside) the range")
    visitor.sees("All numbers of this computer now use what you measured")
    expect(visitor.page.locator(".range s")).to_have_count(1)
    expect(visitor.page.locator(".figures .big").first).not_to_have_text(before)


def shared(visitor: Visitor) -> None:
    """The link is that of the view, headings name the builds, and what is printed has no controls."""
    visitor.press("button", "^Share|link Share")
    visitor.sees(re.escape(visitor.page.url.partition("?")[2]))
    visitor.page.keyboard.press("Escape")
    names = visitor.page.get_by_role("heading", level=2)
    assert names.count() >= 2
    visitor.page.emulate_media(media="print")
    expect(visitor.page.get_by_role("button", name="Compare").first).to_be_hidden()
    expect(names.first).to_be_visible()


BUILD = "build?build=RTX+3060+12GB+%7C+Ryzen+7+5800X+%7C+DDR4-3600+2x16&model=gpt-oss-20b"
JOURNEYS: tuple[tuple[str, Callable[[Visitor], None]], ...] = (
    ("", model_on_a_small_budget), ("", agent_for_three_thousand), ("machine", owner_of_a_small_card),
    ("machine", laptop), ("machine", mac), ("", four_people), ("compare", side_by_side), ("models", which_compression),
    ("", no_model_in_mind), ("", in_europe), ("", rent_or_buy), ("", trust), (BUILD, measured),
    ("?task=coding&budget=1500", shared),
)  # fmt: skip


@pytest.mark.parametrize(
    ("view", "journey", "look"),
    [
        pytest.param(view, journey, look, id=f"{at}-{journey.__name__}-{look.width}-{look.scheme}")
        for at, (view, journey) in enumerate(JOURNEYS, 1) for look in (LOOKS[:2] if at % 2 else LOOKS[2:])
    ],
)  # fmt: skip
def test_each_ends_in_its_answer(
    open_page: Opener, settle: Settle, view: str, journey: Callable[[Visitor], None], look: Look
) -> None:
    page = open_page(view, width=look.width, height=look.height, scheme=look.scheme)
    journey(Visitor(page, settle))
    ground = page.get_by_test_id("stApp").evaluate("item => getComputedStyle(item).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 384) == (look.scheme == "dark")
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= look.width
