"""Routes of experts: read from llama.cpp as they are, skew and locality as they were made."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.cli.app import run
from advisor.engine.routing import (
    LayerRoutes,
    counted,
    hottest_share,
    kept_share,
    reused_by_chance,
    reused_share,
    trace,
    zipf_exponent,
)
from advisor.engine.session import Session
from advisor.engine.session.messages import Trace
from advisor.engine.settings import EngineSettings
from advisor.errors import InputError
from advisor.gguf.synthetic import Cut, Recipe, write_model
from advisor.gguf.synthetic.popularity import chosen_sets, inclusion
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant

EXPERTS, USED, LAYERS, TOKENS = 16, 8, 2, 200
SETTINGS = EngineSettings(n_ctx=256, n_ubatch=64, threads=1, extra_buffers=False)


def synthetic(path: Path, skew: float, model: str = "Qwen3-30B-A3B") -> Path:
    experts = EXPERTS if "A3B" in model else None
    cut = Cut(LAYERS, experts, 512)
    write_model(Recipe(resolve_llm(model).row.llm, resolve_quant("Q4_K_M").row, cut, skew), path)
    return path


@pytest.fixture(scope="module")
def skewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic(tmp_path_factory.mktemp("skewed") / "model.gguf", 1.0)


def routes_of(chosen: np.ndarray, n_experts: int) -> LayerRoutes:
    return LayerRoutes(0, n_experts, chosen.astype(np.int32))


def test_a_skewed_model_is_traced_as_skewed(skewed: Path) -> None:
    """256 codes; each layer's choices have the law's popularity over all of them."""
    found = trace(skewed, SETTINGS, Trace(tokens=TOKENS), dict.fromkeys(range(LAYERS), EXPERTS))
    assert [routes.layer for routes in found] == list(range(LAYERS))
    law = inclusion(EXPERTS, USED, 1.0)
    for routes in found:
        assert routes.chosen.shape == (TOKENS, USED)
        assert all(len(set(row)) == USED for row in routes.chosen.tolist())
        assert routes.counts().sum() == TOKENS * USED
        shares = np.sort(routes.counts())[::-1] / TOKENS
        np.testing.assert_allclose(shares, law, atol=0.15)  # four standard errors of a share of 200 tokens
        assert zipf_exponent(EXPERTS, USED, hottest_share(routes)) == pytest.approx(1.0, rel=0.35)


def test_a_uniform_model_is_traced_as_uniform(tmp_path: Path) -> None:
    path = synthetic(tmp_path / "model.gguf", 0.0)
    for routes in trace(path, SETTINGS, Trace(tokens=TOKENS), dict.fromkeys(range(LAYERS), EXPERTS)):
        assert hottest_share(routes) == pytest.approx(0.5, rel=0.08)
        assert zipf_exponent(EXPERTS, USED, hottest_share(routes)) < 0.3
        assert reused_share(routes, 1) == pytest.approx(reused_by_chance(routes, 1), rel=0.1)


def test_the_same_seed_routes_alike_and_another_does_not(skewed: Path) -> None:
    with Session(skewed, SETTINGS, trace=True) as session:
        first, again, other = (session.routes(Trace(tokens=10, seed=seed)).layers for seed in (1, 1, 2))
    assert first == again != other


def test_what_cannot_be_traced_is_refused(skewed: Path, tmp_path: Path) -> None:
    with Session(skewed, SETTINGS) as session, pytest.raises(InputError, match="opened for it"):
        session.routes(Trace(tokens=10))
    with Session(skewed, SETTINGS, trace=True) as session:
        with pytest.raises(InputError, match="300 tokens to route and the context holds 256"):
            session.routes(Trace(tokens=300))
        with pytest.raises(InputError, match="has no vocabulary"):
            session.routes(Trace(tokens=10, text="hello"))
    dense = synthetic(tmp_path / "dense.gguf", 0.0, "SmolLM2-135M")
    with Session(dense, SETTINGS, trace=True) as session, pytest.raises(InputError, match="no experts"):
        session.routes(Trace(tokens=2))


@pytest.mark.parametrize("skew", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(("n_experts", "n_used"), [(64, 8), (256, 8), (32, 4)])
def test_the_exponent_that_choices_were_drawn_with_is_found(skew: float, n_experts: int, n_used: int) -> None:
    chosen = chosen_sets(n_experts, n_used, skew, 2000, np.random.default_rng(3))
    found = zipf_exponent(n_experts, n_used, hottest_share(routes_of(chosen, n_experts)))
    assert found == pytest.approx(skew, rel=0.1) if skew else found < 0.1


def test_reuse_is_counted_within_the_window() -> None:
    """One expert a token, 0 1 2 3 0 1 2 3 ...: four tokens back is the same one, three back never."""
    routes = routes_of(np.arange(40).reshape(-1, 1) % 4, 4)
    assert [reused_share(routes, window) for window in (1, 3, 4, 8)] == [0.0, 0.0, 1.0, 1.0]


def test_reuse_by_chance() -> None:
    """8 of 16: a token before has half of them; two before have 1 - 1/2 x 1/2."""
    routes = routes_of(np.zeros((1, 8)), 16)
    assert reused_by_chance(routes, 1) == pytest.approx(0.5)
    assert reused_by_chance(routes, 2) == pytest.approx(0.75)


def test_hot_is_what_the_first_half_chose() -> None:
    """The second half chooses others: the hottest of the first have none of its choices."""
    chosen = np.repeat([0, 1], 10).reshape(-1, 1)
    assert hottest_share(routes_of(chosen, 2)) == 0.0
    assert hottest_share(routes_of(np.zeros((20, 1)), 2)) == 1.0


@given(st.integers(2, 40), st.integers(1, 6), st.integers(0, 99))
def test_shares_are_shares(tokens: int, used: int, seed: int) -> None:
    routes = routes_of(chosen_sets(12, used, 1.0, tokens, np.random.default_rng(seed)), 12)
    assert 0 <= hottest_share(routes) <= 1
    assert all(0 <= reused_share(routes, window) <= 1 for window in (1, 8))
    everything = [key for key, _ in counted([routes])]
    assert sum(count for _, count in counted([routes])) == tokens * used
    assert kept_share([routes], everything) == 1.0
    assert kept_share([routes], []) == 0.0


def test_the_table_shows_each_layer(skewed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["engine", "experts", str(skewed), "--tokens", "16", "--threads", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "16 experts in each of 2 layers, 8 used per token" in lines[1]
    assert [line.split()[0] for line in lines[3:]] == ["0", "1", "mean"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--hold"], "--hold needs --keep GIB"),
        (["--keep", "99999"], "--keep 99999 is more than the"),
        (["--text", "nowhere.txt"], "--text 'nowhere.txt' cannot be read: no such file or directory"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    skewed: Path, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["engine", "experts", str(skewed), *options]) == 2
    assert told in capsys.readouterr().err


def test_a_dense_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = synthetic(tmp_path / "dense.gguf", 0.0, "SmolLM2-135M")
    assert run(["engine", "experts", str(path)]) == 2
    assert "dense.gguf is a dense model" in capsys.readouterr().err
