"""Each page by itself, through Streamlit's own test of apps: what it shows for a link, and that nothing breaks."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from advisor.buying.recommendation import recommend
from advisor.buying.wish import Wish
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from webapp import resources
from webapp.described import hardware_of, parts_of
from webapp.explorer import question
from webapp.resources import Measured

BOX = "RTX 3060 12GB | Ryzen 7 5800X | DDR4-3600 2x16"
BOX_LINK = {"gpu": "RTX 3060 12GB", "cpu": "Ryzen 7 5800X", "ram": "DDR4-3600 2x16"}
Run = Callable[..., AppTest]


@pytest.fixture
def run() -> Run:
    """Runs a page as its link says, with what is drawn only once asked for."""

    def page(name: str, **link: Any) -> AppTest:
        test = AppTest.from_string(f"from webapp.pages import {name}\n{name}.page()", default_timeout=60)
        for field, value in link.items():
            test.query_params[field] = value
        test.session_state["view"], test.session_state["more"] = "All in a table", True
        return checked(test.run())

    return page


def checked(test: AppTest) -> AppTest:
    assert [item.message for item in test.exception] == []
    return test


def said(test: AppTest) -> str:
    """All text of a page, without the backslashes that keep it from being read as Markdown."""
    items = (*test.title, *test.subheader, *test.markdown, *test.info, *test.warning, *test.error, *test.success)
    return "\n".join(str(item.value) for item in items).replace("\\", "")


def table(test: AppTest, column: str) -> Any:
    """The first table that has a column."""
    return next(item.value for item in test.dataframe if column in item.value.columns)


def test_find_shows_what_recommend_finds(run: Run) -> None:
    found = recommend(Wish(model="Qwen3.6-35B-A3B", budget_usd=900, condition="used", limit=100), load())
    shown = table(run("find", budget="900", condition="used"), "Build")
    assert list(shown["Build"]) == [build.name for build in found.builds]
    assert list(shown["Price"]) == [build.price_usd for build in found.builds]


def test_a_budget_that_nothing_fits_names_the_cheapest_build_and_a_way_on(run: Run) -> None:
    test = run("find", budget="100")
    assert "the cheapest that does costs $" in said(test)
    button = next(item for item in test.button if item.label == "Show builds at any price")
    assert len(table(checked(button.click().run()), "Build")) > 1
    assert "budget" not in test.query_params


def test_a_link_that_cannot_be_read_is_said_and_passed_over(run: Run) -> None:
    text = said(run("find", budget="cheap", colour="red", model="No-Such-Model-9B"))
    assert "The link's budget 'cheap' cannot be used here" in text
    assert "The link names 'colour'" in text
    assert "'No-Such-Model-9B' is not in the catalog" in text


def test_what_a_visitor_types_is_shown_as_text(run: Run) -> None:
    test = run("find", own=["<script>alert(1)</script>"], model="Qwen3.6-35B-A3B")
    raw = [str(item.value) for item in test.warning]
    assert any("names no part of the catalog" in text.replace("\\", "") for text in raw)
    assert not any(re.search(r"(?<!\\)<", text) for text in raw)


def test_a_preset_sets_the_wish_and_its_link(run: Run) -> None:
    test = run("find")
    next(item for item in test.button if item.label == "Under $900, used").click()
    checked(test.run())
    assert (test.query_params["budget"], test.query_params["condition"]) == ("900", "used")
    assert max(table(test, "Build")["Price"]) <= 900


@pytest.mark.parametrize("label", ["RTX 3060 12GB", "RTX 4060 Ti 16GB", "RTX 5090 32GB", "Mac Studio M4 Max 64GB"])
def test_each_build_of_the_article_opens_in_one_click(run: Run, label: str) -> None:
    test = run("find")
    next(item for item in test.button if item.label == label).click()
    assert f"The article's {label}" in said(checked(test.run()))


def test_a_price_of_the_visitors_own_counts(run: Run) -> None:
    """At $1 an RTX 5090 makes the best build; the part's line says whose price it is."""
    test = run("find", price=["gpu:RTX 5090=1"])
    assert table(test, "Build")["Build"][0] in {"RTX 5090", "2 x RTX 5090"}
    line = next(
        line for item in test.get("html") for line in item.proto.body.split("<tr>") if ">graphics card<" in line
    )
    assert ">your own price<" in line
    assert ">set by you<" in line


def test_a_price_is_set_and_taken_off_again(run: Run) -> None:
    test = run("find", makers=["nvidia"])
    next(item for item in test.button if item.label == "Set price").click()
    checked(test.run())
    mine = next(item for item in test.multiselect if item.label == "Your prices")
    assert list(mine.value) == [test.query_params["price"]]
    checked(mine.set_value([]).run())
    checked(test.run())
    assert "price" not in test.query_params
    assert test.query_params["makers"] == "nvidia"


