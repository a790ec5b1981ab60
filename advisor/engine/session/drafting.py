"""Tokens guessed ahead of a loaded model, which checks them in one pass: by a layer of its own for multi-token
prediction (MTP), or by a small model. What is written is the same as without; how many guesses were right is told.

Source: llama.cpp common/speculative.cpp, `draft-mtp` and `draft-simple`, as vendored in llama-cpp-python 0.3.36 (read
2026-11-30).
"""

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from advisor.engine.session.model import LoadedModel
from advisor.engine.settings import Drafting
from advisor.errors import InputError

MTP_CONTEXT, DECODE = 1, 1
"""Source: llama.cpp include/llama.h enum llama_context_type and llama_process_type (read 2026-11-30)."""
POSITIONS = 4
"""Numbers of a position; models of text alone read the first."""
STAGING = {
    "llama_set_embeddings_nextn": ("_Z26llama_set_embeddings_nextnP13llama_contextbb", None,
                                   [ctypes.c_void_p, ctypes.c_bool, ctypes.c_bool]),
    "llama_get_embeddings_nextn": ("_Z26llama_get_embeddings_nextnP13llama_context", ctypes.POINTER(ctypes.c_float),
                                   [ctypes.c_void_p]),
    "llama_get_embeddings_nextn_ith": ("_Z30llama_get_embeddings_nextn_ithP13llama_contexti",
                                       ctypes.POINTER(ctypes.c_float), [ctypes.c_void_p, ctypes.c_int32]),
}
"""Functions of llama.cpp's staging interface, which C++ names by their arguments too: name in the library, result,
arguments. Source: llama.cpp src/llama-ext.h (read 2026-11-30).
"""


class Drafter(Protocol):
    """What guesses tokens."""

    def seen(self, tokens: Sequence[int], first: int) -> None:
        """The model has just processed these tokens, the first of them at a position."""
        ...

    def drafts(self, last: int, position: int, number: int) -> list[int]:
        """So many tokens to follow `last`, which is to stand at a position and was not processed yet."""
        ...

    def kept(self, position: int) -> None:
        """What was seen is right up to a position; the model has forgotten the rest."""
        ...


def drafter_of(
    asked: Drafting, model: LoadedModel, load_small: Callable[[Path], LoadedModel], extra: ctypes.CDLL
) -> Drafter:
    """What drafts for a loaded model: `load_small` loads a draft model, `extra` is the library with `STAGING`.

    Raises `InputError` for what cannot draft for it, and for a model that cannot take back what it has read.
    """
    model.step((0, 0))
    if not model.forget(1):
        raise InputError("llama.cpp cannot take back tokens that this model has read: leave out the draft")
    model.clear()
    if asked.file is None:
        return OwnLayer(model, extra)
    small = load_small(Path(asked.file))
    if small.n_vocab != model.n_vocab:
        raise InputError(
            f"{Path(asked.file).name} has {small.n_vocab:,} tokens and the model {model.n_vocab:,}: "
            "take a draft model of its family"
        )
    return SmallModel(small)


class SmallModel:
    """A small model reads what the model reads and writes on; what it has read of a text is not read again."""

    def __init__(self, small: LoadedModel) -> None:
        self._small = small
        self._text: list[int] = []
        self._read = 0

    def seen(self, tokens: Sequence[int], first: int) -> None:
        """Remembered: it is read when drafts are wanted."""
        self._put(tokens, first)

    def drafts(self, last: int, position: int, number: int) -> list[int]:
        """The likeliest token after each."""
        self._put((last,), position)
        found: list[int] = []
        for _ in range(number):
            self._small.feed(self._text[self._read :])
            self._read = len(self._text)
            found.append(int(self._small.logits().argmax()))
            self._put((found[-1],), self._read)
        return found

    def kept(self, position: int) -> None:
        """Forget what was wrong."""
        self._put((), position)

    def _put(self, tokens: Sequence[int], first: int) -> None:
        """The text from a position on is this; what was read of another is forgotten."""
        same = next((i for i, token in enumerate(tokens) if self._text[first + i : first + i + 1] != [token]), None)
        end = first + (len(tokens) if same is None else same)
        self._text[first:] = tokens
        if self._read > end:
            self._read = end if self._small.forget(end) else 0
            if not self._read:
                self._small.clear()


