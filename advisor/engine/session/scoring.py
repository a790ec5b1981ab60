"""Logits after each token of a text."""

import base64

from advisor.engine.session.loaded import LoadedModel
from advisor.engine.session.messages import Score, StepLogits


def score(model: LoadedModel, asked: Score) -> StepLogits:
    """The logits after every token, fed one by one into an empty context."""
    model.clear()
    steps = []
    for token in asked.tokens:
        model.step((token,))
        steps.append(base64.b64encode(model.logits().astype("<f4").tobytes()).decode())
    return StepLogits(steps=tuple(steps))
