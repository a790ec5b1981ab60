"""Whatever is pasted, the reader answers: no error but for what is too large; lines that exist; usable runs, soon."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.errors import InputError
from advisor.pasted.lines import MOST_BYTES
from advisor.pasted.reading import read_runs
from advisor.pasted.runs import Pasted
from advisor.question import OwnRun

FOLDER = Path(__file__).parents[2] / "data" / "pasted"
SAMPLES = sorted(FOLDER.glob("*.txt"))
PIECES = (
    "| model | test | t/s |", "| PP | TG | N_KV | S_PP t/s | S_TG t/s |", "|---|", "tok/s", " 31 t/s ", "31,5",
    "{", "[", "}",
    '"timings":', "eval time = 1.0 ms / 3 tokens",
    "prompt eval time = inf ms / 0 tokens ( nan ms per token, inf tokens per second)",
    "llama-bench -ngl", "-ot blk.(1|2).ffn_exps=CPU", "INSERT INTO x (a) VALUES ('",
    "Qwen3-8B Q4_K_M", "\x1b[31m", "\r", "\t", "\x00",
    "CtxLimit:1/1, Process:0.00s (0.00T/s), Generate:0.00s (0.00T/s)", "1e999", "-1", "ü",
    "\ud7ff", "eval rate: 0 tokens/s",
)


def _holds(read: Pasted, lines: int) -> None:
    for item in read.unread:
        assert 1 <= item.first <= item.last <= lines
        assert item.why
    for run in read.runs:
        assert 1 <= run.line <= lines
        assert OwnRun.model_validate(run.run.model_dump()) == run.run


def _lines(text: str) -> int:
    return 1 + sum(text.count(mark) for mark in "\n\r\x0b\x0c\x85\u2028")


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20), st.just("\n")), max_size=40), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_pieces_in_any_order(pieces: list[str], bare: bool) -> None:
    text = "".join(pieces)
    _holds(read_runs(text, bare=bare), _lines(text))


@given(st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_bytes(content: bytes) -> None:
    _holds(read_runs(content), 1 + len(content) * 2)


@given(st.sampled_from(SAMPLES), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_outputs(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(content))
        match chance.randrange(3):
            case 0:
                content[place] = chance.randrange(256)
            case 1:
                del content[place : place + chance.randint(1, 40)]
            case _:
                content[place:place] = chance.choice(PIECES).encode("utf-8", "replace")
        if not content:
            return
    try:
        read = read_runs(bytes(content))
    except InputError:
        return
    _holds(read, 1 + len(content) * 2)


@pytest.mark.parametrize(
    "text",
    [
        "{\n" * 20_000, "[" * 100_000, '{"a":' * 50_000, "(" * 50_000 + " tok/s",
        "1," * 100_000 + " tok/s", "| " * 50_000,
        "31 tok/s " * 40, ("a b c d e f g h " * 20 + "31 tok/s\n") * 20,
        "loaded meta data from " * 20_000, "'" * 100_000,
        "llama-bench -ot " + "(" * 400 + "1|" * 300 + "=CPU", "INSERT INTO t (" + "a," * 50_000, "\x1b]" * 50_000,
        "eval time = " * 30_000, '[\n{\n"avg_ts": 1,\n' * 5_000,
    ],
    ids=range(15),
)
def test_hostile_texts_cost_no_more_work_than_their_size(text: str) -> None:
    """They end at all: each of them would take minutes where work grew with the square of the length."""
    _holds(read_runs(text, "Qwen3-8B", "Q4_K_M"), _lines(text))


def test_a_text_that_is_too_large_is_refused() -> None:
    with pytest.raises(InputError, match="at most 4,000,000 are read"):
        read_runs(b"x" * (MOST_BYTES + 1))


def test_a_model_is_named_for_runs_of_one_model_only() -> None:
    objects = [{"model_filename": f"{name}.gguf", "avg_ts": 30.0, "n_prompt": 0, "n_gen": 128, "type_k": "f16",
                "model_type": name} for name in ("Qwen3-8B-Q4_K_M", "Qwen3-4B-Q4_K_M")]
    assert len(read_runs(json.dumps(objects)).runs) == 2
    with pytest.raises(InputError, match="leave out --model"):
        read_runs(json.dumps(objects), "Qwen3-8B")
