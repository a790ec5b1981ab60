"""What a computer costs to run: by the arithmetic of watts and hours, and against the price of an API."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.answer import Range
from advisor.buying.advice import rented_for
from advisor.buying.costs import (
    LONGEST_MONTHS,
    SUPPLY_SHARE,
    Power,
    Rented,
    cost_words,
    draws_w,
    power_of,
    rent_of,
    rented_cards,
    running_costs,
    saving_words,
)
from advisor.choosing.tasks import TASKS
from advisor.errors import InputError
from advisor.market.money import Exchange
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import GpuRequest, Hardware, RamRequest
from catalog.names.gpus import resolve_gpu
from catalog.tables import api_prices, closed_prices, electricity, model_facts, rentals

CHAT = TASKS["chat"]
Speeds = tuple[Range, Range]


def known(decode_tok_s: float, prefill_tok_s: float) -> Speeds:
    """Speeds of which nothing is uncertain."""
    decode, prefill = (Range(p50=speed, p05=speed, p95=speed) for speed in (decode_tok_s, prefill_tok_s))
    return decode, prefill


def test_a_million_tokens_cost_what_was_reckoned_by_hand() -> None:
    # "Choosing a model", section 5: 350 W at the wall, 0.19 USD/kWh and 40 tok/s are 0.46 USD per million written.
    told = running_costs("-", CHAT, 350.0 * SUPPLY_SHARE, (1000, 1000), known(40.0, 1e12), Power(0.19, 2.0))
    assert told.usd_per_million_tokens == pytest.approx(0.46, abs=0.005)
    assert told.power_usd_per_month == pytest.approx(0.35 * 2 * 30.4 * 0.19)
    assert told.api_usd_per_month is None


@given(st.floats(10, 1500), st.floats(1, 200), st.floats(50, 5000), st.floats(0.5, 24), st.floats(100, 20_000))
def test_more_watts_never_pay_back_sooner(
    watts: float, decode: float, prefill: float, hours: float, usd: float
) -> None:
    less, more = (
        running_costs("qwen3.6-35b-a3b", CHAT, power, (usd, 1.2 * usd), known(decode, prefill), Power(0.3, hours))
        for power in (watts, 1.5 * watts)
    )
    assert more.power_usd_per_month > less.power_usd_per_month
    assert more.api_usd_per_month == less.api_usd_per_month
    if more.pays_back_months:
        assert less.pays_back_months
        assert less.pays_back_months[0] <= more.pays_back_months[0]
        assert more.pays_back_months[0] <= more.pays_back_months[1]
    assert list(cost_words(less, Exchange()))


@given(st.floats(1, 200), st.floats(50, 5000), st.floats(1, 3), st.floats(1, 3), st.floats(100, 20_000))
def test_what_is_not_known_of_speed_and_price_is_carried_through(
    decode: float, prefill: float, below: float, above: float, usd: float
) -> None:
    """The ends are those of computers at the ends: a slow one of the high price and a fast one of the low price."""
    speeds = tuple(Range(p50=speed, p05=speed / below, p95=speed * above) for speed in (decode, prefill))
    power, price = Power(0.3, 4.0), (usd, 1.3 * usd)
    told = running_costs("qwen3.6-35b-a3b", CHAT, 300.0, price, (speeds[0], speeds[1]), power)
    slow, fast = (
        running_costs("qwen3.6-35b-a3b", CHAT, 300.0, (end, end), known(*at), power)
        for end, at in ((1.3 * usd, [item.p05 for item in speeds]), (usd, [item.p95 for item in speeds]))
    )
    assert told.usd_per_million_tokens_range == pytest.approx(
        (fast.usd_per_million_tokens, slow.usd_per_million_tokens)
    )
    assert told.usd_per_million_tokens_range[0] <= told.usd_per_million_tokens * (1 + 1e-9)
    assert told.usd_per_million_tokens <= told.usd_per_million_tokens_range[1] * (1 + 1e-9)
    assert told.api_usd_per_month
    assert slow.api_usd_per_month
    assert fast.api_usd_per_month
    assert told.api_usd_per_month == pytest.approx((slow.api_usd_per_month[0], fast.api_usd_per_month[1]))
    if told.pays_back_months and fast.pays_back_months:
        assert told.pays_back_months[0] == fast.pays_back_months[0]
    if told.pays_back_months and slow.pays_back_months:
        assert told.pays_back_months[1] == slow.pays_back_months[1]


def test_countries_are_named_by_code_or_name() -> None:
    assert power_of(None, "DE", 2.0) == power_of(None, "germany", 2.0)
    assert power_of(None, None, 2.0).where == "United States"
    assert power_of(0.25, "DE", 2.0).kwh_usd == 0.25
    with pytest.raises(InputError, match="--kwh-price"):
        power_of(None, "Atlantis", 2.0)


def test_prices_are_of_models_of_the_catalog_and_in_a_plausible_range() -> None:
    ids = {row.name for row in model_facts()}
    assert all(row.name in ids for row in api_prices())
    assert all(0.01 < row.usd_per_kwh < 1.0 for row in electricity())


def test_several_write_more_for_the_same_power() -> None:
    """Four who each get half the speed of one write twice as much in an hour."""
    one = running_costs("qwen3.6-35b-a3b", CHAT, 300.0, (1000, 1000), known(40.0, 1e12), Power(0.2, 2.0))
    four = running_costs("qwen3.6-35b-a3b", CHAT, 300.0, (1000, 1000), known(20.0, 1e12), Power(0.2, 2.0), users=4)
    assert four.power_usd_per_month == one.power_usd_per_month
    assert four.usd_per_million_tokens == pytest.approx(one.usd_per_million_tokens / 2, rel=1e-6)
    assert one.api_usd_per_month
    assert four.api_usd_per_month == pytest.approx([2 * usd for usd in one.api_usd_per_month], rel=1e-6)


def test_rents_are_of_cards_of_the_catalog_the_cheapest_first() -> None:
    assert {resolve_gpu(row.name).row.name for row in rentals()} == {card.name for card in rented_cards()}
    usual = [card.usd_per_hour[1] for card in rented_cards()]
    assert usual == sorted(usual)
    assert all(card.usd_per_hour[0] <= card.usd_per_hour[1] < 20 for card in rented_cards())


def test_a_rent_below_the_power_bill_never_pays_back() -> None:
    card = Rented("RTX 3090", (0.1, 0.2), date(2026, 8, 22))
    cheap = rent_of(card, (500.0, 600.0), Power(0.2, 1.0), 7.0)
    assert cheap.usd_per_month == pytest.approx((3.04, 6.08))
    assert cheap.pays_back_months is None
    some = rent_of(card, (500.0, 600.0), Power(0.2, 10.0), 35.0)
    assert some.pays_back_months == (round(500 / (60.8 - 35.0), 1), LONGEST_MONTHS)


@pytest.mark.parametrize(("own", "wanted"), [("RTX 3090", "RTX 3090"), ("RTX 3060 12GB", None)])
def test_a_rented_card_is_the_own_one_or_one_that_is_as_fast(own: str, wanted: str | None) -> None:
    hardware = Hardware(gpus=(GpuRequest(name=own),), cpu="Ryzen 5 5600", ram=RamRequest(type="DDR4", gb=32))
    asked = CHAT.question("gpt-oss-20b", "MXFP4").model_copy(update={"hardware": hardware})
    answer = predict(asked, load())
    found = rented_for(answer, CHAT, load())
    assert found
    assert wanted in (found.name, None)
    assert resolve_gpu(found.name).row.usable_vram_gib >= answer.placement.vram_gb


@pytest.mark.parametrize(
    ("hardware", "watts"),
    [
        ({"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X"}, 170 + 105 * 1.35 + 60),
        ({"gpus": [{"name": "RTX 3090", "count": 2}], "cpu": "Core i7-12700K"}, 700 + 125 * 1.5 + 60),
        ({"gpus": [{"name": "RTX 3090", "power_limit_w": 250}], "cpu": "Ryzen 7 5800X"}, 250 + 105 * 1.35 + 60),
    ],
)
def test_a_computer_draws_what_its_parts_do(hardware: dict[str, object], watts: float) -> None:
    """Makers' figures: 170 W and 350 W of the cards, 105 W and 125 W of the processors."""
    assert draws_w(Hardware.model_validate(hardware)) == pytest.approx(watts)


