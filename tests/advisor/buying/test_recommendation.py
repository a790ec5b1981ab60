"""Laws of the ranking on the shipped catalog."""

from collections.abc import Callable
from datetime import date
from itertools import pairwise

import pytest

from advisor.buying.advice import advise
from advisor.buying.recommendation import RankedBuild, Recommendation
from advisor.buying.report import leaders, ranking_section
from advisor.buying.wish import Wish
from advisor.documents import Table, Words
from advisor.errors import InputError
from advisor.physics.knowledge import load
from catalog.names.index import UnknownName

BUDGETS = (900, 1200, 1600, 2500, 6000)
Everything = Callable[[str], tuple[RankedBuild, ...]]
Few = Callable[..., Recommendation]


def parts(build: RankedBuild, kind: str) -> list[str]:
    return [part.name for part in build.parts if part.kind == kind]


def test_sorted_by_dollars_per_speed(everything: Everything) -> None:
    builds = everything("any")
    ratios = [build.usd_per_tok_s for build in builds]
    assert ratios == sorted(ratios)
    assert [build.rank for build in builds] == list(range(1, len(builds) + 1))
    for build in builds:
        assert build.prediction.decode_tok_s is not None
        assert build.usd_per_tok_s == pytest.approx(build.price_usd / build.prediction.decode_tok_s.p50)


def test_the_pareto_front_by_brute_force(everything: Everything) -> None:
    points = [(build.price_usd, speed(build), build.pareto) for build in everything("any")]
    assert any(pareto for _, _, pareto in points)
    for usd, tok_s, pareto in points:
        beaten = any((u <= usd and s >= tok_s) and (u < usd or s > tok_s) for u, s, _ in points)
        # Of several builds alike in price and speed one stands for all.
        alike = [p for u, s, p in points if u == usd and s == tok_s]
        assert pareto is False if beaten else any(alike)


def speed(build: RankedBuild) -> float:
    assert build.prediction.decode_tok_s is not None
    return build.prediction.decode_tok_s.p50


def test_builds_hold_the_model_and_reach_the_floor(everything: Everything) -> None:
    for build in everything("any"):
        assert build.prediction.fits
        assert build.prediction.placement.storage_gb == 0
        assert speed(build) >= 5
        assert build.longest_context_tokens is not None
        assert build.longest_context_tokens >= 8192


def test_the_default_list_holds_the_best_of_each_card_or_machine(few: Few) -> None:
    shown, every = few(condition="any", limit=1000).builds, few(condition="any", every=True, limit=100_000).builds
    assert len({build.name for build in shown}) == len(shown)
    assert {build.name for build in shown} == {build.name for build in every}
    for build in shown:
        assert build.usd_per_tok_s == pytest.approx(min(b.usd_per_tok_s for b in every if b.name == build.name))


def test_a_bigger_budget_is_never_worse(few: Few) -> None:
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
def test_owned_parts_never_make_it_dearer(few: Few, own: tuple[str, ...], kinds: set[str]) -> None:
    without, with_own = few(limit=1000), few(own=own, limit=1000)
    assert with_own.builds[0].usd_per_tok_s <= without.builds[0].usd_per_tok_s * (1 + 1e-9)
    prices = {build.name: build.usd_per_tok_s for build in without.builds}
    for build in with_own.builds:
        assert build.usd_per_tok_s <= prices.get(build.name, float("inf")) * (1 + 1e-9)
    owned = {part.kind for build in with_own.builds for part in build.parts if part.condition == "owned"}
    assert owned == kinds
    free = [part.price_usd for build in with_own.builds for part in build.parts if part.condition == "owned"]
    assert set(free) == {0.0}


def test_an_owned_card_without_a_price_takes_part(few: Few) -> None:
    assert "GTX 1080" not in {part.name for build in few(limit=1000).builds for part in build.parts}
    assert any("GTX 1080" in parts(build, "gpu") for build in few(own=("GTX 1080",), limit=1000).builds)


def test_owned_parts_that_no_build_uses_are_told(few: Few) -> None:
    told = few(own=("GTX 1080",), limit=1, min_tok_s=60).assumptions
    assert any("GeForce" in note or "GTX 1080" in note for note in told)


def test_the_next_dollar_buys_speed_for_its_price(few: Few) -> None:
    upgrades = [(build, build.next_dollar) for build in few().builds if build.next_dollar]
    assert upgrades
    for build, swap in upgrades:
        assert swap.extra_usd > 0
        assert swap.decode_tok_s == pytest.approx(speed(build) * (1 + swap.gain_share))
        assert swap.gain_share >= 0.1
        assert swap.buy


def test_a_card_is_what_a_processor_alone_wants(few: Few) -> None:
    (alone,) = [build for build in few(limit=1000).builds if build.name == "CPU only"]
    assert alone.next_dollar is not None
    assert alone.next_dollar.gain_share > 0.5  # a card multiplies what two memory channels give


def test_the_usual_quant_where_none_is_named(few: Few) -> None:
    plain = few(quant=None)
    assert plain.builds[0].prediction.quant == "Q4_K_M"
    assert "usual choice" in plain.quant_choice
    assert not plain.quant_source


