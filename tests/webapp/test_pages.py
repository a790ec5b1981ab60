"""Each page by itself, through Streamlit's own test of apps: what it shows for a link, and that nothing breaks."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from advisor.buying.picking.practice import practice_of
from advisor.buying.wish import Wish
from advisor.choosing.quality import has_projector
from advisor.choosing.runnable import models_on
from advisor.choosing.tasks import TASKS
from advisor.documents import number
from advisor.physics.knowledge import load
from calibration.accuracy import registered
from catalog import tables
from webapp import agreement, picking, resources
from webapp.described import hardware_of, parts_of
from webapp.links import BuyState
from webapp.pages import machine

BOX = "RTX 3060 12GB | Ryzen 7 5800X | DDR4-3600 2x16"
OTHER = "RTX 3090 | Ryzen 5 5600 | DDR4-3200 2x16"
BOX_LINK = {"gpu": "RTX 3060 12GB", "cpu": "Ryzen 7 5800X", "ram": "DDR4-3600 2x16"}
WISH = {"model": "gpt-oss-20b", "budget": "1500"}
Run = Callable[..., AppTest]


@pytest.fixture
def run() -> Run:
    """Runs a page as its link says, with what is drawn only once asked for."""

    def page(name: str, **link: Any) -> AppTest:
        test = AppTest.from_string(f"from webapp.pages import {name}\n{name}.page()", default_timeout=120)
        for field, value in link.items():
            test.query_params[field] = value
        for key in ("view", "claims", "sweeps", "more wishes", "histories", "run it", "beforehand", "upgrades"):
            test.session_state[key] = "All in a table" if key == "view" else True
        return checked(test.run())

    return page


def checked(test: AppTest) -> AppTest:
    assert [item.message for item in test.exception] == []
    return test


def said(test: AppTest) -> str:
    """All text of a page, without the backslashes that keep it from being read as Markdown."""
    items = (*test.title, *test.subheader, *test.markdown, *test.info, *test.warning, *test.error, *test.success)
    return "\n".join(str(item.value) for item in items).replace("\\", "")


def drawn(test: AppTest) -> str:
    """All HTML of a page."""
    return "\n".join(item.proto.body for item in test.get("html"))


def grid(test: AppTest, column: str) -> Any:
    """The first grid that has a column."""
    return next(item.value for item in test.dataframe if column in item.value.columns)


def press(test: AppTest, label: str) -> AppTest:
    next(item for item in test.button if item.label == label).click()
    return checked(test.run())


def test_an_address_that_a_browser_takes_up_late_undoes_no_wish(run: Run) -> None:
    """What is set, or folded, before the address of the last wish is there comes with the address before it; Back
    comes with that address alone.
    """
    test = run("buy", budget="1500", model="gpt-oss-20b")
    before = dict(test.query_params)

    def late() -> AppTest:
        test.query_params.clear()
        test.query_params.update(before)
        return test

    test.selectbox(key="BuyState.task").select("agent").run()
    checked(late().selectbox(key="BuyState.condition").select("new").run())
    assert (test.query_params["task"], test.query_params["condition"]) == ("agent", "new")
    late().session_state["more wishes"] = False
    assert checked(test.run()).query_params["task"] == "agent"
    assert "task" not in checked(late().run()).query_params
    assert test.selectbox(key="BuyState.condition").value != "new"


def test_buy_answers_without_a_word(run: Run) -> None:
    """A pick with its price, its speed and its seal; each links to its build."""
    test = run("buy")
    cards = drawn(test)
    assert ">Our pick<" in cards
    assert re.search(r">\$[\d,]+<", cards)
    assert re.search(r">[\d.]+ tok/s<", cards)
    assert 'class="seal' in cards
    assert "(/build?build=" in said(test)


def test_picks_are_within_the_budget_and_never_the_same_card_twice(run: Run) -> None:
    test = run("buy", **WISH)
    cards = drawn(test)
    prices = [float(text.replace(",", "")) for text in re.findall(r'class="big">\$([\d,]+)<', cards)]
    assert prices
    assert max(prices) <= 1500
    names = re.findall(r"<h2>(.*?)</h2>", cards)
    assert len(set(names)) == len(names)
    assert max(grid(test, "Build")["Price"]) <= 1500


def test_a_budget_in_another_currency_is_turned_into_dollars(run: Run) -> None:
    rate = resources.exchange("EUR").per_usd
    test = run("buy", **WISH, currency="EUR")
    prices = grid(test, "Build")["Price, EUR"]
    assert 1500 * rate < max(prices) <= 1500
    assert re.search(r'class="big">€[\d,]+<', drawn(test))


def test_the_model_is_chosen_for_the_task_and_the_reason_is_said(run: Run) -> None:
    """For images one that takes images in; several people are told what is theirs."""
    text = said(run("buy", task="vision", budget="1500", users="4"))
    assert "For chat about images" in text
    assert "Picked for 4 at once" in text


def test_a_pick_with_another_model_than_the_first_names_it(run: Run) -> None:
    """Speeds of unlike models stand side by side: each card says which is its own, and the table does of every row."""
    test = run("buy")
    found = resources.advice(picking.wish_of(BuyState(), 1.0), ())
    own = [f"{build.model} {build.quant}" for build in (found.builds[pick.build] for pick in found.picks)]
    shown = [name for pick, name in zip(found.picks, own, strict=True) if pick.pick != "ready_made"][:3]
    assert len(set(own)) > 1
    cards = drawn(test).split('class="card"')[1:]
    for card, name in zip(cards, shown, strict=False):
        assert (f"; runs {name}" in card) == (name != own[0])
    assert set(own) <= set(grid(test, "tok/s")["Model"])


def test_picks_for_several_are_shown_with_the_speed_of_each(run: Run) -> None:
    """As the same wish is answered to programs; the link to the build asks for as many."""
    test = run("buy", **WISH, users="4")
    wish = picking.wish_of(BuyState(model="gpt-oss-20b", budget=1500, users=4), 1.0)
    found = resources.advice(wish, ())
    speed = found.builds[found.picks[0].build].prediction.decode_tok_s
    assert speed
    assert re.findall(r'class="big">([\d.]+) tok/s', drawn(test))[0] == number(speed.p50)
    query = parse_qs(re.findall(r"\(/build\?(.*?)\)", said(test))[0])
    assert query["users"] == ["4"]
    assert re.findall(r'class="big">([\d.]+) tok/s', drawn(run("build", **query)))[0] == number(speed.p50)


def test_what_lies_beside_the_wish_is_said(run: Run) -> None:
    """More and less money, nothing to build, an API and a rented card, with the power of the visitor's country."""
    html = drawn(run("buy", **WISH, country="DE"))
    for label in ("A bit more", "A bit less", "Without building", "To run it", "An API instead", "Renting instead"):
        assert f"<b>{label}:</b>" in html
    assert "a kWh (Germany)" in html
    assert "(Germany)" not in drawn(run("buy", **WISH, kwh="0.3"))


