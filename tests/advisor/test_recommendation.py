"""Laws of the ranking on the shipped catalog. The compatibility check reads the tables, not the code under test."""

import csv
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import catalog
from advisor.errors import InputError
from advisor.knowledge import load
from advisor.ownership import Owned, owned_parts
from advisor.recommendation import RankedBuild, Recommendation, recommend, recommend_from
from advisor.stock import Stock, stock_of
from advisor.wish import Wish
from catalog.names.resolution import UnknownName

MODEL, QUANT = "Qwen3.6-35B-A3B", "Q4_K_M"
BUDGETS = (900, 1200, 1600, 2500, 6000)
DATA = Path(catalog.__file__).parent / "data"


@cache
def ranked(**wish: Any) -> Recommendation:
    asked = {"model": MODEL, "quant": QUANT} | wish
    return recommend(Wish.model_validate(asked), load())


FEW = {
    "gpus": {"RTX 3060 12GB", "Arc B580", "RX 7900 XT", "RTX 3090", "GTX 1070"},
    "cpus": {
        "Ryzen 5 5500",
        "Ryzen 7 5800X",
        "Core i5-12400",
        "Ryzen 5 7600X",
        "Core Ultra 5 250K Plus",
        "Threadripper 1920X",
    },
    "machines": {"Strix Halo (Ryzen AI Max+ 395)", "DGX Spark"},
}


def small_stock(choice: Any, owned: Owned) -> Stock:
    """The catalog's stock with a few cards, processors and machines, for laws that need many rankings."""
    stock = stock_of(choice, owned)
    return replace(
        stock, gpus=tuple(row for row in stock.gpus if row.name in FEW["gpus"]),
        cpus=tuple(row for row in stock.cpus if row.name in FEW["cpus"]),
        machines=tuple((row, gib) for row, gib in stock.machines if row.name in FEW["machines"]),
    )  # fmt: skip


@cache
def few(**wish: Any) -> Recommendation:
    asked = Wish.model_validate({"model": MODEL, "quant": QUANT} | wish)
    owned = owned_parts(asked.own)
    return recommend_from(small_stock(asked.condition, owned), owned, asked, load())


@cache
def everything(condition: str = "any") -> tuple[RankedBuild, ...]:
    """All builds: of the whole catalog at any condition, of the small stock at others."""
    rank = ranked if condition == "any" else few
    return rank(condition=condition, every=True, limit=100_000).builds


@cache
def table(name: str) -> dict[str, dict[str, str]]:
    with (DATA / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(line for line in file if not line.startswith("#"))}


def parts(build: RankedBuild, kind: str) -> list[str]:
    return [part.name for part in build.parts if part.kind == kind]


def row(build: RankedBuild, kind: str, name: str) -> dict[str, str]:
    (only,) = parts(build, kind)
    return table(name)[only]


def test_desktops_are_whole_and_each_part_is_there_once() -> None:
    desktops = [build for build in everything() if build.kind == "desktop"]
    assert desktops
    for build in desktops:
        counts = {kind: len(parts(build, kind)) for kind in ("cpu", "board", "ssd", "psu", "case", "cooler")}
        assert counts == dict.fromkeys(counts, 1)
        assert parts(build, "ram")
        assert len(set(parts(build, "gpu"))) <= 1
        assert len(parts(build, "gpu")) <= 2


def test_every_desktop_goes_together_by_the_tables_alone() -> None:
    for build in everything():
        if build.kind == "desktop":
            cpu, board = row(build, "cpu", "cpus"), row(build, "board", "boards")
            assert cpu["socket"] == board["socket"], build.name
            check_memory(build, cpu, board)
            check_shell(build, cpu, board)
            check_cards(build, board)
            check_power(build, cpu)


def check_memory(build: RankedBuild, cpu: dict[str, str], board: dict[str, str]) -> None:
    kits = [table("ram_kits")[name] for name in parts(build, "ram")]
    assert {kit["ram_type"] for kit in kits} == {board["ram_type"]}
    assert board["ram_type"] in cpu["memory_types"].split(";")
    modules = sum(int(kit["modules"]) for kit in kits)
    gib = sum(int(kit["modules"]) * float(kit["module_gib"]) for kit in kits)
    assert modules <= int(board["dimm_slots"])
    assert gib <= min(float(board["max_memory_gib"]), float(cpu["max_memory_gib"]))
    assert {kit["form_factor"] for kit in kits} == {"DIMM"}
    ram = build.prediction.scenario.hardware.ram
    assert ram.gb == pytest.approx(gib)
    assert ram.mt_s is not None
    assert ram.mt_s <= min(int(kit["mt_s"]) for kit in kits)
    assert ram.channels == min(int(cpu["memory_channels"]), modules)


