"""What a computer costs to run: by the arithmetic of watts and hours, and against the price of an API."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.buying.costs import SUPPLY_SHARE, Power, cost_words, power_of, running_costs
from advisor.choosing.tasks import TASKS
from advisor.errors import InputError
from advisor.market.money import Exchange
from catalog.tables import api_prices, electricity, model_facts

CHAT = TASKS["chat"]


def test_a_million_tokens_cost_what_was_reckoned_by_hand() -> None:
    # "Choosing a model", section 5: 350 W at the wall, 0.19 USD/kWh and 40 tok/s are 0.46 USD per million written.
    told = running_costs("-", CHAT, 350.0 * SUPPLY_SHARE, (1000, 1000), (40.0, 1e12), Power(0.19, 2.0))
    assert told.usd_per_million_tokens == pytest.approx(0.46, abs=0.005)
    assert told.power_usd_per_month == pytest.approx(0.35 * 2 * 30.4 * 0.19)
    assert told.api_usd_per_month is None


@given(st.floats(10, 1500), st.floats(1, 200), st.floats(50, 5000), st.floats(0.5, 24), st.floats(100, 20_000))
def test_more_watts_never_pay_back_sooner(
    watts: float, decode: float, prefill: float, hours: float, usd: float
) -> None:
    less, more = (
        running_costs("qwen3.6-35b-a3b", CHAT, power, (usd, 1.2 * usd), (decode, prefill), Power(0.3, hours))
        for power in (watts, 1.5 * watts)
    )
    assert more.power_usd_per_month > less.power_usd_per_month
    assert more.api_usd_per_month == less.api_usd_per_month
    if more.pays_back_months:
        assert less.pays_back_months
        assert less.pays_back_months[0] <= more.pays_back_months[0]
        assert more.pays_back_months[0] <= more.pays_back_months[1]
    assert list(cost_words(less, Exchange()))


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
