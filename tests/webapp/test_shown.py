"""What pages show of numbers: charts, rows, words and files, all from pure functions."""

import csv
import io
import json
import math
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.answer import REGIMES, Range
from advisor.buying.advice import advise
from advisor.buying.ownership import owned_parts
from advisor.buying.recommendation import recommend
from advisor.buying.stock import stock_of
from advisor.buying.wish import Wish
from advisor.choosing.runnable import models_on
from advisor.choosing.tasks import TASKS
from advisor.market.market import shipped_market, today
from advisor.market.money import Exchange
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.prediction.quant_matrix import loss_of
from advisor.question import Hardware, Scenario
from catalog import tables
from webapp import agreement, build_rows, cards, charts, comparison, explorer
from webapp import tables as shown
from webapp.agreement import intervals
from webapp.described import described, hardware_of, parts_of
from webapp.words import plain, quant_choices, quant_label, sentence

BOX = hardware_of(parts_of("RTX 3060 12GB | Ryzen 7 5800X | DDR4-3600 2x32"))
SMALL, LARGE = "RTX 3060 12GB | Ryzen 5 5600 | DDR4-3200 2x16", "RTX 5090 | Ryzen 7 5800X | DDR4-3600 2x32"
ASKED = explorer.question("Qwen3.6-35B-A3B", "Q4_K_M", BOX, 8192)


