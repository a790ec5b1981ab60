"""Measured runs as they are found in a text, and what makes them runs of the catalog's models: names and workloads.

Nothing is guessed in silence: what was taken on trust is a note of its run, what cannot be used is `Unread` with why.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import ValidationError

from advisor.pasted.settings import Told, layers_overridden
from advisor.question import OwnRun, complaint
from catalog.llms import Llm
from catalog.names.index import Resolved, UnknownName
from catalog.names.llms import LlmMatch, resolve_llm
from catalog.names.quants import resolve_quant

SHORT_CONTEXT: Final = "it does not tell the depth: taken as in a short context"
SHORTEST_PROMPT: Final = 32
"""Tokens; below, reading a prompt is mostly what a step costs anyway."""
SHORTEST_ANSWER: Final = 4
NAME_CHARACTERS: Final = 200
_LABELLED = re.compile(
    r"(?P<model>.{1,120}?)\s+(?:mostly |all )?"
    r"(?P<quant>(?:I?Q\d\w*|TQ\d_\d|BF16|F16|F32|MXFP4(?:[ _]MoE)?|NVFP4)(?: mix)?(?: - [\w. ]{1,24}?)?)"
    r"(?: \(guessed\))?"
)


@dataclass(frozen=True, slots=True)
class Unread:
    """Lines that were not read (`first` to `last`, from 1), how the first begins, and why."""

    first: int
    last: int
    text: str
    why: str

    def __str__(self) -> str:
        """As one sentence."""
        where = f"line {self.first}" if self.first == self.last else f"lines {self.first} to {self.last}"
        return f"{where} ({self.text!r}): {self.why}" if self.text else f"{where}: {self.why}"


@dataclass(frozen=True, slots=True)
class Found:
    """Speeds that a text states, with what it had told of the run until then."""

    line: int
    program: str
    told: Told
    context_depth: int = 0
    prompt_tokens: int = 0
    gen_tokens: int = 128
    users: int = 1
    decode_tok_s: float | None = None
    prefill_tok_s: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastedRun:
    """A run that was read, the line it stands on, the program that printed it, and what was taken on trust."""

    run: OwnRun
    line: int
    program: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pasted:
    """All that was read of a text, in its order, and what was not."""

    runs: tuple[PastedRun, ...]
    unread: tuple[Unread, ...]

    @property
    def own_runs(self) -> tuple[OwnRun, ...]:
        """The runs alone, as a scenario takes them."""
        return tuple(item.run for item in self.runs)


def shown(text: str) -> str:
    """The beginning of a line, as it is quoted."""
    bare = " ".join(text.split())
    return bare if len(bare) <= 60 else f"{bare[:60]}..."


def joined(found: Iterable[Found]) -> list[Found]:
    """Reading and writing measured apart with the same settings at the same depth as one run."""
    kept: list[Found] = []
    waiting: dict[str, int] = {}
    for item in found:
        key = repr((item.program, item.told, item.context_depth, item.users))
        other = kept[waiting[key]] if key in waiting else None
        if other and other.decode_tok_s is None and item.prefill_tok_s is None:
            reading, writing = other, item
        elif other and other.prefill_tok_s is None and item.decode_tok_s is None:
            reading, writing = item, other
        else:
            waiting[key] = len(kept)
            kept.append(item)
            continue
        kept[waiting.pop(key)] = replace(
            reading, line=other.line, decode_tok_s=writing.decode_tok_s, gen_tokens=writing.gen_tokens,
            notes=tuple(dict.fromkeys(other.notes + item.notes)),
        )
    return kept


def checked(item: Found) -> Found | str:
    """The run without speeds that tell nothing; why, where none is left."""
    why = item.told.why_not
    decode, prefill, notes = item.decode_tok_s, item.prefill_tok_s, item.notes
    if why:
        return why
    if prefill is not None and item.prompt_tokens < SHORTEST_PROMPT:
        why = f"a prompt of {item.prompt_tokens} tokens is too short to tell how fast prompts are read"
        prefill = None
    elif prefill is not None and item.told.slow_prompt:
        why, prefill = item.told.slow_prompt, None
    if decode is not None and item.gen_tokens < SHORTEST_ANSWER:
        why, decode = f"{item.gen_tokens} tokens are too few to tell how fast text is written", None
    if not (decode or prefill):
        return why or "it states no speed"
    notes += (f"prefill left out: {why}",) if why and decode else (f"decode left out: {why}",) if why else ()
    prompt = item.prompt_tokens if prefill is not None else 0
    return replace(item, decode_tok_s=decode, prefill_tok_s=prefill, prompt_tokens=prompt, notes=notes)


def named(item: Found, model: str | None, quant: str | None) -> PastedRun | str:
    """The run with the catalog's names; `model` and `quant` are what the user says they are. Else why not."""
    told = item.told
    label = _LABELLED.fullmatch(told.label) if told.label else None
    labels = (label["model"], label["quant"]) if label else (told.label, None)
    found = _model(model, told.model, labels[0])
    if isinstance(found, str):
        return found
    notes = item.notes + found.assumptions
    carried = found.row.quant_text if model or told.model else None
    written = next(filter(None, (quant, carried, told.quant, labels[1])), None)
    if written is None and found.row.llm.native_expert_type:
        written = "MXFP4_MOE" if found.row.llm.native_expert_type.upper() == "MXFP4" else None
    if written is None and told.program == "ollama":
        written, notes = "Q4_K_M", (*notes, "no quantisation is named: taken as Ollama's usual Q4_K_M")
    if written is None:
        return "no quantisation is named: add --quant"
    try:
        mix = resolve_quant(written[:NAME_CHARACTERS])
    except UnknownName as error:
        return str(error)
    engine = _engine(told, found.row.llm)
    if isinstance(engine, str):
        return engine
    kind = written if mix.row.kind == "custom" else mix.row.name
    return _built(item, found.row.llm.name, kind, engine, tuple(dict.fromkeys(notes + mix.assumptions)))


