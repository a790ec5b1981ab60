"""What every kind of name has in common: its words are read, or handed on as unread; a refusal names what is near."""

from collections.abc import Callable
from typing import Any

import pytest

from catalog import tables
from catalog.names.cpus import resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.index import NameIndex, Resolved, Spelling, UnknownName, counted
from catalog.names.llms import resolve_llm
from catalog.names.machines import resolve_machine
from catalog.names.quants import resolve_quant
from catalog.names.storage import resolve_ssd
from catalog.parts import Ssd

KINDS: dict[str, tuple[Callable[[str], Resolved[Any]], tuple[str, ...]]] = {
    "GPU": (resolve_gpu, tuple(row.name for row in tables.gpus())),
    "CPU": (resolve_cpu, tuple(row.name for row in tables.cpus())),
    "machine": (resolve_machine, tuple(row.name for row in (*tables.unified_machines(), *tables.laptops()))),
    "model": (resolve_llm, tuple(row.name for row in tables.llms())),
    "quantisation": (resolve_quant, tuple(row.name for row in tables.quants())),
    "SSD": (resolve_ssd, tuple(row.name for row in tables.ssds())),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_of_a_name_of_the_table_is_read(kind: str) -> None:
    resolve, names = KINDS[kind]
    assert {name: unread for name in names if (unread := resolve(name).unread)} == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_says_the_kind_and_names_of_the_table(kind: str) -> None:
    resolve, names = KINDS[kind]
    with pytest.raises(UnknownName, match=f"^{kind} 'zzqx' is not in the catalog; nearest: ") as refused:
        resolve("zzqx")
    assert set(refused.value.nearest) <= set(names) | {alias for row in tables.cpus() for alias in row.aliases}


@pytest.mark.parametrize(
    ("kind", "text", "unread"),
    [
        ("GPU", "RTX 3090 from ebay", ("ebay", "from")),
        ("CPU", "Ryzen 7 5800X delidded", ("delidded",)),
        ("machine", "Mac mini M4 used", ("used",)),
        ("machine", "Strix Halo workbench", ("workbench",)),
        ("model", "Qwen3-8B (heretic)", ("heretic",)),
        ("quantisation", "Q4_K_M (pruned)", ("pruned",)),
        ("SSD", "Samsung 990 Pro 2TB heatsink", ("heatsink",)),
    ],
)
def test_words_that_say_nothing_of_the_row_are_handed_on(kind: str, text: str, unread: tuple[str, ...]) -> None:
    assert KINDS[kind][0](text).unread == unread


def test_an_index_finds_the_spellings_whose_words_are_all_there() -> None:
    ssd, other = tables.ssds()[:2]
    spellings = [Spelling(ssd, frozenset("ab"), frozenset("x")), Spelling(other, frozenset("a"))]
    index = NameIndex("disk", (ssd, other), lambda: spellings)
    assert [spelling.row for spelling in index.fitting("abz")] == [ssd, other]
    assert [spelling.row for spelling in index.fitting("az")] == [other]
    assert [spelling.row for spelling in index.sharing("b")] == [ssd]
    assert index.fitting("abz")[0].unread("abzxbz") == ("z",)
    assert index.exact(f" {ssd.name.upper()} ") is ssd


def test_a_row_s_own_name_needs_no_spellings() -> None:
    index = NameIndex[Ssd, Spelling[Ssd]]("disk", tables.ssds(), lambda: pytest.fail("they take long to make"))
    assert [index.exact(row.name) for row in tables.ssds()] == [*tables.ssds()]


@pytest.mark.parametrize(
    ("text", "count", "name"),
    [
        ("2x RTX 3090", 2, "RTX 3090"), ("2 x RTX 3090", 2, "RTX 3090"), ("2×RTX 3090", 2, "RTX 3090"),
        ("2 RTX 3090", 2, "RTX 3090"), ("two RTX 3090s", 2, "RTX 3090"), ("dual RTX 3090", 2, "RTX 3090"),
        ("a pair of RTX 3090", 2, "RTX 3090"), ("RTX 3090 x2", 2, "RTX 3090"), ("RTX 3090 (2 GPUs)", 2, "RTX 3090"),
        ("RTX 3090 pair", 2, "RTX 3090"), ("16x Tesla P40", 16, "Tesla P40"), ("RTX 3090", 1, "RTX 3090"),
        ("RTX 3090 PCIe 3.0 x8", 1, "RTX 3090 PCIe 3.0 x8"), ("Quadro RTX 6000", 1, "Quadro RTX 6000"),
        ("Radeon RX 7900 XTX", 1, "Radeon RX 7900 XTX"), ("GMKtec EVO-X2", 1, "GMKtec EVO-X2"),
        ("RTX 2080 Ti 11GB", 1, "RTX 2080 Ti 11GB"), ("3090", 1, "3090"),
    ],
)
def test_how_many_of_a_part_a_text_speaks_of(text: str, count: int, name: str) -> None:
    assert counted(text) == (count, name)
