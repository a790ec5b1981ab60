"""Synthetic models: llama.cpp loads and runs them, experts are as popular as asked, nothing is left half-written."""

import ctypes
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import InputError
from advisor.gguf import read_header
from advisor.gguf.synthetic import Cut, Recipe, busiest_share, write_model
from advisor.gguf.synthetic.blocks import SUPPORTED, decoded, random_blocks
from advisor.gguf.synthetic.popularity import chosen_sets, inclusion
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.tables import quants, tensor_types

HERE = Path(__file__).parent
DEFAULT_TOKENS = (3, 1, 200, 77, 5, 3)


def recipe(model: str, cut: Cut, quant: str = "Q4_K_M", skew: float = 0.0, seed: int = 0) -> Recipe:
    return Recipe(resolve_llm(model).row.llm, resolve_quant(quant).row, cut, skew, seed)


def decode(path: Path, tokens: tuple[int, ...] = DEFAULT_TOKENS, *options: str) -> dict[str, Any]:
    command = [sys.executable, HERE / "decoding.py", path, json.dumps(tokens), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout)
    assert "error" not in result, result["error"]
    return result


@pytest.mark.parametrize(
    ("model", "cut"),
    [
        ("Qwen3.6-35B-A3B", Cut(4, 8, 256)),
        ("Qwen3-30B-A3B", Cut(2, 8, 256)),
        ("Qwen3-0.6B", Cut(2, None, 256)),
        ("Llama-3.2-1B", Cut(2, None, 256)),
        ("Mixtral-8x7B", Cut(1, 2, 256)),
        ("gpt-oss-20b", Cut(2, 4, 256)),
        ("gemma-3-1b", Cut(6, None, 256)),
        ("gemma-4-e2b", Cut(5, None, 256)),
        ("DeepSeek-V2-Lite", Cut(2, 8, 256)),
        ("GLM-4.7-Flash", Cut(2, 8, 256)),
        ("granite-4.0-h-tiny", Cut(6, 8, 256)),
        ("Nemotron-3-Nano-30B-A3B", Cut(6, 4, 256)),
    ],
)
def test_llama_cpp_runs_the_architecture(tmp_path: Path, model: str, cut: Cut) -> None:
    path = tmp_path / "model.gguf"
    write_model(recipe(model, cut), path)
    found = decode(path)
    assert found["vocabulary"] == 256
    assert found["finite"]
    assert 0.3 < found["spread"] < 30
    assert found["difference"] > 0.1


