"""The child process of a session: loads one model and answers requests, one JSON object a line.

`python -m advisor.engine.session.worker`; it ends when its standard input does, in the midst of work if need be.
"""

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from advisor.children import own_output, requests
from advisor.engine.devices import buffer_aliases, refused_products
from advisor.engine.library import LlamaCpp, require_engine
from advisor.engine.remote import Endpoint, register
from advisor.engine.session import generating, measuring
from advisor.engine.session.buffers import buffer_report
from advisor.engine.session.log import Log
from advisor.engine.session.messages import REQUESTS, Generate, Load, Loaded, Measure, Refusal, Score, Trace
from advisor.engine.session.model import LoadedModel
from advisor.errors import InputError

Say = Callable[[BaseModel], None]


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
            generating.generate(self.model, request, self.say)

    def _load(self, request: Load) -> Loaded:
        self.model = LoadedModel(_engine(request, self.log), self.log, request)
        return Loaded(
            report=buffer_report(self.log.lines, buffer_aliases(self.model.engine)),
            load_s=self.model.load_s,
            n_vocab=self.model.n_vocab,
            n_ctx=self.model.n_ctx,
            threads=request.settings.threads,
            rss_bytes=measuring.memory_of_process()[0],
            devices=self.model.devices(),
            refused=refused_products(self.model.engine, request.products),
        )


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
