"""From the names people write for a language model to its catalog row; a quantisation in the name is handed on as text.

A name matches only as a whole, after words that do not tell models apart ("Instruct", "GGUF", a publisher) are taken
off: "Trinity" is not Trinity-Mini. Fine-tunes are found by the aliases of the table.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from catalog.llms import Llm, RefusedLlm, Standin
from catalog.names.index import N, NameIndex, Resolved, Spelling, UnknownName
from catalog.tables import llms, refused_llms, standins

QUANT = re.compile(
    r"(?:^|[-_.:@\s/])((?:ud[-_])?(?:i?q\d(?:_[a-z0-9]+)*|tq[12]_0|bf16|fp?16|fp?32|mxfp[48](?:_moe)?|nvfp4|[2-8]-?bit))"
    r"(?=$|[-.:\s/)])",
    re.IGNORECASE,
)
NOISE = frozenset({
    "instruct", "it", "chat", "base", "text", "gguf", "ggml", "hf", "safetensors", "qat", "mtp", "i1",
    "imatrix", "dense", "thinking", "reasoning", "preview", "2407", "2410", "2411", "2501", "2503", "2506",
    "2508", "2512", "latest", "mlx", "nvidia", "meta",
    "google", "openai", "microsoft", "mistralai", "tencent", "unsloth",
})
"""Words that do not tell the shapes of models apart: tunings, packagings, dates of a second edition, makers."""
NO_FINE_TUNE = re.compile(
    r"\d+(?:\.\d+)?[bm](?:a\d.*)?|a\d+(?:\.\d+)?b|\d+x\d+(?:\.\d+)?b|reap.*|prune.*|.*prun(?:ed|ing)|merge.*|upscale.*|vl|omni|audio|vision"
    r"|draft.*|eagle.*|dflash|dspark|specul.*|assistant|medusa|embed.*|rerank.*|colbert|encoder|reward|rm|moe|next|flash"
    r"|air|mini|nano|lite|small|large|super|ultra|pro|max|tiny|micro|h|e\d+b|v\d+\.\d+|loop|class"
)
"""Words that tell of other shapes, or may: a name with one of them beside a model's is no fine-tune of that model."""
PACKAGED = re.compile(r"(?:[-_. ]+(?:gguf|ggml))+$", re.IGNORECASE)
FLOATS = frozenset({"fp16", "bf16", "f16", "fp32", "f32"})
"""Labels that give way to another in the same name."""
BITS = re.compile(r"[2-8]-?bit", re.IGNORECASE)
"""A label that names no type."""
PARAMETERS = re.compile(
    r"(?<![a-z0-9.])(?:\d+x)?(\d+(?:\.\d+)?)b(?:[-_ ]?a(\d+(?:\.\d+)?)b)?(?![a-z0-9])", re.IGNORECASE
)
ACTIVE = re.compile(r"a\d+(?:\.\d+)?b")
SHARD = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$|$)", re.IGNORECASE)
NAMELESS = re.compile(r"\([^)]*\)")


@dataclass(frozen=True, slots=True)
class LlmMatch:
    """A model's row and the quantisation that its name carried, as written."""

    llm: Llm
    quant_text: str | None = None


_BETWEEN = re.compile(r"[-_\s/:,+@]+|\.(?=i1\b|gguf\b)")


def _words(text: str) -> list[str]:
    return [word for word in _BETWEEN.split(text.lower()) if word]


def _squash(words: list[str]) -> str:
    return "".join(words).replace(".", "")


def _keys(text: str) -> tuple[str, str]:
    """A name in one word: whole, and without what does not tell models apart."""
    words = _words(text)
    return _squash(words), _squash([word for word in words if word not in NOISE] or words)


def _key(text: str, *, drop_noise: bool) -> str:
    return _keys(text)[drop_noise]


def _spelling(row: N, name: str) -> Spelling[N]:
    return Spelling(row, frozenset({_key(name, drop_noise=False)}))


def _spellings() -> Iterator[Spelling[Llm]]:
    """Of one word: each name of a model whole, and without what does not tell models apart."""
    for row in llms():
        for name in (row.name, row.id, row.hf_id, row.hf_id.rpartition("/")[2], *row.aliases):
            if name:
                yield from (Spelling(row, frozenset({key})) for key in dict.fromkeys(_keys(name)))


