"""Plain words about a run: "31 tok/s, Qwen3.6-35B-A3B Q4_K_M, ncmoe 20"."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from advisor.pasted.numbers import NUMBER, tokens, written
from advisor.pasted.runs import SHORT_CONTEXT, Found
from advisor.pasted.settings import ALL, BACKENDS, Told
from catalog.names.index import UnknownName
from catalog.names.llms import QUANT, resolve_llm
from catalog.names.quants import resolve_quant

PROGRAM: Final = "plain words"
MOST_CHARACTERS: Final = 400
MOST_LINES: Final = 100
"""Lines of words in one text: each of their words is looked up in the catalog."""
MOST_SPANS: Final = 20
"""Of the words of a clause, runs of words that are looked up as a model's name, the longest first."""
UNIT: Final = (
    r"(?:tok(?:en)?s?|tk|jetons?)\s?(?:/|per|pro|par)\s?(?:second[es]?|sekunde|sec|sek|s)\b|t/s(?:ec|ek)?\b|tps\b"
)
_SPEED = re.compile(rf"(?<![\w.,])~?(?P<number>{NUMBER})\s*(?:{UNIT})", re.IGNORECASE)
_ANY_UNIT = re.compile(rf"(?:{UNIT})", re.IGNORECASE)
_BARE = re.compile(rf"(?<![\w.,+-])(?P<number>{NUMBER})\s*$")
_PREFILL = re.compile(
    r"\b(?:prefill|pp\s?(?P<count>\d{1,6})?|prompt(?: processing| eval)?|reads?|reading|input|lecture|lesen|liest|"
    r"ingest\w*)\b", re.IGNORECASE,
)
_DECODE = re.compile(
    r"\b(?:decod(?:e|ing)|tg\s?(?P<count>\d{1,6})?|gen(?:erat\w+|erierung|eration)?|writes?|writing|output|eval|schreib\w*|"
    r"ecrit\w*|écri\w*|génération|erzeug\w*)\b", re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,;|()\n]|\band\b|\bund\b|\bet\b")
_COUNT: Final = r"(?P<said>\d{1,8}(?:[.,]\d{1,2})?\s?[kK]?)"
_SETTINGS: Final = (
    (re.compile(r"(?i)(?<![\w-])-{0,2}n?-?(?:ncmoe|n-cpu-moe|cpu-moe|n_cpu_moe)[\s=:]+(?P<said>\d{1,4})\b"),
     "n_cpu_moe"),
    (re.compile(r"(?i)(?<![\w-])-{0,2}(?:ngl|n-gpu-layers|gpu[ -]layers|n_gpu_layers)[\s=:]+(?P<said>\d{1,4}|all)\b"),
     "n_gpu_layers"),
    (re.compile(r"(?i)(?<![\w-])-{0,2}(?:ub|ubatch|ubatch-size)[\s=:]+(?P<said>\d{1,6})\b"), "ubatch"),
    (re.compile(r"(?i)(?<![\w-])(?:-t|--threads|threads)[\s=:]+(?P<said>\d{1,4})\b"), "threads"),
    (re.compile(r"(?i)\b(?P<said>\d{1,4})\s+threads?\b"), "threads"),
    (re.compile(r"(?i)(?<![\w-])-{0,2}(?:fa|flash[ -]?attn|flash attention)[\s=:]+(?P<said>on|off|0|1)\b"),
     "flash_attn"),
    (re.compile(r"(?i)(?<![\w-])-ctk[\s=]+(?P<said>\w+)"), "type_k"),
    (re.compile(r"(?i)(?<![\w-])-ctv[\s=]+(?P<said>\w+)"), "type_v"),
    (re.compile(r"(?i)\b(?:kv(?: cache)?|cache)[\s=:]+(?P<said>(?:bf16|f\d\d|q\d_\d)(?:/(?:bf16|f\d\d|q\d_\d))?)\b"),
     "kv_type"),
    (re.compile(r"(?i)\b(?P<said>(?:bf16|f16|q\d_\d))\s+(?:kv|cache)(?: cache)?\b"), "kv_type"),
    (re.compile(r"(?i)(?<![\w-])-ot\s+(?P<said>\S{1,200})"), "override"),
    (re.compile(r"(?i)(?<![\w-])-sm\s+(?P<said>\w+)"), "split_mode"),
)
_DEPTHS: Final = (
    re.compile(
        rf"(?i)(?:\bdepth|(?<![\w-])-d|@\s?d?|\bat)[\s=:]*{_COUNT}(?:\s*(?:tokens?|context|ctx|depth))?(?![\w/.])"
    ),
    re.compile(rf"(?i)(?<![\w.]){_COUNT}\s*(?:tokens? )?(?:depth|deep|of context|tief|kontext|de contexte)\b"),
)
_ALLOCATED = (
    re.compile(rf"(?i)(?:\bctx|\bcontext|\bkontext|\bcontexte|(?<![\w-])-c)[\s=:]*{_COUNT}\b"),
    re.compile(rf"(?i)(?<![\w.]){_COUNT}\s*(?:ctx|context)\b"),
)
_ON_CPU = re.compile(r"(?i)(?<![\w-])(?:--cpu-moe|-cmoe)\b|\b(?:all )?experts (?:on|in) (?:cpu|ram)\b|\bexps=cpu\b")
_CPU_ONLY = re.compile(r"(?i)\b(?:cpu[ -]only|nur cpu|on cpu)\b")
_BACKEND = re.compile(r"(?i)\b(?P<said>cuda|rocm|hip|vulkan|metal|sycl|opencl)\b")
_ENGINE = re.compile(
    r"(?i)\b(?P<said>ik_llama(?:\.cpp)?|llama\.cpp|llama-server|llama-bench|ollama|lm studio|koboldcpp)(?!\w)"
)
_FILLING: Final = frozenset({
    "i", "get", "gets", "got", "with", "on", "in", "at", "and", "a", "the", "of", "for", "my", "it", "is", "i'm", "we",
    "using", "about", "around", "approx", "ca", "mit", "und", "bei", "auf", "ich", "habe", "bekomme", "etwa",
    "ungefähr", "avec", "et", "sur", "j'ai", "environ", "je", "speed", "speeds", "model", "quant", "run", "runs",
    "running",
    "measured", "here",
})
"""Words that say nothing of a run."""