def check_shell(build: RankedBuild, cpu: dict[str, str], board: dict[str, str]) -> None:
    case, cooler = row(build, "case", "cases"), row(build, "cooler", "coolers")
    assert board["form_factor"] in case["board_form_factors"].split(";")
    assert cpu["socket"] in cooler["sockets"].split(";")
    assert float(cooler["max_tdp_w"]) >= float(cpu["tdp_w"])
    assert float(cooler["height_mm"]) <= float(case["max_cooler_height_mm"])


def check_cards(build: RankedBuild, board: dict[str, str]) -> None:
    names = parts(build, "gpu")
    case = row(build, "case", "cases")
    asked = build.prediction.scenario.hardware.gpus
    assert sum(gpu.count for gpu in asked) == len(names)
    if len(names) == 2:
        assert board["slot2_pcie_lanes"]
    for gpu in asked:
        card = table("gpus")[gpu.name]
        assert card["form"] not in {"laptop", "integrated"}
        assert float(card["length_mm"] or 0) <= float(case["max_gpu_length_mm"])
        assert float(card["slots"] or 2) * len(names) <= float(case["gpu_slots"])
        assert gpu.pcie_gen is not None
        assert gpu.pcie_lanes is not None
        assert gpu.pcie_gen <= min(
            int(card["pcie_gen"]), max(int(board["slot1_pcie_gen"]), int(board["slot2_pcie_gen"] or 0))
        )
        assert gpu.pcie_lanes <= int(card["pcie_lanes"])


def check_power(build: RankedBuild, cpu: dict[str, str]) -> None:
    psu = row(build, "psu", "psus")
    cards = sum(float(table("gpus")[name]["power_w"]) for name in parts(build, "gpu"))
    assert float(psu["watts"]) >= (cards + float(cpu["tdp_w"])) * 1.1
    assert build.power_w >= cards + float(cpu["tdp_w"])
    assert build.power_w <= float(psu["watts"])


@pytest.mark.parametrize("condition", ["new", "used", "any"])
def test_the_price_is_the_sum_of_quoted_parts(condition: str) -> None:
    for build in everything(condition):
        assert build.price_usd == pytest.approx(sum(part.price_usd for part in build.parts), rel=1e-6)
        for part in build.parts:
            assert part.price_usd > 0
            assert part.price_source
            assert part.price_as_of is not None
            assert part.condition in ({"new"} if condition == "new" else {"new", "used"})


def test_used_builds_say_which_parts_are_priced_new() -> None:
    for build in everything("used"):
        new = {part.kind for part in build.parts if part.condition == "new"}
        said = " ".join(build.notes)
        assert all(kind in said for kind in new)


def test_sorted_by_dollars_per_speed() -> None:
    builds = everything()
    ratios = [build.usd_per_tok_s for build in builds]
    assert ratios == sorted(ratios)
    assert [build.rank for build in builds] == list(range(1, len(builds) + 1))
    for build in builds:
        assert build.prediction.decode_tok_s is not None
        assert build.usd_per_tok_s == pytest.approx(build.price_usd / build.prediction.decode_tok_s.p50)


def test_the_pareto_front_by_brute_force() -> None:
    points = [(build.price_usd, speed(build), build.pareto) for build in everything()]
    assert any(pareto for _, _, pareto in points)
    for usd, tok_s, pareto in points:
        beaten = any((u <= usd and s >= tok_s) and (u < usd or s > tok_s) for u, s, _ in points)
        # Of several builds alike in price and speed one stands for all.
        alike = [p for u, s, p in points if u == usd and s == tok_s]
        assert pareto is False if beaten else any(alike)


def speed(build: RankedBuild) -> float:
    assert build.prediction.decode_tok_s is not None
    return build.prediction.decode_tok_s.p50


def test_builds_hold_the_model_and_reach_the_floor() -> None:
    for build in everything():
        assert build.prediction.fits
        assert build.prediction.placement.storage_gb == 0
        assert speed(build) >= 5
        assert build.longest_context_tokens is not None
        assert build.longest_context_tokens >= 8192


def test_the_default_list_holds_the_best_of_each_card_or_machine() -> None:
    shown, every = few(condition="any", limit=1000).builds, few(condition="any", every=True, limit=100_000).builds
    assert len({build.name for build in shown}) == len(shown)
    assert {build.name for build in shown} == {build.name for build in every}
    for build in shown:
        assert build.usd_per_tok_s == pytest.approx(min(b.usd_per_tok_s for b in every if b.name == build.name))


