"""Sessions with a real model: what they measure and write, and what becomes of them when something goes wrong."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import psutil
import pytest

from advisor.cli.app import run
from advisor.engine.library import require_engine
from advisor.engine.session import Generation, Session
from advisor.engine.session.generating import wrapped
from advisor.engine.session.messages import Generate, Measure, Piece
from advisor.engine.settings import EngineSettings
from advisor.errors import EngineFailed, InputError
from tests.advisor.crashing import BY_SIGILL

SMALL = EngineSettings(n_ctx=256, n_ubatch=64, threads=1)
LONG = Measure(prompt=0, gen=200, repeats=1000, warm_up=0)
"""Hours of work: it is always interrupted."""
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def session(gemma_path: Path):
    with Session(gemma_path, SMALL) as opened:
        yield opened


def soon(holds: Callable[[], bool]) -> bool:
    """Whether it holds within a while; processes take their time on a busy machine."""
    end = time.monotonic() + PATIENCE_S
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def gone(pid: int) -> bool:
    """Whether there is no such process, or only its remains that nobody has asked for yet."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_measurement_has_every_step_and_what_it_took(session):
    found = session.measure(Measure(depth=20, prompt=96, gen=5, repeats=2, warm_up=4))
    assert [(phase.work, phase.tokens) for phase in found.warm_up] == [("decode", 4), ("prefill", 96)]
    assert [len(phase.step_s) for phase in found.decode] == [5, 5]
    assert [(phase.tokens, phase.depth) for phase in found.prefill] == [(96, 20), (96, 20)]
    assert all(seconds > 0 for phase in (*found.prefill, *found.decode) for seconds in phase.step_s)
    assert all(phase.minor_faults >= 0 and phase.major_faults >= 0 for phase in found.decode)
    assert 0 < found.anonymous_bytes < found.rss_bytes
    assert found.rss_bytes > 100 * 2**20  # most of the 253 MB of the file were touched


def test_a_long_prompt_is_read_in_batches(session):
    assert session.settings.n_batch == 2048
    [phase] = session.measure(Measure(prompt=100, gen=0, repeats=1, warm_up=0)).prefill
    assert len(phase.step_s) == 1


def test_more_tokens_than_the_context_are_refused(session):
    with pytest.raises(InputError, match="300 tokens are more than the context of 256 holds"):
        session.measure(Measure(depth=100, prompt=200, gen=0))
    with pytest.raises(InputError, match="give a larger --context"):
        list(session.generate(Generate(prompt="word " * 400, max_tokens=1)))


def test_text_comes_in_pieces_and_is_the_same_each_time(session):
    asked = Generate(prompt="The capital of France is", max_tokens=8)
    first, second = list(session.generate(asked)), list(session.generate(asked))
    texts = ["".join(item.text for item in messages if isinstance(item, Piece)) for messages in (first, second)]
    assert texts[0] == texts[1] != ""
    end = first[-1]
    assert isinstance(end, Generation)
    assert (end.stopped, end.gen_tokens, end.prompt_tokens) == ("length", 8, 6)


def test_a_seed_repeats_a_free_text(session):
    def text(seed: int) -> str:
        asked = Generate(prompt="Once upon a time", max_tokens=12, temperature=1.0, seed=seed)
        return "".join(item.text for item in session.generate(asked) if isinstance(item, Piece))

    assert text(1) == text(1) != text(2)


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGKILL, "was killed \\(SIGKILL\\)"), (signal.SIGSEGV, "crashed \\(SIGSEGV\\)")]
)
def test_a_dying_engine_is_an_error_in_one_sentence(gemma_path, number, said):
    with Session(gemma_path, SMALL) as doomed:
        threading.Timer(0.5, os.kill, (doomed.pid, number)).start()
        with pytest.raises(EngineFailed, match=f"the engine measuring {gemma_path.name} {said}"):
            doomed.measure(LONG)
        with pytest.raises(EngineFailed, match="the engine"):
            doomed.measure(LONG)


def test_an_engine_that_meets_an_illegal_instruction_says_what_to_do(gemma_path):
    with pytest.raises(EngineFailed, match=r"^the engine loading .* \(SIGILL\); .*scripts/install-engine builds"):
        Session(gemma_path, SMALL, wrapper=BY_SIGILL)


