"""Drafts on the real engine: what is written is the same as without them, and how many guesses were right is told."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from advisor.cli.app import run
from advisor.engine.plan import Given, choose
from advisor.engine.planning import about_drafts
from advisor.engine.preparation import prepare
from advisor.engine.remote import RpcServer
from advisor.engine.session.messages import Generate, Generation
from advisor.engine.settings import Drafting, EngineSettings
from advisor.errors import InputError
from advisor.gguf.synthetic import Cut, Recipe, write_model
from advisor.machines.from_parts import machine_of
from advisor.physics.knowledge import load
from advisor.question import Scenario
from catalog.tables import llms, quants

PROMPT = tuple(int(token) for token in np.random.default_rng(5).integers(0, 1024, 24))
WRITTEN = 24
OWN = Drafting(kind="mtp", max_tokens=3)
CUTS = {
    "qwen3.5-0.8b": Cut(layers=4, vocabulary=1024),
    "qwen3.6-35b-a3b": Cut(layers=4, experts=8, vocabulary=1024),
    "qwen3-0.6b": Cut(layers=3, vocabulary=1024),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def model_of(name: str, folder: Path, *, own_layer: bool = True, layers: int | None = None) -> Path:
    """A small file of the architecture with random weights, with its layer for multi-token prediction. Its output is a
    matrix of its own: with that of the embedding the likeliest token would ever be the last one.
    """
    llm, cut = next(row for row in llms() if row.id == name), CUTS[name]
    llm = llm.model_copy(update={
        "mtp_in_gguf": 1 if own_layer and llm.mtp_layers else 0, "tied_embeddings": False,
    })
    cut = Cut(layers=layers or cut.layers, experts=cut.experts, vocabulary=cut.vocabulary)
    path = folder / f"{name}-{cut.layers}-{llm.mtp_in_gguf}.gguf"
    if not path.exists():
        write_model(Recipe(llm, next(row for row in quants() if row.name == "Q8_0"), cut), path)
    return path


def settings(**more: object) -> EngineSettings:
    """The same kernels for one token and for several, so that the same text is written to the last bit."""
    return EngineSettings.model_validate({"n_ctx": 256, "n_ubatch": 64, "threads": 1, "extra_buffers": False, **more})


@cache
def written(path: Path, asked: EngineSettings) -> tuple[Generation, Generation]:
    """What is written where the likeliest token is taken each time, and where one is drawn; once for all tests."""
    with prepare(path, asked).open() as session:
        ends = [
            list(session.generate(Generate(tokens=PROMPT, max_tokens=WRITTEN, temperature=temperature, seed=3)))[-1]
            for temperature in (0.0, 1.0)
        ]
    likeliest, drawn = ends
    assert isinstance(likeliest, Generation)
    assert isinstance(drawn, Generation)
    assert likeliest.gen_tokens == drawn.gen_tokens == len(drawn.tokens) == WRITTEN
    return likeliest, drawn


def texts(found: tuple[Generation, Generation]) -> list[tuple[int, ...]]:
    return [end.tokens for end in found]


@pytest.mark.parametrize("name", ["qwen3.5-0.8b", "qwen3.6-35b-a3b"])
def test_a_models_own_layer_drafts_and_the_text_is_the_same(name: str, folder: Path) -> None:
    """Weights are random: a drawn token is hardly ever the one that was drafted."""
    path = model_of(name, folder)
    plain, drafted = (written(path, settings(drafting=drafting)) for drafting in (None, OWN))
    assert texts(drafted) == texts(plain)
    assert all(end.drafted == end.accepted == 0 for end in plain)
    assert all(0 <= end.accepted <= end.drafted >= OWN.max_tokens for end in drafted)
    assert drafted[1].accepted < drafted[1].drafted / 4


def test_a_draft_that_is_the_model_itself_is_always_right(folder: Path) -> None:
    """23 tokens after the first: five checks of four tokens and one of three, for a token comes with each."""
    path = model_of("qwen3-0.6b", folder)
    itself = Drafting(kind="draft_model", max_tokens=3, file=str(path))
    plain, drafted = (written(path, settings(drafting=drafting)) for drafting in (None, itself))
    assert texts(drafted) == texts(plain)
    assert drafted[0].accepted == drafted[0].drafted == 5 * 3 + 2


@pytest.mark.parametrize("small", ["qwen3-0.6b", "qwen3.5-0.8b"])
def test_another_draft_is_wrong_and_the_text_is_the_same_on_a_device_too(small: str, folder: Path) -> None:
    """The model takes states back; a small one with recurrent layers, which cannot, is made to read again."""
    path = model_of("qwen3.5-0.8b", folder)
    file = model_of(small, folder, own_layer=False, layers=2 if small == "qwen3-0.6b" else 4)
    drafting = Drafting(kind="draft_model", max_tokens=4, file=str(file))
    with RpcServer.start(threads=1, devices=["CPU"]) as server:
        placed = {"n_gpu_layers": 99, "rpc": (str(server.endpoint),), "load_mode": "none"}
        found = written(path, settings(drafting=drafting, **placed))
    assert texts(found) == texts(written(path, settings()))
    assert 0 <= found[1].accepted < found[1].drafted / 4


def test_what_cannot_draft_is_refused(folder: Path, gemma_path: Path) -> None:
    path = model_of("qwen3-0.6b", folder)
    with pytest.raises(InputError, match="no layer for multi-token prediction: take a draft model"):
        prepare(path, settings(drafting=OWN)).open()
    with pytest.raises(InputError, match="262,144 tokens and the model 1,024: take a draft model of its family"):
        prepare(path, settings(drafting=Drafting(kind="draft_model", file=str(gemma_path)))).open()
    with pytest.raises(ValueError, match="a draft model has a file"):
        Drafting(kind="draft_model")


def test_run_drafts_with_a_small_model_and_says_how_many_were_right(
    gemma_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", str(gemma_path), "--prompt", "The capital of France is", "--no-chat", "--max-tokens", "8",
             "--threads", "1", "--context", "512"]
    texts = []
    for more in ([], ["--draft-model", str(gemma_path), "--draft-tokens", "2"]):
        assert run([*words, *more]) == 0
        told = capsys.readouterr()
        texts.append(told.out)
        assert ("drafted tokens were right" in told.err) == bool(more)
    assert texts[0] == texts[1] != ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--draft-tokens", "3"], "--draft-tokens says more of drafting"),
        (["--speculative", "draft_model"], "needs --draft-model FILE"),
        (["--speculative", "mtp", "--draft-model", "{gemma}"], "mtp takes none"),
        (["--draft-model", "missing.gguf"], "cannot be read: no such file"),
        (["--speculative", "mtp"], "no layer for multi-token prediction"),
    ],
)
def test_drafts_that_cannot_be_are_refused_in_one_sentence(
    words: list[str], said: str, gemma_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["run", str(gemma_path), "--prompt", "x", *(word.format(gemma=gemma_path) for word in words)])
    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    assert said in told.err
    assert told.err.count("\n") == 1


def reasons(model: str, hardware: dict[str, object]) -> list[str]:
    asked = Scenario.model_validate({"model": model, "quant": "Q4_K_M", "hardware": hardware})
    given = Given(machine_of(asked.hardware, None), load(), None, 8, speeds_known=True)
    return list(about_drafts(choose(asked, given)[0], given))


def test_a_plan_says_whether_drafts_pay() -> None:
    """Public runs: dense models on cards gain 1.3 to 2.5 times, with experts on the CPU drafts lose (design notes)."""
    dense = reasons("Qwen3.8-27B", {"gpus": [{"name": "RTX 3090"}]})
    assert dense[0].startswith("drafts pay: with its own layers for multi-token prediction (--spec-type draft-mtp")
    assert any("GiB" in line for line in dense[1:])
    small = {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "gb": 32}}
    assert "drafts pay" not in " ".join(reasons("Qwen3.6-35B-A3B", small))
    assert reasons("Gemma-3-1B", {"gpus": [{"name": "RTX 3090"}]}) == []
