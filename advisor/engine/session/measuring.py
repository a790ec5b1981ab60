"""What a loaded model is measured in: prefill and decode step by step, logits after each token, the experts chosen."""

import base64
import os
import random
import sys
from collections.abc import Callable, Sequence
from typing import Literal

from advisor.engine.session.messages import Measure, Measurement, Phase, Routes, Score, StepLogits, Trace
from advisor.engine.session.model import LoadedModel
from advisor.errors import InputError

Faults = tuple[int | None, int | None]


def measure(model: LoadedModel, asked: Measure) -> Measurement:
    """Warm up, then alternate prefill and decode `repeats` times, each after `depth` tokens.

    Tokens are random: which they are changes neither bytes nor arithmetic, but a model with experts routes by them.
    """
    need = asked.depth + max(asked.prompt, asked.gen, asked.warm_up)
    if need > model.n_ctx:
        raise InputError(f"{need} tokens are more than the context of {model.n_ctx} holds")
    drawn = random.Random(asked.seed)

    def phase(work: Literal["prefill", "decode"], number: int, depth: int) -> Phase:
        before = [drawn.randrange(model.n_vocab) for _ in range(depth)]
        text = [drawn.randrange(model.n_vocab) for _ in range(number)]
        model.clear()
        model.feed(before)
        if work == "prefill":
            return _timed(work, number, depth, model, lambda: model.feed(text))
        return _timed(work, number, depth, model, lambda: [model.step((token,)) for token in text])

    warm_up = [phase("decode", asked.warm_up, 0)] if asked.warm_up else []
    if asked.warm_up and asked.prompt:
        warm_up.append(phase("prefill", asked.prompt, 0))
    prefill, decode = [], []
    for _ in range(asked.repeats):
        if asked.prompt:
            prefill.append(phase("prefill", asked.prompt, asked.depth))
        if asked.gen:
            decode.append(phase("decode", asked.gen, asked.depth))
    resident, anonymous = memory_of_process()
    return Measurement(
        warm_up=tuple(warm_up), prefill=tuple(prefill), decode=tuple(decode), rss_bytes=resident,
        anonymous_bytes=anonymous, devices=model.devices(),
    )


def _timed(
    work: Literal["prefill", "decode"], number: int, depth: int, model: LoadedModel, run: Callable[[], list[float]]
) -> Phase:
    remote = bool(model.settings.rpc)
    faults, taken_s = page_faults(), taken_seconds(remote)
    step_s = run()
    (minor, major), taken_after_s = page_faults(faults), taken_seconds(remote)
    return Phase(
        work=work, tokens=number, depth=depth, step_s=tuple(step_s), minor_faults=minor, major_faults=major,
        taken_share=min(1.0, max(0.0, taken_after_s - taken_s) / ((os.cpu_count() or 1) * sum(step_s))),
    )


def score(model: LoadedModel, asked: Score) -> StepLogits:
    """The logits after every token, fed one by one into an empty context."""
    model.clear()
    steps = []
    for token in asked.tokens:
        model.step((token,))
        steps.append(base64.b64encode(model.logits().astype("<f4").tobytes()).decode())
    return StepLogits(steps=tuple(steps))


def routes(model: LoadedModel, asked: Trace) -> Routes:
    """The experts that each layer chooses for each token, fed one by one into an empty context.

    The tokens are the first of the text that is asked for, else as many random ones.
    """
    if model.trace is None:
        raise InputError("the routes of experts are traced in a session that was opened for it")
    if asked.text is None:
        drawn = random.Random(asked.seed)
        tokens: Sequence[int] = [drawn.randrange(model.n_vocab) for _ in range(asked.tokens)]
    else:
        tokens = model.tokens_of(asked.text, special=False)[: asked.tokens]
    if not 0 < len(tokens) <= model.n_ctx:
        raise InputError(f"there are {len(tokens)} tokens to route and the context holds {model.n_ctx}")
    model.clear()
    model.trace.chosen.clear()
    for token in tokens:
        model.step((token,))
    if not model.trace.chosen:
        raise InputError("this model has no experts that a router chooses")
    return Routes(tokens=len(tokens), layers=model.trace.chosen)


def page_faults(since: Faults = (0, 0)) -> Faults:
    """Page faults of this process `since` others were counted: those served from memory and those that read a disk;
    None where the system does not tell.
    """
    if sys.platform == "win32":
        return None, None
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt - (since[0] or 0), usage.ru_majflt - (since[1] or 0)


def taken_seconds(remote: bool) -> float:
    """Processor seconds so far that others had: other virtual machines on the host, as far as it tells, and other
    programs here. Those are left out where a `remote` device computes: its server may be one of them.
    """
    import psutil

    every, own = psutil.cpu_times(), psutil.Process().cpu_times()
    stolen = float(getattr(every, "steal", 0.0))
    if remote:
        return stolen
    busy = every.user + getattr(every, "nice", 0.0) + every.system
    return stolen + float(busy - own.user - own.system)


def memory_of_process() -> tuple[int, int]:
    """Resident bytes of this process, and those of them that are no pages of a file."""
    import psutil

    memory = psutil.Process().memory_info()
    return memory.rss, memory.rss - getattr(memory, "shared", 0)