def test_quality_first_when_asked_for_the_best(few: Few) -> None:
    rich, poor = few(quant="best"), few(quant="best", budget_usd=750)
    assert rich.builds[0].prediction.quant == "Q8_0"
    assert poor.builds[0].prediction.placement.weights_gb < rich.builds[0].prediction.placement.weights_gb
    assert "best quality" in rich.quant_choice
    assert rich.quant_source


def test_kinds(few: Few) -> None:
    assert {build.kind for build in few(kinds=("unified",), limit=1000).builds} == {"unified"}
    assert {build.kind for build in few(kinds=("desktop",), limit=1000).builds} == {"desktop"}


def test_what_has_no_price_is_named(few: Few) -> None:
    found = few()
    assert found.left_out
    assert "GTX 1080" in found.unpriced["gpu"]


def test_more_context_never_makes_the_best_better(few: Few) -> None:
    best = [few(context=tokens).builds[0].usd_per_tok_s for tokens in (4096, 32768, 131072)]
    assert best == sorted(best)


def test_a_budget_nothing_fits_names_the_cheapest_that_would_do(few: Few) -> None:
    with pytest.raises(InputError, match=r"no build for \$200 or less .* the cheapest that does costs \$\d") as told:
        few(budget_usd=200)
    assert "\n" not in str(told.value)


def test_a_speed_nothing_reaches_names_the_fastest(few: Few) -> None:
    with pytest.raises(InputError, match=r"the fastest reaches .* lower --min-tok-s"):
        few(min_tok_s=50_000)


def test_unknown_names_are_refused(few: Few) -> None:
    with pytest.raises(UnknownName, match="nearest"):
        few(model="Qwen9-1T")
    with pytest.raises(UnknownName, match="nearest"):
        few(quant="Q9_K")
    with pytest.raises(InputError, match=r"--own: part 'flux capacitor' is not in the catalog; nearest"):
        few(own=("flux capacitor",))


def test_builds_that_prices_cannot_tell_apart_are_ties_of_each_other(few: Few) -> None:
    builds = few(limit=1000).builds
    by_name = {build.name: build for build in builds}
    assert any(build.tie for build in builds)
    assert any(not build.tie for build in builds)
    for build in builds:
        assert build.low_usd < build.price_usd < build.high_usd
        for other in builds:
            low, high = (
                pick(ends) for pick, ends in zip(
                    (max, min), zip(*(_per_speed(each) for each in (build, other)), strict=True), strict=True
                )
            )
            shorter = min(end - start for start, end in (_per_speed(build), _per_speed(other)))
            tied = build is not other and high - low > shorter / 2
            assert tied == (other.name in build.tie)
            assert (build.name in by_name[other.name].tie) == tied


def _per_speed(build: RankedBuild) -> tuple[float, float]:
    return build.low_usd / speed(build), build.high_usd / speed(build)


@pytest.mark.parametrize("condition", ["new", "any"])
def test_ties_are_shown_as_one(few: Few, condition: str) -> None:
    found = few(condition=condition, limit=1000)
    groups = leaders(found.builds)
    assert sorted(build.rank for first, tied in groups for build in (first, *tied)) == [
        build.rank for build in found.builds
    ]
    assert any(tied for _, tied in groups)
    for first, tied in groups:
        assert all(build.name in first.tie and build.rank > first.rank for build in tied)
    firsts = [first for first, _ in groups]
    assert not any(later.name in first.tie for place, first in enumerate(firsts) for later in firsts[place + 1 :])
    (ranking,) = (block for block in ranking_section(found, 120).blocks if isinstance(block, Table))
    for (_, words, *_), (first, tied) in zip(ranking.rows, groups, strict=True):
        assert isinstance(words, Words)
        assert words.strong == first.name
        assert all(f"{build.name} (${build.price_usd:,.0f}" in words.faint.partition("as good: ")[2] for build in tied)


def test_only_prices_known_on_a_day_count(few: Few) -> None:
    day = date(2026, 6, 1)
    before, after = few(as_of=day, condition="any", limit=1000), few(condition="any", limit=1000)
    dates = [part.price_as_of for build in before.builds for part in build.parts if part.price_as_of]
    assert dates
    assert max(dates) <= day
    assert max(part.price_as_of for build in after.builds for part in build.parts if part.price_as_of) > day


def test_a_part_tells_on_what_its_price_rests(few: Few) -> None:
    for part in (part for build in few(condition="used").builds for part in build.parts):
        assert part.low_usd < part.price_usd < part.high_usd
        assert part.price_observations >= part.price_sources >= 1
        assert part.one_source == (part.price_sources == 1)
        assert part.price_source


def test_no_way_out_asks_for_more_than_a_wish_may_hold() -> None:
    """On a day before all prices nothing serves, whatever is paid."""
    found = advise(Wish(budget_usd=9e6, as_of=date(1900, 1, 1)), load())
    assert (found.builds, found.ways_out) == ((), ())
