"""The question: a model, a machine, an engine and a workload, as other programs write it in JSON (the contract).

An explicit null and an absent field mean the same: "not said". Unknown fields are refused by name.
"""

import re
from collections.abc import Callable, Mapping
from itertools import islice
from types import UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from advisor.asked import MODEL_ARMS, AnyModel, Text
from advisor.asked import Question as _Question
from catalog.names.index import counted

Size = Annotated[float, Field(ge=1e-3, le=1e5, allow_inf_nan=False)]
"""GB, GB/s or TFLOP/s: what is next to nothing would make times that no number holds."""
Tokens = Annotated[int, Field(ge=0, le=100_000_000)]
Link = Literal["thunderbolt3", "thunderbolt4", "thunderbolt5", "usb4", "usb4v2", "oculink"]
"""Links of cards outside of a computer."""
_LINK_WORDS = (
    (re.compile(r"(?:thunderbolt|\btb)[\s-]?([345])\b", re.IGNORECASE), r"thunderbolt\1"),
    (re.compile(r"\busb[\s-]?4(?:\.0)?[\s-]?(?:v2|2\.0|80(?:\s?gb(?:ps|/s))?)\b", re.IGNORECASE), "usb4v2"),
    (re.compile(r"\busb[\s-]?4\b", re.IGNORECASE), "usb4"),
    (re.compile(r"\boculink\b", re.IGNORECASE), "oculink"),
)


def link_word(text: str) -> str | None:
    """The link that a text names, as the field `link` has it.

    >>> link_word("Thunderbolt 4"), link_word("TB3"), link_word("USB4"), link_word("4x8")
    ('thunderbolt4', 'thunderbolt3', 'usb4', None)
    """
    return next((found.expand(word) for known, word in _LINK_WORDS if (found := known.search(text))), None)


