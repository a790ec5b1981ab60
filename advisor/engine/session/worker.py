"""The child process of a session: loads one model and answers requests, one JSON object a line.

`python -m advisor.engine.session.worker`; it ends when its standard input does, in the midst of work if need be.
"""

import ctypes
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from advisor.children import own_output, requests
from advisor.engine.devices import buffer_aliases, refused_products
from advisor.engine.library import LlamaCpp, require_engine
from advisor.engine.remote import Endpoint, register
from advisor.engine.session import generating, measuring
from advisor.engine.session.buffers import buffer_report
from advisor.engine.session.drafting import Drafter, drafter_of
from advisor.engine.session.log import Log
from advisor.engine.session.messages import REQUESTS, Generate, Load, Loaded, Measure, Refusal, Score, Trace
from advisor.engine.session.model import LoadedModel
from advisor.errors import InputError

Say = Callable[[BaseModel], None]
ALL_LAYERS = 10_000
"""More than any model has: clamped to the model."""


def main() -> None:
    """Answer requests until there are no more."""
    heard, replies = requests(), own_output()

    def say(message: BaseModel) -> None:
        replies.write(message.model_dump_json() + "\n")
        replies.flush()

    worker = _Worker(say)
    while True:
        try:
            worker.answer(REQUESTS.validate_python(json.loads(heard.get())))
        except InputError as refused:
            say(Refusal(message=str(refused)))


class _Worker:
    def __init__(self, say: Say) -> None:
        self.say = say
        self.log = Log()
        self.model: LoadedModel | None = None
        self.drafter: Drafter | None = None

    def answer(self, request: Any) -> None:
        """Do what is asked and say the result."""
        if isinstance(request, Load):
            self.say(self._load(request))
        elif self.model is None:
            raise InputError("no model is loaded")
        elif isinstance(request, Measure):
            self.say(measuring.measure(self.model, request))
        elif isinstance(request, Score):
            self.say(measuring.score(self.model, request))
        elif isinstance(request, Trace):
            self.say(measuring.routes(self.model, request))
        elif isinstance(request, Generate):
            generating.generate(self.model, request, self.say, self.drafter)

    def _load(self, request: Load) -> Loaded:
        self.model = model = LoadedModel(_engine(request, self.log), self.log, request)
        loaded = Loaded(
            report=buffer_report(self.log.lines, buffer_aliases(model.engine)),
            load_s=model.load_s,
            n_vocab=model.n_vocab,
            n_ctx=model.n_ctx,
            threads=request.settings.threads,
            rss_bytes=measuring.memory_of_process()[0],
            devices=model.devices(),
            refused=refused_products(model.engine, request.products),
        )
        if request.settings.drafting and not request.dry:
            library = ctypes.CDLL(str(model.engine.llama._lib._name))
            self.drafter = drafter_of(request.settings.drafting, model, self._small, library)
        return loaded

    def _small(self, path: Path) -> LoadedModel:
        """A draft model beside the one that is loaded, all of it on a device where that has any layer there."""
        model = cast(LoadedModel, self.model)
        own = model.settings.model_copy(update={
            "n_gpu_layers": ALL_LAYERS if model.settings.n_gpu_layers else 0, "n_cpu_moe": 0, "overrides": (),
            "tensor_split": (), "drafting": None,
        })
        return LoadedModel(model.engine, self.log, Load(path=str(path), settings=own))


def _engine(request: Load, log: Log) -> LlamaCpp:
    """llama.cpp with the remote devices of the settings."""
    engine = require_engine()
    log.listen(engine.llama)
    for endpoint in request.settings.rpc:
        register(engine, Endpoint.parse(endpoint))
    engine.llama.llama_backend_init()
    return engine


if __name__ == "__main__":
    main()
