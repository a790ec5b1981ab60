"""From the names people write for a language model to its catalog row; a quantisation in the name is handed on as text.

A name matches only as a whole, after words that do not tell models apart ("Instruct", "GGUF", a publisher) are taken
off: "Trinity" is not Trinity-Mini. Fine-tunes are found by the aliases of the table.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from catalog.llms import Llm
from catalog.names.index import NameIndex, Resolved, Spelling, UnknownName
from catalog.tables import llms

QUANT = re.compile(
    r"(?:^|[-_.:@\s/])((?:ud[-_])?(?:i?q\d(?:_[a-z0-9]+)*|tq[12]_0|bf16|fp?16|fp?32|mxfp4(?:_moe)?|nvfp4))(?=$|[-.:\s/)])",
    re.IGNORECASE,
)
NOISE = frozenset({
    "instruct", "it", "chat", "base", "text", "gguf", "ggml", "hf", "safetensors", "qat", "mtp", "i1",
    "imatrix", "dense", "thinking", "reasoning", "preview", "2407", "2410", "2411", "2501", "2503", "2506",
    "2508", "2512", "nvidia", "meta", "google", "openai", "microsoft", "mistralai", "tencent", "unsloth",
})  # fmt: skip
"""Words that do not tell the shapes of models apart: tunings, packagings, dates of a second edition, makers."""
SHARD = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$|$)", re.IGNORECASE)
NAMELESS = re.compile(r"\([^)]*\)")


@dataclass(frozen=True, slots=True)
class LlmMatch:
    """A model's row and the quantisation that its name carried, as written."""

    llm: Llm
    quant_text: str | None = None


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[-_\s/:,+@]+|\.(?=i1\b|gguf\b)", text.lower()) if word]


def _squash(words: list[str]) -> str:
    return "".join(words).replace(".", "")


def _key(text: str, *, drop_noise: bool) -> str:
    words = _words(text)
    kept = [w for w in words if w not in NOISE] if drop_noise else words
    return _squash(kept or words)


def _spelling(row: Llm, name: str, *, drop_noise: bool) -> Spelling[Llm]:
    return Spelling(row, frozenset({_key(name, drop_noise=drop_noise)}))


@cache
def _index() -> NameIndex[Llm, Spelling[Llm]]:
    """Spellings of one word: each name of a model whole, and without what does not tell models apart."""
    spellings = [
        _spelling(row, name, drop_noise=drop_noise)
        for row in llms()
        for name in (row.name, row.id, row.hf_id, row.hf_id.rpartition("/")[2], *row.aliases)
        for drop_noise in (False, True)
        if name
    ]
    return NameIndex("model", llms(), spellings)


@cache
def _labels() -> NameIndex[Llm, Spelling[Llm]]:
    """What llama.cpp prints for any model of these shapes."""
    labelled = [_spelling(row, label, drop_noise=False) for row in llms() for label in row.labels]
    return NameIndex("model", llms(), labelled)


def _candidates(text: str) -> list[str]:
    """The text, then without remarks in brackets, without a publisher before a slash or an underscore."""
    plain = NAMELESS.sub(" ", text).strip() or text
    tail = plain.rpartition("/")[2]
    forms = [text, plain, tail, tail.partition("_")[2]]
    return list(dict.fromkeys(form for form in forms if form))


def _split_quant(text: str) -> tuple[str, str | None]:
    found = list(QUANT.finditer(text))
    if not found:
        return text, None
    last = found[-1]
    rest = f"{text[: last.start()]} {text[last.end() :]}".strip(" -_.:@")
    return (rest, last.group(1)) if rest else (text, None)


def _found(text: str) -> tuple[dict[str, Llm], str]:
    """The rows, by their names, that a text answers to as a whole, and the part of the text that does."""
    for form in _candidates(text):
        for drop_noise in (False, True):
            if found := _index().fitting({_key(form, drop_noise=drop_noise)}):
                return {spelling.row.name: spelling.row for spelling in found}, form
    return {}, ""


def _outside(text: str, read: str) -> tuple[str, ...]:
    """Words of a text that do not stand in the part that was read: a publisher, a remark in brackets."""
    inside = set(_words(read))
    return tuple(word for word in _words(re.sub(r"[()]", " ", text)) if word not in inside)


@lru_cache(maxsize=20_000)
def resolve_llm(text: str) -> Resolved[LlmMatch]:
    """The row of a model's name and the quantisation it carries. Raises `UnknownName`, also if several rows answer."""
    whole = SHARD.sub("", text.strip())
    named, quant = _split_quant(whole)
    for form, carried in ((whole, None), (named, quant)):
        rows, read = _found(form)
        if len(rows) > 1:
            raise _index().ambiguous(text, sorted(rows.values(), key=lambda row: row.name))
        if rows:
            return Resolved(LlmMatch(next(iter(rows.values())), carried or quant), (), _outside(form, read))
    for form in _candidates(named):
        if labelled := _labels().fitting({_key(form, drop_noise=False)}):
            row = labelled[-1].row
            note = f"llama.cpp prints {form!r} for every model of these tensor shapes: taken as {row.name}"
            return Resolved(LlmMatch(row, quant), (note,), _outside(named, form))
    raise _unknown(text, named)


def _unknown(text: str, named: str) -> UnknownName:
    """Ambiguous where the text begins several names, unknown otherwise; both name the nearest rows."""
    key = _key(named.rpartition("/")[2], drop_noise=True)
    begun = [row for row in llms() if key and _key(row.name, drop_noise=True).startswith(key)]
    if len(begun) > 1:
        return _index().ambiguous(text, begun, most=6)
    return _index().unknown(text, begun, asked=named)
