"""The devices of llama.cpp: what is listed, with what memory, and which card is which device."""

import json
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from advisor.detection.graphics import Card
from advisor.engine.devices import Device, DeviceKind, card_of

ROOT = Path(__file__).parents[3]
CARDS = (
    Card(index=0, name="NVIDIA GeForce RTX 4090", pci_id="0000:01:00.0"),
    Card(index=1, name="NVIDIA GeForce RTX 3060", pci_id="0000:0a:00.0"),
    Card(index=2, name="NVIDIA GeForce RTX 3060", pci_id="0000:0b:00.0"),
)


def graphics(description: str, pci_id: str | None, backend: str = "CUDA", kind: DeviceKind = DeviceKind.GPU) -> Device:
    return Device(
        name="X0", description=description, kind=kind, backend=backend, free_bytes=1, total_bytes=2, pci_id=pci_id
    )


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "advisor", "engine", "devices", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_processor_is_a_device_with_the_memory_of_this_computer() -> None:
    result = ran("--json")
    assert (result.returncode, result.stderr) == (0, "")
    told = json.loads(result.stdout)
    assert set(told) == {"devices", "nvml"}
    device = next(found for found in map(Device.model_validate, told["devices"]) if found.name == "CPU")
    assert (device.kind, device.backend, device.pci_id, device.nvml) == (DeviceKind.CPU, "CPU", None, None)
    assert device.total_bytes <= psutil.virtual_memory().total
    # llama.cpp itself would say that all is free: something runs on every computer, this test at least.
    assert 0 < device.free_bytes < psutil.virtual_memory().total


def test_text_names_each_device_with_its_memory() -> None:
    result = ran()
    assert (result.returncode, result.stderr) == (0, "")
    assert re.search(r"^CPU: .+ \(CPU\), \d+\.\d of \d+\.\d GiB free$", result.stdout, re.MULTILINE)


@pytest.mark.parametrize("backend", ["CUDA", "Vulkan"])
@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.pci_id)
def test_a_device_is_the_card_at_its_pci_address_whatever_it_calls_itself(card: Card, backend: str) -> None:
    assert card_of(graphics("some other name", card.pci_id, backend), CARDS) == card


def test_without_an_address_it_is_the_only_card_of_its_name() -> None:
    assert card_of(graphics("NVIDIA GeForce RTX 4090", None), CARDS) == CARDS[0]


def test_of_two_cards_of_one_name_none_is_guessed() -> None:
    assert card_of(graphics("NVIDIA GeForce RTX 3060", None), CARDS) is None


def test_a_card_of_the_same_name_at_another_address_is_another_card() -> None:
    assert card_of(graphics("NVIDIA GeForce RTX 4090", "0000:77:00.0"), CARDS) is None


def test_a_card_whose_address_may_not_be_read_is_known_by_its_name() -> None:
    shy = Card(index=0, name="NVIDIA GeForce RTX 4090", unread={"pci_id": "Insufficient Permissions"})
    assert card_of(graphics("NVIDIA GeForce RTX 4090", "0000:01:00.0"), [shy]) == shy


@pytest.mark.parametrize(
    "device",
    [
        graphics("NVIDIA GeForce RTX 4090", None, backend="RPC"),
        graphics("NVIDIA GeForce RTX 4090", None, backend="CPU", kind=DeviceKind.CPU),
        graphics("AMD Radeon RX 7900 XTX", "0000:03:00.0", backend="ROCm"),
    ],
    ids=["on another host", "a processor", "another maker"],
)
def test_what_is_no_card_of_this_computer_gets_none(device: Device) -> None:
    assert card_of(device, CARDS) is None