def test_a_build_has_the_speed_that_its_pick_was_shown_with(run: Run) -> None:
    """The link of a pick carries the task, so that the same question is asked."""
    test = run("buy", task="agent", budget="2000")
    shown = re.findall(r'class="big">([\d.]+) tok/s', drawn(test))[0]
    query = parse_qs(re.findall(r"\(/build\?(.*?)\)", said(test))[0])
    again = run("build", **query)
    assert re.findall(r'class="big">([\d.]+) tok/s', drawn(again))[0] == shown


def test_words_a_second_are_three_quarters_of_tokens(run: Run) -> None:
    tokens, words = (
        float(re.findall(rf'class="big">([\d.]+) {unit}/s', drawn(run("buy", **WISH, units=units)))[0])
        for units, unit in (("tokens", "tok"), ("words", "words"))
    )
    assert words == pytest.approx(tokens * 0.75, rel=0.05)  # both are rounded to two digits


@pytest.mark.parametrize(
    ("page", "link"), [("buy", WISH), ("build", {"build": BOX}), ("models", {"model": "gpt-oss-20b"})]
)
def test_a_speed_lies_within_its_range_in_words_a_second_too(run: Run, page: str, link: dict[str, str]) -> None:
    """The ends of a range are told in the unit of the speed that stands above them."""
    html = drawn(run(page, **link, units="words"))
    speed = float(re.findall(r'class="big">([\d.,]+) words/s', html)[0].replace(",", ""))
    low, high = (float(end.replace(",", "")) for end in re.findall(r"9 of 10[a-z ]*: ([\d.,]+) to ([\d.,]+)", html)[0])
    assert low < speed < high
    tokens = drawn(run(page, **link))
    most = float(re.findall(r"9 of 10[a-z ]*: [\d.,]+ to ([\d.,]+)", tokens)[0].replace(",", ""))
    assert high == pytest.approx(0.75 * most, rel=0.05)  # both are rounded to two digits


