"""Memory and disks as people write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.names.index import UnknownName
from catalog.names.ram import RATES_MT_S, RamSpec, parse_ram
from catalog.names.storage import resolve_ssd, storage_read_gb_s


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("DDR4-3600 2x16", RamSpec("DDR4", 3600, 2, 16, 32)),
        ("2x32GB DDR5-6000", RamSpec("DDR5", 6000, 2, 32, 64)),
        ("64GB DDR5", RamSpec("DDR5", None, None, None, 64)),
        ("DDR5 5600 4x48 GB", RamSpec("DDR5", 5600, 4, 48, 192)),
        ("32 GB LPDDR5X-8000", RamSpec("LPDDR5X", 8000, None, None, 32)),
        ("32GB (2x16GB) DDR5-6000 CL30", RamSpec("DDR5", 6000, 2, 16, 32)),
        ("1TB DDR4 2666", RamSpec("DDR4", 2666, None, None, 1024)),
        ("DDR4 3200 MT/s", RamSpec("DDR4", 3200)),
        ("2 x 16 GB", RamSpec(None, None, 2, 16, 32)),
    ],
)
def test_what_a_text_says(text: str, spec: RamSpec) -> None:
    assert parse_ram(text) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "memory",
        "16",
        "DDR6-9000",
        "DDR4-360",
        "DDR4-6000",
        "2x0 DDR4",
        "64GB 2x16 DDR4",
        "-32GB DDR4",
        "2x-16",
        "99999GB DDR4",
        "1x2048 DDR5",
    ],
)
def test_wrong_texts_are_refused_in_one_sentence_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="DDR4-3600 2x16") as refusal:
        parse_ram(text)
    assert "\n" not in str(refusal.value)


@given(
    kind=st.sampled_from(sorted(RATES_MT_S)),
    modules=st.sampled_from([1, 2, 4, 8, 12]),
    size=st.sampled_from([4, 8, 16, 24, 32, 48, 64, 96, 128]),
    data=st.data(),
)
def test_any_order_of_words_says_the_same(kind: str, modules: int, size: int, data: st.DataObject) -> None:
    low, high = RATES_MT_S[kind]
    rate = data.draw(st.integers(low // 100, high // 100)) * 100
    if not low <= rate <= high:
        rate = high
    expected = RamSpec(kind, rate, modules, size, modules * size)
    assert parse_ram(f"{kind}-{rate} {modules}x{size}") == expected
    assert parse_ram(f"{modules}x{size}GB {kind}-{rate}") == expected
    assert parse_ram(f"{kind} {modules} x {size} GB {rate} MT/s") == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Samsung 990 Pro", "Samsung 990 PRO 2TB"),
        ("Samsung SSD 980 1TB PCIe3 x4", "Samsung 980 1TB"),
        ("Crucial T700 2TB PCIe Gen5 NVMe", "Crucial T700 2TB"),
        ("WDC PC SN810 512G", "WD PC SN810 512GB"),
        ("wd black sn850x 2tb", "WD Black SN850X 2TB"),
        ("TiPlus7100 NVMe PCIe4", "ZhiTai TiPlus7100 1TB"),
    ],
)
def test_disks_by_name(text: str, name: str) -> None:
    assert resolve_ssd(text).row.name == name


@pytest.mark.parametrize("text", ["NVMe", "", "Samsung 970 EVO", "Samsung 980 QVO", "a disk"])
def test_what_names_no_disk_is_refused(text: str) -> None:
    with pytest.raises(UnknownName):
        resolve_ssd(text)


def test_another_capacity_is_noted() -> None:
    assert resolve_ssd("Samsung 990 PRO 2TB").assumptions == ()
    assert "4000 GB" in resolve_ssd("Samsung 990 PRO 4TB").assumptions[0]


@pytest.mark.parametrize(
    ("text", "sequential"),
    [
        ("NVMe PCIe 3.0, 937 GB, ~3 GB/s", 3.0),
        ("Samsung 9100 PRO (11.5 GB/s)", 11.5),
        ("Gen4 NVMe 5.94 GB/s", 5.94),
        ("550 MB/s", 0.55),
        ("Samsung 990 Pro", 7.45),
    ],
)
def test_a_stated_rate_wins_over_the_model_and_the_class(text: str, sequential: float) -> None:
    rates = storage_read_gb_s(text)
    assert rates is not None
    assert rates[0] == pytest.approx(sequential, rel=1e-12)  # the number as written


def test_classes_stand_in_their_order() -> None:
    classes = ("HDD", "SATA SSD", "NVMe PCIe 3.0", "Gen4 NVMe", "PCIe Gen5 NVMe")
    rates = [storage_read_gb_s(text) for text in classes]
    assert all(rate is not None for rate in rates)
    assert rates == sorted(rates, key=lambda rate: rate or (0, 0))
    assert all(rate is None or rate[1] < rate[0] for rate in rates)
    assert storage_read_gb_s("somewhere") is None


@given(text=st.text(max_size=40))
def test_any_text_is_read_or_refused_as_a_value(text: str) -> None:
    rates = storage_read_gb_s(text)
    assert rates is None or 0 < rates[1] <= rates[0]
    with suppress(ValueError):
        assert parse_ram(text) != RamSpec()
