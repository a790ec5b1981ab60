"""The same parts are one machine however they are told; another part is another machine."""

from collections.abc import Mapping
from typing import Any

import pytest

from advisor.machines.fingerprint import default_name, filled, fingerprint_of, same_machine, same_parts
from advisor.question import Hardware
from tests.own_profiles import RYZEN, XEON

RAM = dict(RYZEN["ram"])


def parts(base: Mapping[str, Any] = RYZEN, **changes: Any) -> Hardware:
    return Hardware.model_validate({**base, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"cpu": "Ryzen 7 5800X"},
        {"gpus": [{"name": "NVIDIA GeForce RTX 3060 (12GB)", "pcie_gen": 4, "pcie_lanes": 16}]},
        {"gpus": [{"name": "RTX 3060 12GB"}]},  # a 5800X has PCIe 4.0 (amd.com), as the card
        {"storage": {"name": "a disk that was put in since"}},
        {"ram": RAM | {"gb": 32}},
        {"ram": RAM | {"gb": 27.7}},  # 4 GiB of 32 kept by built-in graphics
    ],
)
def test_other_words_for_the_same_parts_are_the_same_machine(changes: dict[str, Any]) -> None:
    assert fingerprint_of(parts(**changes)) == fingerprint_of(parts())
    assert same_machine(parts(**changes), parts())


@pytest.mark.parametrize(
    "changes",
    [
        {"cpu": "Ryzen 7 5700X"},
        {"gpus": [{"name": "RTX 3060 Ti", "pcie_gen": 4, "pcie_lanes": 16}]},
        {"gpus": [{"name": "RTX 3060 12GB", "count": 2, "pcie_gen": 4, "pcie_lanes": 16}]},
        {"gpus": [{"name": "RTX 3060 12GB", "pcie_gen": 4, "pcie_lanes": 4}]},
        {"gpus": []},
        {"ram": RAM | {"mt_s": 3600}},
        {"ram": RAM | {"channels": 1}},
    ],
)
def test_another_part_is_another_machine(changes: dict[str, Any]) -> None:
    assert fingerprint_of(parts(**changes)) != fingerprint_of(parts())
    assert not same_parts(parts(**changes), parts())


@pytest.mark.parametrize("gb", [15.6, 62.7])
def test_more_or_less_memory_is_the_same_parts_but_not_the_machine_as_it_was(gb: float) -> None:
    other = parts(ram=RAM | {"gb": gb})
    assert same_parts(other, parts())
    assert not same_machine(other, parts())


def test_processors_that_the_catalog_lacks_are_told_apart_by_their_words() -> None:
    assert same_machine(parts(XEON, cpu="Intel Xeon  Processor, 2 cores"), parts(XEON))
    assert not same_machine(parts(XEON, cpu="Intel(R) Xeon(R) Processor, 4 cores"), parts(XEON))
    assert not same_machine(parts(XEON, cpu="Intel(R) Xeon(R) Platinum, 2 cores"), parts(XEON))
    # The processor that such a one is filled in with is not it.
    filled_in = Hardware.model_validate({"cpu": "EPYC 7543", "ram": XEON["ram"]})
    assert not same_machine(filled_in, parts(XEON))


def test_what_a_system_does_not_tell_is_completed_and_what_it_tells_is_kept() -> None:
    seen = Hardware.model_validate(
        {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": RYZEN["cpu"], "ram": {"gb": 15.5}, "storage": {"name": "Other"}}
    )
    told = filled(seen, parts())
    assert told.ram.model_dump(exclude_none=True) == {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 15.5}
    assert (told.gpus[0].pcie_gen, told.storage.name, told.storage.read_gb_s) == (4, "Other", None)
    known = parts(storage={"name": "Samsung SSD 980 PRO 1TB", "read_gb_s": 6.1})
    assert filled(parts(), known).storage.read_gb_s == 6.1


def test_names_are_made_of_the_chips() -> None:
    assert default_name(parts()) == "ryzen-7-5800x-rtx-3060"
    assert default_name(parts(XEON)) == "intel-xeon-processor-2-cores"
    assert default_name(Hardware(machine="Strix Halo")) == "strix-halo-ryzen-ai-max-395"
