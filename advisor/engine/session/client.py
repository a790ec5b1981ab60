"""A session: a model in a child process that measures and writes, so that its crash is an error message."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from advisor.children import LOADING_S, Child, Ended, module
from advisor.engine.devices import Product
from advisor.engine.layout import Layout
from advisor.engine.remote import Endpoint, protocol_at
from advisor.engine.session.buffers import check_placement
from advisor.engine.session.log import last_warnings
from advisor.engine.session.messages import (
    REPLIES,
    Generate,
    Generation,
    Load,
    Loaded,
    Measure,
    Measurement,
    Piece,
    Refusal,
    Routes,
    Score,
    StepLogits,
    Trace,
)
from advisor.engine.settings import EngineSettings
from advisor.errors import EngineFailed, InputError

WORKER = "advisor.engine.session.worker"
Answer = TypeVar("Answer", bound=BaseModel)


class Session:
    """One model loaded with given settings; a context manager whose end is the child's.

    `layout`: where everything must lie; `dry`: nothing is allocated or read, only laid out; `trace`: experts can be
    traced, and all is slower; `products`: to ask the devices for; `wrapper`: words before the child's command, such
    as a memory limit. Raises `InputError` for what the user can mend (no such architecture, too little memory, too long
    a prompt) and `EngineFailed` when the child dies, is silent for `silence_s`, or llama.cpp put something elsewhere
    than `layout` has it.
    """

    def __init__(
        self, path: Path, settings: EngineSettings, *, layout: Layout | None = None, dry: bool = False,
        trace: bool = False, products: Sequence[Product] = (), silence_s: float = LOADING_S,
        wrapper: Sequence[str] = (),
    ) -> None:
        self.path, self.settings, self.silence_s = path, settings, silence_s
        for endpoint in settings.rpc:
            protocol_at(Endpoint.parse(endpoint))  # llama.cpp ends its process where no server answers
        try:
            self._child = Child(module(WORKER), wrapper, words=last_warnings)
        except Ended as ended:
            raise self._failed("for", ended) from None
        try:
            self._ask(Load(path=str(path), settings=settings, dry=dry, trace=trace, products=tuple(products)))
            self.loaded: Loaded = self._answer(Loaded, "loading")
            if layout is not None:
                check_placement(layout, self.loaded.report, settings)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Number of the child process."""
        return self._child.pid

    def close(self) -> None:
        """End the child at once."""
        self._child.close()

    def measure(self, asked: Measure) -> Measurement:
        """Time prefill and decode."""
        self._ask(asked)
        return self._answer(Measurement, "measuring")

    def logits(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Logits after each of these tokens, fed one by one. [tokens, vocabulary]"""
        self._ask(Score(tokens=tuple(tokens)))
        return self._answer(StepLogits, "scoring").values()

    def routes(self, asked: Trace) -> Routes:
        """The experts that each layer chooses; of a session opened to trace them."""
        self._ask(asked)
        return self._answer(Routes, "tracing experts of")

    def generate(self, asked: Generate) -> Iterator[Piece | Generation]:
        """Pieces of text as they come, last what they took."""
        self._ask(asked)
        while True:
            message = self._hear("writing")
            if isinstance(message, Piece | Generation):
                yield message
            if isinstance(message, Generation):
                return

    def _ask(self, request: BaseModel) -> None:
        try:
            self._child.ask(request.model_dump_json())
        except Ended as ended:
            raise self._failed("being asked", ended) from None

    def _answer(self, kind: type[Answer], doing: str) -> Answer:
        message = self._hear(doing)
        if not isinstance(message, kind):
            raise EngineFailed(f"the engine answered with {type(message).__name__} while {doing} {self.path.name}")
        return message

    def _hear(self, doing: str) -> BaseModel:
        try:
            message: BaseModel = REPLIES.validate_python(json.loads(self._child.reply(self.silence_s)))
        except Ended as ended:
            raise self._failed(doing, ended) from None
        if isinstance(message, Refusal):
            raise InputError(message.message)
        return message

    def _failed(self, doing: str, ended: Ended) -> EngineFailed:
        return EngineFailed(f"the engine {doing} {self.path.name} {ended}")