class _Speed(NamedTuple):
    tok_s: float
    kind: str
    tokens: int | None


def states_speed(text: str) -> bool:
    """Whether words of a line name a unit of speed."""
    return bool(_ANY_UNIT.search(text[:MOST_CHARACTERS]))


def read_words(line: int, text: str, told: Told, *, bare: bool = False) -> Found | str:
    """The run that a line of words states, or why it is not read; `bare`: a number at its end is a speed too."""
    if len(text) > MOST_CHARACTERS:
        return f"it has more than {MOST_CHARACTERS} characters: plain words are read up to there"
    told, rest = told.copy(), f" {text.strip()} "
    speeds = _speeds(rest, bare=bare)
    if isinstance(speeds, str):
        return speeds
    rest = _SPEED.sub(" , ", rest) if _SPEED.search(rest) else _BARE.sub(" ", rest.rstrip())
    rest, depth = _settings(rest, told)
    left = _names(rest, told)
    if bare and (numbers := [word for word in left if re.fullmatch(r"[\d.,]+", word)]):
        return f"what {numbers[0]} is of is not told: write its unit"
    told.unread += (" ".join(left),) if left else ()
    by_kind = {speed.kind: speed for speed in speeds}
    decode, prefill = by_kind.get("decode"), by_kind.get("prefill")
    prompt = (prefill.tokens or 512) if prefill else 0
    tested = any(speed.tokens for speed in speeds)  # "tg128" is llama-bench's, from an empty context
    notes = (SHORT_CONTEXT,) if depth is None and not tested else ()
    return Found(
        line, PROGRAM, told, depth or 0, prompt, (decode and decode.tokens) or 128,
        decode_tok_s=decode and decode.tok_s, prefill_tok_s=prefill and prefill.tok_s, notes=notes,
    )


def _speeds(text: str, *, bare: bool) -> list[_Speed] | str:
    """The speeds of a line with what each is of, or why that cannot be told."""
    found = list(_SPEED.finditer(text)) or ([last] if bare and (last := _BARE.search(text.rstrip())) else [])
    if not found:
        return "no number stands before its unit"
    if len(found) > 2:
        return "it states more than two speeds: give each run a line of its own"
    speeds = []
    for index, item in enumerate(found):
        value = written(item["number"])
        if value is None:
            return f"{item['number']} may be a thousand or a fraction: write it without a separator"
        if not value:
            return "its speed is 0"
        begin = found[index - 1].end() if index else 0
        end = found[index + 1].start() if index + 1 < len(found) else len(text)
        speeds.append(_kind(value, text[begin : item.start()], text[item.end() : end]))
    kinds = [speed.kind for speed in speeds]
    if len(speeds) == 2:
        other = {"prefill": "decode", "decode": "prefill"}
        if kinds.count("") == 1:
            known = next(filter(None, kinds))
            speeds = [speed if speed.kind else speed._replace(kind=other[known]) for speed in speeds]
        elif len(set(kinds)) == 1:
            return 'which speed is of the prompt is not told: write "prefill" or "decode" beside each'
    return [speed if speed.kind else speed._replace(kind="decode") for speed in speeds]


