"""Builds named by their parts, prices of the visitor's own, and searches that remember."""

from datetime import date

import pytest

from advisor.buying.ownership import owned_parts
from advisor.buying.recommendation import recommend
from advisor.buying.stock import stock_of
from advisor.buying.wish import Wish
from advisor.errors import InputError
from advisor.physics.knowledge import load
from catalog.names.index import UnknownName
from catalog.prices import PartKind
from webapp import build_rows, resources, swaps
from webapp.described import article_builds, described, hardware_of, parts_of
from webapp.visitor import names_of, read_prices, seen_in, with_prices, written

TODAY = date(2026, 11, 25)
WISH = Wish(model="Qwen3.6-35B-A3B", condition="any")
BOX = "RTX 3060 12GB | Ryzen 7 5800X | DDR4-3600 2x16"
ANY = stock_of("any", owned_parts(()))


@pytest.mark.parametrize(
    "limits", [{"budget_usd": 900.0}, {"min_tok_s": 60.0}, {"budget_usd": 2000.0, "min_tok_s": 40.0}]
)
def test_a_search_that_remembers_finds_what_a_fresh_one_finds(limits: dict[str, float]) -> None:
    """One remembering search answers all three wishes; each fresh one is made anew."""
    wish = Wish.model_validate({"model": "Qwen3.6-35B-A3B", "condition": "used", "limit": 100} | limits)
    remembered = resources.ranking(wish, ())
    assert remembered.model_dump() == recommend(wish, load()).model_dump()


def test_a_named_build_has_the_named_parts_and_the_speed_of_those_parts() -> None:
    found = described(BOX, WISH, ANY, load())
    assert found.build is not None
    names = {part.name for part in found.build.parts}
    assert {"RTX 3060 12GB", "Ryzen 7 5800X"} <= names
    hardware = found.prediction.scenario.hardware
    assert (hardware.ram.type, hardware.ram.mt_s, hardware.ram.gb) == ("DDR4", 3600, 32)
    assert found.build.price_usd == pytest.approx(sum(part.price_usd for part in found.build.parts), rel=1e-9)


def test_a_build_without_a_price_is_predicted_all_the_same() -> None:
    found = described("machine: Mac Studio M4 Max | 64GB", WISH, ANY, load())
    assert (found.build, found.prediction.fits) == (None, True)
    assert found.why_not


@pytest.mark.parametrize("text", ["RTX 99999 | |", "| Ryzen 12 |", "machine: Toaster"])
def test_a_build_of_unknown_parts_is_refused(text: str) -> None:
    with pytest.raises(UnknownName):
        described(text, WISH, ANY, load())


@pytest.mark.parametrize("text", ["", " | | ", "RTX 3090 | | fast memory"])
def test_a_line_that_names_no_build_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        hardware_of(parts_of(text))


def test_the_line_of_a_ranked_build_names_that_build_again() -> None:
    """Several cards and whole machines among them."""
    for build in resources.ranking(Wish(model="gpt-oss-20b", limit=4), ()).builds:
        again = described(build_rows.parts_text(build), WISH.model_copy(update={"model": "gpt-oss-20b"}), ANY, load())
        assert again.build is not None
        assert again.build.name == build.name
        ours, theirs = again.prediction.scenario.hardware, build.prediction.scenario.hardware
        assert (ours.cpu, ours.ram.type, ours.ram.gb) == (theirs.cpu, theirs.ram.type, theirs.ram.gb)


def test_prices_of_the_visitors_own_survive_a_link() -> None:
    prices = {("gpu", "RTX 3060 12GB"): 190.0, ("cpu", "Ryzen 7 5800X"): 149.5}
    assert read_prices(written(prices)) == prices


@pytest.mark.parametrize(
    "text", ["gpu:RTX 99999=5", "gpu:RTX 3060 12GB=free", "gpu:RTX 3060 12GB=-1", "RTX 3060", "x=1"]
)
def test_a_price_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_prices([text])


def test_a_price_of_the_visitors_own_stands_before_quotes_and_lets_unpriced_parts_be_bought() -> None:
    unpriced = next(name for name in ANY.unpriced["gpu"])
    mine = with_prices(ANY, {("gpu", unpriced): 111.0, ("cpu", "Ryzen 7 5800X"): 5.0}, TODAY)
    assert unpriced in {gpu.name for gpu in mine.gpus} - {gpu.name for gpu in ANY.gpus}
    assert unpriced not in mine.unpriced["gpu"]
    quote = mine.prices.quote("cpu", "Ryzen 7 5800X")
    assert quote is not None
    assert (quote.price_usd, quote.as_of, quote.source) == (5.0, TODAY, "set by you")
    assert ANY.prices.quote("cpu", "Ryzen 7 5800X") != quote