def test_a_budget_that_nothing_fits_has_ways_on(run: Run) -> None:
    test = run("buy", model="gpt-oss-20b", budget="100")
    assert "Nothing answers" in said(test)
    way = next(item for item in test.button if item.label.startswith("Spend"))
    assert ">Our pick<" in drawn(press(test, way.label))
    assert float(test.query_params["budget"]) > 100


def test_a_link_that_cannot_be_read_is_said_and_passed_over(run: Run) -> None:
    text = said(run("buy", budget="cheap", colour="red", model="No-Such-Model-9B"))
    assert "The link's budget 'cheap' cannot be used here" in text
    assert "The link names 'colour'" in text
    assert "'No-Such-Model-9B' is not in the catalog" in text


def test_what_a_visitor_types_is_shown_as_text(run: Run) -> None:
    test = run("buy", own=["<script>alert(1)</script>"], model="gpt-oss-20b")
    raw = [str(item.value) for item in test.warning]
    assert any("is not in the catalog" in text.replace("\\", "") for text in raw)
    assert not any(re.search(r"(?<!\\)<", text) for text in raw)


def test_a_build_says_what_it_does_costs_and_rests_on(run: Run) -> None:
    """Its figures are those of the prediction, its price the sum of its parts."""
    test = run("build", build=BOX, model="gpt-oss-20b", kwh="0.3")
    found = resources.described_build(BOX, Wish(model="gpt-oss-20b", condition="any"), ())
    speed = found.prediction.decode_tok_s
    assert found.build is not None
    assert speed is not None
    html, text = drawn(test), said(test)
    assert f">{speed.p50:.0f} tok/s<" in html
    assert f"${found.build.price_usd:,.0f}" in text
    assert text.startswith("RTX 3060 12GB")
    for part in found.build.parts:
        assert part.name in html
    assert "4" in html  # people at once
    assert "llama-bench -m MODEL.gguf" in "\n".join(item.value for item in test.code)
    assert "USD a kWh" in text
    assert "an hour" in text  # of a rented card
    assert "https://huggingface.co/unsloth/gpt-oss-20b-GGUF" in text
    assert "power:" in html


def test_a_model_that_drafts_for_itself_says_so_where_it_gains(run: Run) -> None:
    lines = [item.value for item in run("build", build=BOX, model="Qwen3.6-27B").code]
    assert any("--spec-type draft-mtp" in line for line in lines)
    lines = [item.value for item in run("build", build=BOX, model="gpt-oss-20b").code]
    assert not any("--spec-type" in line for line in lines)
    assert any("-hf unsloth/gpt-oss-20b-GGUF:MXFP4" in line for line in lines)


def test_a_build_with_another_part_says_whether_it_goes_together(run: Run) -> None:
    test = run("build", build=f"{BOX} | psu: Apevia ATX-PR850W PCIE5.0", model="gpt-oss-20b")
    assert "Apevia ATX-PR850W PCIE5.0" in drawn(test)
    assert "850 W there" in drawn(test)


