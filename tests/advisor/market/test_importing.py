"""Shop lists, exports of eBay and Keepa, and files that mean harm: good lines are read, bad ones told by number."""

from datetime import date
from pathlib import Path

import pytest

from advisor.errors import InputError
from advisor.market.importing import MOST_BYTES, read_prices

TODAY = date(2026, 11, 29)


def written(folder: Path, content: str | bytes, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_shop_list_is_read_by_its_titles(tmp_path: Path) -> None:
    found = read_prices(written(tmp_path, (
        "Item;Price;Shop;Condition;Date;Colour\n"
        "GeForce RTX 3090;699,99 €;kleinanzeigen.de;Used;2026-11-20;black\n"
        "DDR5-6000 2x16;$539;shop.example;new;2026-11-28;\n"
        "\n"
        "Framework Desktop 128GB;3449;https://frame.work;New;;\n"
    )), TODAY)
    assert found.bad == ()
    card, memory, box = found.observations
    assert (card.part, card.condition, card.price, card.currency) == ("RTX 3090", "used", 699.99, "EUR")
    assert (card.as_of, card.source, card.kind) == (date(2026, 11, 20), "kleinanzeigen.de", "street")
    assert (memory.part_kind, memory.part, memory.price) == ("ram", "DDR5-6000 2x16GB", 539)
    assert (box.memory_gib, box.as_of, box.currency) == (128, TODAY, "USD")
    assert found.unread == ("colour",)
    assert found.assumptions == (f"without a date: taken as seen on {TODAY}",)


def test_sales_of_ebay_are_prices_paid(tmp_path: Path) -> None:
    found = read_prices(written(tmp_path, (
        '"Sales Record Number","Item Title","Sold For","Sale Date","Item Condition"\n'
        '"101","NVIDIA Tesla P40 24GB GPU","$231.50","Nov-20-26","Pre-Owned"\n'
        '"102","RTX 3090 water block EKWB","$85.00","Nov-21-26","Used"\n'
        '"103","RTX 3090 FOR PARTS not working","$300.00","Nov-21-26","For parts or not working"\n'
    )), TODAY)
    (sold,) = found.observations
    assert (sold.part, sold.kind, sold.price, sold.condition) == ("Tesla P40", "sold", 231.5, "used")
    assert sold.as_of == date(2026, 11, 20)
    assert [line.number for line in found.bad] == [3, 4]
    assert "water block" in found.bad[0].why


def test_a_line_of_keepa_has_a_price_of_each_condition(tmp_path: Path) -> None:
    found = read_prices(written(tmp_path, (
        "Locale,Title,New: Current,Used: Current,Amazon: Current\n"
        "de,RTX 5060 Ti 16GB,799.90,640,-\n"
        "com,RTX 5090,,,\n"
    )), TODAY)
    assert {(item.condition, item.price, item.currency) for item in found.observations} == {
        ("new", 799.9, "EUR"), ("used", 640, "EUR"),
    }
    assert [(line.number, line.why) for line in found.bad] == [(3, "no price of today")]


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ("RTX 3090 24GB EMPTY BOX", "EMPTY BOX"), ("RTX 3090 artifacts", "artifacts"), ("RTX 3090 gaming PC", "PC"),
        ("Ryzen 7 5800X dead", "dead"), ("Samsung 990 PRO 2TB for parts", "for parts"),
        ("RTX 3090 replica", "replica"), ("DGX Spark broken", "broken"),
    ],
)
def test_an_offer_of_something_else_is_told_by_the_words_that_offers_are_matched_by(
    tmp_path: Path, part: str, word: str
) -> None:
    (bad,) = read_prices(written(tmp_path, f"part,price\n{part},85\n"), TODAY).bad
    assert f"{word!r} in {part!r}" in bad.why


