"""Text from a loaded model: chat template, sampling, pieces as they come."""

import codecs
import ctypes
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal

from pydantic import BaseModel

from advisor.engine.session.drafting import Drafter
from advisor.engine.session.measuring import memory_of_process, page_faults
from advisor.engine.session.messages import Generate, Generation, Piece
from advisor.engine.session.model import LoadedModel
from advisor.errors import InputError

TOP_K, TOP_P, MIN_P = 40, 0.95, 0.05
"""llama.cpp's default samplers. Source: common/common.h common_params_sampling (read 2026-11-25)."""
Stop = Literal["end", "length", "context"]


def generate(model: LoadedModel, asked: Generate, say: Callable[[BaseModel], None], drafter: Drafter | None) -> None:
    """Say the pieces of a text, then what it took."""
    text = wrapped(model, asked.prompt) if asked.chat and not asked.tokens else None
    prompt = list(asked.tokens) or model.tokens_of(asked.prompt if text is None else text, special=text is not None)
    if len(prompt) >= model.n_ctx:
        raise InputError(
            f"the prompt is {len(prompt)} tokens long and the context holds {model.n_ctx}: give a larger --context"
        )
    if not prompt:
        raise InputError("the prompt is empty: give some text to continue")
    before = page_faults()
    model.clear()
    prompt_s, size = 0.0, model.settings.n_batch
    for start in range(0, len(prompt), size):
        prompt_s += model.step(prompt[start : start + size])
        if drafter:
            drafter.seen(prompt[start : start + size], start)
    writer = _Writer(model, asked, say, drafter, len(prompt))
    stopped = writer.write(min(asked.max_tokens, model.n_ctx - len(prompt)), asked.max_tokens)
    minor, major = page_faults(before)
    say(
        Generation(
            stopped=stopped, template=text is not None, prompt_tokens=len(prompt), prompt_s=prompt_s,
            gen_tokens=len(writer.tokens), gen_s=writer.seconds, tokens=tuple(writer.tokens), drafted=writer.drafted,
            accepted=writer.accepted, rss_bytes=memory_of_process()[0], minor_faults=minor, major_faults=major,
        )
    )


class _Writer:
    """Samples token after token, or checks drafts; `seconds` are those of steps, drafts included."""

    def __init__(
        self, model: LoadedModel, asked: Generate, say: Callable[[BaseModel], None], drafter: Drafter | None,
        position: int,
    ) -> None:
        self.model, self.say, self.drafter, self.position = model, say, drafter, position
        self.sampler = _sampler(model.llama, asked.temperature, asked.seed)
        self.tokens: list[int] = []
        self.seconds, self.drafted, self.accepted = 0.0, 0, 0

    def write(self, room: int, wished: int) -> Stop:
        """Write until the model ends or there is no more room."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        fresh = [self._sampled(-1)]
        while len(self.tokens) < room:
            for token in fresh[: room - len(self.tokens)]:
                if self.model.llama.llama_vocab_is_eog(self.model.vocabulary, token):
                    return "end"
                piece = decoder.decode(self.model.piece_of(token))
                if piece:
                    self.say(Piece(text=piece))
                self.tokens.append(token)
            if self.drafter is None:
                self.seconds += self.model.step((fresh[-1],))
                fresh = [self._sampled(-1)]
            elif len(self.tokens) < room:
                fresh = self._checked(fresh[-1], self.drafter, room - len(self.tokens))
        return "length" if room == wished else "context"

    def _checked(self, last: int, drafter: Drafter, room: int) -> list[int]:
        """The tokens that follow the last one: those of the drafts that the model agrees to, and one more."""
        began, asked = time.perf_counter(), self.model.settings.drafting
        drafts = drafter.drafts(last, self.position, min(asked.max_tokens if asked else 0, room - 1))
        self.model.step((last, *drafts), each=True)
        drafter.seen((last, *drafts), self.position)
        fresh: list[int] = []
        for place, draft in enumerate((*drafts, None)):
            fresh.append(self._sampled(place))
            if fresh[-1] != draft:
                break
        self.position += len(fresh)
        self.model.forget(self.position)
        drafter.kept(self.position)
        self.drafted, self.accepted = self.drafted + len(drafts), self.accepted + len(fresh) - 1
        self.seconds += time.perf_counter() - began
        return fresh

    def _sampled(self, place: int) -> int:
        return int(self.model.llama.llama_sampler_sample(self.sampler, self.model.context, place))


def _sampler(llama: Any, temperature: float, seed: int) -> Any:
    chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    if temperature <= 0:
        llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_greedy())
        return chain
    for sampler in (
        llama.llama_sampler_init_top_k(TOP_K),
        llama.llama_sampler_init_top_p(TOP_P, 1),
        llama.llama_sampler_init_min_p(MIN_P, 1),
        llama.llama_sampler_init_temp(temperature),
        llama.llama_sampler_init_dist(seed),
    ):
        llama.llama_sampler_chain_add(chain, sampler)
    return chain


def wrapped(model: LoadedModel, prompt: str) -> str | None:
    """A prompt as the user's turn of a chat, opened for the answer; None where the file has no template."""
    template: bytes | None = model.llama.llama_model_chat_template(model.model, None)
    if not template:
        return None
    return _by_llama(model.llama, template, prompt) or _by_jinja(template, prompt)


def _by_llama(llama: Any, template: bytes, prompt: str) -> str | None:
    """llama.cpp's own writing of the templates that it recognises."""
    turns = (llama.llama_chat_message * 1)(llama.llama_chat_message(b"user", prompt.encode()))
    room = 2 * len(prompt.encode()) + 4096
    text = ctypes.create_string_buffer(room)
    number = llama.llama_chat_apply_template(template, turns, 1, True, text, room)
    return text.raw[:number].decode() if 0 < number <= room else None


def _by_jinja(template: bytes, prompt: str) -> str:
    """Any other template, by the formatter of llama-cpp-python."""
    formatter = import_module("llama_cpp.llama_chat_format").Jinja2ChatFormatter
    failures: tuple[type[Exception], ...] = (import_module("jinja2").TemplateError, ValueError, TypeError)
    try:
        made = formatter(template=template.decode(), eos_token="", bos_token="", add_generation_prompt=True)
        text: str = made(messages=[{"role": "user", "content": prompt}]).prompt
    except failures as error:
        raise InputError(f"the chat template of the file fails ({error}): give --no-chat") from None
    return text
