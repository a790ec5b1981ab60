"""The report says first what a buyer asks, in plain words and 80 columns."""

from typing import Any

import pytest

from advisor.physics.knowledge import Knowledge
from advisor.prediction.capacity import capacity_of
from advisor.prediction.case import case_of
from advisor.prediction.prediction import answers
from advisor.prediction.report import WIDTH, report
from advisor.question import Scenario


def text(gpus: tuple[dict[str, Any], ...] = ({"name": "RTX 3060 12GB"},), **changes: Any) -> str:
    hardware = {
        "gpus": list(gpus),
        "cpu": "Ryzen 7 5800X",
        "ram": {"gb": 32, "mt_s": 3600, "channels": 2, "type": "DDR4"},
    }
    question = {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M", "hardware": hardware} | changes
    case = case_of(Scenario.model_validate(question))
    return report(answers([case], Knowledge())[0], case, capacity_of(case), emphasis=str.upper)


def section(found: str, heading: str) -> str:
    blocks = {block.splitlines()[0]: block for block in found.split("\n\n")}
    return blocks[heading.upper()]


def test_the_speed_with_its_interval_comes_first() -> None:
    title, speeds, *_ = text().split("\n\n")
    assert title == "QWEN3.6-35B-A3B Q4_K_M ON RTX 3060 12GB | RYZEN 7 5800X"
    writing = speeds.splitlines()[0].split()
    assert writing[0] == "Writing"
    low, high = writing[3].strip("()").split("-")
    assert float(low) < float(writing[1]) < float(high)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"gpus": ()},
        {"gpus": ({"name": "RTX 3090", "count": 4},)},
        {"gpus": ({"name": "RTX 5090"}, {"name": "RTX A6000"})},
        {"model": "gpt-oss-120b", "workload": {"context_depth": 100_000, "users": 4}},
        {"model": "Llama-3.3-70B-Instruct", "engine": {"n_gpu_layers": 99}},
        {"engine": {"kv_type": "q8_0", "threads": 8, "mmap": False, "n_cpu_moe": 99, "n_gpu_layers": 99}},
    ],
)
def test_it_fits_into_80_columns_of_ascii(changes: dict[str, Any]) -> None:
    found = text(**changes)
    assert max(map(len, found.splitlines())) <= WIDTH
    assert found.isascii()


def test_it_says_where_the_bytes_lie_and_what_a_token_takes() -> None:
    found = text()
    assert "experts of" in section(found, "Where it lies")
    assert "GPU memory" in section(found, "Where it lies")
    shares = [int(line.split()[-1].rstrip("%")) for line in section(found, "One token").splitlines()[1:]]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=len(shares))  # each is rounded to a whole percent


def test_the_commands_can_be_copied() -> None:
    joined = section(text(), "To run it").replace("\\\n", " ")
    words = joined.split()
    assert words[3:5] == ["llama-server", "-m"]
    assert "-ncmoe" in words
    assert "llama-bench" in section(text(), "To check it")


def test_what_does_not_fit_says_so_and_what_would() -> None:
    found = text(model="Llama-3.3-70B-Instruct", engine={"n_gpu_layers": 99})
    assert "Does not fit" in found
    assert "does not fit" in section(found, "Mind")
    assert "GiB hold all of it" in section(found, "Room")
    assert "llama-server" not in found


def test_assumptions_and_warnings_are_listed() -> None:
    found = text(hardware={"gpus": [{"name": "RTX 3060 12GB"}]})
    assert "no CPU given" in section(found, "Assumed")
