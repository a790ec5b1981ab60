"""Answers to wishes hold the laws of good advice, and the second set of rules sees what does not go together."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.buying.advice import advise_from
from advisor.buying.builds import Build, PricedPart
from advisor.buying.ownership import owned_parts
from advisor.buying.picking.picks import best_of_labels
from advisor.buying.picking.practice import living_with
from advisor.buying.picking.shelf import ram_needed_gib, sensible, unbeaten_platforms
from advisor.buying.platforms import platforms_of
from advisor.buying.pricing import Quote
from advisor.buying.recommendation import Recommendation
from advisor.buying.stock import Stock, stock_of
from advisor.buying.wish import Wish
from advisor.market.market import shipped_market, today
from advisor.market.money import Exchange
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Hardware, Scenario
from catalog.tables import gpus, laptops, living, ssds, unified_machines
from tests.advisor.buying.rules import memory_is_enough, problems
from tests.advisor.buying.wishes import broken

SAMPLE = (
    Wish(condition="used", task="chat", budget_usd=700.0),
    Wish(condition="used", task="agent", budget_usd=2000.0),
    Wish(condition="used", task="coding", budget_usd=5000.0),
)


@cache
def used_stock() -> Stock:
    return stock_of("used", owned_parts(()), shipped_market().estimates(today()))


@cache
def answered(place: int) -> tuple[Wish, Recommendation]:
    wish = SAMPLE[place]
    return wish, advise_from(used_stock(), owned_parts(()), wish, load(), Exchange())


@pytest.mark.parametrize("place", range(len(SAMPLE)))
def test_an_answer_holds_the_laws(place: int) -> None:
    wish, found = answered(place)
    assert list(broken(wish, found)) == []


def test_what_a_mistake_of_a_pick_costs_speaks_against_it() -> None:
    """A card on a board whose slot has an older link, a context that crowds the model: as `predict` tells it."""
    for place in range(len(SAMPLE)):
        _, found = answered(place)
        for pick in found.picks:
            told = [warning.message for warning in found.builds[pick.build].prediction.warnings]
            assert set(told) <= set(pick.against)
    asked = Scenario.model_validate(
        found.builds[0].prediction.scenario.model_dump() | {"engine": {"version": "b4500"}, "quant": "Q4_K_M"}
    )
    assert "old_build" in {warning.code for warning in predict(asked, load()).warnings}


def test_more_money_never_buys_a_worse_first_pick() -> None:
    _, poorer = answered(0)
    richer = Wish(condition="used", task="chat", budget_usd=3000.0)
    found = advise_from(used_stock(), owned_parts(()), richer, load(), Exchange())
    assert found.models[0].quality >= poorer.models[0].quality


def test_picks_for_four_are_predicted_for_four() -> None:
    """Each has a context of his own and his share of the speed: no pick writes faster for each of four than for one."""
    wish, alone = answered(0)
    many = wish.model_copy(update={"users": 4})
    found = advise_from(used_stock(), owned_parts(()), many, load(), Exchange())
    assert {build.prediction.scenario.workload.users for build in found.builds} == {4}
    assert all("--users 4" in build.predict_command for build in found.builds)
    assert list(broken(many, found)) == []
    speeds = {build.name: build.prediction for build in alone.builds}
    for build in found.builds:
        one = speeds.get(build.name)
        if one and one.decode_tok_s and build.prediction.decode_tok_s and one.model == build.model:
            assert build.prediction.decode_tok_s.p50 <= one.decode_tok_s.p50 * 1.001


def test_what_lies_beside_is_told_of_more_and_less_money_and_of_nothing_to_build() -> None:
    for place in range(len(SAMPLE)):
        _, found = answered(place)
        assert [item.kind for item in found.beside] == ["more", "less", "ready_made"]
        names = {pick.pick: found.builds[pick.build].name for pick in found.picks}
        for item in found.beside:
            assert item.pick is None or names[item.pick] in item.text


def test_the_rules_see_what_does_not_go_together() -> None:
    _, found = answered(1)
    build = next(item for item in found.builds if any(part.kind == "psu" for part in item.parts))
    assert list(problems(build)) == []
    for kind, name, said in (
        ("psu", min(used_stock().psus, key=lambda row: row.watts).name, "W for a load"),
        ("board", next(row.name for row in used_stock().boards if row.socket == "SP3"), "socket"),
        ("ram", next(row.name for row in used_stock().ram_kits if row.registered), "memory"),
    ):
        parts = tuple(
            part.model_copy(update={"name": name}) if part.kind == kind else part for part in build.parts
        )
        assert any(said in problem for problem in problems(build.model_copy(update={"parts": parts}))), kind
    starved = build.prediction.scenario.hardware.model_copy(
        update={"ram": build.prediction.scenario.hardware.ram.model_copy(update={"gb": 8.0})}
    )
    scenario = build.prediction.scenario.model_copy(update={"hardware": starved})
    told = build.prediction.model_copy(update={"scenario": scenario})
    assert not memory_is_enough(build.model_copy(update={"prediction": told}))


def test_a_tinkerers_card_is_on_the_shelf_only_when_asked_for() -> None:
    plain, tinkerers = (sensible(used_stock(), None, tinkerer=asked) for asked in (False, True))
    names = {gpu.name for gpu in plain.gpus}
    assert "RTX 3090" in names
    assert not names & {"Tesla P40", "Tesla P100 PCIe 16GB", "Instinct MI50 16GB", "Tesla K80", "P102-100", "GTX 1070"}
    assert {"Tesla P40", "Instinct MI50 16GB"} <= {gpu.name for gpu in tinkerers.gpus}


def test_a_platform_that_is_left_out_is_beaten_by_a_cheaper_one() -> None:
    every = platforms_of(sensible(used_stock(), 1500.0, tinkerer=False))
    kept = unbeaten_platforms(every)
    assert 0 < len(kept) < len(every)
    said = list(zip(kept, kept.housed_usd.tolist(), strict=True))
    for out, usd in list(zip(every, every.housed_usd.tolist(), strict=True))[:: max(1, len(every) // 40)]:
        assert any(
            price <= usd and item.memory.gib >= out.memory.gib
            and item.cpu.performance_cores >= out.cpu.performance_cores
            and item.channels * item.mt_s >= min(out.channels * out.mt_s, (out.cpu.fabric_read_gb_s or 1e9) / 0.008)
            for item, price in said
        )


@given(st.floats(0, 300), st.floats(1, 300), st.floats(0, 50))
def test_memory_leaves_room_for_system_and_model(in_ram: float, file: float, more: float) -> None:
    needed = float(ram_needed_gib(in_ram, file, False))
    assert needed >= max(16.0, in_ram + 8.0)
    assert float(ram_needed_gib(in_ram + more, file, False)) >= needed
    assert float(ram_needed_gib(0.0, 20.0, False)) > 20.0  # 16 GB beside a 20 GB model is not advice


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 9) | st.just(float("inf"))), max_size=30), st.integers(1, 5))
def test_the_best_of_each_label_are_found(rows: list[tuple[int, float]], most: int) -> None:
    labels, rank = np.array([row[0] for row in rows], dtype=np.intp), np.array([row[1] for row in rows], dtype=float)
    places = best_of_labels(rank, labels, most)
    assert len(places) <= most
    assert len({labels[place] for place in places}) == len(places)
    for place in places:
        assert rank[place] == min(rank[labels == labels[place]])


def test_what_living_with_a_pick_is_like_is_told_as_far_as_it_is_known() -> None:
    for place in range(len(SAMPLE)):
        _, found = answered(place)
        for pick in found.picks:
            build = found.builds[pick.build]
            said = " ".join(pick.living)
            assert "noise" in said
            assert "warranty" in said
            for part in build.parts:
                if part.kind == "gpu":
                    row = next(row for row in gpus() if row.name == part.name)
                    assert row.length_mm is None or f"{row.length_mm:.0f} mm long" in said
                    assert not row.power_connectors or row.power_connectors.split(";")[0] in said
    names = {row.name for table in (gpus, ssds, unified_machines, laptops) for row in table()}
    assert all(row.name in names for row in living())


def test_of_a_second_hand_card_it_is_said_how_to_test_it_and_what_goes_onto_it() -> None:
    gpu = next(row for row in gpus() if row.name == "Instinct MI50 32GB")
    quote = Quote(200.0, 150.0, 250.0, today(), "a shop", "used")
    build = Build("desktop", gpu.name, (PricedPart("gpu", gpu.name, quote),), Hardware(cpu="Ryzen 5 5600"), 300.0)
    (said,) = living_with(build)
    assert "flashing: takes the firmware of a Radeon Pro V420" in said
    assert "bought second-hand" in said
    assert "test its memory" in said
    new = replace(build, parts=(PricedPart("gpu", "RTX A4000", replace(quote, condition="new")),))
    assert "warranty: three years where PNY sold it" in next(iter(living_with(new)))


def test_what_has_no_price_that_day_is_no_candidate() -> None:
    """Without a disk no desktop has a price: it is neither a pick nor what a little more money buys."""
    wish = Wish(model="Llama-2-7B", quant="Q4_0", budget_usd=7000.0, condition="used")
    found = advise_from(replace(used_stock(), ssds=()), owned_parts(()), wish, load(), Exchange())
    assert all(build.price_usd < float("inf") for build in found.builds)
    assert all(not any(part.kind == "cpu" for part in build.parts) for build in found.builds)
