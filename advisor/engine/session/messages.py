"""What a session and its child process say to each other: one JSON object a line, the kind of it in `kind`."""

import base64
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from advisor.engine.devices import Device, Product
from advisor.engine.session.buffers import BufferReport
from advisor.engine.settings import EngineSettings, Record


class Load(Record):
    """Load a model and make its context. `dry`: lay it out without allocating or reading weights; `trace`: note which
    experts are chosen, which is slow; `products`: to ask of each device whether it computes them.
    """

    kind: Literal["load"] = "load"
    path: str
    settings: EngineSettings
    dry: bool = False
    trace: bool = False
    products: tuple[Product, ...] = ()


class Measure(Record):
    """Time prefill and decode at a depth; the first run after a load is the warm-up curve."""

    kind: Literal["measure"] = "measure"
    depth: int = 0
    prompt: int = 512
    gen: int = 128
    repeats: int = 3
    warm_up: int = 16
    seed: int = 1


class Score(Record):
    """Feed these tokens one by one into an empty context and give the logits after each."""

    kind: Literal["score"] = "score"
    tokens: tuple[int, ...]


class Trace(Record):
    """Trace the experts that each layer chooses for the first tokens of a text, or for random ones."""

    kind: Literal["route"] = "route"
    tokens: int
    text: str | None = None
    seed: int = 1


class Generate(Record):
    """Continue a prompt. `chat`: wrap it as the model's chat template says, where it has one; `tokens`: the prompt as
    such, in place of a text, for a file without a vocabulary.
    """

    kind: Literal["generate"] = "generate"
    prompt: str = ""
    tokens: tuple[int, ...] = ()
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    chat: bool = True


class Loaded(Record):
    """A model stands: what llama.cpp reported of its buffers, and what the process takes."""

    kind: Literal["loaded"] = "loaded"
    report: BufferReport
    load_s: float
    n_vocab: int
    n_ctx: int
    threads: int
    rss_bytes: int
    devices: tuple[Device, ...]
    refused: dict[str, tuple[Product, ...]]
    """By device, of the products asked for those that it does not compute."""


class Phase(Record):
    """A stretch of work: seconds of each step (a batch of a prompt, or one token), page faults, memory."""

    work: Literal["prefill", "decode"]
    tokens: int
    depth: int
    step_s: tuple[float, ...]
    minor_faults: int | None
    major_faults: int | None
    taken_share: float = 0.0
    """Of all processors' time, what other programs and, on the same host, other virtual machines took."""

    @property
    def seconds(self) -> float:
        """All steps together."""
        return sum(self.step_s)

    @property
    def tok_s(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds


class Measurement(Record):
    """Repeated phases after a warm-up."""

    kind: Literal["measurement"] = "measurement"
    warm_up: tuple[Phase, ...]
    prefill: tuple[Phase, ...]
    decode: tuple[Phase, ...]
    rss_bytes: int
    anonymous_bytes: int
    """The part of it that is no page of a file: what cannot be dropped and read again."""
    devices: tuple[Device, ...]


class StepLogits(Record):
    """Logits after each token as base64 of little-endian f32."""

    kind: Literal["logits"] = "logits"
    steps: tuple[str, ...]

    def values(self) -> NDArray[np.float32]:
        """One row per token."""
        return np.stack([np.frombuffer(base64.b64decode(step), dtype="<f4") for step in self.steps])


class Routes(Record):
    """By layer: the experts chosen for each token, best first."""

    kind: Literal["routes"] = "routes"
    tokens: int
    layers: dict[int, list[list[int]]]


class Piece(Record):
    """Some more text."""

    kind: Literal["piece"] = "piece"
    text: str


class Generation(Record):
    """The end of a text and what it took."""

    kind: Literal["generation"] = "generation"
    stopped: Literal["end", "length", "context"]
    template: bool
    prompt_tokens: int
    prompt_s: float
    gen_tokens: int
    gen_s: float
    tokens: tuple[int, ...] = ()
    """What was written, the mark of an end left out."""
    drafted: int = 0
    accepted: int = 0
    """Tokens that were guessed ahead, and those of them that the model agreed to."""
    minor_faults: int | None
    major_faults: int | None
    rss_bytes: int


class Refusal(Record):
    """What was asked cannot be done, for a reason that the user can mend."""

    kind: Literal["refusal"] = "refusal"
    message: str


Request = Annotated[Load | Measure | Score | Trace | Generate, Field(discriminator="kind")]
Reply = Annotated[
    Loaded | Measurement | StepLogits | Routes | Piece | Generation | Refusal, Field(discriminator="kind")
]
REQUESTS: TypeAdapter[Request] = TypeAdapter(Request)
REPLIES: TypeAdapter[Reply] = TypeAdapter(Reply)
