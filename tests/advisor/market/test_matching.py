"""Which part a title names: judged on titles that the rules were made with, and on as many that they were not."""

import csv
from pathlib import Path

import pytest

from advisor.market.matching import matched

TITLES = Path(__file__).parents[2] / "data/listing_titles.csv"
ROWS = list(csv.DictReader(TITLES.read_text(encoding="utf-8").splitlines()))
PRECISION, RECALL = 0.98, 0.85
"""Issue "The market": of the titles that a part is found for, and of those that name one."""


def told(title: str) -> tuple[str, str]:
    found = matched(title)
    return (found.name, f"{found.memory_gib:g}" if found.memory_gib else "") if found else ("", "")


def test_there_are_400_titles_half_of_them_kept_from_the_rules() -> None:
    assert len({row["title"] for row in ROWS}) == 400
    assert sum(row["half"] == "kept" for row in ROWS) == 200
    assert 80 <= sum(not row["part"] for row in ROWS) <= 160


@pytest.mark.parametrize("half", ["tuned", "kept"])
def test_titles_are_matched_strictly(half: str) -> None:
    rows = [(told(row["title"]), (row["part"], row["memory_gib"])) for row in ROWS if row["half"] == half]
    right = sum(got == want and want[0] != "" for got, want in rows)
    assert right / sum(got[0] != "" for got, _ in rows) >= PRECISION
    assert right / sum(want[0] != "" for _, want in rows) >= RECALL


@pytest.mark.parametrize(
    "title",
    [
        "RTX 3090 for parts", "RTX 3090 24GB water block", "EMPTY BOX RTX 3090 24GB", "2x RTX 3090 24GB",
        "RTX 4060 Ti", "RTX 2080 Ti 22GB", "RTX 3080 12GB laptop GPU", "Tesla V100 32GB SXM2 16GB",
        "a card of 24GB", "", "RTX 3060 12GB + Ryzen 5 5600", "M2 Max 96GB", "DDR4 3200 32GB",
    ],
)
def test_what_is_not_surely_one_part_is_none(title: str) -> None:
    assert matched(title) is None


def test_case_spaces_and_maker_do_not_matter() -> None:
    for title in ("rtx3090 24gb", "NVIDIA GeForce RTX 3090 (24 GB)", "Palit RTX 3090 GamingPro 24G"):
        assert told(title) == ("RTX 3090", "")