@pytest.mark.parametrize(
    ("model", "used", "skew"), [("Qwen3-30B-A3B", 8, 0.0), ("Qwen3-30B-A3B", 8, 1.0), ("GLM-4.7-Flash", 4, 1.0)]
)
def test_experts_are_as_popular_as_asked(tmp_path: Path, model: str, used: int, skew: float) -> None:
    """Over one token of each code the law holds to within one use: sets are drawn so. (By softmax and by sigmoid.)"""
    path, n_experts, tokens = tmp_path / "model.gguf", 16, tuple(range(2048 // 2 // 4))
    write_model(recipe(model, Cut(4, n_experts, 512), skew=skew), path)
    found = decode(path, tokens, str(n_experts))
    law = inclusion(n_experts, used, skew) * len(tokens)
    assert found["least_margin"] > 1.0
    layers = [rows for rows in found["experts"].values() if len(rows) == len(tokens)]
    assert len(layers) >= 2  # of the last one llama.cpp computes only the tokens whose logits are read
    orders = []
    for rows in layers:
        uses = Counter(expert for row in rows for expert in row)
        counts = sorted((uses[expert] for expert in range(n_experts)), reverse=True)
        np.testing.assert_allclose(counts, law, atol=1.0001)
        assert len({frozenset(row) for row in rows}) > len(rows) / 2
        orders.append(tuple(rows[0]))
    assert len(set(orders)) == len(orders)


@pytest.mark.parametrize(
    ("model", "experts", "quant", "number"),
    [
        ("SmolLM2-135M", None, "Q4_K_M", 15),
        ("SmolLM2-135M", None, "Q6_K", 18),
        ("Granite-3.1-3B-A800M", 2, "Q4_K_M", 15),
    ],
)
def test_types_are_those_that_llama_cpp_chooses(
    tmp_path: Path, model: str, experts: int | None, quant: str, number: int
) -> None:
    """By its own quantiser, from the same model in F16; SmolLM2's rows of 576 fit no block of 256."""
    cut = Cut(3, experts, 256)
    plain, quantised = tmp_path / "plain.gguf", tmp_path / "quantised.gguf"
    write_model(recipe(model, cut, "F16"), plain)
    subprocess.run([sys.executable, HERE / "requantising.py", plain, quantised, str(number)], check=True, timeout=120)
    theirs = {tensor.name: tensor.type for tensor in read_header(quantised).tensors}
    assert theirs == {tensor.name: tensor.type for tensor in recipe(model, cut, quant).tensors}


@pytest.mark.parametrize("type_name", sorted(SUPPORTED))
@pytest.mark.parametrize("spread", [0.02, 1.0])
def test_blocks_have_the_spread_and_are_read_as_ggml_reads_them(type_name: str, spread: float) -> None:
    rng = np.random.default_rng(7)
    blocks = random_blocks(type_name, 200_000 // tensor_types()[type_name].block_elements, spread, rng)
    values = decoded(type_name, blocks)
    assert np.isfinite(values).all()
    assert values.std() == pytest.approx(spread, rel=0.03)
    assert abs(values.mean()) < 0.03 * spread
    if type_name != "F32":
        np.testing.assert_allclose(values.ravel(), ggml_floats(type_name, blocks), rtol=1e-5, atol=1e-6 * spread)


NEW_TYPES = {"Q2_0": 42}
"""Types that the gguf package does not know. Source: llama.cpp ggml/include/ggml.h enum ggml_type."""


class TypeTraits(ctypes.Structure):
    """Source: llama.cpp ggml/include/ggml.h struct ggml_type_traits."""

    _fields_ = [
        ("type_name", ctypes.c_char_p), ("blck_size", ctypes.c_int64), ("blck_size_interleave", ctypes.c_int64),
        ("type_size", ctypes.c_size_t), ("is_quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
    ]


def ggml_floats(type_name: str, blocks: np.ndarray) -> np.ndarray:
    """What ggml itself makes of the blocks."""
    library = ctypes.CDLL(str(Path(find_spec("llama_cpp").origin).parent / "lib" / "libggml-base.so.0"))
    library.ggml_get_type_traits.restype = ctypes.POINTER(TypeTraits)
    traits = library.ggml_get_type_traits(
        NEW_TYPES.get(type_name) or int(gguf.GGMLQuantizationType[type_name])
    ).contents
    assert traits.type_size == blocks.shape[1]
    data = np.ascontiguousarray(blocks)
    floats = np.empty(len(blocks) * traits.blck_size, np.float32)
    traits.to_float(data.ctypes.data, floats.ctypes.data, floats.size)
    return floats


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0, 8), st.integers(1, 200), st.integers(0, 99))
def test_popularity_is_a_law(n_experts: int, n_used: int, skew: float, n_sets: int, seed: int) -> None:
    n_used = min(n_used, n_experts)
    law = inclusion(n_experts, n_used, skew)
    assert law.sum() == pytest.approx(n_used, rel=1e-6)
    assert (np.diff(law) <= 1e-12).all()
    assert ((law >= 0) & (law <= 1)).all()
    sets = chosen_sets(n_experts, n_used, skew, n_sets, np.random.default_rng(seed))
    assert all(len(set(row)) == n_used for row in sets.tolist())
    counts = np.sort(np.bincount(sets.ravel(), minlength=n_experts))[::-1]
    np.testing.assert_allclose(counts, law * n_sets, atol=1.0001)


def test_the_busiest_share_grows_with_the_skew() -> None:
    shares = [busiest_share(256, 8, skew) for skew in (0, 0.5, 1, 1.5)]
    assert shares[0] == pytest.approx(25 / 256, rel=1e-9)
    assert shares == sorted(shares)


def test_the_same_seed_makes_the_same_file(tmp_path: Path) -> None:
    files = []
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        write_model(recipe("SmolLM2-135M", Cut(2, None, 64), seed=seed), tmp_path / name)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize("quant", [row.name for row in quants() if row.engine == "llama.cpp"])
def test_every_mix_of_llama_cpp_can_be_written(tmp_path: Path, quant: str) -> None:
    made = recipe("Granite-3.1-3B-A800M", Cut(2, 2, 64), quant)
    path = tmp_path / "model.gguf"
    assert write_model(made, path) == made.size_bytes == path.stat().st_size
    header = read_header(path)
    assert {tensor.name: tensor.type for tensor in header.tensors} == {t.name: t.type for t in made.tensors}
    assert all(tensor.size_bytes == made_.bytes for tensor, made_ in zip(header.tensors, made.tensors, strict=True))


def test_experts_differ(tmp_path: Path) -> None:
    """Blocks are used many times, but no two experts of a matrix are the same."""
    path = tmp_path / "model.gguf"
    write_model(recipe("Granite-3.1-3B-A800M", Cut(1, 40, 64)), path)
    entry = next(entry for entry in read_header(path).tensors if entry.name == "blk.0.ffn_up_exps.weight")
    start, end = entry.start, entry.start + entry.size_bytes
    data, size = path.read_bytes()[start:end], entry.size_bytes // 40
    assert prod(entry.shape) == 1536 * 512 * 40
    assert len({data[i * size : (i + 1) * size] for i in range(40)}) == 40


def test_memory_stays_small_whatever_the_size(tmp_path: Path) -> None:
    """A file of 0.7 GB is written with 300 MB at most: Python, numpy and pools of 8 MB."""
    path = tmp_path / "model.gguf"
    program = (
        "import re, sys; from pathlib import Path; from advisor.cli.app import run;"
        "model = ['--model', 'Qwen3.6-35B-A3B', '--layers', '4', '--experts', '144', '--vocab', '4096'];"
        f"code = run(['engine', 'synth', *model, '--output', {str(path)!r}]);"
        # The process's own peak: ru_maxrss would also count that of the process which started it.
        "status = Path('/proc/self/status').read_text();"
        "print(re.search(r'VmHWM:\\s+(\\d+)', status)[1], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert path.stat().st_size > 0.7e9
    assert int(done.stderr) * 1024 < 300e6
    path.unlink()


@pytest.mark.parametrize(
    ("model", "cut", "skew", "told"),
    [
        ("Qwen3.6-35B-A3B", Cut(layers=41), 0, "--layers 41 is not possible: Qwen3.6-35B-A3B has 40, so give 1 to 40"),
        ("Qwen3.6-35B-A3B", Cut(layers=0), 0, "--layers 0 is not possible: Qwen3.6-35B-A3B has 40, so give 1 to 40"),
        ("Qwen3.6-35B-A3B", Cut(layers=3), 0, "a kind of layer that llama.cpp must have: give at least 4"),
        ("Llama-4-Scout-17B-16E", Cut(layers=3), 0, "that llama.cpp must have: give at least 4"),
        ("Qwen3.6-35B-A3B", Cut(experts=257), 0, "--experts 257 is not possible: Qwen3.6-35B-A3B has 256"),
        ("Qwen3.6-35B-A3B", Cut(vocabulary=-1), 0, "--vocab -1 is not possible: Qwen3.6-35B-A3B has 248,320"),
        ("Qwen3-8B", Cut(experts=4), 0, "Qwen3-8B is dense: leave out --experts"),
        ("Qwen3-8B", Cut(), 1, "Qwen3-8B is dense, without a router: leave out --router-skew"),
        ("Qwen3.6-35B-A3B", Cut(), -1, r"--router-skew -1 is not possible: give 0 \(uniform\) to 8"),
        ("Qwen3.6-35B-A3B", Cut(), float("nan"), "--router-skew nan is not possible"),
        ("DeepSeek-V3", Cut(layers=27), 0, "--layers 27 is not possible"),
    ],
)
def test_what_cannot_be_made_is_refused(model: str, cut: Cut, skew: float, told: str) -> None:
    with pytest.raises(InputError, match=told):
        recipe(model, cut, skew=skew)


def test_a_mix_of_another_program_is_refused() -> None:
    with pytest.raises(InputError, match=r"IQ4_KS has tensors of the type IQ4_KS, which ik_llama\.cpp brought"):
        recipe("Qwen3-8B", Cut(), "IQ4_KS")


SMALL = Cut(1, None, 64)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_is_there_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_text("mine")
    with pytest.raises(InputError, match="is there already: give --force to replace it"):
        write_model(recipe("SmolLM2-135M", SMALL), path)
    assert path.read_text() == "mine"
    write_model(recipe("SmolLM2-135M", SMALL), path, replace=True)
    assert path.read_bytes()[:4] == b"GGUF"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device"), ValueError])
def test_nothing_is_left_of_a_file_that_was_not_finished(tmp_path: Path, error: Any) -> None:
    path = tmp_path / "model.gguf"
    path.write_text("mine")

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise error

    with pytest.raises((KeyboardInterrupt, InputError, ValueError)) as told:
        write_model(recipe("SmolLM2-135M", SMALL), path, replace=True, progress=stop)
    assert isinstance(told.value, InputError) == isinstance(error, OSError)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_too_small_is_told_with_both_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=3_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    with pytest.raises(InputError, match=r"the file needs 21\.16 GB and '.+' has 3\.00 GB free"):
        write_model(recipe("Qwen3.6-35B-A3B", Cut()), tmp_path / "model.gguf")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the folder '.+/nowhere' does not exist"):
        write_model(recipe("SmolLM2-135M", SMALL), tmp_path / "nowhere" / "model.gguf")


def test_a_pipe_takes_the_whole_file_and_stays_a_pipe(tmp_path: Path) -> None:
    """Also through a link and without leave to replace anything: what is no file is never replaced."""
    made, pipe, link = recipe("SmolLM2-135M", SMALL), tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    write_model(made, tmp_path / "model.gguf")
    for name, replace in ((pipe, False), (link, True)):
        with subprocess.Popen(["sha256sum", pipe], stdout=subprocess.PIPE, text=True) as reader:
            assert write_model(made, name, replace=replace) == made.size_bytes
            assert reader.communicate(timeout=30)[0].split()[0] == sha256_of(tmp_path / "model.gguf")
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "link", "model.gguf"}


def test_progress_ends_at_the_size(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    made = recipe("SmolLM2-135M", SMALL)
    write_model(made, tmp_path / "model.gguf", progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (made.size_bytes, made.size_bytes)
    assert told == sorted(told)
