"""Hot experts kept in memory: their bytes are exact, a budget is obeyed, what cannot be locked is told."""

import mmap
import resource
import sys
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.engine.experts import DecodeRun, Pair, PairedRuns, hit_share
from advisor.engine.keeping import KeptPages, Span
from advisor.engine.residency import Expert, PageCache, complaint, experts_of, forget, hottest, keep, spans
from advisor.errors import EngineFailed
from advisor.gguf import FilePart, Header, read_header
from advisor.gguf.synthetic import Cut, Recipe, write_model
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant

EXPERTS, LAYERS = 16, 2
PAGE = mmap.PAGESIZE


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Recipe(resolve_llm("Qwen3-30B-A3B").row.llm, resolve_quant("Q4_K_M").row, Cut(LAYERS, EXPERTS, 256), 1.0)
    found = tmp_path_factory.mktemp("kept") / "model.gguf"
    write_model(made, found)
    return found


@pytest.fixture(scope="module")
def header(path: Path) -> Header:
    return read_header(path)


@pytest.fixture(scope="module")
def experts(header: Header) -> tuple[Expert, ...]:
    return experts_of(header)


def test_slices_cover_the_tensors_of_experts_exactly(header: Header, experts: tuple[Expert, ...]) -> None:
    """Joined in order they are the ranges of gate, up and down of each layer, without gap or overlap."""
    assert [(item.layer, item.number) for item in experts] == [(i, j) for i in range(LAYERS) for j in range(EXPERTS)]
    ranges = sorted((item.start, item.start + item.size_bytes) for item in header.tensors if "_exps" in item.name)
    assert len(ranges) == 3 * LAYERS
    pieces = sorted((part.start, part.end) for expert in experts for part in expert.slices)
    for start, end in ranges:
        mine = [piece for piece in pieces if start <= piece[0] < end]
        assert len(mine) == EXPERTS
        assert [mine[0][0], mine[-1][1]] == [start, end]
        assert all(a[1] == b[0] for a, b in pairwise(mine))
    assert sum(expert.size_bytes for expert in experts) == sum(end - start for start, end in ranges)


def test_an_expert_is_its_own_matrix(path: Path, header: Header, experts: tuple[Expert, ...]) -> None:
    """By the reader of the gguf package, which gives a stacked tensor as [experts, rows, bytes of a row]."""
    theirs = {tensor.name: tensor.data for tensor in gguf.GGUFReader(path).tensors}
    expert = next(item for item in experts if (item.layer, item.number) == (1, 5))
    data = path.read_bytes()
    ours = {data[part.start : part.end] for part in expert.slices}
    names = [f"blk.1.ffn_{name}_exps.weight" for name in ("gate", "up", "down")]
    assert ours == {np.ascontiguousarray(theirs[name][5]).tobytes() for name in names}


@given(data=st.data(), budget=st.integers(0, 200 * PAGE))
def test_a_budget_is_obeyed_and_holds_the_hottest(data: st.DataObject, budget: int) -> None:
    sizes = data.draw(st.lists(st.integers(1, 9 * PAGE), min_size=1, max_size=30))
    starts = np.concatenate([[77], 77 + np.cumsum(sizes)]).tolist()
    made = [Expert(0, i, (Span(0, starts[i], starts[i] + size),)) for i, size in enumerate(sizes)]
    uses = {(0, i): data.draw(st.integers(0, 9)) for i in range(len(made))}
    kept = hottest(made, uses, budget)
    header = Header((FilePart(Path("x"), starts[-1]),), {}, (), None)
    found = spans(kept, header)
    assert sum(span.size_bytes for span in found) <= budget
    assert all(uses[item.layer, item.number] for item in kept)
    assert all(0 <= span.start < span.end <= starts[-1] and span.start % PAGE == 0 for span in found)
    assert all(a.end < b.start for a, b in pairwise(found))
    for item in kept:
        assert any(span.start <= item.slices[0].start and item.slices[0].end <= span.end for span in found)
    hot = {item.number for item in kept}
    heat = [uses[0, i] / size for i, size in enumerate(sizes)]
    for i, size in enumerate(sizes):  # who is out although hotter than one inside was too large for what was left
        if i not in hot and any(heat[j] < heat[i] for j in hot):
            hotter = sum(item.slices[0].size_bytes for item in kept if heat[item.number] >= heat[i])
            assert hotter + size + 2 * PAGE * (len(hot) + 1) > budget