def contrast(colour: str, background: str) -> float:
    """Of WCAG 2.2: (lighter + 0.05) / (darker + 0.05) of the relative luminances."""
    lighter, darker = sorted((luminance(colour), luminance(background)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("background", ["#ffffff", "#14171c"])
@pytest.mark.parametrize("colour", [charts.BLUE, charts.VERMILLION, charts.GREEN])
def test_marks_stand_out_on_light_and_dark_pages(colour: str, background: str) -> None:
    assert contrast(colour, background) >= 3


@given(st.text())
def test_no_text_reaches_markdown_with_a_meaning(text: str) -> None:
    """Every special character has its backslash, and without the backslashes the text is what it was."""
    shown = plain(text)
    pairs = list(zip(f" {shown}", shown, strict=False))
    assert not any(mark in "<>[]`*_$" and before != "\\" for before, mark in pairs)
    assert shown.count("\n") == 0


def test_options_of_the_command_line_are_told_as_fields_of_the_page() -> None:
    assert sentence("no build runs it; lower --min-tok-s") == "No build runs it; lower the least speed."
    assert "--" not in sentence("--own: 'x' names no part; give --quant or --kinds")


def test_the_waterfall_ends_where_the_token_ends() -> None:
    answer = predict(ASKED, load())
    rows = build_rows.waterfall(answer)
    assert answer.decode_tok_s is not None
    assert rows[-1]["end"] == pytest.approx(1000 / answer.decode_tok_s.p50, rel=1e-9)
    assert all(later["start"] == earlier["end"] for earlier, later in pairwise(rows))


def test_charts_are_json_with_their_data() -> None:
    rows = [{"x": 1.0, "speed": 2.0, "low": 1.0, "high": 3.0, "line": "as planned"}]
    spec = json.loads(json.dumps(charts.sweep(rows, "tokens", log_x=True)))
    assert spec["data"]["values"] == rows
    assert {layer["mark"]["type"] for layer in spec["layer"]} == {"area", "line"}


def test_points_and_axis_of_the_chart_are_in_one_currency() -> None:
    found = recommend(Wish(model="gpt-oss-20b", budget_usd=900, limit=4), load())
    dollars, euros = (build_rows.points(found.builds, [0], Exchange(name, rate))
                      for name, rate in (("USD", 1.0), ("EUR", 0.9)))
    assert [row["price"] for row in euros] == pytest.approx([0.9 * row["price"] for row in dollars])
    titles = {layer["encoding"]["x"]["title"] for layer in charts.price_speed(euros, "EUR")["layer"]}
    assert titles == {"Price of the whole computer (EUR)"}
    assert "$" not in json.dumps(charts.price_speed(euros, "EUR")).replace("$schema", "")


def test_cards_for_tinkerers_are_told_from_others_and_from_those_that_are_owned() -> None:
    wish = Wish(model="gpt-oss-120b", budget_usd=2000, condition="any", limit=200)
    apart = {build.name: build_rows.for_tinkerers(build) for build in recommend(wish, load()).builds}
    assert (apart["2 x Instinct MI60"], apart["RTX 3080 10GB"], apart["RX 7900 XTX"]) == (True, False, False)
    own = recommend(wish.model_copy(update={"own": ("Instinct MI60",)}), load()).builds
    assert not any(build_rows.for_tinkerers(build) for build in own if build.name == "Instinct MI60")


def test_the_front_of_the_chart_never_goes_down_and_nothing_shown_beats_it() -> None:
    """Builds are marked by whole steps, reading included: a line through those went up and down."""
    for wish in (Wish(task="agent", budget_usd=1500, condition="any", limit=40), Wish(task="chat", limit=40)):
        builds = advise(wish, load()).builds
        rows = build_rows.points(builds, [0], Exchange("USD", 1.0))
        front = sorted((row for row in rows if row["front"]), key=lambda row: row["price"])
        assert all(first["speed"] < then["speed"] for first, then in pairwise(front))
        for row in rows:
            beaten = any(other["price"] <= row["price"] and other["speed"] > row["speed"] for other in rows)
            assert not (row["front"] and beaten)
            assert row["front"] or any(
                other["price"] <= row["price"] and other["speed"] >= row["speed"] for other in front
            )
        assert len(build_rows.front_words(builds, Exchange("USD", 1.0))) == len(front)


@pytest.mark.parametrize(("prices", "scale"), [((700, 900), None), ((300, 5000), "log")])
def test_a_short_price_axis_is_linear(prices: tuple[int, int], scale: str | None) -> None:
    rows = [{"name": "a", "price": price, "speed": 10, "low": 5, "high": 20, "kind": "desktop", "front": True,
             "open": False} for price in prices]
    points = charts.price_speed(rows)["layer"][-1]
    assert points["encoding"]["x"]["scale"].get("type") == scale


@given(st.lists(st.tuples(st.floats(300, 9000), st.floats(5, 300)), min_size=1, max_size=12))
def test_names_in_the_chart_never_lie_over_each_other(places: list[tuple[float, float]]) -> None:
    rows = [{"name": "RTX 4070 Ti SUPER", "price": price, "speed": speed, "low": speed / 2, "high": speed * 2,
             "kind": "desktop", "front": True, "open": at == 0}
            for at, (price, speed) in enumerate(places)]
    for width in (280.0, 1000.0):
        named = charts.room_for_names(rows, width)
        assert 0 in named  # the pick
        prices = charts.along([row["price"] for row in rows])
        across = max(prices) - min(prices) or 1.0
        for one, other in combinations(named, 2):
            if math.isclose(rows[one]["speed"], rows[other]["speed"]) and named[one] == named[other]:
                assert abs(prices[one] - prices[other]) / across * width >= 7 * len(rows[0]["name"]) - 1e-6


def test_lines_of_agreement_are_straight_and_inside() -> None:
    """From edge to edge: b is a times the factor at both ends."""
    said = dict.fromkeys(("regime", "machine", "model", "inside"), "")
    rows = [{"measured": 1.0, "predicted": 2.0} | said, {"measured": 300.0, "predicted": 200.0} | said]
    *lines, points = charts.agreement(rows)["layer"]
    low, high = points["encoding"]["x"]["scale"]["domain"]
    for line, factor in zip(lines, (0.5, 1, 2), strict=True):
        ends = line["data"]["values"]
        assert [end["b"] / end["a"] for end in ends] == pytest.approx([factor, factor])
        assert all(low * 0.999 <= value <= high * 1.001 for end in ends for value in end.values())


def test_more_in_ram_is_slower_once_it_fits() -> None:
    name, pairs = explorer.offloads(ASKED)
    rows = [row for row in explorer.sweep(pairs, "decode", load()) if row["line"] != explorer.OVERFULL]
    speeds = [row["speed"] for row in rows]
    assert name == "n_cpu_moe"
    assert speeds == sorted(speeds, reverse=True)


def test_faster_memory_is_never_slower() -> None:
    rows = explorer.sweep(explorer.ram_speeds(ASKED), "decode", load())
    for line in ("1 channel", "2 channels"):
        speeds = [row["speed"] for row in rows if row["line"] == line]
        assert len(speeds) == len(explorer.RAM_MT_S["DDR4"])
        assert speeds == sorted(speeds)


def test_sizes_of_the_matrix_are_those_of_the_files() -> None:
    """Qwen3.6-35B-A3B Q8_0 is 36.9 GB: 34.66e9 weights of 8.5 bits are 36.8 GB, and what is not quantised is little."""
    rows = {row["Quantisation"]: row for row in explorer.matrix(ASKED, load())}
    assert rows["Q8_0"]["Size GB"] == pytest.approx(34.66 * 8.5 / 8, rel=0.02)
    measured = {row.quant for row in tables.quant_quality() if row.llm == "qwen3.6-35b-a3b"}
    assert {name for name, row in rows.items() if row["Measured on"] == "Qwen3.6-35B-A3B"} == measured & set(rows)


def test_a_model_published_in_four_bits_is_not_given_another_models_losses() -> None:
    llm = next(row for row in tables.llms() if row.id == "gpt-oss-20b")
    assert loss_of(llm, "Q4_K_M") is None


def test_every_measured_speed_finds_its_run_and_its_range() -> None:
    """Each row of the table of errors is of a public run: none is placed nowhere."""
    found = agreement.measured(tables.left_out(), tables.public_runs())
    assert len(found) == len(tables.left_out())
    assert {row.regime for row in found} <= set(REGIMES)
    assert all(row.low < row.predicted < row.high for row in found)


def test_the_headline_is_the_median_of_the_machines_medians() -> None:
    """By hand: machine A is off by 10 and 30 % (median 20), B by 50 %: 35 %; two of three lie in 80 to 120."""
    rows = [of_machine("A", 110.0), of_machine("A", 70.0), of_machine("B", 50.0)]
    told = agreement.headline(rows)
    assert (told.rows, told.machines) == (3, 2)
    assert told.typical_error == pytest.approx(0.35, rel=1e-9)
    assert told.inside == 1.0
    assert agreement.headline([]).rows == 0


@pytest.mark.parametrize(("kind", "heading"), [("decode", "## Decode by"), ("prefill", "## Prefill by")])
def test_the_headline_is_that_of_the_accuracy_page(kind: str, heading: str) -> None:
    """Errors and the share inside, whose ranges are worked out anew for each machine here and there."""
    page = (Path(__file__).parents[2] / "ACCURACY.md").read_text(encoding="utf-8")
    line = next(line for line in page.partition(heading)[2].splitlines() if line.startswith("| all |"))
    _, rows, machines, balanced, *_, inside, _, _ = (cell.strip() for cell in line.strip("|").split("|"))
    found = agreement.measured(tables.left_out(), tables.public_runs())
    told = agreement.headline([row for row in found if row.kind == kind])
    assert (str(told.rows), str(told.machines)) == (rows, machines)
    assert told.typical_error * 100 == pytest.approx(float(balanced.removesuffix(" %")), abs=0.051)
    assert told.inside * 100 == pytest.approx(float(inside.removesuffix(" %")), abs=0.051)


def of_machine(name: str, predicted: float) -> agreement.Measured:
    return agreement.Measured(
        kind="decode", regime="full_gpu", backend="cuda", machine=name, model="m", quant="q", measured=100.0,
        predicted=predicted, low=80.0, high=120.0, source="https://example.org", as_of="2026",
    )


def test_three_quantisations_are_the_usual_one_and_its_neighbours() -> None:
    found = explorer.three(explorer.matrix(ASKED, load()))
    assert found["Take"]["Quantisation"] in explorer.USUAL
    assert found["Smaller"]["Size GiB"] < found["Take"]["Size GiB"] < found["Larger"]["Size GiB"]
    assert explorer.three([]) == {}


def test_what_waits_for_the_disk_is_not_taken_where_something_fits() -> None:
    """gpt-oss-120b has 117 billion parameters: at 4 bits it lies in 128 GB of memory, not in 32 and 12."""
    hardware = {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "gb": 32}}
    small = Hardware.model_validate(hardware)
    rows = explorer.matrix(explorer.question("Qwen3-Next-80B-A3B", None, small, 8192), load())
    assert any(row["from disk"] for row in rows)
    assert any(row["tok/s"] and not row["from disk"] for row in rows)
    assert not any(row["from disk"] for row in explorer.three(rows).values())
    large = explorer.three(explorer.matrix(explorer.question("gpt-oss-120b", None, small, 8192), load()))
    assert all(row["from disk"] for row in large.values())


def test_the_makers_own_type_is_taken_where_the_model_came_in_it() -> None:
    """gpt-oss was published in MXFP4 (its model card): a mix of other types is no smaller and no better."""
    hardware = {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "gb": 64}}
    asked = explorer.question("gpt-oss-120b", None, Hardware.model_validate(hardware), 8192)
    assert explorer.three(explorer.matrix(asked, load()))["Take"]["Quantisation"] == "MXFP4"