def test_a_silent_engine_is_ended(gemma_path):
    with Session(gemma_path, SMALL) as slow:
        slow.silence_s = 0.3
        with pytest.raises(EngineFailed, match="gave no answer within"):
            slow.measure(LONG)
        assert gone(slow.pid)


def test_too_little_memory_is_told(gemma_path):
    """KV of 4 million tokens: 3 full layers x 2 x 256 x 2 bytes = 3 KiB a token, 12 GB of address space, 4 allowed."""
    with pytest.raises(InputError, match="there is not enough memory"):
        Session(gemma_path, SMALL.model_copy(update={"n_ctx": 4_000_000}), wrapper=("prlimit", f"--as={4 * 10**9}"))


def test_an_unknown_architecture_is_told(tmp_path):
    path = tmp_path / "strange.gguf"
    writer = gguf.GGUFWriter(path, "mystery")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(InputError, match="architecture 'mystery'"):
        Session(path, SMALL)


def test_a_server_that_is_not_there_is_told_before_anything_starts(gemma_path):
    with pytest.raises(InputError, match="no RPC server can be reached"):
        Session(gemma_path, SMALL.model_copy(update={"rpc": ("127.0.0.1:9",)}))


OPENS = """
import sys
from pathlib import Path
from advisor.engine.session import Session
from advisor.engine.session.messages import Measure
from advisor.engine.settings import EngineSettings
session = Session(Path(sys.argv[1]), EngineSettings(n_ctx=256, n_ubatch=64, threads=1))
print(session.pid, flush=True)
session.measure(Measure(prompt=0, gen=200, repeats=1000, warm_up=0))
"""


def test_the_engine_does_not_outlive_its_parent(gemma_path):
    with subprocess.Popen([sys.executable, "-c", OPENS, str(gemma_path)], stdout=subprocess.PIPE, text=True) as parent:
        engine = int(parent.stdout.readline())
        assert psutil.pid_exists(engine)
        parent.kill()
    assert soon(lambda: gone(engine))


def test_run_writes_text_alone_to_standard_output(gemma_path, capsys):
    words = ["run", str(gemma_path), "--prompt", "The capital of France is", "--max-tokens", "5", "--threads", "1"]
    assert run([*words, "--context", "256"]) == 0
    told = capsys.readouterr()
    assert told.out.strip()
    assert "\n" not in told.out.strip()
    assert "wrote 5 at" in told.err


def test_ctrl_c_stops_a_text_at_once(gemma_path):
    """SIGINT goes to the whole group, as from a terminal."""
    words = ["run", str(gemma_path), "--prompt", "Once upon a time", "--max-tokens", "100000", "--context", "512"]
    command = [sys.executable, "-m", "advisor", *words, "--temperature", "1", "--threads", "1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, start_new_session=True) as program:
        assert program.stdout.read(1)
        children = [child.pid for child in psutil.Process(program.pid).children(recursive=True)]
        os.killpg(program.pid, signal.SIGINT)
        assert program.wait(PATIENCE_S) == 130
        assert program.stderr.read().strip() == b""
    assert children
    assert all(soon(lambda pid=pid: gone(pid)) for pid in children)


CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
OWN = "{% for message in messages %}[{{ message['role'] }}: {{ message['content'] }}]{% endfor %}[answer:"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (None, None),
        (CHATML, "<|im_start|>user\nwhy?<|im_end|>\n<|im_start|>assistant\n"),  # recognised by llama.cpp
        (OWN, "[user: why?][answer:"),  # unknown to llama.cpp: rendered as Jinja
    ],
)
def test_a_prompt_is_wrapped_as_the_template_of_the_file_says(template, expected):
    assert wrapped(with_template(template), "why?") == expected


def test_a_template_that_fails_is_told():
    with pytest.raises(InputError, match="give --no-chat"):
        wrapped(with_template("{{ raise_exception('no users here') }}"), "why?")


def with_template(template: str | None) -> Any:
    """A model file with that template, as far as wrapping looks at it."""
    llama = require_engine().llama
    names = ("llama_chat_apply_template", "llama_chat_message")
    asked = {"llama_model_chat_template": lambda *_: template.encode() if template else None}
    return SimpleNamespace(model=None, llama=SimpleNamespace(**asked, **{name: getattr(llama, name) for name in names}))