def test_a_whole_machine_without_a_quote_is_bought_at_the_visitors_price() -> None:
    name = "Mac Studio M4 Max"
    sold = next(item for item in names_of("unified") if "M4 Max" in item and item.endswith(", 64 GB"))
    mine = with_prices(ANY, read_prices([f"unified:{sold}=2800"]), TODAY)
    found = described(f"machine: {name} | 64GB", WISH, mine, load())
    assert found.build is not None
    assert (found.build.price_usd, found.build.parts[0].price_source) == (2800, "set by you")


def test_a_part_that_is_named_is_in_the_build_and_the_line_names_it_again() -> None:
    other = next(psu for psu in sorted(ANY.psus, key=lambda psu: -psu.watts))
    text = f"{BOX} | psu: {other.name}"
    found = described(text, WISH, ANY, load())
    assert found.build is not None
    assert other.name in {part.name for part in found.build.parts}
    assert parts_of(text).text == text


@pytest.mark.parametrize("more", ["psu: No Such Supply", "engine: V8", "psu:"])
def test_a_part_that_is_not_sold_is_refused(more: str) -> None:
    with pytest.raises(InputError):
        described(f"{BOX} | {more}", WISH, ANY, load())


def test_swaps_say_what_goes_together_by_the_rules_that_builds_are_made_by() -> None:
    """Every supply that is said to go together makes a build; one that is not, does not."""
    found = described("RTX 3090 | Ryzen 5 5600 | DDR4-3200 2x16", WISH, ANY, load())
    assert found.build is not None
    whole = swaps.whole(found.build, ANY)
    assert whole is not None
    assert all(good for good, _ in swaps.checks(whole))
    supplies = swaps.options("psu", whole, ANY)
    assert [item.price_usd for item in supplies] == sorted(item.price_usd for item in supplies)
    good = next(item for item in reversed(supplies) if item.words == "goes together")
    weak = next(item for item in supplies if "needed" in item.words)
    parts = parts_of(found.text)
    assert described(swaps.with_part(parts, "psu", good.name).text, WISH, ANY, load()).build is not None
    assert described(swaps.with_part(parts, "psu", weak.name).text, WISH, ANY, load()).build is None


@pytest.mark.parametrize("kind", swaps.CHOSEN)
def test_every_part_that_fits_makes_a_build_and_no_other_does(kind: PartKind) -> None:
    """The cheapest and the dearest of both; of processors those for the same board."""
    found = described(BOX, WISH, ANY, load())
    assert found.build is not None
    whole = swaps.whole(found.build, ANY)
    assert whole is not None
    assert swaps.problems(whole) == []
    options = [item for item in swaps.options(kind, whole, ANY) if "board" not in item.follow]
    able, unable = ([item for item in options if item.able == which] for which in (True, False))
    assert able
    parts = parts_of(build_rows.parts_text(found.build))
    for item in (able[0], able[-1], *unable[:1], *unable[-1:]):
        text = swaps.with_part(parts, kind, item.name, item.follow).text
        assert (described(text, WISH, ANY, load()).build is not None) == item.able, item


def test_a_processor_of_another_socket_takes_its_board_along() -> None:
    parts = parts_of(f"{BOX} | board: ASRock A520M-HDV | psu: Corsair RM850e")
    assert swaps.with_part(parts, "cpu", "Core i5-12400F").more == (("psu", "Corsair RM850e"),)
    assert swaps.with_part(parts, "gpu", "RTX 5090").more == (("board", "ASRock A520M-HDV"),)


@pytest.mark.parametrize(
    ("renderer", "fields"),
    [
        ("ANGLE (Apple, ANGLE Metal Renderer: Apple M4 Pro, Version)", {"whole": "Apple M4 Pro (20-core GPU)"}),
        ("NVIDIA GeForce RTX 3060/PCIe/SSE2", {"gpu": "RTX 3060 12GB"}),
        ("ANGLE (AMD, AMD Radeon RX 7800 XT (0x0000747E) Direct3D11 vs_5_0 ps_5_0, D3D11)", {"gpu": "RX 7800 XT"}),
        ("AMD Radeon RX 6700 XT (radeonsi, navi22, LLVM 15.0.7, DRM 3.54, 6.5)", {"gpu": "RX 6700 XT"}),
        ("ANGLE (Intel, Intel(R) UHD Graphics 770 (0x00004680) Direct3D11 vs_5_0 ps_5_0, D3D11)", {}),
        ("Mali-G78", {}),
        ("llvmpipe (LLVM 15.0.6, 256 bits)", {}),
    ],
)
def test_a_browsers_name_of_its_graphics_is_read(renderer: str, fields: dict[str, str]) -> None:
    assert seen_in(renderer) == fields


def test_the_articles_four_builds_stand_in_the_table_of_claims() -> None:
    """Prices and speeds as calibration/evidence/article_claims.csv has them."""
    assert [(build.id, build.claimed_tok_s) for build in article_builds()] == [
        ("B1", 14.8), ("B2", 17.2), ("B3", 19.4), ("B4", 16.5),
    ]