@cache
def _index() -> NameIndex[Llm, Spelling[Llm]]:
    return NameIndex("model", llms(), _spellings)


@cache
def _labels() -> NameIndex[Llm, Spelling[Llm]]:
    """What llama.cpp prints for any model of these shapes."""
    return NameIndex("model", llms(), lambda: [_spelling(row, label) for row in llms() for label in row.labels])


@cache
def _by_id() -> dict[str, Llm]:
    return {row.id: row for row in llms()}


@cache
def _standins() -> NameIndex[Standin, Spelling[Standin]]:
    """Names of models that have a row's shapes, whole and without their publishers."""
    written = [(row, name) for row in standins() for name in dict.fromkeys((row.name, row.name.rpartition("/")[2]))]
    return NameIndex("model", standins(), lambda: [_spelling(row, name) for row, name in written])


@cache
def _refusals() -> NameIndex[RefusedLlm, Spelling[RefusedLlm]]:
    written = [
        (row, name)
        for row in refused_llms()
        for full in (row.name, *row.aliases)
        for name in (full, full.rpartition("/")[2])
    ]
    return NameIndex("model", refused_llms(), lambda: [_spelling(row, name) for row, name in written])


def _candidates(text: str) -> list[str]:
    """The text, then without remarks in brackets, without a publisher before a slash or an underscore."""
    plain = NAMELESS.sub(" ", text).strip() or text
    tail = plain.rpartition("/")[2]
    forms = [text, plain, tail, tail.partition("_")[2]]
    return list(dict.fromkeys(form for form in forms if form))


def _split_quant(text: str) -> tuple[str, str | None]:
    """The text before its labels of quantisations, and the label that says most."""
    labels: list[str] = []
    rest = text
    while found := list(QUANT.finditer(rest)):
        last = found[-1]
        left = f"{rest[: last.start()]} {rest[last.end() :]}".strip(" -_.:@")
        if not left:
            break
        labels.append(last.group(1))
        rest = left
    labels = [label for label in labels if not BITS.fullmatch(label)]
    telling = [label for label in labels if label.lower() not in FLOATS] or labels
    return rest, telling[0] if telling else None


@dataclass(frozen=True, slots=True)
class _Answering:
    """Rows that a text answers to as a whole, by their names; the part of it that does; what is to be said."""

    rows: dict[str, Llm]
    read: str = ""
    notes: tuple[str, ...] = ()


def _found(text: str) -> _Answering:
    """By the names of rows, then by those of models that have a row's shapes."""
    for form in _candidates(text):
        if exact := _index().exact(form):
            return _Answering({exact.name: exact}, form)
        for drop_noise in (False, True):
            key = {_key(form, drop_noise=drop_noise)}
            if found := _index().fitting(key):
                return _Answering({spelling.row.name: spelling.row for spelling in found}, form)
            if stands := _standins().fitting(key):
                rows = {(item.row.llm, item.row.max_context): _standing(item.row) for item in stands}
                return _Answering({row.name: row for row, _ in rows.values()}, form, next(iter(rows.values()))[1])
    return _Answering({})


def _standing(one: Standin) -> tuple[Llm, tuple[str, ...]]:
    """The row that a model is answered by, with the model's own context, and the sentence that says so."""
    row = _by_id()[one.llm]
    said = f"{one.name} has the tensor shapes of {row.name}: taken as it"
    if one.max_context is None:
        return row, (said,)
    own = row.model_copy(update={"max_context": one.max_context})
    return own, (f"{said}, with its own context of {one.max_context:,} tokens",)


def _fine_tune(text: str) -> _Answering:
    """The one row whose whole name, size included, stands within a text that says nothing of other shapes."""
    words = [word for word in _words(text.rpartition("/")[2]) if word not in NOISE]
    sized = [i for i, word in enumerate(words) if PARAMETERS.fullmatch(word)]
    barred = [i for i, word in enumerate(words) if NO_FINE_TUNE.fullmatch(word)]
    spans = [
        (i, j) for i in range(len(words)) for j in range(i + 1, min(i + 9, len(words)) + 1)
        if any(i <= at < j for at in sized) and all(i <= at < j for at in barred)
    ] if sized else []
    for i, j in sorted(spans, key=lambda span: span[0] - span[1]):
        rows = {found.row.name: found.row for found in _index().fitting({_squash(words[i:j])})}
        if len(rows) == 1:
            name, row = rows.popitem()
            note = f"{text!r} is taken as a fine-tune of {name}: the same tensor shapes"
            return _Answering({name: row}, " ".join(words[i:j]), (note,))
    return _Answering({})