def test_what_each_build_is_best_at_is_said_by_how_much() -> None:
    """By hand: where two share the best, or the row has no difference, nobody is ahead."""
    rows = (
        cards.Fact("Writes", ("60 tok/s", "30 tok/s"), frozenset({0}), "2x faster than the next"),
        cards.Fact("Price", ("$2", "$1"), frozenset({1}), "2x cheaper than the next"),
        cards.Fact("Power", ("9 W", "9 W"), frozenset(), "about the same"),
        cards.Fact("Good enough for it", ("good", "slow"), frozenset({0})),
    )
    assert comparison.winners(("A", "B"), rows) == ["A: writes (2x faster)", "B: price (2x cheaper)"]
    assert comparison.winners(("A",), rows[2:]) == ["A: in no row the best alone"]


def test_machines_are_compared_with_the_best_model_that_all_run_well() -> None:
    hardware = [hardware_of(parts_of(text)) for text in (SMALL, LARGE)]
    runs = [models_on(Scenario(model="gpt-oss-20b", hardware=item), "coding", load()) for item in hardware]
    told = comparison.shared_model(runs)
    assert told
    by_name = [{row.llm.name: row for row in rows if row.serves} for rows in runs]
    assert all(told.name in rows for rows in by_name)
    assert told.served == 2
    bits = {row.name: row.bits_per_weight for row in tables.quants()}
    assert bits[told.quant] <= min(bits[rows[told.name].answer.quant] for rows in by_name)
    worth = {other: min(rows[other].quality for rows in by_name) for other in by_name[0] if other in by_name[1]}
    assert worth[told.name] == max(worth.values())
    assert comparison.shared_model([[], []]) is None