def test_a_part_is_changed_in_its_own_line(run: Run) -> None:
    """What fits stands first; what does not says why, and cannot be taken; what is taken is in the link."""
    test = run("build", build=BOX, model="gpt-oss-20b")
    for part in ("graphics card RTX 3060 12GB", "processor Ryzen 7 5800X", "power supply ", "case ", "cooler "):
        assert any(fold.proto.popover.label.replace("\\", "").startswith(f"Change **{part}")
                   for fold in test.get("popover"))
    test.session_state["change psu"] = True
    checked(test.run())
    options = test.selectbox(key="to psu").options
    fitting = [not text.partition(", ")[2].startswith("does not fit") for text in options]
    assert fitting == sorted(fitting, reverse=True)
    assert any(fitting)
    assert not all(fitting)
    weak = options[-1]
    assert "needed" in weak
    checked(test.selectbox(key="to psu").select(weak).run())
    assert next(item for item in test.button if item.key == "take psu").disabled
    good = options[0]
    checked(test.selectbox(key="to psu").select(good).run())
    assert "Whether" in drawn(test)
    press(test, f"Take {good.partition(':')[0]}")
    assert f"psu: {good.partition(':')[0]}" in test.query_params["build"]


def test_a_build_without_a_price_is_shown_all_the_same(run: Run) -> None:
    text = said(run("build", build="machine: Mac Studio M4 Max | 64GB", model="gpt-oss-20b"))
    assert "No price in the catalog for" in text
    assert "What it does" in text


@pytest.mark.parametrize(("build", "words"), [("", "No build is named"), ("RTX 99999 | |", "not in the catalog")])
def test_a_build_that_cannot_be_read_is_said(run: Run, build: str, words: str) -> None:
    assert words in said(run("build", build=build))


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("31 tok/s, gpt-oss-20b MXFP4", "gpt-oss-20b MXFP4 writes 31 tok/s"),
        ("31 tok/s", "gpt-oss-20b MXFP4 writes 31 tok/s"),
        ("hello", "no number stands before its unit"),
    ],
)
def test_what_was_measured_is_seen_in_the_range_and_moves_the_numbers(run: Run, pasted: str, words: str) -> None:
    test = run("build", build=BOX, model="gpt-oss-20b")
    before = re.findall(r'class="big">([\d.]+) tok/s', drawn(test))[0]
    test.text_area(key="pasted").set_value(pasted).run()
    press(test, "Use it")
    html = drawn(test) + said(test)
    assert words in html
    after = re.findall(r'class="big">([\d.]+) tok/s', drawn(test))[0]
    assert (after != before) == ("tok/s" in pasted)
    if after != before:
        assert abs(float(after) - 31) < abs(float(before) - 31)
        press(test, "Forget my runs")
        assert re.findall(r'class="big">([\d.]+) tok/s', drawn(test))[0] == before


def test_each_remark_on_a_paste_is_said_once(run: Run) -> None:
    """Two lines that hold no speed have one hint; a run that cannot be counts for nothing, and nothing says it does."""
    test = run("build", build=BOX, model="gpt-oss-20b")
    test.text_area(key="pasted").set_value("hello\nagain").run()
    press(test, "Use it")
    assert said(test).count("Write it like 31 tok/s") == 1
    test.text_area(key="pasted").set_value("9000 tok/s").run()
    press(test, "Use it")
    assert said(test).count("is faster than this memory can be read") == 1
    assert "All numbers of this computer now use" not in said(test)


def test_a_machine_sold_whole_has_its_price_in_one_line_and_no_swaps(run: Run) -> None:
    test = run("build", build="machine: Apple M4 Max (32-core GPU) | 36GB", model="gpt-oss-20b")
    assert "It is sold whole" in said(test)
    assert "What the next dollars buy" not in said(test)
    assert drawn(test).count('class="part"') == 1


def test_machine_asks_for_parts_first_and_then_for_the_memory(run: Run) -> None:
    assert "Choose your graphics card" in said(run("machine"))
    test = run("machine")
    checked(test.segmented_control(key="kind of computer").set_value("mac").run())
    assert "Choose which one it is" in said(test)
    assert "Press the size of its memory" in said(run("machine", gpu="RTX 3060 12GB"))


def test_machine_shows_the_best_model_every_model_and_what_to_buy(run: Run) -> None:
    test = run("machine", **BOX_LINK)
    asked = TASKS["chat"].question("gpt-oss-20b", "MXFP4").model_copy(update={"hardware": hardware_of(parts_of(BOX))})
    found = models_on(asked, "chat", load())
    rows = grid(test, "Grade")
    assert list(rows["Model"]) == [row.llm.name for row in found]
    assert list(rows["tok/s"]) == pytest.approx([row.decode_tok_s for row in found], rel=1e-9)
    assert f"{found[0].llm.name} {found[0].answer.quant}" in drawn(test)
    assert "Upgrades: what to buy" in drawn(test)


