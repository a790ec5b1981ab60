"""Timing prefill and decode step by step, with page faults and the memory of the process."""

import os
import random
import sys
from collections.abc import Callable
from typing import Literal

from advisor.engine.session.loaded import LoadedModel
from advisor.engine.session.messages import Measure, Measurement, Phase
from advisor.errors import InputError

Faults = tuple[int | None, int | None]


def measure(model: LoadedModel, asked: Measure) -> Measurement:
    """Warm up, then alternate prefill and decode `repeats` times, each after `depth` tokens."""
    need = asked.depth + max(asked.prompt, asked.gen, asked.warm_up)
    if need > model.n_ctx:
        raise InputError(f"{need} tokens are more than the context of {model.n_ctx} holds")
    tokens = _Tokens(model.n_vocab, asked.seed)
    warm_up = [_decode(model, asked.warm_up, 0, tokens)] if asked.warm_up else []
    if asked.warm_up and asked.prompt:
        warm_up.append(_prefill(model, asked.prompt, 0, tokens))
    prefill, decode = [], []
    for _ in range(asked.repeats):
        if asked.prompt:
            prefill.append(_prefill(model, asked.prompt, asked.depth, tokens))
        if asked.gen:
            decode.append(_decode(model, asked.gen, asked.depth, tokens))
    resident, anonymous = memory_of_process()
    return Measurement(
        warm_up=tuple(warm_up), prefill=tuple(prefill), decode=tuple(decode), rss_bytes=resident,
        anonymous_bytes=anonymous, devices=model.device_memory(),
    )  # fmt: skip


class _Tokens:
    """Random tokens: which they are changes neither bytes nor arithmetic, but a model with experts routes by them."""

    def __init__(self, n_vocab: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._n_vocab = n_vocab

    def some(self, number: int) -> list[int]:
        return [self._random.randrange(self._n_vocab) for _ in range(number)]


def _prefill(model: LoadedModel, number: int, depth: int, tokens: _Tokens) -> Phase:
    _fill(model, depth, tokens)
    prompt = tokens.some(number)
    return _phase("prefill", number, depth, model, lambda: model.feed(prompt))


def _decode(model: LoadedModel, number: int, depth: int, tokens: _Tokens) -> Phase:
    _fill(model, depth, tokens)
    text = tokens.some(number)
    return _phase("decode", number, depth, model, lambda: [model.step((token,)) for token in text])


def _fill(model: LoadedModel, depth: int, tokens: _Tokens) -> None:
    model.clear()
    if depth:
        model.feed(tokens.some(depth))


def _phase(
    work: Literal["prefill", "decode"], number: int, depth: int, model: LoadedModel, run: Callable[[], list[float]]
) -> Phase:
    remote = bool(model.settings.rpc)
    (minor, major), taken_s = page_faults(), taken_seconds(remote)
    step_s = run()
    (minor_after, major_after), taken_after_s = page_faults(), taken_seconds(remote)
    return Phase(
        work=work, tokens=number, depth=depth, step_s=tuple(step_s), minor_faults=_difference(minor, minor_after),
        major_faults=_difference(major, major_after),
        taken_share=min(1.0, max(0.0, taken_after_s - taken_s) / ((os.cpu_count() or 1) * sum(step_s))),
    )  # fmt: skip


def _difference(before: int | None, after: int | None) -> int | None:
    return after - before if before is not None and after is not None else None


def page_faults() -> Faults:
    """Page faults of this process so far: those served from memory and those that read a disk; None where the system
    does not tell.
    """
    if sys.platform == "win32":
        return None, None
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt, usage.ru_majflt


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