def _lowered(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _backend_word(value: Any) -> Any:
    word = value.strip().lower() if isinstance(value, str) else value
    return "rocm" if word in ("hip", "rocwmma") else word


Backend = Annotated[
    Literal["cuda", "rocm", "vulkan", "metal", "sycl", "cpu", "opencl"], BeforeValidator(_backend_word)
]
SplitMode = Annotated[Literal["layer", "row", "tensor", "graph"], BeforeValidator(_lowered)]
"""How several GPUs share a model: llama.cpp has the first three, ik_llama.cpp the first two and the last."""
Draft = Annotated[Literal["mtp", "draft_model", "ngram", "eagle3", "dflash"], BeforeValidator(_lowered)]
DESCRIBED_CARD = "described card"
"""Stands for the name of a card that is described by its figures."""
MOST_KINDS_OF_CARDS = 16
MOST_RUNS = 100
"""Measured runs of one machine in one question."""
MOST_NAMED = 16
"""Fields that a complaint tells of."""
USUAL_CONTEXT = 8192
"""Tokens of context that are allocated where none are asked for."""
KV_SPELLINGS = {"fp16": "f16", "half": "f16", "fp32": "f32", "q8": "q8_0", "q4": "q4_0", "q5": "q5_0"}
KV_TYPES = ("f16", "bf16", "f32", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl", "q6_0")
"""Types of a KV cache. Source: llama.cpp common/arg.cpp (kv_cache_types); q6_0: ik_llama.cpp (read 2026-11-24)."""


class CustomGpu(_Question):
    """A card by its figures. What is left out is that of the card it is `like`; without one, memory and bandwidth are
    needed.
    """

    vram_gb: Size | None = None
    bandwidth_gb_s: Size | None = None
    fp16_tflops: Size | None = None
    backend: Backend | None = None
    like: Text | None = None

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if not self.like and not (self.vram_gb and self.bandwidth_gb_s):
            raise ValueError('says too little: give vram_gb and bandwidth_gb_s, or a card that it is "like"')
        return self


class GpuRequest(_Question):
    """One kind of graphics card, by name or by its figures; `vram_gb` (GiB) tells variants of one name apart."""

    name: Text = DESCRIBED_CARD
    custom: CustomGpu | None = None
    count: Annotated[int, Field(ge=1, le=16)] = 1
    vram_gb: Size | None = None
    pcie_gen: Annotated[int, Field(ge=1, le=7)] | None = None
    pcie_lanes: Annotated[int, Field(ge=1, le=16)] | None = None
    link: Link | None = None
    nvlink: bool | None = None
    """Whether NVLink joins the cards of this kind, for what they send each other."""
    power_limit_w: Annotated[float, Field(ge=1, le=5000, allow_inf_nan=False)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _count_in_the_name(cls, value: Any) -> Any:
        """A name that says how many of it there are counts so; a count beside it must be that, or 1."""
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            return value
        number, name = counted(value["name"])
        if number == 1:
            return value
        if value.get("count") not in (None, 1, number):
            raise ValueError(f"name {shown(value['name'])} says {number}, and count {shown(value['count'])}: give one")
        return {**value, "name": name, "count": number}

    @field_validator("link", mode="before")
    @classmethod
    def _spelled_link(cls, value: Any) -> Any:
        return link_word(value) or value if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_description(self) -> Self:
        if self.custom and (self.name != DESCRIBED_CARD or self.vram_gb):
            raise ValueError("is described by custom: leave out name and vram_gb")
        if not self.custom and self.name == DESCRIBED_CARD:
            raise ValueError('has no name: give one, or {"custom": {"vram_gb", "bandwidth_gb_s", ...}}')
        return self


class CustomCpu(_Question):
    """A processor by its figures; `memory` such as "DDR4-2133", `instructions` such as "avx2"."""

    cores: Annotated[int, Field(ge=1, le=2048)]
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    memory: Text | None = None
    channels: Annotated[int, Field(ge=1, le=64)] | None = None
    instructions: Text | None = None
    ghz: Annotated[float, Field(ge=0.1, le=10, allow_inf_nan=False)] | None = None


class DescribedCpu(_Question):
    """A processor that the catalog lacks."""

    custom: CustomCpu


class RamRequest(_Question):
    """System memory; `gb` is GiB, as written on a box. `modules` counts the modules, of which DDR5 may take fewer at
    its full speed.
    """

    type: Text | None = None
    mt_s: Annotated[int, Field(ge=100, le=20_000)] | None = None
    channels: Annotated[int, Field(ge=1, le=64)] | None = None
    gb: Size | None = None
    modules: Annotated[int, Field(ge=1, le=64)] | None = None


class StorageRequest(_Question):
    """The disk that the model lies on."""

    name: Text | None = None
    read_gb_s: Size | None = None


class Hardware(_Question):
    """Parts, or the name of a whole machine."""

    gpus: Annotated[tuple[GpuRequest, ...], Field(max_length=MOST_KINDS_OF_CARDS, fail_fast=True)] = ()
    cpu: Text | DescribedCpu | None = None
    ram: RamRequest = RamRequest()
    storage: StorageRequest = StorageRequest()
    machine: Text | None = None
    unified_gpu_gb: Size | None = None
    """How much of one memory its GPU may use, where that was changed (GiB)."""

    @property
    def cpu_name(self) -> str | None:
        """The processor's name, where it is named and not described."""
        return self.cpu if isinstance(self.cpu, str) else None


class Speculative(_Question):
    """Speculative decoding: by what, how many tokens are drafted for each step, and what share of them is accepted (as
    llama-server counts: accepted over drafted). What is left out is assumed and said.
    """

    kind: Draft
    max_tokens: Annotated[int, Field(ge=1, le=64)] | None = None
    acceptance: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    draft_model: Text | None = None
    task: Literal["code", "chat", "prose"] | None = None
    """What is written, where the acceptance is not said."""

    @model_validator(mode="after")
    def _a_model_drafts(self) -> Self:
        if self.draft_model and self.kind != "draft_model":
            raise ValueError(f'names a draft_model, and kind {self.kind!r} has none: take kind "draft_model"')
        return self


class Engine(_Question):
    """The inference program and its settings; None leaves the choice to the planner."""

    name: Literal["llama.cpp", "ik_llama.cpp"] = "llama.cpp"
    version: Text | None = None
    released: Text | None = None
    backend: Backend | None = None
    n_gpu_layers: Annotated[int, Field(ge=-1, le=100_000)] | None = None
    n_cpu_moe: Annotated[int, Field(ge=0, le=100_000)] | None = None
    n_cpu_moe_last: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """In place of `n_cpu_moe`: layers, counted from the last, whose experts stay in RAM (--override-tensor). Those of
    the last layer are computed for one token of a prompt alone.
    """
    n_cpu_ffn: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """Of a model without experts: layers, from the first, whose feed-forward matrices stay in RAM, attention and
    context on the card (llama.cpp's --override-tensor).
    """
    n_ctx: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    kv_type: Text = "f16"
    flash_attn: bool | None = None
    mmap: bool | None = None
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    ubatch: Annotated[int, Field(ge=1, le=65_536)] = 512
    split_mode: SplitMode | None = None
    """How several GPUs share the model; None: as the engine does by itself, layer by layer."""
    speculative: Speculative | None = None
    mmproj: Text | None = None
    """Projector for images that is loaded too: its type, its file's name or its size."""

    @field_validator("kv_type")
    @classmethod
    def _known_cache_type(cls, value: str) -> str:
        words = [word.strip() for word in value.lower().split("/")]
        if len(words) > 2 or any(KV_SPELLINGS.get(word, word) not in KV_TYPES for word in words):
            raise ValueError(f'{value!r} is not known; give one of {", ".join(KV_TYPES)}, or two as "K/V"')
        return value

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.n_cpu_moe is not None and self.n_cpu_moe_last is not None:
            raise ValueError("says n_cpu_moe and n_cpu_moe_last: give one of them")
        return self

    @property
    def experts_in_ram(self) -> int | None:
        """Layers whose experts are to stay in RAM, counted from either end."""
        return self.n_cpu_moe if self.n_cpu_moe_last is None else self.n_cpu_moe_last

    @property
    def kv_types(self) -> tuple[str, str]:
        """Types of the K and the V cache, from "q8_0" or "q8_0/f16"."""
        k_type, _, v_type = self.kv_type.lower().replace(" ", "").partition("/")
        return k_type, v_type or k_type


class Workload(_Question):
    """How the model is used: prefill of `prompt_tokens` from `context_depth` on, and decode of `gen_tokens` from
    `decode_depth` on; where that is not said, after the prompt, as in use.
    """

    context_depth: Tokens = 0
    prompt_tokens: Tokens = 512
    gen_tokens: Annotated[int, Field(ge=1, le=100_000_000)] = 128
    users: Annotated[int, Field(ge=1, le=1024)] = 1
    decode_depth: Tokens | None = None

    @property
    def decode_start(self) -> int:
        """Tokens of context before the first that is written."""
        return self.context_depth + self.prompt_tokens if self.decode_depth is None else self.decode_depth

    @property
    def mean_decode_depth(self) -> float:
        """Mean context depth during decode, in tokens."""
        return self.decode_start + self.gen_tokens / 2

    @property
    def most_tokens(self) -> int:
        """Tokens of context that prompt and answer reach."""
        return max(self.context_depth + self.prompt_tokens, self.decode_start) + self.gen_tokens


class OwnRun(_Question):
    """A run that the owner of this machine measured on it; without a workload from an empty context."""

    model: AnyModel
    quant: Text | None = None
    engine: Engine = Engine()
    workload: Workload = Workload(decode_depth=0)
    decode_tok_s: Annotated[float, Field(ge=1e-6, le=1e6, allow_inf_nan=False)] | None = None
    prefill_tok_s: Annotated[float, Field(ge=1e-6, le=1e7, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _a_speed(self) -> Self:
        if self.decode_tok_s is None and self.prefill_tok_s is None:
            raise ValueError("a measured run needs decode_tok_s or prefill_tok_s")
        return self


class Scenario(_Question, defer_build=False):
    """One question to the advisor."""

    model: AnyModel
    quant: Text | None = None
    hardware: Hardware = Hardware()
    engine: Engine = Engine()
    workload: Workload = Workload()
    measured: Annotated[tuple[OwnRun, ...], Field(max_length=MOST_RUNS, fail_fast=True)] = ()

    @model_validator(mode="after")
    def _something_to_run_on(self) -> Self:
        hardware = self.hardware
        if not (hardware.gpus or hardware.cpu or hardware.machine or hardware.ram.gb or hardware.ram.type):
            raise ValueError("hardware names nothing to run on: give gpus, a cpu, ram or a machine")
        return self

    def context_tokens(self, longest: int = 0) -> int:
        """Context allocated for each user: as asked, else what prompt and answer reach, padded to 256, and
        `USUAL_CONTEXT` at least if a model whose own context is `longest` tokens (0: not known) has as many.
        """
        usual = min(USUAL_CONTEXT, longest or USUAL_CONTEXT)
        return self.engine.n_ctx or max(usual, -(-self.workload.most_tokens // 256) * 256)


# A refused question in one sentence: which field, what value, what to give instead.

SHOWN_CHARACTERS = 60
"""A value is quoted up to this length."""
MOST_SHOWN = SHOWN_CHARACTERS // 3 + 1
"""Items of a list that have room in it: each takes a comma and a blank beside itself."""
_UNION_ARMS = frozenset({"constrained-str", "str", "DescribedCpu"})
"""Steps that pydantic adds to the path for the arm of a union it tried."""
_EXPECTED: Mapping[str, str] = {
    "int": "a whole number", "float": "a number", "finite": "a finite number", "bool": "true or false",
    "string": "a text",
    "model": "an object", "dict": "an object", "tuple": "a list", "list": "a list",
}


def complaint(error: ValidationError, question: type[BaseModel]) -> str:
    """The most telling of the errors of a validation of `question`, as one sentence.

    A misspelt field is told before the missing one it was meant to be.
    """
    details = error.errors(include_url=False)
    first = next((item for item in details if item["type"] == "extra_forbidden"), details[0])
    # Of a model given in one of several ways pydantic names the way before the field.
    path, arm, own = tuple(step for step in first["loc"] if step not in _UNION_ARMS), None, 0
    for i, step in enumerate(path[1:], 1):
        if path[i - 1] == "model" and (step == "name" or step in MODEL_ARMS):
            arm, own, path = MODEL_ARMS.get(str(step)), i, (*path[:i], *path[i + 1 :])
            break
    if first["loc"][:1] == ("model",) and len(path) == 1:
        return _of_model(first["input"])
    if first["type"] == "extra_forbidden":
        return _unknown_field(path, arm, path[own:-1]) if arm else _unknown_field(path, question, path[:-1])
    return _SENTENCES.get(first["type"], _wrong_value)(spelled(path), first)


def spelled(path: tuple[str | int, ...]) -> str:
    """A path as people write it.

    >>> spelled(("hardware", "gpus", 0, "name"))
    'hardware.gpus[0].name'
    """
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def shown(value: Any) -> str:
    """A value, quoted and cut to a readable length."""
    text = repr(_beginning(value))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _beginning(value: Any, depth: int = 0) -> Any:
    """As much of a value as can be shown: of a body of megabytes not all is to be written out."""
    if isinstance(value, str | bytes):
        return value[: SHOWN_CHARACTERS + 1]
    if depth > 3 and isinstance(value, list | tuple | dict):
        return "..."
    if isinstance(value, list | tuple):
        return type(value)(_beginning(item, depth + 1) for item in value[:MOST_SHOWN])
    if isinstance(value, dict):
        some = islice(value.items(), MOST_SHOWN)
        return {_beginning(key): _beginning(item, depth + 1) for key, item in some}
    return value


def _of_model(value: Any) -> str:
    if isinstance(value, str):
        return f'model {shown(value)} is no name: give one of 1 to 300 characters, such as "qwen3.6-35b-a3b"'
    ways = '{"gguf": "FILE"}, {"hf": "owner/repository"}, {"custom": {"parameters_b": 32}}'
    return f'model must be a name such as "qwen3.6-35b-a3b", or one of {ways}, not {shown(value)}'


def _unknown_field(path: tuple[str | int, ...], question: type[BaseModel], within: tuple[str | int, ...]) -> str:
    from difflib import get_close_matches

    owner = _owner(within, question)
    valid = list(owner.model_fields) if owner else []
    near = get_close_matches(str(path[-1])[:SHOWN_CHARACTERS], valid, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"its fields are {', '.join(valid[:MOST_NAMED])}" + (
        f" and {len(valid) - MOST_NAMED} more" if len(valid) > MOST_NAMED else ""
    )
    return f"{spelled(path[:-1]) or 'the scenario'} has no field {shown(path[-1])}: {hint}"


def _owner(path: tuple[str | int, ...], question: type[BaseModel]) -> type[BaseModel] | None:
    """The type of the object at a path."""
    owner: type[BaseModel] | None = question
    for step in path:
        if owner is None or isinstance(step, int):
            continue
        field = owner.model_fields.get(step)
        owner = _model_in(field.annotation) if field else None
    return owner


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, tuple):
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None


def _missing(where: str, _: ErrorDetails) -> str:
    return f"{where} is missing"


def _bound(words: str, key: str) -> Callable[[str, ErrorDetails], str]:
    def sentence(where: str, item: ErrorDetails) -> str:
        return f"{where} must be {words} {item['ctx'][key]:,.15g}, not {shown(item['input'])}"

    return sentence


def _own_words(where: str, item: ErrorDetails) -> str:
    said = str(item["ctx"]["error"])
    return f"{where} {said}" if where else said


def _choice(where: str, item: ErrorDetails) -> str:
    return f"{where} {shown(item['input'])} is not known; give {item['ctx']['expected'].replace(chr(39), '')}"


def _whole(where: str, item: ErrorDetails) -> str:
    return f"{where} must be a whole number, not {shown(item['input'])}"


def _length(where: str, item: ErrorDetails) -> str:
    if not str(item["input"]).strip():
        return f"{where} is empty: leave it out where it is not known"
    return f"{where} must have at most {item['ctx']['max_length']} characters, not {len(item['input'])}"


def _entries(where: str, item: ErrorDetails) -> str:
    return f"{where} must have at most {item['ctx']['max_length']} entries, not {len(item['input']):,}"


def _wrong_value(where: str, item: ErrorDetails) -> str:
    expected = _EXPECTED.get(item["type"].partition("_")[0])
    where = where or "the scenario"
    return f"{where} must be {expected}, not {shown(item['input'])}" if expected else f"{where}: {item['msg'].lower()}"


_SENTENCES: Mapping[str, Callable[[str, ErrorDetails], str]] = {
    "missing": _missing, "value_error": _own_words, "literal_error": _choice, "int_from_float": _whole,
    "too_long": _entries, "string_too_short": _length, "string_too_long": _length,
    "greater_than": _bound("more than", "gt"), "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"), "less_than_equal": _bound("at most", "le"),
}