class OwnLayer:
    """A layer of the model's own, in a context beside the model's: it reads each token together with what the model
    made of the one before.
    """

    def __init__(self, model: LoadedModel, extra: ctypes.CDLL) -> None:
        self._llama = llama = model.llama
        layers = int(llama.llama_model_n_layer_nextn(model.model))
        if layers != 1:
            told = "no layer" if not layers else f"{layers} layers"
            way = "take a draft model" if not layers else "llama-server --spec-type draft-mtp runs them, this does not"
            raise InputError(f"the model file has {told} for multi-token prediction: {way}")
        self._target = model.context
        self._set, self._rows_of, self._row_of = _staging(extra)
        settings = model.context_parameters()
        settings.ctx_type, settings.n_rs_seq, settings.ctx_other = MTP_CONTEXT, 0, model.context
        self._context = llama.llama_init_from_model(model.model, settings)
        if not self._context:
            raise InputError("llama.cpp makes no context for this model's multi-token prediction")
        self._set(self._target, True, False)
        self._set(self._context, True, True)
        self._memory = llama.llama_get_memory(self._context)
        self._batch = llama.llama_batch_ext_init(self._context)
        self._n_vocab, self._width = model.n_vocab, int(llama.llama_model_n_embd_out(model.model))
        self._rows = np.zeros((1, self._width), np.float32)
        self._pending, self._first = self._rows[0], 0

    def seen(self, tokens: Sequence[int], first: int) -> None:
        """Read the same tokens, each with what the model made of the one before it."""
        rows = np.ctypeslib.as_array(self._rows_of(self._target), shape=(len(tokens), self._width)).copy()
        before = np.vstack([self._pending if first else np.zeros(self._width, np.float32), rows[:-1]])
        self._forget(first)
        self._process(tokens, first, before, wanted=False)
        self._rows, self._pending, self._first = rows, rows[-1], first

    def drafts(self, last: int, position: int, number: int) -> list[int]:
        """The likeliest token after each, made of its own last state."""
        found, token, state = [], last, self._pending
        for count in range(number):
            self._process((token,), position + count, state[None, :], wanted=True)
            pointer = self._llama.llama_get_logits_ith(self._context, 0)
            token = int(np.ctypeslib.as_array(pointer, shape=(self._n_vocab,)).argmax())
            state = np.ctypeslib.as_array(self._row_of(self._context, 0), shape=(self._width,)).copy()
            found.append(token)
        self._forget(position)
        return found

    def kept(self, position: int) -> None:
        """Go on from the last token that was right."""
        self._pending = self._rows[position - self._first - 1]
        self._forget(position)

    def _forget(self, position: int) -> None:
        self._llama.llama_memory_seq_rm(self._memory, 0, position, -1)

    def _process(self, tokens: Sequence[int], first: int, states: NDArray[np.float32], *, wanted: bool) -> None:
        llama, batch, held = self._llama, self._batch, np.ascontiguousarray(states, np.float32)
        llama.llama_batch_ext_clear(batch)
        for count, token in enumerate(tokens):
            place = llama.llama_batch_ext_add_token(batch, 0, token)
            llama.llama_batch_ext_set_pos(batch, place, (ctypes.c_int32 * POSITIONS)(first + count, 0, 0, 0))
            row = held[count].ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            llama.llama_batch_ext_set_embd_token(batch, place, llama.llama_embd(row, 1, self._width))
            if wanted:
                llama.llama_batch_ext_set_output_logits(batch, place, True)
        if code := llama.llama_process(self._context, DECODE, batch):
            raise InputError(f"llama.cpp could not draft with the model's own layer (llama_process gave {code})")
        llama.llama_synchronize(self._context)


def _staging(extra: ctypes.CDLL) -> list[Any]:
    """The functions of `STAGING`, in order. Raises `InputError` where a build has them under other names."""
    found = []
    for name, (mangled, result, arguments) in STAGING.items():
        function = getattr(extra, mangled, None)
        if function is None:
            raise InputError(f"this build of llama.cpp has no {name} that can be called here: take a draft model")
        function.restype, function.argtypes = result, arguments
        found.append(function)
    return found