def test_a_machine_sold_whole_draws_what_its_source_states_and_a_card_in_it_comes_on_top() -> None:
    alone = draws_w(Hardware(machine="M4 Max 64GB"))
    assert 30 < alone < 200
    box = draws_w(Hardware(machine="Framework Desktop 128GB"))
    more = draws_w(Hardware.model_validate({"machine": "Framework Desktop 128GB", "gpus": [{"name": "RTX 3090"}]}))
    assert more == pytest.approx(box + 350)


def test_the_power_of_a_card_of_figures_is_to_be_said() -> None:
    card = {"custom": {"vram_gb": 16, "bandwidth_gb_s": 500, "fp16_tflops": 40}}
    alike = {"gpus": [{"custom": card["custom"] | {"like": "RTX 3090"}}], "cpu": "Ryzen 7 5800X"}
    assert draws_w(Hardware.model_validate(alike)) == pytest.approx(350 + 105 * 1.35 + 60)
    with pytest.raises(InputError, match="power_w"):
        draws_w(Hardware.model_validate({"gpus": [card]}))


@pytest.mark.parametrize(("kwh", "said"), [(0.05, "saves"), (0.6, "less than the electricity")])
def test_a_computer_there_is_saves_or_costs_more_than_an_api(kwh: float, said: str) -> None:
    told = running_costs("qwen3.6-35b-a3b", CHAT, 370.0, (0, 0), known(50.0, 800.0), Power(kwh, 2.0))
    assert said in list(saving_words(told, Exchange()))[1]


def test_closed_models_are_told_by_size_for_the_tokens_of_the_same_hours() -> None:
    by_size = {size: [row.output_usd_per_m for row in closed_prices() if row.size == size]
               for size in ("small", "middle", "large")}
    assert max(by_size["small"]) <= min(by_size["middle"])
    assert max(by_size["middle"]) <= min(by_size["large"])
    told, twice = (
        running_costs("-", CHAT, 300.0, (1000, 1000), known(speed, 1e12), Power(0.2, 2.0)) for speed in (40.0, 80.0)
    )
    assert list(told.closed_usd_per_month) == ["small", "middle", "large"]
    steps = 2.0 * 3600 * 30.4 * 40.0 / CHAT.writes
    cheapest = min(CHAT.new * row.input_usd_per_m + CHAT.writes * row.output_usd_per_m for row in closed_prices())
    assert told.closed_usd_per_month["small"][0] == pytest.approx(steps * cheapest / 1e6, rel=1e-6)
    for size, (low, high) in told.closed_usd_per_month.items():
        assert low <= high
        assert twice.closed_usd_per_month[size] == pytest.approx((2 * low, 2 * high), rel=1e-6)
    assert "closed models" in " ".join(cost_words(told, Exchange()))
