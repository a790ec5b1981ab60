"""Amounts as people write them, and currencies at the rate of their day."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import InputError
from advisor.market.money import Money, Rates, money_of, shipped_rates, shown


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("1500", 1500, "USD"), ("$1,500", 1500, "USD"), ("1000 EUR", 1000, "EUR"), ("EUR 1000", 1000, "EUR"),
        ("€1.200", 1200, "EUR"), ("€ 1 200", 1200, "EUR"), ("999,99 €", 999.99, "EUR"), ("2k", 2000, "USD"),
        ("1.5k", 1500, "USD"), ("£800", 800, "GBP"), ("C$1,900", 1900, "CAD"), ("A$1900", 1900, "AUD"),
        ("¥150000", 150000, "JPY"), ("₹1,00,000", None, ""), ("R$ 8000", 8000, "BRL"), ("5000 zł", 5000, "PLN"),
        ("7000 CNY", 7000, "CNY"), ("1,500.50 USD", 1500.5, "USD"), ("1.234.567 EUR", 1234567, "EUR"),
        ("1'500 usd", 1500, "USD"), ("300 dollars", 300, "USD"), ("US$300", 300, "USD"), ("12,5 EUR", 12.5, "EUR"),
    ],
)
def test_an_amount_is_read_as_people_write_it(text: str, amount: float | None, currency: str) -> None:
    if amount is None:
        assert money_of(text) == Money(100_000, "INR")
    else:
        assert money_of(text) == Money(amount, currency)


@pytest.mark.parametrize(
    "text", ["", "cheap", "-5", "0", "$", "12 bananas", "$5 EUR", "1e400", "nan", "5 6 7", "1;5", "9" * 400]
)
def test_what_is_no_amount_is_refused_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(InputError, match=r"amount|currency"):
        money_of(text)


def test_an_amount_without_a_currency_is_of_the_one_asked() -> None:
    assert money_of("1500", "EUR") == Money(1500, "EUR")


@given(st.integers(1, 10**7), st.sampled_from(["USD", "EUR", "GBP", "CAD", "AUD", "JPY", "INR", "BRL", "CNY", "PLN"]))
def test_an_amount_is_read_back_as_it_is_shown(amount: int, currency: str) -> None:
    assert money_of(shown(amount, currency)) == Money(amount, currency)


def test_the_rate_of_the_day_counts_else_the_oldest() -> None:
    rates = Rates({"EUR": ((date(2026, 1, 1), 0.9), (date(2026, 6, 1), 0.8))})
    days = (date(2025, 1, 1), date(2026, 5, 31), date(2026, 6, 1), date(2027, 1, 1))
    assert [rates.per_usd("EUR", day) for day in days] == [0.9, 0.9, 0.8, 0.8]


def test_a_rate_that_the_person_gave_goes_before_all() -> None:
    assert shipped_rates({"EUR": 0.5}).per_usd("EUR", date(2026, 10, 30)) == 0.5


def test_ten_currencies_have_a_shipped_rate() -> None:
    known = {"USD", "EUR", "GBP", "CAD", "AUD", "JPY", "INR", "BRL", "CNY", "PLN"}
    assert all(shipped_rates().per_usd(currency, date(2026, 11, 1)) > 0 for currency in known)


def test_a_currency_without_a_rate_is_refused_with_the_way_to_give_one() -> None:
    with pytest.raises(InputError, match=r"--rate CHF=\.\.\."):
        shipped_rates().per_usd("CHF", date(2026, 10, 30))
