"""What NVML tells, from a stub of its library with two cards (nvml_stub.c says what each answers)."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.detection.graphics import Nvml, normal_pci_id, read_nvml

SOURCE = Path(__file__).with_name("nvml_stub.c")
ROOT = Path(__file__).parents[3]
READ = "from advisor.detection.graphics import read_nvml; print(read_nvml().model_dump_json())"

Build = Callable[..., Path]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Folder of a stub built with the given options."""

    def build(*options: str) -> Path:
        folder = tmp_path_factory.mktemp("nvml")
        command = ["cc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *options]
        subprocess.run([*command, "-o", str(folder / "libnvidia-ml.so.1"), str(SOURCE)], check=True)
        return folder

    return build


def told_with(folder: Path, code: str = READ) -> str:
    """What a process prints whose loader finds that library first."""
    environment = os.environ | {"LD_LIBRARY_PATH": str(folder)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def two_cards(library: Build) -> Nvml:
    return Nvml.model_validate_json(told_with(library()))


def test_a_card_that_hides_nothing_is_told_in_full(two_cards: Nvml) -> None:
    card = two_cards.cards[0]
    assert two_cards.driver == "580.00"
    assert two_cards.absent is None
    assert card.unread == {}
    assert (card.index, card.name, card.pci_id) == (0, "NVIDIA GeForce RTX 4090", "0000:01:00.0")
    assert (card.total_bytes, card.free_bytes) == (24 << 30, 23 << 30)
    assert (card.pcie_gen, card.pcie_gen_max, card.pcie_lanes, card.pcie_lanes_max) == (4, 4, 16, 16)
    assert (card.graphics_clock_mhz, card.graphics_clock_max_mhz) == (210, 3105)
    assert (card.memory_clock_mhz, card.memory_clock_max_mhz) == (405, 10501)
    assert card.power_draw_w == pytest.approx(22.5)  # 22500 mW
    assert card.power_limit_w == pytest.approx(450.0)  # 450000 mW
    assert card.temperature_c == 35
    assert (card.pcie_sent_kb_s, card.pcie_received_kb_s, card.pcie_replays) == (1100, 2200, 0)


def test_what_may_not_be_read_is_none_with_its_reason_and_the_rest_is_told(two_cards: Nvml) -> None:
    card = two_cards.cards[1]
    assert card.unread == {
        "graphics_clock_max_mhz": "Not Supported",
        "memory_clock_max_mhz": "Not Supported",
        "power_draw_w": "Insufficient Permissions",
        "pcie_sent_kb_s": "Insufficient Permissions",
        "pcie_received_kb_s": "Insufficient Permissions",
    }
    assert {field for field, value in card.model_dump().items() if value is None} == set(card.unread)
    assert (card.pcie_gen, card.pcie_gen_max, card.pcie_lanes, card.pcie_lanes_max) == (1, 4, 4, 16)
    assert card.power_limit_w == pytest.approx(170.0)
    assert card.pcie_replays == 7


def test_what_slows_a_card_down_is_told_and_an_idle_clock_is_none(two_cards: Nvml) -> None:
    assert [card.slowed_by for card in two_cards.cards] == [(), ("power limit", "heat")]


def test_an_old_driver_tells_it_by_its_older_name(library: Build) -> None:
    assert Nvml.model_validate_json(told_with(library("-DHIDDEN_CARD"))).cards[0].slowed_by == ()


def test_only_what_is_asked_for_is_read(library: Build) -> None:
    code = READ.replace("read_nvml()", "read_nvml(('name', 'power_draw_w'))")
    cards = Nvml.model_validate_json(told_with(library(), code)).cards
    assert [card.model_dump(exclude_defaults=True) for card in cards] == [
        {"index": 0, "name": "NVIDIA GeForce RTX 4090", "power_draw_w": 22.5},  # 22500 mW
        {"index": 1, "name": "NVIDIA GeForce RTX 3060", "unread": {"power_draw_w": "Insufficient Permissions"}},
    ]


def test_a_card_that_may_not_be_opened_is_listed_without_values(library: Build) -> None:
    found = Nvml.model_validate_json(told_with(library("-DHIDDEN_CARD")))
    assert [card.name for card in found.cards] == ["NVIDIA GeForce RTX 4090", None]
    assert set(found.cards[1].unread.values()) == {"Insufficient Permissions"}
    assert len(found.cards[1].unread) == 19  # all fields but the index and the reasons themselves


def test_a_question_that_the_driver_does_not_know_is_no_error(library: Build) -> None:
    found = Nvml.model_validate_json(told_with(library("-DHIDDEN_CARD")))  # this build has no replay counter
    assert found.cards[0].unread == {"pcie_replays": "Function Not Found"}


def test_a_driver_that_is_not_loaded_is_no_error(library: Build) -> None:
    found = Nvml.model_validate_json(told_with(library("-DNO_DRIVER")))
    assert (found.cards, found.absent) == ((), "Driver Not Loaded")


def test_a_library_that_is_none_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"not a library")
    assert Nvml.model_validate_json(told_with(tmp_path)).absent == "NVML Shared Library Not Found"


def test_no_package_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert read_nvml() == Nvml(absent="the Python package nvidia-ml-py is not installed")


@pytest.mark.parametrize("written", ["00000000:0A:00.0", "0000:0a:00.0", " 0000:0A:00.0\n"])
def test_one_pci_address_has_one_spelling(written: str) -> None:
    assert normal_pci_id(written) == "0000:0a:00.0"


def test_the_command_tells_of_cards_that_llama_cpp_cannot_use(library: Build) -> None:
    told = told_with(library(), "from advisor.cli.app import run; run(['engine', 'devices'])")
    assert "NVIDIA GeForce RTX 3060: known to NVIDIA's driver, but not usable by this build of llama.cpp" in told
    assert "PCIe generation 1 of 4, lanes 4 of 16" in told
    assert "not told (Insufficient Permissions): power_draw_w, pcie_sent_kb_s, pcie_received_kb_s" in told
    assert told.count('a build that can use it: CMAKE_ARGS="-DGGML_RPC=ON -DGGML_CUDA=ON"') == 2