def test_an_answer_is_graded_by_what_its_task_asks() -> None:
    """Writing and reading both count: a fast writer that reads for minutes does not serve an agent."""
    needs = TASKS["agent"]

    def graded(writes: float, reads: float) -> str:
        answer = predict(ASKED, load())
        speeds = {name: Range(p50=value, p05=value / 2, p95=value * 2)
                  for name, value in (("decode_tok_s", writes), ("prefill_tok_s", reads))}
        return comparison.graded(answer.model_copy(update=speeds), needs, "tokens")

    reads = needs.reads / needs.longest_wait_s * 1.001
    assert graded(needs.pleasant_tok_s, reads) == "comfortable"
    assert graded(needs.least_tok_s, reads) == "good"
    assert graded(needs.least_tok_s * 0.9, reads).startswith("too slow: writes")
    assert graded(needs.pleasant_tok_s, reads * 0.5).startswith("too slow: 4 min 0 s until it has read")


def test_a_comparison_marks_the_best_and_says_by_how_much() -> None:
    """Twice as fast is 2x; the cheaper is marked where less is better."""
    fast, slow = (cards.Fact("Writes", ("60 tok/s", "30 tok/s"), frozenset({0}), "2x faster", "Speed"),
                  cards.Fact("Price", ("$2", "$1"), frozenset({1}), "2x cheaper", "Money"))
    html = cards.compared(("A", "<B>"), (fast, slow), "Side by side")
    assert "<B>" not in html
    assert html.count('class="best"') == 2
    assert html.index("60 tok/s") < html.index("best</span>") < html.index("30 tok/s")


def test_less_is_a_share_of_the_next_and_alike_is_said_of_those_that_are() -> None:
    """By hand: $1,000 is a half less than $2,000, and of 40, 41 and 80 W two are about the same."""
    found = described(SMALL, Wish(model="gpt-oss-20b"), stock_of("any", owned_parts(()), shipped_market().estimates(
        today())), load())
    assert found.build

    def words(name: str, prices: tuple[float, ...]) -> str:
        builds = [replace(found, build=found.build.model_copy(update={"price_usd": usd})) for usd in prices]
        sides = comparison.Sides(builds, [item.prediction for item in builds])
        facts = comparison.compared(sides, Exchange(), "tokens")
        return next(fact.difference for fact in facts if fact.name == name)

    assert words("Price", (1000.0, 2000.0)) == "50 % cheaper than the next"
    assert words("Price", (40.0, 41.0, 80.0)) == "the best two are about the same"
    assert words("Price", (40.0, 41.0, 40.5)) == "about the same"