def test_a_bigger_budget_is_never_worse() -> None:
    best = [few(budget_usd=usd).builds[0].usd_per_tok_s for usd in BUDGETS]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(best))
    for usd in BUDGETS:
        assert all(build.price_usd <= usd for build in few(budget_usd=usd).builds)


@pytest.mark.parametrize(
    ("own", "kinds"),
    [
        (("RTX 3060 12GB",), {"gpu"}),
        (("Ryzen 7 5800X", "MSI MAG B550 TOMAHAWK", "DDR4-3200 2x16"), {"cpu", "board", "ram"}),
    ],
)
def test_owned_parts_never_make_it_dearer(own: tuple[str, ...], kinds: set[str]) -> None:
    without, with_own = few(limit=1000), few(own=own, limit=1000)
    assert with_own.builds[0].usd_per_tok_s <= without.builds[0].usd_per_tok_s * (1 + 1e-9)
    prices = {build.name: build.usd_per_tok_s for build in without.builds}
    for build in with_own.builds:
        assert build.usd_per_tok_s <= prices.get(build.name, float("inf")) * (1 + 1e-9)
    owned = {part.kind for build in with_own.builds for part in build.parts if part.condition == "owned"}
    assert owned == kinds
    free = [part.price_usd for build in with_own.builds for part in build.parts if part.condition == "owned"]
    assert set(free) == {0.0}


def test_an_owned_card_without_a_price_takes_part() -> None:
    assert "GTX 1070" not in {part.name for build in few(limit=1000).builds for part in build.parts}
    assert any("GTX 1070" in parts(build, "gpu") for build in few(own=("GTX 1070",), limit=1000).builds)


def test_owned_parts_that_no_build_uses_are_told() -> None:
    assert any("GeForce" in note or "GTX 1070" in note for note in few(own=("GTX 1070",), limit=1).assumptions)


def test_the_next_dollar_buys_speed_for_its_price() -> None:
    upgrades = [(build, build.next_dollar) for build in few().builds if build.next_dollar]
    assert upgrades
    for build, swap in upgrades:
        assert swap.extra_usd > 0
        assert swap.decode_tok_s == pytest.approx(speed(build) * (1 + swap.gain_share))
        assert swap.gain_share >= 0.1
        assert swap.buy


def test_a_card_is_what_a_processor_alone_wants() -> None:
    (alone,) = [build for build in few(limit=1000).builds if build.name == "CPU only"]
    assert alone.next_dollar is not None
    assert alone.next_dollar.gain_share > 0.5  # a card multiplies what two memory channels give


def test_quality_first_without_a_quant() -> None:
    rich, poor = few(quant=None), few(quant=None, budget_usd=750)
    assert rich.builds[0].prediction.quant == "Q8_0"
    assert poor.builds[0].prediction.placement.weights_gb < rich.builds[0].prediction.placement.weights_gb
    assert "best quality" in rich.quant_choice
    assert rich.quant_source


def test_kinds() -> None:
    assert {build.kind for build in few(kinds=("unified",), limit=1000).builds} == {"unified"}
    assert {build.kind for build in few(kinds=("desktop",), limit=1000).builds} == {"desktop"}


def test_what_has_no_price_is_named() -> None:
    found = few()
    assert found.left_out
    assert "GTX 1070" in found.unpriced["gpu"]


def test_more_context_never_makes_the_best_better() -> None:
    best = [few(context=tokens).builds[0].usd_per_tok_s for tokens in (4096, 32768, 131072)]
    assert best == sorted(best)


def test_a_budget_nothing_fits_names_the_cheapest_that_would_do() -> None:
    with pytest.raises(InputError, match=r"no build for \$200 or less .* the cheapest that does costs \$\d") as told:
        few(budget_usd=200)
    assert "\n" not in str(told.value)


def test_a_speed_nothing_reaches_names_the_fastest() -> None:
    with pytest.raises(InputError, match=r"the fastest reaches .* lower --min-tok-s"):
        few(min_tok_s=50_000)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownName, match="nearest"):
        few(model="Qwen9-1T")
    with pytest.raises(UnknownName, match="nearest"):
        few(quant="Q9_K")
    with pytest.raises(InputError, match=r"--own: 'flux capacitor' names no part .* nearest"):
        few(own=("flux capacitor",))
