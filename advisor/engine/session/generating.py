"""Text from a loaded model: chat template, sampling, pieces as they come."""

import codecs
import ctypes
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel

from advisor.engine.session.loaded import LoadedModel
from advisor.engine.session.measuring import memory_of_process, page_faults
from advisor.engine.session.messages import Generate, Generation, Piece
from advisor.engine.session.template import wrapped
from advisor.errors import InputError

TOP_K, TOP_P, MIN_P = 40, 0.95, 0.05
"""llama.cpp's default samplers. Source: common/common.h common_params_sampling (read 2026-11-25)."""
LONGEST_PIECE = 256
NO_VOCABULARY = 0
"""llama.cpp ends its process on text for such a file. Source: include/llama.h (read 2026-11-25)."""
Stop = Literal["end", "length", "context"]


def generate(model: LoadedModel, asked: Generate, say: Callable[[BaseModel], None]) -> None:
    """Say the pieces of a text, then what it took."""
    text = wrapped(model, asked.prompt) if asked.chat else None
    prompt = tokens_of(model, asked.prompt if text is None else text, special=text is not None)
    if len(prompt) >= model.n_ctx:
        raise InputError(
            f"the prompt is {len(prompt)} tokens long and the context holds {model.n_ctx}: give a larger --context"
        )
    if not prompt:
        raise InputError("the prompt is empty: give some text to continue")
    before = page_faults()
    model.clear()
    prompt_s = sum(model.feed(prompt))
    writer = _Writer(model, asked, say)
    stopped = writer.write(min(asked.max_tokens, model.n_ctx - len(prompt)), asked.max_tokens)
    after = page_faults()
    say(
        Generation(
            stopped=stopped, template=text is not None, prompt_tokens=len(prompt), prompt_s=prompt_s,
            gen_tokens=writer.tokens, gen_s=writer.seconds, rss_bytes=memory_of_process()[0],
            minor_faults=_grown(before[0], after[0]), major_faults=_grown(before[1], after[1]),
        )
    )  # fmt: skip


def _grown(before: int | None, after: int | None) -> int | None:
    return after - before if before is not None and after is not None else None


class _Writer:
    """Samples token after token; `tokens` and `seconds` are those of decode steps."""

    def __init__(self, model: LoadedModel, asked: Generate, say: Callable[[BaseModel], None]) -> None:
        self.model, self.say = model, say
        self.sampler = _sampler(model.llama, asked.temperature, asked.seed)
        self.tokens, self.seconds = 0, 0.0

    def write(self, room: int, wished: int) -> Stop:
        """Write until the model ends or there is no more room."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for _ in range(room):
            token = self.model.llama.llama_sampler_sample(self.sampler, self.model.context, -1)
            if self.model.llama.llama_vocab_is_eog(self.model.vocabulary, token):
                return "end"
            piece = decoder.decode(piece_of(self.model, token))
            if piece:
                self.say(Piece(text=piece))
            self.seconds += self.model.step((token,))
            self.tokens += 1
        return "length" if room == wished else "context"


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


def tokens_of(model: LoadedModel, text: str, special: bool) -> list[int]:
    """Tokens of a text, with the mark of a beginning where the model has one; `special`: marks in the text count."""
    if model.llama.llama_vocab_type(model.vocabulary) == NO_VOCABULARY:
        raise InputError("this model file has no vocabulary: it cannot read text")
    data = text.encode()
    room = len(data) + 16
    found = (ctypes.c_int32 * room)()
    number = model.llama.llama_tokenize(model.vocabulary, data, len(data), found, room, True, special)
    return found[: max(0, number)]


def piece_of(model: LoadedModel, token: int) -> bytes:
    """The bytes that a token stands for."""
    room = ctypes.create_string_buffer(LONGEST_PIECE)
    number = model.llama.llama_token_to_piece(model.vocabulary, token, room, LONGEST_PIECE, 0, False)
    return room.raw[: max(0, number)]
