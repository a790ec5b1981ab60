"""A refused question in one sentence: which field, what value, what to give instead."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

SHOWN_CHARACTERS = 60
"""A value is quoted up to this length."""
_UNION_ARMS = frozenset({"constrained-str", "str", "GgufFile"})
"""Steps that pydantic adds to the path for the arm of a union it tried."""
_EXPECTED: Mapping[str, str] = {
    "int": "a whole number", "float": "a number", "finite": "a finite number", "bool": "true or false",
    "string": "a text",
    "model": "an object", "dict": "an object", "tuple": "a list", "list": "a list",
}  # fmt: skip


def complaint(error: ValidationError, question: type[BaseModel]) -> str:
    """The most telling of the errors of a validation of `question`, as one sentence.

    A misspelt field is told before the missing one it was meant to be.
    """
    details = error.errors(include_url=False)
    first = next((item for item in details if item["type"] == "extra_forbidden"), details[0])
    path = tuple(step for step in first["loc"] if step not in _UNION_ARMS)
    if first["loc"][:1] == ("model",) and len(path) == 1:
        return _of_model(first["input"])
    if first["type"] == "extra_forbidden":
        return _unknown_field(path, question)
    return _SENTENCES.get(first["type"], _wrong_value)(spelled(path), first)


def spelled(path: tuple[str | int, ...]) -> str:
    """A path as people write it.

    >>> spelled(("hardware", "gpus", 0, "name"))
    'hardware.gpus[0].name'
    """
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def shown(value: Any) -> str:
    """A value, quoted and cut to a readable length."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _of_model(value: Any) -> str:
    if isinstance(value, str):
        return f'model {shown(value)} is no name: give one of 1 to 300 characters, such as "qwen3.6-35b-a3b"'
    return f'model must be a name such as "qwen3.6-35b-a3b", or {{"gguf": "FILE"}}, not {shown(value)}'


def _unknown_field(path: tuple[str | int, ...], question: type[BaseModel]) -> str:
    owner = _owner(path[:-1], question)
    valid = list(owner.model_fields) if owner else []
    near = get_close_matches(str(path[-1]), valid, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"its fields are {', '.join(valid)}"
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


def _wrong_value(where: str, item: ErrorDetails) -> str:
    expected = _EXPECTED.get(item["type"].partition("_")[0])
    where = where or "the scenario"
    return f"{where} must be {expected}, not {shown(item['input'])}" if expected else f"{where}: {item['msg'].lower()}"


_SENTENCES: Mapping[str, Callable[[str, ErrorDetails], str]] = {
    "missing": _missing, "value_error": _own_words, "literal_error": _choice, "int_from_float": _whole,
    "string_too_short": _length, "string_too_long": _length,
    "greater_than": _bound("more than", "gt"), "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"), "less_than_equal": _bound("at most", "le"),
}  # fmt: skip
