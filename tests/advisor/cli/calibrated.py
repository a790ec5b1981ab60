"""What the tests share that run commands on a machine of their choice, with profiles."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from advisor import detection
from advisor.cli.app import run
from advisor.detection import Detected
from advisor.question import Hardware
from catalog.profiles import Profile
from tests.own_profiles import RYZEN

Captured = pytest.CaptureFixture[str]
MODEL = ("--model", "Qwen3.6-35B-A3B", "--quant", "Q4_K_M")
NAMED = ("--gpu", "RTX 3060 12GB", "--cpu", "Ryzen 7 5800X", "--ram", "DDR4-3200 2x16")
SEEN: Mapping[str, Any] = {"gpus": RYZEN["gpus"], "cpu": RYZEN["cpu"], "ram": {"gb": 31.2}}
"""This machine as a system tells it that does not know its RAM."""


def on(monkeypatch: pytest.MonkeyPatch, hardware: Mapping[str, Any]) -> None:
    """Run on a machine of that hardware, of which one core may be used."""
    found = Detected(Hardware.model_validate(hardware), 1, ())
    monkeypatch.setattr(detection, "detect", lambda: found)


def said(capsys: Captured, *arguments: str, code: int = 0) -> tuple[str, str]:
    assert run(list(arguments)) == code
    out, err = capsys.readouterr()
    if code:
        assert (out, err.count("\n")) == ("", 1)
    return out, err


def old(profile: Profile) -> Profile:
    return profile.model_copy(update={"efficiencies_digest": "0" * 64})


def predicted(capsys: Captured, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said(capsys, "predict", *MODEL, *options, "--json")[0])
    return found
