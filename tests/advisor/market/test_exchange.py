"""Exchange rates that a person gives: single ones, and the European Central Bank's files as it publishes them."""

import zipfile
from datetime import date
from pathlib import Path

import pytest

from advisor.errors import InputError
from advisor.market.exchange import rates_given

XML = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01">
<gesmes:subject>Reference rates</gesmes:subject>
<Cube><Cube time='2026-11-27'><Cube currency='USD' rate='1.25'/><Cube currency='JPY' rate='200'/></Cube>
<Cube time='2026-11-26'><Cube currency='USD' rate='1.6'/><Cube currency='JPY' rate='160'/></Cube></Cube>
</gesmes:Envelope>
"""
TABLE = "Date, USD, JPY, BGN, GBP, \n27 November 2026, 1.25, 200, N/A, 0.75, \n"
HISTORY = "Date,USD,JPY,GBP,\n2026-11-27,1.25,200,0.75,\n2026-11-26,1.6,160,N/A,\n"
DAY = date(2026, 11, 28)


def given(folder: Path, content: str, name: str = "eurofxref.csv") -> str:
    path = folder / name
    path.write_text(content)
    return str(path)


@pytest.mark.parametrize("content", [XML, TABLE, HISTORY], ids=["xml", "daily", "history"])
def test_the_bank_s_file_counts_in_euros_and_is_turned_to_dollars(tmp_path: Path, content: str) -> None:
    rates = rates_given([given(tmp_path, content)])
    assert rates.per_usd("EUR", DAY) == pytest.approx(1 / 1.25)
    assert rates.per_usd("JPY", DAY) == pytest.approx(200 / 1.25)


@pytest.mark.parametrize("content", [XML, HISTORY], ids=["xml", "history"])
def test_the_rate_of_the_day_counts(tmp_path: Path, content: str) -> None:
    assert rates_given([given(tmp_path, content)]).per_usd("JPY", date(2026, 11, 26)) == pytest.approx(160 / 1.6)


def test_a_packed_file_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "eurofxref.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("eurofxref.csv", TABLE)
    assert rates_given([str(path)]).per_usd("GBP", DAY) == pytest.approx(0.75 / 1.25)


def test_what_the_file_lacks_stays_as_shipped(tmp_path: Path) -> None:
    shipped, read = rates_given([]), rates_given([given(tmp_path, TABLE)])
    assert read.per_usd("PLN", DAY) == shipped.per_usd("PLN", DAY)
    assert read.per_usd("EUR", date(2026, 10, 30)) == shipped.per_usd("EUR", date(2026, 10, 30))


def test_a_single_rate_goes_before_the_file(tmp_path: Path) -> None:
    rates = rates_given([given(tmp_path, TABLE), "eur=0.5"])
    assert (rates.per_usd("EUR", DAY), rates.per_usd("JPY", DAY)) == (0.5, 160)


@pytest.mark.parametrize(
    "content", ["", "nothing", "<html></html>", "Date,USD\n", "Date,USD\nsoon,1.2\n", "Date,USD\n2026-11-27,0\n"]
)
def test_a_file_without_rates_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match="holds no rates"):
        rates_given([given(tmp_path, content)])


@pytest.mark.parametrize("text", ["EUR=0", "EUR=1e9", "EUR=0.9.1", "EUR=999999999"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--rate"):
        rates_given([text])


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "eurofxref.zip"
    path.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(InputError, match="damaged archive"):
        rates_given([str(path)])