def test_what_a_part_is_called_is_nothing_else(tmp_path: Path) -> None:
    names = ("Framework Desktop 128GB", "RTX 3060 12GB triple fan gaming graphics card", "Noctua NH-U14S TR4-SP3",
             "Dell PowerEdge R630 (2 x Xeon E5-2620 v4, 64 GB)", "ASRock A520M-HDV", "Mac Studio M2 Ultra 64GB",
             "DDR4-3200 2x16GB desktop memory kit", "Corsair 4000D Airflow")
    rows = "".join(f'"{name}",85\n' for name in names)
    found = read_prices(written(tmp_path, f"part,price\n{rows}"), TODAY)
    assert [line.why for line in found.bad] == []


HEAD = "part,condition,price,currency,as_of,source\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("=cmd|' /C calc'!A0,new,700,USD,2026-11-01,x", "formula"), ("RTX 3090,new,=1+1,USD,2026-11-01,x", "formula"),
        ("RTX 3090,new,@SUM(A1),USD,2026-11-01,x", "formula"), ("RTX 3090,new,-700,USD,2026-11-01,x", "below zero"),
        ("RTX 3090,new,0,USD,2026-11-01,x", "above zero"), ("RTX 3090,new,cheap,USD,2026-11-01,x", "no amount"),
        ("RTX 3090,new,700,USD,2026-13-01,x", "date"), ("RTX 3090,new,700,USD,01/02/2026,x", "date"),
        ("RTX 3090,new,700,USD,2031-01-01,x", "future"), ("RTX 3090,new,700,USD,1999-01-01,x", "far back"),
        ("flux capacitor,new,700,USD,2026-11-01,x", "not in the catalog"), (",new,700,USD,2026-11-01,x", "no part"),
        ("RTX 3090,mint,700,USD,2026-11-01,x", "neither new nor used"), ("RTX 3090,new,700,XXX,2026-11-01,x", "XXX"),
        ("RTX 3090,new,700", "3 cells"), ("RTX 3090,new,700,USD,2026-11-01,x,y,z", "8 cells"),
        ("Framework Desktop,new,700,USD,2026-11-01,x", "name the size"),
        ("RTX 3090,new,1e999,USD,2026-11-01,x", "amount"),
        ("Samsung 990 Pro 8TB,new,700,USD,2026-11-01,x", "not in the catalog"),
    ],
)
def test_a_bad_line_is_told_by_its_number_and_the_good_ones_stay(tmp_path: Path, line: str, why: str) -> None:
    good = "RTX 3060 12GB,used,250,USD,2026-11-01,x\n"
    found = read_prices(written(tmp_path, f"{HEAD}{good}{line}\n{good}"), TODAY)
    assert [item.part for item in found.observations] == ["RTX 3060 12GB"] * 2
    (bad,) = found.bad
    assert bad.number == 3
    assert why in bad.why


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    content = f"{HEAD}RTX 3090,used,£700,GBP,2026-11-01,Händler\n".encode(encoding)
    (item,) = read_prices(written(tmp_path, content), TODAY).observations
    assert (item.price, item.currency, item.source) == (700, "GBP", "Händler")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "columns of a part and a price"), ("a,b,c\n1,2,3\n", "columns of a part and a price"),
        ("part;condition\nRTX 3090;used\n", "columns of a part and a price"), (b"\x89PNG\r\n\x1a\n\0\0", "is no text"),
        (f'{HEAD}"{"x" * 200_000}",new,1,USD,2026-11-01,x\n', "line 2"),
        (HEAD + "banana,new,1,USD,2026-11-01,x\n" * 1_001, "1,000 lines say no price"),
        ("part,price\nRTX 3090,1\n" + ",\n" * 200_000, "more than 200,000 lines"),  # empty lines count
    ],
    ids=["empty", "other", "no price", "picture", "endless cell", "no prices", "many"],
)
def test_what_is_no_price_list_is_refused_whole(tmp_path: Path, content: str | bytes, why: str) -> None:
    with pytest.raises(InputError, match=why):
        read_prices(written(tmp_path, content), TODAY)


def test_a_file_of_100_mb_is_refused_before_it_is_read_through(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.write(HEAD.encode())
        file.truncate(100_000_000)
    with pytest.raises(InputError, match=f"more than {MOST_BYTES // 2**20} MiB: split it"):
        read_prices(path, TODAY)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_prices(tmp_path / "none.csv", TODAY)