def test_a_seal_never_counts_what_nobody_measured() -> None:
    assert "355 runs" in cards.seal("this card and model", 355)
    assert "unproven" in cards.seal("nobody", 0)
    assert "unproven" in cards.seal("a level that came later", 3)


def test_a_dot_of_a_measurement_lies_on_its_range() -> None:
    """By hand: 31 of 62 tok/s is the middle of the line."""
    html = cards.range_bar(Range(p50=30, p05=20, p95=45), 62.0, (31.0,))
    assert '<s style="left:50.0%"></s>' in html
    assert "measured 31" in html


def test_the_typed_answer_ends_when_so_many_tokens_are_written() -> None:
    """At 10 tok/s a word of 4/3 tokens takes 0.13 s: the last of n words comes after (n - 1) of them."""
    html = cards.streamed(10.0)
    count = html.count("<span")
    assert f"animation-delay:{(count - 1) * 4 / 30:.2f}s" in html


def test_ranges_enclose_the_prediction() -> None:
    rows = intervals(tables.spreads(), "decode")
    assert rows
    assert all(row["Slowest of 9 in 10"] < 100 < row["Fastest of 9 in 10"] for row in rows)


def test_files_hold_the_rows_and_no_formula() -> None:
    rows = [{"name": "=1+1", "speed": 1.5}, {"name": "a|b", "more": None}]
    read = list(csv.DictReader(io.StringIO(shown.to_csv(rows))))
    assert [row["name"] for row in read] == ["'=1+1", "a|b"]
    assert json.loads(shown.to_json({"model": "m"}, rows)) == {"question": {"model": "m"}, "rows": rows}
    assert shown.to_markdown("Title", rows).splitlines()[-1] == "| a/b |  |  |"


def test_the_usual_quantisation_is_named_for_each_model() -> None:
    assert quant_label("gpt-oss-20b", "") == "The usual (MXFP4)"
    assert quant_choices("Qwen3.6-35B-A3B")[:2] == ("", "best")
    assert quant_label("no such model", "") == "The usual"


def test_bars_end_where_their_rows_end_and_hold_no_markup() -> None:
    """By hand: 1 of 4 ms and 3 of 4 ms; 6 of 8 GiB beside a memory of 16 GiB."""
    rows = [{"part": "<b>", "start": 0.0, "end": 1.0, "said": "1 ms"},
            {"part": "link", "start": 1.0, "end": 4.0, "said": "3 ms"}]
    token = charts.waterfall(rows, {"link": charts.PURPLE}, "Time")
    assert "left:25.00%;width:75.00%;background:#cc79a7" in token
    assert "3 ms (75%)" in token
    assert "<b>" not in token
    sizes = [
        {"bar": "VRAM", "need": 6.0, "there": 8.0, "said": ""},
        {"bar": "RAM", "need": 4.0, "there": 16.0, "said": ""},
    ]
    full = charts.memory(sizes, "Memory")
    assert "width:37.50%;background:#0072b2" in full
    assert "left:0;width:50.00%" in full


def test_a_table_of_text_links_its_sources_and_holds_no_markup() -> None:
    rows = [{"Name": "<i>", "Price": 1234.5, "Link": "https://www.example.org/a?b=1&c=2", "Source": "page (read 2026)"}]
    found = shown.table(rows, {"Price": "${:,.2f}"}, "Parts")
    assert "<i>" not in found
    assert ">$1,234.50<" in found
    assert 'href="https://www.example.org/a?b=1&amp;c=2" title="page (read 2026)"' in found
    assert found.count("<th ") == 3


def test_stacked_bars_are_as_long_as_their_time() -> None:
    """By hand: 3 + 1 ms beside 2 ms: of the longest, 4 ms, they take 75, 25 and 50 %."""
    times = (("a", "reads", 3.0), ("a", "link", 1.0), ("b", "reads", 2.0))
    rows = [{"bar": name, "part": part, "size": size, "said": ""} for name, part, size in times]
    found = charts.stacked(rows, {}, "Time")
    assert [found.count(f"width:{share}%") for share in ("75.00", "25.00", "50.00")] == [1, 1, 1]
    assert "<span>4 ms</span>" in found
