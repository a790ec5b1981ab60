"""The experts that each layer of a loaded model chooses for each token of a text."""

import random
from collections.abc import Sequence

from advisor.engine.session.generating import tokens_of
from advisor.engine.session.loaded import LoadedModel
from advisor.engine.session.messages import Route, Routes
from advisor.errors import InputError


def routes(model: LoadedModel, asked: Route) -> Routes:
    """Feed the tokens one by one into an empty context."""
    if model.trace is None:
        raise InputError("the routes of experts are traced in a session that was opened for it")
    tokens = _tokens(model, asked)
    model.clear()
    model.trace.chosen.clear()
    for token in tokens:
        model.step((token,))
    if not model.trace.chosen:
        raise InputError("this model has no experts that a router chooses")
    return Routes(tokens=len(tokens), layers=model.trace.chosen)


def _tokens(model: LoadedModel, asked: Route) -> Sequence[int]:
    """Of the text its first, else as many random ones."""
    if asked.text is None:
        drawn = random.Random(asked.seed)
        found: Sequence[int] = [drawn.randrange(model.n_vocab) for _ in range(asked.tokens)]
    else:
        found = tokens_of(model, asked.text, special=False)[: asked.tokens]
    if not 0 < len(found) <= model.n_ctx:
        raise InputError(f"there are {len(found)} tokens to route and the context holds {model.n_ctx}")
    return found