def _kind(value: float, before: str, after: str) -> _Speed:
    """What a speed is of: the word nearest to it, in its own clause before one of another."""
    for text in (_CLAUSE.split(before)[-1], _CLAUSE.split(after)[0]):
        for kind, pattern in (("prefill", _PREFILL), ("decode", _DECODE)):
            if found := pattern.search(text):
                return _Speed(value, kind, int(found["count"]) if found["count"] else None)
    return _Speed(value, "", None)


def _settings(text: str, told: Told) -> tuple[str, int | None]:
    """Takes the settings out of a text: what is left, and the depth if it is told."""
    for pattern, name in _SETTINGS:
        if found := pattern.search(text):
            told.tell(name, found["said"])
            text = f"{text[: found.start()]} , {text[found.end() :]}"
    if _ON_CPU.search(text):
        told.engine["n_cpu_moe"], text = ALL, _ON_CPU.sub(" , ", text)
    if _CPU_ONLY.search(text):
        told.engine |= {"backend": "cpu", "n_gpu_layers": 0}
        text = _CPU_ONLY.sub(" , ", text)
    if found := _BACKEND.search(text):
        told.engine["backend"] = BACKENDS[found["said"].lower()]
        text = _BACKEND.sub(" , ", text)
    if found := _ENGINE.search(text):
        told.tell("engine", found["said"])
        told.program = "ollama" if found["said"].lower() == "ollama" else told.program
        text = _ENGINE.sub(" , ", text)
    text, depth = _counted(text, _DEPTHS)
    text, allocated = _counted(text, _ALLOCATED)
    told.engine |= {"n_ctx": allocated} if allocated else {}
    return text, depth


def _counted(text: str, patterns: Iterable[re.Pattern[str]]) -> tuple[str, int | None]:
    """Takes the first count of tokens that a pattern finds out of a text."""
    for pattern in patterns:
        if found := pattern.search(text):
            rest = f"{text[: found.start()]} , {text[found.end() :]}"
            return rest, tokens(found["said"].replace(" ", ""))
    return text, None


def _names(text: str, told: Told) -> list[str]:
    """Finds model and quantisation in what is left of a text; returns the words that are neither."""
    clean = _DECODE.sub(" , ", _PREFILL.sub(" , ", text))
    clauses = [words for clause in re.split(r"[,;|:()\"]\s|\s[-–—]\s|[,;|()\"]", clean) if (words := clause.split())]
    left: list[str] = []
    for said in clauses:
        words = [bare for word in said if (bare := word.strip(",;:()\"'")) and bare.lower().strip(".") not in _FILLING]
        spans = [(i, j) for i in range(len(words)) for j in range(i + 1, min(i + 4, len(words)) + 1)]
        likely = [(i, j) for i, j in spans if words[i][0].isalpha() and re.search(r"\d", "".join(words[i:j]))]
        for i, j in sorted(likely, key=lambda span: span[0] - span[1])[:MOST_SPANS]:
            if told.model is None and _is_model(" ".join(words[i:j])):
                told.model = " ".join(words[i:j])
                words = words[:i] + words[j:]
                break
        for word in list(words):
            if told.quant is None and _is_quant(word):
                told.quant = word
                words.remove(word)
        left += words
    return left


@lru_cache(maxsize=4096)
def _is_model(text: str) -> bool:
    """Whether a text names a model and nothing else, or several of which it says the size."""
    try:
        found = resolve_llm(text)
    except UnknownName as error:
        return error.ambiguous
    return not (found.unread or found.assumptions or QUANT.fullmatch(text))


def _is_quant(text: str) -> bool:
    if not (QUANT.fullmatch(text) or re.fullmatch(r"\d(?:\.\d+)?\s?bpw", text)):
        return False
    try:
        resolve_quant(text)
    except UnknownName:
        return False
    return True