def test_upgrades_are_no_tinkerers_cards_unless_asked_for(run: Run) -> None:
    """Of a computer without a card, for which a used server card is the cheapest there is."""
    link = {"cpu": "Ryzen 7 5800X", "ram": "DDR4-3600 2x16", "model": "gpt-oss-20b"}

    def tinkerers(**more: str) -> list[str]:
        table = next(item.proto.body for item in run("machine", **link, **more).get("html")
                     if "Upgrades: what to buy" in item.proto.body)
        return [row.name for row in tables.gpus() if practice_of(row).tinkerers and row.name in table]

    assert tinkerers() == []
    assert tinkerers(tinkerer="true")


@pytest.mark.parametrize("goal", ["faster", "larger", "longer", "people"])
def test_purchases_are_by_goal_and_only_a_bought_card_has_its_price_s_source(run: Run, goal: str) -> None:
    test = run("machine", gpu="RTX 3060 12GB", cpu="Ryzen 5 5600", ram="DDR4-3200 2x8", goal=goal)
    told = next(html for html in drawn(test).split("<div ") if "Upgrades: what to buy" in html)
    heads = {"faster": "A step takes", "larger": "Quality of the best model", "longer": "Longest context",
             "people": "People"}
    assert f">{heads[goal]}</th>" in told
    assert "We would buy:" in said(test)
    for line in re.findall(r"<tr><td>(.*?)</tr>", told):
        card = not re.match(r"\+?\d+ GB DDR|another \d+ GB|.*in place of board", line.partition("<")[0])
        assert card or 'href="' not in line


def test_a_mac_is_asked_for_its_memory_and_told_the_share_of_its_gpu(run: Run) -> None:
    test = run("machine", whole="Apple M4 Pro (20-core GPU)", ram="24GB")
    assert "Its GPU may use" in said(test)
    assert len(grid(test, "Grade"))