def test_what_a_refused_wish_does_not_show_is_kept(run: Run) -> None:
    """No filter is drawn where nothing is found; it holds again once something is."""
    test = run("find", makers=["amd"], budget="100")
    next(item for item in test.button if item.label == "Show builds at any price").click()
    checked(test.run())
    assert test.query_params["makers"] == "amd"


def test_filters_leave_only_builds_of_a_maker(run: Run) -> None:
    names = list(table(run("find", makers=["amd"]), "Build")["Build"])
    assert names
    assert not any(word in name for name in names for word in ("RTX", "Tesla", "Arc", "Apple"))


def test_machine_asks_for_parts_first(run: Run) -> None:
    assert "Choose your graphics card" in said(run("machine"))


def test_machine_shows_every_model_and_the_ladder(run: Run) -> None:
    test = run("machine", **BOX_LINK)
    models, steps = table(test, "For agents"), table(test, "Buy")
    assert len(models) == len(resources.model_names())
    expected = predict(question("gpt-oss-20b", None, hardware_of(parts_of(BOX)), 8192), load())
    assert expected.decode_tok_s is not None
    row = models[models["Model"] == "gpt-oss-20b"].iloc[0]
    assert row["tok/s"] == pytest.approx(expected.decode_tok_s.p50, rel=1e-9)
    assert list(steps["Price"]) == sorted(steps["Price"])
    assert list(steps["tok/s"]) == sorted(steps["tok/s"])


def test_machine_fills_in_the_computer_it_runs_on(run: Run) -> None:
    test = run("machine")
    next(item for item in test.button if item.label == "Fill in this computer").click()
    assert "ram" in checked(test.run()).query_params


def test_machine_refuses_parts_that_do_not_go_together(run: Run) -> None:
    text = said(run("machine", cpu="Ryzen 7 5800X", ram="DDR5-6000 2x16"))
    assert "takes DDR4, not DDR5" in text


def test_explore_shows_quantisations_and_sweeps(run: Run) -> None:
    test = run("explore")
    matrix = table(test, "Quantisation")
    q8, q4 = (matrix[matrix["Quantisation"] == name].iloc[0] for name in ("Q8_0", "Q4_K_M"))
    assert q8["Size GiB"] > q4["Size GiB"]
    assert q8["tok/s"] < q4["tok/s"]
    assert {"VRAM floor GiB", "RAM floor GiB", "KL divergence", "Source"} <= set(matrix.columns)
    assert "What makes it faster" in said(test)


def test_explore_of_a_machine_with_one_memory_says_what_cannot_vary(run: Run) -> None:
    assert "Nothing to vary here" in said(run("explore", whole="Strix Halo (Ryzen AI Max+ 395)", ram="128GB"))


def test_compare_starts_empty_and_takes_the_articles_builds(run: Run) -> None:
    test = run("compare")
    assert "Nothing to compare yet" in said(test)
    next(item for item in test.button if item.label == "The article's four builds").click()
    facts = table(checked(test.run()), "Fact")
    assert len(facts.columns) == 5
    assert len(test.query_params["build"]) == 4


def test_compare_passes_over_a_build_that_it_cannot_read(run: Run) -> None:
    test = run("compare", build=["RTX 99999", BOX])
    assert "Not compared: GPU 'RTX 99999' is not in the catalog" in said(test)
    assert len(table(test, "Fact").columns) == 2


def test_evidence_shows_ranges_and_claims_at_once(run: Run) -> None:
    test = run("evidence", verdict=["supported"])
    assert "Machines" in table(test, "Slowest of 9 in 10")
    assert set(table(test, "Verdict")["Verdict"]) == {"supported"}


def test_evidence_compares_with_measured_runs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs predicted 10 % high and half as fast: errors by hand are 10 % and 50 %, their median 30 %."""
    runs = tuple(
        Measured(kind="decode", regime="full_gpu", backend="cuda", machine=machine, model="Llama-3.1-8B",
                 quant="Q4_K_M", measured=100.0, predicted=predicted, low=80.0, high=120.0,
                 source="https://example.org", as_of="2026")
        for machine, predicted in (("RTX 3090", 110.0), ("RTX 4090", 50.0))
    )  # fmt: skip
    monkeypatch.setattr(resources, "measured", lambda: runs)
    test = run("evidence", runs="True")
    errors = table(test, "Typical error")
    assert errors.iloc[-1]["Typical error"] == pytest.approx(30, rel=1e-9)
    assert list(table(test, "Error")["Error"]) == pytest.approx([50, 10], rel=1e-9)
    assert "No measured run passes" in said(run("evidence", runs="True", speed="prefill"))
