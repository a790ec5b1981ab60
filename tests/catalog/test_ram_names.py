"""Memory and disks as people write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.names.index import UnknownName
from catalog.names.ram import RATES_MT_S, RamSpec, parse_ram
from catalog.names.storage import resolve_ssd, storage_read_gb_s
from catalog.parts import RamType


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
        ("32", RamSpec(None, None, None, None, 32)),
        ("32 GB DDR4 3200", RamSpec("DDR4", 3200, None, None, 32)),
        ("32 gigs of ram", RamSpec(None, None, None, None, 32)),
        ("1,024 GB", RamSpec(None, None, None, None, 1024)),
        ("32768 MB", RamSpec(None, None, None, None, 32)),
        # Modules, in the words of listings and forums.
        ("DDR5-6000 16GB x 2", RamSpec("DDR5", 6000, 2, 16, 32)),
        ("16GBx2", RamSpec(None, None, 2, 16, 32)),
        ("32x4 DDR4", RamSpec("DDR4", None, 4, 32, 128)),
        ("2 sticks of 16GB", RamSpec(None, None, 2, 16, 32)),
        ("two 16GB sticks", RamSpec(None, None, 2, 16, 32)),
        ("16GB each, 2 sticks", RamSpec(None, None, 2, 16, 32)),
        ("a 16GB stick", RamSpec(None, None, 1, 16, 16)),
        ("4 DIMMs", RamSpec(None, None, 4)),
        ("64GB, 4 DIMMs DDR4", RamSpec("DDR4", None, 4, 16, 64)),
        # Unlike modules.
        ("DDR5-5600 1x48+1x32", RamSpec("DDR5", 5600, 2, None, 80)),
        ("2x16GB + 2x8GB DDR4-2666", RamSpec("DDR4", 2666, 4, None, 48)),
        ("16GB+8GB DDR4", RamSpec("DDR4", None, 2, None, 24)),
        # Channels.
        ("64GB DDR4-3200 single channel", RamSpec("DDR4", 3200, None, None, 64, 1)),
        ("128GB quad channel DDR4", RamSpec("DDR4", None, None, None, 128, 4)),
        ("12-channel DDR5-4800 384GB", RamSpec("DDR5", 4800, None, None, 384, 12)),
        # Labels, timings, makers, ranks. PC4-25600 is 3200 MT/s x 8 B (JEDEC JESD79-4).
        ("PC4-25600 2x8GB", RamSpec("DDR4", 3200, 2, 8, 16)),
        ("PC3L-12800 16GB", RamSpec("DDR3", 1600, None, None, 16)),
        ("PC4-3200AA 32GB", RamSpec("DDR4", 3200, None, None, 32)),
        ("DDR3L-1600 2x8", RamSpec("DDR3", 1600, 2, 8, 16)),
        ("2x16 GB of Corsair Vengeance LPX DDR4 @ 3200 MHz CL16", RamSpec("DDR4", 3200, 2, 16, 32)),
        ("64GB kit (2x32GB) DDR5-6000 CL30-36-36-76 1.35V", RamSpec("DDR5", 6000, 2, 32, 64)),
        ("4 x 32GB RDIMM ECC 2Rx4", RamSpec(None, None, 4, 32, 128)),
    ],
)
def test_what_a_text_says(text: str, spec: RamSpec) -> None:
    assert parse_ram(text) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "memory",
        "banana",
        "DDR4-3200 2x16 banana",
        "32GB 64GB",
        "DDR4 3200 3600",
        "DDR4 and DDR5",
        "single channel quad channel",
        "2 sticks of 16GB, 4 DIMMs",
        "2.5x16",
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


MODULES = (
    "{n}x{size}", "{n} x {size}GB", "{n}×{size} GB", "{n}*{size}g", "{size}GB x {n}", "{size}GBx{n}", "{size} GB × {n}",
    "{n} sticks of {size}GB", "{n} modules of {size} GB", "{n} {size}GB sticks", "{n} dimms {size}GB each",
    "{total}GB ({n}x{size})", "{total}GB in {n} sticks", "{total} GB, {n} DIMMs", "kit of {n}x{size}GB",
)
SPEEDS = ("{kind}-{rate}", "{kind} {rate}", "{kind} @ {rate} MHz", "{kind} {rate}MT/s", "{rate}MHz {kind}")
CHANNELS = {"single channel": 1, "dual-channel": 2, "quad channel": 4, "8-channel": 8, "2ch": 2, "two channels": 2}


@given(
    kind=st.sampled_from(sorted(RATES_MT_S)),
    count=st.sampled_from([2, 4, 8, 12]),
    size=st.sampled_from([8, 16, 24, 32, 48, 64]),
    written=st.tuples(st.sampled_from(MODULES), st.sampled_from(SPEEDS)),
    beside=st.sampled_from(["", *CHANNELS]),
    order=st.permutations([0, 1, 2]),
    upper=st.booleans(),
)
def test_ways_that_people_write_memory_are_read_in_any_order(
    kind: RamType, count: int, size: int, written: tuple[str, str], beside: str, order: list[int], upper: bool
) -> None:
    rate = RATES_MT_S[kind][1]
    modules = written[0].format(n=count, size=size, total=count * size)
    parts = [modules, written[1].format(kind=kind, rate=rate), beside]
    text = ", ".join(parts[place] for place in order if parts[place])
    found = parse_ram(text.upper() if upper else text)
    assert found == RamSpec(kind, rate, count, size, count * size, CHANNELS.get(beside))


@given(word=st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=5, max_size=12), place=st.integers(0, 2))
def test_a_word_that_is_not_understood_is_refused_by_name(word: str, place: int) -> None:
    said = ["DDR4-3200", "2x16"]
    said.insert(place, f"q{word}")
    with pytest.raises(ValueError, match=f"q{word}"):
        parse_ram(" ".join(said))


@given(sizes=st.lists(st.sampled_from([4, 8, 16, 32, 48]), min_size=2, max_size=4))
def test_unlike_modules_are_a_sum(sizes: list[int]) -> None:
    texts = ("+".join(f"1x{size}" for size in sizes), " + ".join(f"{size}GB" for size in sizes))
    assert {(parse_ram(text).modules, parse_ram(text).total_gib) for text in texts} == {(len(sizes), sum(sizes))}


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