def test_the_hottest_of_each_layer_are_kept(header: Header, experts: tuple[Expert, ...]) -> None:
    """Experts 3 and 11 are used most; the budget holds two in each layer, with the pages at their ends."""
    uses = {(item.layer, item.number): 100 if item.number in (3, 11) else 1 for item in experts}
    largest = max(item.size_bytes for item in experts) + 6 * PAGE
    kept = hottest(experts, uses, 4 * largest)
    assert {(item.layer, item.number) for item in kept} == {(i, j) for i in range(LAYERS) for j in (3, 11)}


def test_kept_pages_are_in_memory_and_let_go(header: Header, experts: tuple[Expert, ...]) -> None:
    wished = spans(experts[:3], header)
    with keep(header, wished) as kept:
        cache = PageCache(header)
        assert cache.share(part for expert in experts[:3] for part in expert.slices) == 1.0
        assert hit_share(header, experts, {(0, 0): 5, (0, 1): 2}) == 1.0
        assert kept.locked_bytes + kept.unlocked_bytes == sum(span.size_bytes for span in wished)
        children = [item for item in psutil.Process().children() if "advisor.engine.keeping" in item.cmdline()]
        assert len(children) == 1
        mapped = children[0].memory_info()
        assert kept.unlocked_bytes or mapped.rss > kept.locked_bytes
    assert not children[0].is_running()


LIMITED = """
import ctypes, os, resource, sys
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
ctypes.CDLL(None).prctl(24, 14, 0, 0, 0)  # a root without the right to lock more: PR_CAPBSET_DROP, CAP_IPC_LOCK
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_hits_are_weighted_by_uses(header: Header, experts: tuple[Expert, ...]) -> None:
    """Three uses of a kept expert, one of another that may have been dropped; experts of two layers differ in size."""
    first, last = experts[0], experts[-1]
    need = 3 * first.size_bytes + last.size_bytes
    with keep(header, spans(experts[:1], header)):
        forget(header)
        expected = (3 * first.size_bytes + last.size_bytes * PageCache(header).share(last.slices)) / need
        assert hit_share(header, experts, {(0, 0): 3, (last.layer, last.number): 1}) == pytest.approx(expected)


def test_what_may_not_be_locked_is_told_with_the_remedy(
    header: Header, experts: tuple[Expert, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    wished = spans(experts[:3], header)
    with keep(header, wished, wrapper=(sys.executable, "-c", LIMITED)) as kept:
        assert kept.locked_bytes <= 65536
        assert kept.unlocked_bytes == sum(span.size_bytes for span in wished) - kept.locked_bytes
        assert kept.reason
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (65536, 65536))
    assert "this user may lock 0.0625 MiB (ulimit -l): raise memlock" in complaint(kept)
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert "give a smaller --keep" in complaint(kept)
    assert complaint(KeptPages(locked_bytes=5, unlocked_bytes=0, reason="")) == ""


def test_a_keeper_that_dies_is_one_sentence(header: Header) -> None:
    killed = ("sh", "-c", "kill -9 $$")
    wished = [Span(part=0, start=0, end=PAGE)]
    told = r"keeps experts of model\.gguf in memory was killed"
    with pytest.raises(EngineFailed, match=told), keep(header, wished, wrapper=killed):
        pass


def pair(plain: float, kept: float) -> Pair:
    plain_trial, kept_trial = (
        DecodeRun(tok_s=speed, major_faults_per_token=0, disk_bytes_per_token=0, hit_share=1) for speed in (plain, kept)
    )
    return Pair(plain=plain_trial, kept=kept_trial)


def test_a_gain_is_certain_when_all_pairs_agree() -> None:
    keeping = KeptPages(locked_bytes=1, unlocked_bytes=0, reason="")
    assert PairedRuns(keeping=keeping, pairs=(pair(1, 2), pair(2, 3), pair(1, 4))).certain
    doubtful = PairedRuns(keeping=keeping, pairs=(pair(1, 2), pair(2, 1), pair(1, 3)))
    assert not doubtful.certain
    assert not PairedRuns(keeping=keeping, pairs=(pair(1, 2),) * 2).certain
    assert doubtful.gain == pytest.approx(2.0)
