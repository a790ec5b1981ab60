"""Several devices that share a model, by two RPC servers: split modes and shares are carried out or refused."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from advisor.cli.app import run
from advisor.engine.preparation import prepare
from advisor.engine.remote import RpcServer
from advisor.engine.session.messages import Generate, Piece
from advisor.engine.settings import EngineSettings
from advisor.gguf.synthetic import Cut, Recipe, write_model
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant

PROMPT = Generate(prompt="The capital of France is", max_tokens=12)


@pytest.fixture(scope="module")
def endpoints() -> Iterator[tuple[str, str]]:
    with (
        RpcServer.start(threads=1, devices=["CPU"]) as first,
        RpcServer.start(threads=1, devices=["CPU"]) as second,
    ):
        yield str(first.endpoint), str(second.endpoint)


def settings(endpoints: tuple[str, ...], **more: object) -> EngineSettings:
    values = {"n_ctx": 256, "n_ubatch": 64, "n_gpu_layers": 99, "threads": 1, "extra_buffers": False}
    return EngineSettings.model_validate({**values, "rpc": endpoints, **more})


def written(path: Path, asked: EngineSettings) -> tuple[tuple[str, ...], str]:
    """The device of each layer, and the text."""
    with prepare(path, asked).open() as session:
        text = "".join(item.text for item in session.generate(PROMPT) if isinstance(item, Piece))
        return session.loaded.report.layer_devices, text


@pytest.fixture(scope="module")
def text_of_one_device(endpoints: tuple[str, str], gemma_path: Path) -> str:
    """What the first device writes alone."""
    return written(gemma_path, settings(endpoints[:1]))[1]


@pytest.mark.parametrize(("split", "first"), [((3.0, 1.0), 15), ((1.0, 3.0), 5), ((1.0, 0.0), 19)])
def test_each_device_has_its_share_of_the_layers_and_the_text_is_the_same(
    split: tuple[float, float], first: int, endpoints: tuple[str, str], gemma_path: Path, text_of_one_device: str
) -> None:
    """18 layers and the output; where llama.cpp puts them is checked as it loads."""
    placed, text = written(gemma_path, settings(endpoints, tensor_split=split))
    assert placed == ("RPC0",) * first + ("RPC1",) * (19 - first)
    assert text == text_of_one_device != ""


def test_devices_that_share_every_layer_compute_the_same(endpoints: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "qwen.gguf"
    cut = Cut(layers=3, vocabulary=1024)
    write_model(Recipe(resolve_llm("Qwen3-0.6B").row.llm, resolve_quant("Q8_0").row, cut), path)
    found = []
    for mode in ("layer", "tensor"):
        with prepare(path, settings(endpoints, split_mode=mode)).open() as session:
            found.append(session.logits((1, 2, 3, 4)))
    assert np.abs(found[1] - found[0]).max() < 1e-3 * np.abs(found[0]).max()


@pytest.mark.parametrize("command", ["plan", "run"])
def test_remote_devices_have_no_rows_which_is_said_in_a_sentence(
    command: str, endpoints: tuple[str, str], gemma_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = ["--prompt", "Hello"] if command == "run" else []
    words = [command, str(gemma_path), *prompt, "--rpc", endpoints[0], "--rpc", endpoints[1], "--split-mode", "row"]
    assert run(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "RPC0 (RPC) has none: take --split-mode layer" in said


def test_a_mode_for_several_devices_is_refused_for_one(
    endpoints: tuple[str, str], gemma_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", str(gemma_path), "--rpc", endpoints[0], "--split-mode", "tensor"]) == 2
    assert "--split-mode tensor is for several devices" in capsys.readouterr().err


def test_a_plan_for_devices_that_share_layers_says_so_to_each_program(
    endpoints: tuple[str, str], gemma_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["plan", str(gemma_path), "--context", "1024", "--rpc", endpoints[0], "--rpc", endpoints[1]]
    assert run([*words, "--split-mode", "tensor", "--for", "llama-swap"]) == 0
    assert "-sm tensor" in capsys.readouterr().out
    assert run([*words, "--for", "llama-server"]) == 0
    preset = capsys.readouterr().out
    assert "split-mode" not in preset
    assert "tensor-split" in preset


def test_text_is_written_by_two_devices(
    endpoints: tuple[str, str], gemma_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", str(gemma_path), *shlex.split("--prompt 'The capital of France is' --no-chat --max-tokens 8")]
    assert run([*words, "--rpc", endpoints[0], "--rpc", endpoints[1], "--split-mode", "layer"]) == 0
    assert capsys.readouterr().out.strip()
