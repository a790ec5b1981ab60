"""Laws of names: a word that says nothing is refused by name or told beside the answer, never dropped."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Hardware, Scenario
from catalog import tables
from catalog.names.gpus import resolve_gpu
from catalog.names.index import UnknownName
from catalog.names.parts import resolve_part
from catalog.names.quants import resolve_quant
from catalog.names.ram import parse_ram

WORDS = st.from_regex(r"zq[a-z]{2,8}", fullmatch=True)
"""No name of the catalog has such a word."""
FEW = settings(max_examples=40, deadline=None)
CARDS = [row.name for row in tables.gpus() if row.form != "integrated"]
CPUS = [row.name for row in tables.cpus()]


@st.composite
def named(draw: st.DrawFn, names: list[str], brackets: bool = True) -> tuple[str, str]:
    """A name with a word before it, behind it, or in brackets; and the word."""
    name, word = draw(st.sampled_from(names)), draw(WORDS)
    forms = [f"{word} {name}", f"{name} {word}", *([f"{name} ({word})"] if brackets else [])]
    return draw(st.sampled_from(forms)), word


def told(hardware: dict[str, Any]) -> str:
    """What is said of a hardware, or why it is refused."""
    try:
        return " ".join(machine_of(Hardware.model_validate(hardware)).assumptions)
    except (UnknownName, InputError) as error:
        return str(error)


@FEW
@given(named(CARDS))
def test_a_word_beside_a_card_is_told(asked: tuple[str, str]) -> None:
    text, word = asked
    assert f"'{word}'" in told({"gpus": [{"name": text}]}) or text in told({"gpus": [{"name": text}]})


@FEW
@given(named(CPUS))
def test_a_word_beside_a_processor_is_told(asked: tuple[str, str]) -> None:
    text, word = asked
    assert f"'{word}'" in told({"cpu": text}) or repr(text) in told({"cpu": text})


@FEW
@given(named(["Mac mini M4 16GB", "Strix Halo", "DGX Spark", "Framework Desktop 64GB"], brackets=False))
def test_a_word_beside_a_machine_is_refused_by_name(asked: tuple[str, str]) -> None:
    text, word = asked
    assert f"'{word}'" in told({"machine": text})


@FEW
@given(named(["DDR4-3200 2x16", "64GB DDR5", "DDR5-6000 4x32GB", "16GB x 2 DDR4"], brackets=False))
def test_a_word_beside_memory_is_refused_by_name(asked: tuple[str, str]) -> None:
    text, word = asked
    with pytest.raises(ValueError, match=word):
        parse_ram(text)


@FEW
@given(named([row.name for row in tables.ssds()]))
def test_a_word_beside_a_disk_is_told(asked: tuple[str, str]) -> None:
    text, word = asked
    assert f"'{word}'" in told({"cpu": "Ryzen 7 5800X", "storage": {"name": text}})


@FEW
@given(named(["Q4_K_M", "IQ4_XS", "MXFP4", "UD-Q4_K_XL"]))
def test_a_word_beside_a_quantisation_is_refused_or_told(asked: tuple[str, str]) -> None:
    text, _ = asked
    try:
        said = resolve_quant(text).assumptions
    except UnknownName as error:
        said = (str(error),)
    assert any(text in sentence for sentence in said)


@settings(max_examples=15, deadline=None)
@given(named(["Qwen3-8B", "gpt-oss-20b", "Llama-3.1-8B"]))
def test_a_word_beside_a_model_is_refused_or_told(asked: tuple[str, str]) -> None:
    text, word = asked
    try:
        found = predict(Scenario.model_validate({"model": text, "hardware": {"gpus": [{"name": "RTX 3090"}]}}), load())
        said = found.assumptions
    except UnknownName as error:
        said = (str(error),)
    assert any(word in sentence for sentence in said)


@pytest.mark.parametrize(
    "text",
    ["ASUS TUF Gaming GeForce RTX 3090 OC 24GB", "EVGA RTX 3090 FTW3 Ultra", "Sapphire Nitro+ RX 7900 XTX 24GB",
     "MSI GeForce RTX 4070 Ti SUPER Gaming X Slim", "Zotac RTX 4090 Trinity OC White", "PNY RTX A4000",
     "Gigabyte RTX 3060 Eagle OC 12G rev. 2.0", "RTX 3090 Founders Edition", "XFX Speedster MERC 310 RX 7900 XT"],
)
def test_board_partners_lines_are_read(text: str) -> None:
    assert resolve_part(text).assumptions == ()


def test_a_power_and_lanes_in_a_name_are_said_to_count_for_nothing_unless_they_are_its_own() -> None:
    assert "'280w'" in told({"gpus": [{"name": "RTX 3090 280W"}]})
    assert "'x4'" in told({"gpus": [{"name": "RTX 3090 x4"}]})
    own = {"gpus": [{"name": "RTX 3090 350W PCIe 4.0 x16"}], "cpu": "Ryzen 7 5800X", "storage": {"read_gb_s": 3}}
    assert not told({**own, "ram": {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 32}})


def test_a_changed_card_may_be_called_so() -> None:
    assert resolve_gpu("RTX 4090 48GB (modified)").unread == ()
    assert resolve_gpu("RTX 4090 (modified)").unread == ("modified",)


def test_what_is_owned_is_read_by_the_same_rule() -> None:
    assert "'banana'" in " ".join(resolve_part("RTX 3090 banana").assumptions)
    assert "'banana'" in " ".join(resolve_part("Ryzen 7 5800X banana").assumptions)
    assert "'banana'" in " ".join(resolve_part("Samsung 990 PRO 2TB banana").assumptions)
