"""`advisor detect` as it is typed: what the system hides can be given."""

import json

import pytest

from advisor.cli.app import run
from advisor.question import Hardware

Captured = pytest.CaptureFixture[str]


def told(capsys: Captured, *options: str) -> Hardware:
    assert run(["detect", "--json", *options]) == 0
    return Hardware.model_validate_json(capsys.readouterr().out)


def test_memory_that_is_given_completes_what_was_found(capsys: Captured) -> None:
    bare, full = told(capsys), told(capsys, "--ram", "DDR5-4800")
    assert (full.ram.type, full.ram.mt_s, full.ram.gb) == ("DDR5", 4800, bare.ram.gb)
    assert (full.cpu, full.gpus, full.machine) == (bare.cpu, bare.gpus, bare.machine)


def test_modules_fill_the_channels_of_the_processor_that_is_given(capsys: Captured) -> None:
    found = told(capsys, "--ram", "DDR5-4800 12x32", "--cpu", "EPYC 9354")
    assert (found.cpu, found.ram.type, found.ram.mt_s, found.ram.channels, found.ram.gb) == (
        "EPYC 9354", "DDR5", 4800, 12, 384,
    )


def test_more_memory_than_there_is_is_obeyed_and_remarked(capsys: Captured) -> None:
    assert run(["detect", "--json", "--ram", "DDR5-4800 16x512"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["ram"]["gb"] == 8192
    assert "note: --ram names 8192 GiB, of which this system may use" in printed.err


def test_cards_and_disk_can_be_given(capsys: Captured) -> None:
    found = told(capsys, "--gpu", "2x RTX 3090", "--pcie", "4x8", "--storage", "3.5")
    assert [(gpu.name, gpu.count, gpu.pcie_gen, gpu.pcie_lanes) for gpu in found.gpus] == [("RTX 3090", 2, 4, 8)]
    assert found.storage.read_gb_s == 3.5


def test_a_whole_machine_can_be_given(capsys: Captured) -> None:
    found = told(capsys, "--machine", "DGX Spark")
    assert (found.machine, found.cpu, found.gpus) == ("DGX Spark", None, ())


def test_all_that_was_found_is_told_when_asked_for(capsys: Captured) -> None:
    bare = told(capsys)
    assert run(["detect", "--json", "--all"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert Hardware.model_validate(whole["hardware"]) == bare
    assert {"cards", "ggml", "design", "topology", "caches", "instructions", "storage", "confinement"} <= set(whole)
    assert "CPU" in [device["name"] for device in whole["ggml"]["devices"]]


def test_the_disk_of_a_model_is_told(capsys: Captured) -> None:
    assert run(["detect", "--model", "/proc/none.gguf"]) == 0
    assert "/proc/none.gguf is on no disk that the system tells of (proc)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--ram", "DDR9-1"), "--ram: memory 'DDR9-1'"),
        (("--gpu", "RTX 3061"), "GPU 'RTX 3061' is not in the catalog; nearest: RTX 30"),
        (("--vram", "24"), "--vram and --power-limit say more of a card: name it with --gpu"),
        (("--machine", "DGX Spark", "--cpu", "EPYC 9354"), "leave out --cpu"),
        (("--gpu", "RTX 3090", "--pcie", "fast"), "--pcie 'fast' is not understood"),
    ],
)
def test_what_cannot_be_understood_is_refused(options: tuple[str, ...], words: str, capsys: Captured) -> None:
    assert run(["detect", *options]) == 2
    assert words in capsys.readouterr().err