def test_machine_looks_at_the_computer_it_runs_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a visitor who sits at it is offered that."""
    monkeypatch.setattr(machine, "here", lambda: False)
    assert "Look at this computer" not in {item.label for item in run("machine").button}
    monkeypatch.setattr(machine, "here", lambda: True)
    assert "ram" in press(run("machine"), "Look at this computer").query_params


def test_machine_refuses_parts_that_do_not_go_together(run: Run) -> None:
    text = said(run("machine", cpu="Ryzen 7 5800X", ram="DDR5-6000 2x16"))
    assert "takes DDR4, not DDR5" in text


def test_models_stand_by_quality_for_the_task(run: Run) -> None:
    rows = grid(run("models", task="vision"), "Quality")
    known = [value for value in rows["Quality"] if value == value]
    assert known == sorted(known, reverse=True)
    assert set(rows["Model"]) == {llm.name for llm in tables.llms() if has_projector(llm.id)}


def test_a_model_opened_says_which_compression_to_take(run: Run) -> None:
    test = run("models", model="Qwen3.6-35B-A3B")
    matrix = grid(test, "Quantisation")
    q8, q4 = (matrix[matrix["Quantisation"] == name].iloc[0] for name in ("Q8_0", "Q4_K_M"))
    assert q8["Size GiB"] > q4["Size GiB"]
    assert q8["tok/s"] < q4["tok/s"]
    assert {"VRAM floor GiB", "RAM floor GiB", "KL divergence", "Source"} <= set(matrix.columns)
    assert "<b>Take</b>" in drawn(test)
    assert "What is left to RAM" in said(test)


def test_a_model_on_a_machine_with_one_memory_says_what_cannot_vary(run: Run) -> None:
    link = {"whole": "Strix Halo (Ryzen AI Max+ 395)", "ram": "128GB", "model": "gpt-oss-20b"}
    assert "Nothing to vary here" in said(run("models", **link))


def test_compare_starts_empty_and_takes_a_comparison_that_people_ask_for(run: Run) -> None:
    test = run("compare")
    assert "Nothing to compare yet" in said(test)
    press(test, "Strix Halo, DGX Spark, 2x 3090, 5090")
    assert len(test.query_params["build"]) == 4
    html = drawn(test)
    assert html.count('scope="col"') == 6
    assert "faster than the next" in html
    assert 'class="best"' in html
    assert len(grid(test, "Fact").columns) == 5


def test_compare_is_per_task(run: Run) -> None:
    """The model is one that all of them run well; another task asks other questions and is in the address; each build
    opened by its link has the speed that is shown.
    """
    test = run("compare", task="agent", build=[BOX, OTHER])
    html, text = drawn(test), said(test)
    for row in ("Good enough for it", "A typical step", "Best model that it runs well", "Reads 64K in"):
        assert f">{row}<" in html
    assert "the best that all of them run well" in text
    writes = re.findall(r">Writes</th>(.*?)</tr>", html)[0]
    shown = re.findall(r"([\d.]+) tok/s", writes)
    for speed, link in zip(shown, re.findall(r"\(/build\?(.*?)\)", text), strict=True):
        assert re.findall(r'class="big">([\d.]+) tok/s', drawn(run("build", **parse_qs(link))))[0] == speed
    test.selectbox(key="CompareState.task").set_value("vision").run()
    checked(test)
    assert test.query_params["task"] == "vision"
    assert "model" not in test.query_params
    assert ">Reads 8K in<" in drawn(test)


def test_compare_of_a_certain_model_asks_for_one_full_context(run: Run) -> None:
    test = run("compare", task="", model="gpt-oss-20b", context="16384", build=[BOX, OTHER])
    assert "Each runs gpt-oss-20b" in said(test).replace("**", "")
    assert ">Reads 16K in<" in drawn(test)
    assert "A typical step" not in drawn(test)


def test_compare_says_what_each_is_best_at(run: Run) -> None:
    lines = said(run("compare", task="chat", model="gpt-oss-20b", build=[BOX, OTHER]))
    assert "- RTX 3060 12GB: " in lines
    assert re.search(r"- RTX 3090: .*writes \(.*faster\)", lines)


def test_an_address_that_is_no_page_is_told_with_what_it_may_have_meant(run: Run) -> None:
    text = said(run("lost", address="/biuld?build=RTX+3090"))
    assert "There is no page at /biuld?build=RTX+3090" in text
    assert "[Did you mean the build?](/build?build=RTX+3090)" in text
    assert "Which computer to buy?" in said(run("lost"))


def test_compare_passes_over_a_build_that_it_cannot_read(run: Run) -> None:
    test = run("compare", build=["RTX 99999", BOX])
    assert "Not compared: GPU 'RTX 99999' is not in the catalog" in said(test)
    assert len(grid(test, "Fact").columns) == 2


def test_trust_shows_its_headline_scatter_and_misses_at_once(run: Run) -> None:
    test = run("trust", verdict=["supported"])
    told = agreement.headline([row for row in resources.measured() if row.kind == "decode"])
    assert f"{told.machines} machines" in said(test)
    assert f"within {told.typical_error:.0%}, {told.inside:.0%} inside" in said(test)
    assert "The predictions that were furthest off" in drawn(test)
    assert set(grid(test, "Verdict")["Verdict"]) == {"supported"}


def test_predictions_made_beforehand_stand_beside_what_came_in(run: Run) -> None:
    html = drawn(run("trust"))
    rows = resources.registered()
    assert len(rows) == len(registered.registered())
    assert html.count("2026-11-29") >= len(rows)
    assert "Predictions written down before anybody measured" in html


def test_a_card_has_its_own_page_of_runs(run: Run) -> None:
    rows = grid(run("trust", card="RTX 3090"), "Predicted")
    of = agreement.cards_of([row for row in resources.measured() if row.kind == "decode"])["RTX 3090"]
    assert len(rows) == len(of)
    assert set(rows["Machine"].str.partition(",")[0]) == {"RTX 3090"}
    assert "Nobody published a run on Voodoo 2" in said(run("trust", card="Voodoo 2"))