def _outside(text: str, read: str) -> tuple[str, ...]:
    """Words of a text that do not stand in the part that was read: a publisher, a remark in brackets."""
    inside = set(_words(read))
    return tuple(word for word in _words(re.sub(r"[()]", " ", text)) if word not in inside)


@lru_cache(maxsize=20_000)
def resolve_llm(text: str) -> Resolved[LlmMatch]:
    """The row of a model's name and the quantisation it carries.

    Raises `UnknownName`, also if several rows answer, and with the reason for a model that is known but has no answer.
    """
    whole = SHARD.sub("", text.strip())
    named, quant = _split_quant(whole)
    named = PACKAGED.sub("", named) or named
    for form, carried in ((whole, None), (named, quant)):
        found = _found(form)
        if len(found.rows) > 1:
            raise _index().ambiguous(text, sorted(found.rows.values(), key=lambda row: row.name))
        if found.rows:
            row = next(iter(found.rows.values()))
            return Resolved(LlmMatch(row, carried or quant), found.notes, _outside(form, found.read))
    for form in _candidates(named):
        if labelled := _labels().fitting({_key(form, drop_noise=False)}):
            row = labelled[-1].row
            note = f"llama.cpp prints {form!r} for every model of these tensor shapes: taken as {row.name}"
            return Resolved(LlmMatch(row, quant), (note,), _outside(named, form))
    _refuse_known(text, named)
    if (tuned := _fine_tune(named)).rows:
        return Resolved(LlmMatch(next(iter(tuned.rows.values())), quant), tuned.notes, _outside(named, tuned.read))
    raise _unknown(text, named)


def remarks(text: str, found: Resolved[LlmMatch]) -> tuple[str, ...]:
    """Words in brackets beside a model's name of which nothing was said yet: not its own, no packaging, no quant.

    >>> remarks("Qwen3-8B (banana, GGUF)", resolve_llm("Qwen3-8B (banana, GGUF)"))
    ('banana',)
    """
    if found.assumptions:
        return ()
    own = {word for name in (found.row.llm.name, *found.row.llm.aliases) for word in _words(name)}
    own |= {*_words(found.row.quant_text or ""), *(found.row.quant_text or "").lower().split("_"), "class", "dense"}
    beside = [word for said in NAMELESS.findall(text) for word in _words(said.strip("()"))]
    return tuple(
        word for word in dict.fromkeys(beside)
        if word in found.unread and word not in own | NOISE
        and not PARAMETERS.fullmatch(word) and not ACTIVE.fullmatch(word)
    )


def _refuse_known(text: str, named: str) -> None:
    """Raise for a model that is known but cannot be answered."""
    for form in _candidates(named):
        for drop_noise in (False, True):
            if found := _refusals().fitting({_key(form, drop_noise=drop_noise)}):
                raise UnknownName("model", text, (), why=found[0].row.why)


def _unknown(text: str, named: str) -> UnknownName:
    """Ambiguous where the text begins several names, unknown otherwise; both name the nearest rows."""
    key = _key(named.rpartition("/")[2], drop_noise=True)
    begun = [row for row in llms() if key and _key(row.name, drop_noise=True).startswith(key)]
    if len(begun) > 1:
        return _index().ambiguous(text, begun, most=6)
    return _index().unknown(text, begun, asked=named, way_out=_by_size(named))


def _by_size(named: str) -> str:
    """How to describe a model whose name says how large it is; empty where it does not."""
    size = PARAMETERS.search(named)
    if not size:
        return ""
    active = f', "active_parameters_b": {size[2]}' if size[2] else ""
    said = f"{size[1]}B-A{size[2]}B" if size[2] else f"{size[1]}B"
    return (
        f'its size alone can be asked too: {{"custom": {{"parameters_b": {size[1]}{active}}}}}, '
        f"or --custom-model {said}"
    )