def _model(said: str | None, told: str | None, label: str | None) -> Resolved[LlmMatch] | str:
    """The first of the names that the catalog has."""
    why = ""
    for text in filter(None, (said, told, label)):
        bare = re.split(r"[/\\]", text)[-1] if re.search(r"\.gguf$|\\", text, re.IGNORECASE) else text
        try:
            found = resolve_llm(re.sub(r"\.gguf$", "", bare.strip(), flags=re.IGNORECASE)[:NAME_CHARACTERS])
        except UnknownName as error:
            why = why or str(error)
            continue
        more = (f"{shown(told or '')!r} is not in the catalog",) if why else ()
        return replace(found, assumptions=found.assumptions + more)
    return why or "no model is named: add --model"


def _engine(told: Told, llm: Llm) -> dict[str, Any] | str:
    """The engine's settings, with -ot as a number of layers."""
    engine = dict(told.engine)
    if told.overrides:
        layers = layers_overridden(told.overrides, llm.n_layers)
        if isinstance(layers, str):
            return layers
        engine |= {"n_cpu_moe": layers} if layers else {}
    return engine


def _built(item: Found, model: str, quant: str, engine: dict[str, Any], notes: Sequence[str]) -> PastedRun | str:
    work = {
        "context_depth": item.context_depth, "prompt_tokens": item.prompt_tokens, "gen_tokens": item.gen_tokens,
        "users": item.users,
    }
    if item.decode_tok_s and item.prompt_tokens:
        work["decode_depth"] = item.context_depth  # measured apart, each from that depth on
    unread = (f"not read: {', '.join(item.told.unread)}",) if item.told.unread else ()
    values = {
        "model": model, "quant": quant, "engine": engine, "workload": work,
        "decode_tok_s": item.decode_tok_s, "prefill_tok_s": item.prefill_tok_s,
    }
    try:
        run = OwnRun.model_validate(values)
    except ValidationError as error:
        return complaint(error, OwnRun)
    return PastedRun(run, item.line, item.program, (*notes, *unread))
